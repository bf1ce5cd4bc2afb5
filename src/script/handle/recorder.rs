//! A probe whose events are kept in memory for a time.

use std::time::Duration;

use super::{Fault, ProbeHandle};
use crate::{backend::Door, recording::Now};

impl ProbeHandle {
    /// Has its events kept for this time, or no longer.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn set_recorder(&self, window: Option<Duration>) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.recorder = window;
        state.apply_quiet()
    }

    /// Whether its events are kept.
    pub fn has_recorder(&self) -> bool {
        self.0.borrow().recorder.is_some()
    }

    /// Events of it that never came, as far as that can be told.
    pub fn lost_events(&self) -> u64 {
        self.counters().map_or(0, |counters| counters.lost_ring + counters.lost_queue + counters.missed)
    }

    /// Looks at it as it is now, if its events are kept.
    pub fn recorded<T>(&self, look: impl FnOnce(Now<'_>) -> T) -> Option<T> {
        let state = self.0.borrow();
        let window = state.recorder?;
        let door = state.door.unwrap_or(Door::Observe);
        Some(look(Now { spec: &state.spec, door, revision: state.revision, window }))
    }
}
