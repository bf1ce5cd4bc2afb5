//! The loop over events that have happened already: on their own time, and without waiting for anything.

use std::time::Instant;

use rhai::Engine;

use super::{Runtime, Turn, Until};
use crate::{
    backend::{Next, Recorded},
    script::stop::Stop,
};

impl Runtime {
    /// Goes through a recording, as [`Runtime::serve`] does through what happens.
    pub(super) fn replay<T>(
        &self,
        engine: &Engine,
        recorded: &dyn Recorded,
        until: Until,
    ) -> Result<Turn<T>, Stop> {
        let delivering = !self.in_callback.get();
        let deadline = match until {
            Until::Deadline(deadline) => Some(deadline),
            Until::Idle | Until::Never => None,
        };
        loop {
            if let Some(signal) = self.interrupts.take() {
                return Err(Stop::Signal(signal));
            }
            if let Some(stop) = self.pending_stop() {
                return Err(stop);
            }
            self.look_at_output();
            let now = self.clock.now();
            if self.replays_until.is_some_and(|end| end <= now) {
                return Err(Stop::TimeUp);
            }
            if delivering && !recorded.is_in_group() {
                self.run_timers_due(engine, now)?;
                self.correlate(engine, usize::MAX)?;
            }
            match until {
                Until::Deadline(deadline) if deadline <= now => {
                    self.replay_settled(engine, recorded, deadline)?;
                    return Ok(Turn::Over);
                }
                Until::Idle if self.idle() => {
                    self.replay_settled(engine, recorded, now)?;
                    return Ok(Turn::Over);
                }
                _ => {}
            }
            // What comes meanwhile waits.
            if !delivering {
                match deadline {
                    Some(deadline) => self.clock.step_to(deadline),
                    None => return Ok(Turn::Over),
                }
                continue;
            }
            match recorded.next(self.replay_due(now, deadline)) {
                Next::Event => self.dispatch_some(engine, usize::MAX)?,
                Next::Due => {}
                Next::Over => return Err(Stop::ReplayOver),
            }
        }
    }

    fn replay_due(&self, now: Instant, deadline: Option<Instant>) -> Option<Instant> {
        let timer = self.timers.borrow_mut().next_due();
        [timer, deadline, self.replays_until, self.correlate_due(now)].into_iter().flatten().min()
    }

    /// Handles what was handled when that wait was over.
    fn replay_settled(
        &self,
        engine: &Engine,
        recorded: &dyn Recorded,
        until: Instant,
    ) -> Result<(), Stop> {
        let now = self.clock.kernel_ns();
        if !self.in_callback.get() && recorded.settles(until) {
            while recorded.next_settled() {
                self.dispatch_some(engine, usize::MAX)?;
            }
        }
        self.correlate_until(engine, now)
    }

    /// Brings the next event that was handled when the recorded session closed into the queue, if that is empty.
    pub(super) fn next_replayed_last(&self) {
        let Some(recorded) = self.backend.recorded() else { return };
        while self.events.1.is_empty() && recorded.next_last() {}
    }
}
