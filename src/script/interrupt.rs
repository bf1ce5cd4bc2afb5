//! Signals that end something, as values: a channel for the loop that waits, and
//! a flag for the script that computes.
//!
//! SIGINT is the user's "enough" (of the script, or at the prompt of the line),
//! SIGTERM and SIGHUP end the session. The handlers are installed once for the process
//! and stay; a session takes what has come.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, bounded};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals as Handlers,
};

/// Whether a signal has come that nobody has taken yet.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Ends a process's session without asking its script: far more than a person presses.
const QUEUE: usize = 16;

#[derive(Debug, Clone)]
pub struct Interrupts {
    arrived: Receiver<i32>,
}

impl Interrupts {
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn watch() -> std::io::Result<Self> {
        static ARRIVED: OnceLock<Receiver<i32>> = OnceLock::new();
        if let Some(arrived) = ARRIVED.get() {
            return Ok(Interrupts { arrived: arrived.clone() });
        }
        let mut handlers = Handlers::new([SIGINT, SIGTERM, SIGHUP])?;
        let (tell, arrived) = bounded(QUEUE);
        thread::Builder::new().name("krsi-signals".into()).spawn(move || {
            for signal in handlers.forever() {
                // Told first: whoever sees the flag finds the signal in the queue.
                let _ = tell.try_send(signal);
                PENDING.store(true, Ordering::Release);
            }
        })?;
        Ok(Interrupts { arrived: ARRIVED.get_or_init(|| arrived).clone() })
    }

    /// One load: cheap enough for every step of a script.
    #[must_use]
    pub fn pending(&self) -> bool {
        PENDING.load(Ordering::Acquire)
    }

    /// Wakes whoever waits; [`Interrupts::take`] then tells which.
    #[must_use]
    pub fn arrived(&self) -> &Receiver<i32> {
        &self.arrived
    }

    /// What has come since the last time; one that ends the session goes before one that does not.
    #[must_use]
    pub fn take(&self) -> Option<i32> {
        PENDING.store(false, Ordering::Release);
        self.arrived.try_iter().max_by_key(|signal| *signal != SIGINT)
    }
}
