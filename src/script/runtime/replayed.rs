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
            self.look_at_breakers(Instant::now());
            self.look_for_tampering(Instant::now());
            let now = self.clock.now();
            if self.replays_until.is_some_and(|end| end <= now) {
                return Err(Stop::TimeUp);
            }
            if matches!(until, Until::Idle) && self.idle() {
                self.replay_settled(engine, recorded, None)?;
                return Ok(Turn::Over);
            }
            // What comes meanwhile waits.
            if !delivering {
                deadline.into_iter().for_each(|deadline| self.clock.step_to(deadline));
                if deadline.is_some() && recorded.settles(deadline) {
                    while recorded.next_settled() != Next::Over {}
                }
                return Ok(Turn::Over);
            }
            let due = self.replay_due(recorded, deadline);
            match (recorded.next(due), due) {
                (Next::Event, _) => self.dispatch_some(engine, usize::MAX)?,
                (Next::Matches(until), _) => self.correlate_until(engine, until)?,
                (Next::Due, Some(due)) => {
                    self.run_timers_due(engine, due)?;
                    if !recorded.tells_matches() {
                        self.correlate(engine, usize::MAX)?;
                    }
                    if deadline.is_some_and(|deadline| deadline <= due) {
                        self.replay_settled(engine, recorded, deadline)?;
                        return Ok(Turn::Over);
                    }
                }
                (Next::Due, None) => {}
                (Next::Over, _) => return Err(Stop::ReplayOver),
            }
        }
    }

    /// When something else is to be done than an event.
    fn replay_due(&self, recorded: &dyn Recorded, deadline: Option<Instant>) -> Option<Instant> {
        let timer = self.next_timer();
        let matches = (!recorded.tells_matches()).then(|| self.correlate_due(self.clock.now())).flatten();
        [timer, deadline, self.replays_until, matches].into_iter().flatten().min()
    }

    /// Handles what was handled when that wait was over, or that the session had nothing to wait for.
    fn replay_settled(
        &self,
        engine: &Engine,
        recorded: &dyn Recorded,
        until: Option<Instant>,
    ) -> Result<(), Stop> {
        let now = self.clock.kernel_ns();
        if !self.in_callback.get() && recorded.settles(until) {
            while !self.interrupted() {
                match recorded.next_settled() {
                    Next::Event => self.dispatch_some(engine, usize::MAX)?,
                    Next::Matches(until) => self.correlate_until(engine, until)?,
                    Next::Due | Next::Over => return Ok(()),
                }
                self.say_trips();
                self.say_tampering();
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
