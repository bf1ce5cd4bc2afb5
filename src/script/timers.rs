//! Callbacks whose time comes: `after` once, `every` again and again.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

use super::program::Callback;

/// More timers than this do nothing but wait for each other.
const MOST: usize = 10_000;

struct Timer {
    period: Option<Duration>,
    callback: Rc<Callback>,
}

#[derive(Default)]
pub struct Timers {
    timers: HashMap<u64, Timer>,
    /// When each is due, the soonest first; what was cancelled is left out when its time comes.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    last_id: u64,
}

impl Timers {
    /// Adds a timer, and returns its id.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(
        &mut self,
        now: Instant,
        delay: Duration,
        repeats: bool,
        callback: Rc<Callback>,
    ) -> Result<u64, String> {
        if self.timers.len() >= MOST {
            return Err(format!(
                "there are {MOST} timers already, the most there may be; `t.cancel()` ends one"
            ));
        }
        self.last_id += 1;
        let period = repeats.then_some(delay);
        self.timers.insert(self.last_id, Timer { period, callback });
        self.due.push(Reverse((now + delay, self.last_id)));
        Ok(self.last_id)
    }

    /// Returns whether there was such a timer.
    pub fn cancel(&mut self, id: u64) -> bool {
        let was = self.timers.remove(&id).is_some();
        // A script may make and cancel timers without end.
        if self.due.len() > 2 * MOST {
            self.due.retain(|Reverse((_, id))| self.timers.contains_key(id));
        }
        was
    }

    pub fn clear(&mut self) {
        self.timers.clear();
        self.due.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Returns when the next callback is due.
    pub fn next_due(&mut self) -> Option<Instant> {
        while let Some(Reverse((due, id))) = self.due.peek() {
            if self.timers.contains_key(id) {
                return Some(*due);
            }
            self.due.pop();
        }
        None
    }

    /// Returns the callback most overdue, and when it was due, if one was by then. Ticks that were missed are not made up for.
    pub fn take_due(&mut self, by: Instant, now: Instant) -> Option<(Instant, Rc<Callback>)> {
        if self.next_due()? > by {
            return None;
        }
        let Reverse((due, id)) = self.due.pop()?;
        let timer = self.timers.get(&id)?;
        let callback = Rc::clone(&timer.callback);
        match timer.period {
            Some(period) => {
                let next = due + period;
                self.due.push(Reverse((if next <= now { now + period } else { next }, id)));
            }
            None => drop(self.timers.remove(&id)),
        }
        Some((due, callback))
    }
}

/// A timer that a script holds.
#[derive(Debug, Clone, Copy)]
pub struct TimerHandle(pub u64);

impl TimerHandle {
    /// As a person reads it.
    pub fn describe(self) -> String {
        format!("timer {}", self.0)
    }
}
