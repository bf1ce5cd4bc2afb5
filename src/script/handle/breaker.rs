//! A breaker of a probe's: set before the attach, looked at while it is attached, and reset.

use std::time::Duration;

use super::{Fault, ProbeHandle, Question, State};
use crate::{
    probe::{Mode, trip::Trip},
    script::policy::Policy,
};

impl State {
    /// Whether it would enforce now, had its breaker or its health function not tripped it.
    pub(super) fn has_tripped(&self) -> bool {
        let by_health = self.health_tripped && self.attachment.is_some() && self.spec.mode.enforces();
        by_health || self.has_broken()
    }

    /// The same of the breaker in the kernel.
    fn has_broken(&self) -> bool {
        let Some(attachment) = self.attachment.as_ref().filter(|_| self.has_live_breaker()) else {
            return false;
        };
        // What cannot be read is told of by whoever looks next at the settings.
        attachment.tripped(false).unwrap_or(false)
    }

    fn has_live_breaker(&self) -> bool {
        self.spec.trip.is_some() && self.spec.mode.enforces()
    }

    /// Begins to count anew, if it has a breaker.
    pub(super) fn reset_breaker(&mut self) -> Result<(), Fault> {
        (self.trip_told, self.health_tripped) = (false, false);
        match &mut self.attachment {
            Some(attachment) if self.spec.trip.is_some() => Ok(attachment.rearm()?),
            _ => Ok(()),
        }
    }
}

impl ProbeHandle {
    /// Gives it a breaker, or none.
    ///
    /// # Errors
    /// If the probe is attached.
    pub fn set_trip(&self, trip: Option<Trip>) -> Result<(), Fault> {
        self.before_attach("trip")?;
        self.0.borrow_mut().spec.trip = trip;
        Ok(())
    }

    /// Whether it would enforce now, had its breaker not tripped; of one that is detached, whether that was so at its end.
    pub fn tripped(&self) -> bool {
        let Ok(state) = self.0.try_borrow() else { return false };
        state.has_tripped() || state.closed_tripped
    }

    /// The same for the script, by whom it is known that it was asked.
    ///
    /// # Errors
    /// If its settings cannot be read.
    pub fn ask_tripped(&self) -> Result<bool, Fault> {
        let state = self.0.borrow();
        match state.attachment.as_ref().filter(|_| state.has_live_breaker()) {
            _ if state.health_tripped => Ok(true),
            Some(attachment) => Ok(attachment.tripped(true)?),
            None => Ok(state.closed_tripped),
        }
    }

    /// Whether it has a breaker whose tripping has not been said yet.
    pub fn may_trip(&self) -> bool {
        let Ok(state) = self.0.try_borrow() else { return false };
        state.attachment.is_some() && !state.trip_told && state.has_live_breaker()
    }

    /// Lets it refuse again, and begins to count anew.
    ///
    /// # Errors
    /// If it has no breaker or is not attached, or the host lets nothing be enforced now.
    pub fn rearm(&self, policy: Policy) -> Result<(), Fault> {
        let mode = {
            let state = self.0.borrow();
            let name = &state.spec.name;
            if state.spec.trip.is_none() && state.health.is_none() {
                return Err(Fault::script(format!(
                    "probe `{name}` has no breaker to reset; `.trip(50, \"10s\")` gives it one, before the attach"
                )));
            }
            if state.attachment.is_none() {
                return Err(Fault::script(format!(
                    "probe `{name}` is not attached, and `.attach()` begins with a breaker that has not tripped"
                )));
            }
            state.spec.mode
        };
        policy.permit(mode)?;
        let mut state = self.0.borrow_mut();
        let was_unwell = state.health_tripped;
        state.reset_breaker()?;
        if let Some(attachment) = state.attachment.as_mut().filter(|_| was_unwell) {
            attachment.set_mode(mode)?;
        }
        drop(state);
        self.say_what_it_is();
        Ok(())
    }

    /// Has it observe in the kernel, since its health function gives a reason to. Returns that in words: what happened, and what to do
    /// about it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn trip_for(&self, why: &str) -> Result<[String; 2], Fault> {
        let mut state = self.0.borrow_mut();
        if let Some(attachment) = &mut state.attachment {
            attachment.set_mode(Mode::Observe)?;
            attachment.let_go();
        }
        state.health_tripped = true;
        let (name, mode) = (&state.spec.name, state.spec.acting_mode());
        let what =
            format!("probe `{name}` tripped: its health function {why}, and {mode} is no longer enforced");
        let how = format!("{what}; `.rearm()` enforces again");
        drop(state);
        self.say_what_it_is();
        Ok([what, how])
    }

    /// Says how often its health function, or its canary, is asked.
    pub fn set_asked(&self, question: Question, every: Option<Duration>) {
        let mut state = self.0.borrow_mut();
        match question {
            Question::Health => state.health = every,
            Question::Canary => state.canary = every,
        }
    }

    /// Counts that it does not do what it should, by whatever means.
    pub fn count_altered(&self) {
        if let Ok(mut state) = self.0.try_borrow_mut() {
            state.altered += 1;
        }
    }

    /// That its breaker has tripped, in words, the first time this is asked since: what happened, and what to do about it.
    pub fn take_trip(&self) -> Option<[String; 2]> {
        if !self.may_trip() {
            return None;
        }
        let mut state = self.0.try_borrow_mut().ok()?;
        if !state.has_broken() {
            return None;
        }
        state.trip_told = true;
        if let Some(attachment) = &mut state.attachment {
            attachment.let_go();
        }
        let (name, mode, trip) = (&state.spec.name, state.spec.acting_mode(), state.spec.trip?);
        let what = format!(
            "the breaker of probe `{name}` tripped: there were more than {trip}, and {mode} is no longer enforced"
        );
        let how = format!("{what}; `.rearm()` enforces again");
        drop(state);
        self.say_what_it_is();
        Some([what, how])
    }
}
