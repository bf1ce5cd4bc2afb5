//! The generations of a probe's programs before the one that decides (replace.rs).

use std::{collections::VecDeque, time::Instant};

use super::hooks::Hooks;

/// Those that are still attached, and what is to be done when.
#[derive(Default)]
pub struct Older {
    /// When each leaves; the oldest first.
    waiting: VecDeque<(Hooks, Instant)>,
    /// When notes need be left no more, since the last one has left.
    settles: Option<Instant>,
}

impl Older {
    /// Whether there is something to be done yet.
    pub fn is_there(&self) -> bool {
        !self.waiting.is_empty() || self.settles.is_some()
    }

    /// How many are attached.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// How many operations the kernel has let pass unasked by those that are attached.
    pub fn missed(&self) -> u64 {
        self.waiting.iter().map(|(hooks, _)| hooks.missed()).sum()
    }

    /// Keeps one until it is to leave.
    pub fn wait(&mut self, hooks: Hooks, leaves: Instant) {
        self.waiting.push_back((hooks, leaves));
    }

    /// When the oldest is to leave.
    pub fn next_leaves(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, leaves)| *leaves)
    }

    /// Gives the oldest if it is to leave by now.
    pub fn take_due(&mut self, now: Instant) -> Option<Hooks> {
        self.waiting.pop_front_if(|(_, leaves)| *leaves <= now).map(|(hooks, _)| hooks)
    }

    /// Says when the change is over if no other one comes.
    pub fn settle_at(&mut self, when: Instant) {
        self.settles = Some(when);
    }

    /// Gives whether the change is over by now, once.
    pub fn take_settled(&mut self, now: Instant) -> bool {
        self.waiting.is_empty() && self.settles.take_if(|settles| *settles <= now).is_some()
    }
}
