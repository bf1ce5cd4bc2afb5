//! What ends a script before its end: signals, time, memory, steps.

use std::time::Instant;

use signal_hook::consts::SIGINT;

use super::{MEMORY, Runtime};
use crate::{memory, script::stop::Stop};

/// Steps a callback may take (about five seconds); the script itself may take any time, but not for ever.
const CALLBACK_STEPS: u64 = 30_000_000;
const SCRIPT_STEPS: u64 = 10_000_000_000;
/// Steps of a script between two looks at the clock.
const STEPS_A_LOOK: u64 = 1 << 16;
/// The same where the session has to end at a certain time.
const STEPS_TO_DEADLINE: u64 = 1 << 8;
/// What a line at the prompt may add when the memory is used up: enough to let go of something.
const LAST_MEMORY: usize = 1 << 20;

impl Runtime {
    /// Asked at every step of a script; `Some` ends it.
    pub fn progress(&self, steps: u64) -> Option<Stop> {
        if let Some(stop) = self.stop.borrow().clone() {
            return Some(stop);
        }
        if self.interrupts.pending() && !self.tears_down.get() {
            return self.taken_signal();
        }
        if steps.is_multiple_of(STEPS_TO_DEADLINE) && self.overdue() {
            return Some(Stop::TimeUp);
        }
        if let Err(stop) = self.room(0) {
            return Some(stop);
        }
        memory::mark();
        if memory::was_too_deep() {
            return Some(Stop::Limit(
                "a value is nested too deep: arrays in arrays, or maps in maps, thousands of them",
            ));
        }
        // A script that computes is alive, too.
        if steps.is_multiple_of(STEPS_A_LOOK) {
            self.leases_changed();
            self.heartbeat();
        }
        let (limit, what) = if !self.backend.is_live() {
            (CALLBACK_STEPS, "the script goes on for more than 30 million steps")
        } else if self.in_callback.get() {
            (
                CALLBACK_STEPS,
                "a callback took more than 30 million steps; what takes long belongs into the script itself",
            )
        } else {
            (SCRIPT_STEPS, "the script took more than ten thousand million steps without an end")
        };
        (steps > limit).then_some(Stop::Limit(what))
    }

    /// Asked before so many bytes are taken at once.
    ///
    /// # Errors
    /// If the session then holds more than it may.
    pub fn room(&self, bytes: usize) -> Result<(), Stop> {
        if memory::held().saturating_add(bytes) <= self.memory.get() {
            return Ok(());
        }
        Err(Stop::Limit("this session would hold more than 512 MiB of memory"))
    }

    /// Asked now and then by what works long for one step of a script.
    ///
    /// # Errors
    /// If there is no more room, or the script is to end.
    pub fn go_on(&self) -> Result<(), Stop> {
        if self.interrupts.pending() && !self.tears_down.get() {
            return self.taken_signal().map_or(Ok(()), Err);
        }
        self.room(0)
    }

    /// Lets a line at the prompt run even if the memory is used up.
    pub fn begin_line(&self) {
        self.memory.set(MEMORY.max(memory::held() + LAST_MEMORY));
        self.forget_depth();
    }

    /// Values of before are no matter of what is evaluated next.
    pub fn forget_depth(&self) {
        let _ = memory::was_too_deep();
    }

    fn taken_signal(&self) -> Option<Stop> {
        self.interrupts.take().map(Stop::Signal)
    }

    /// Whether the session's time is up.
    pub(super) fn overdue(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Returns when what runs now is ended, if there is such a time.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Sets when what runs from here on is ended; `None`: never.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    /// Ends what runs from here on at this time.
    pub fn end_by(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// A signal that came since the last one was taken.
    pub fn interrupted(&self) -> bool {
        self.interrupts.pending()
    }

    /// Forgets an interruption that was meant for what is over now; what ends the session stays.
    pub fn forget_interrupt(&self) {
        match self.interrupts.take() {
            Some(signal) if signal != SIGINT => {
                *self.stop.borrow_mut() = Some(Stop::Signal(signal));
            }
            _ => {}
        }
    }

    /// What ends the script as soon as it looks.
    pub fn pending_stop(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }

    /// Puts back what was taken, unless something else ends the script by now.
    pub fn put_stop(&self, stop: Stop) {
        self.stop.borrow_mut().get_or_insert(stop);
    }

    pub fn take_stop(&self) -> Option<Stop> {
        self.stop.borrow_mut().take()
    }
}
