//! Ctrl-C and its kin while a guest runs: a flag, which the supervisor looks at.
//!
//! A handler once installed stays for the process's life, so what these signals
//! do by default is given back by hand when no guest runs: a test suite that
//! has booted a guest can still be interrupted.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    SigId,
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};

const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How many guests run in this process.
static WATCHES: Mutex<usize> = Mutex::new(0);

/// Watches for signals that end a guest, as long as it lives.
pub(super) struct Watch {
    seen: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

impl Watch {
    pub(super) fn start() -> io::Result<Self> {
        let idle = idle()?;
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        *watches += 1;
        idle.store(false, Ordering::SeqCst);
        drop(watches);
        let mut watch = Watch { seen: Arc::new(AtomicBool::new(false)), handlers: Vec::new() };
        for signal in ENDING {
            watch.handlers.push(flag::register(signal, Arc::clone(&watch.seen))?);
        }
        Ok(watch)
    }

    pub(super) fn seen(&self) -> bool {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        *watches -= 1;
        if let (0, Ok(idle)) = (*watches, idle()) {
            idle.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether signals do what they do by default; the handler for that is installed
/// by the first call.
fn idle() -> io::Result<&'static AtomicBool> {
    static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(idle) = IDLE.get() {
        return Ok(idle);
    }
    let mut installed = Ok(());
    let idle = IDLE.get_or_init(|| {
        let idle = Arc::new(AtomicBool::new(true));
        for signal in ENDING {
            if let Err(error) = flag::register_conditional_default(signal, Arc::clone(&idle)) {
                installed = Err(error);
            }
        }
        idle
    });
    installed.map(|()| idle.as_ref())
}
