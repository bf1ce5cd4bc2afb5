//! The events delivered last, for somebody at the prompt who wants another look at one.

use std::collections::VecDeque;

use super::event::ScriptEvent;

/// Events kept, of all probes together; the oldest makes room.
pub const KEPT: usize = 256;

#[derive(Debug, Default)]
pub struct Recent {
    events: VecDeque<ScriptEvent>,
}

impl Recent {
    pub fn add(&mut self, event: ScriptEvent) {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Returns the last `most` events that fit, oldest first.
    pub fn last(&self, most: usize, fits: impl Fn(&ScriptEvent) -> bool) -> Vec<ScriptEvent> {
        let newest = self.events.iter().rev().filter(|event| fits(event)).take(most);
        let mut events: Vec<_> = newest.cloned().collect();
        events.reverse();
        events
    }
}
