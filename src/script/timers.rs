//! Callbacks whose time comes: `after` once, `every` again and again.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use super::program::Callback;

struct Timer {
    id: u64,
    due: Instant,
    period: Option<Duration>,
    callback: Rc<Callback>,
}

#[derive(Default)]
pub struct Timers {
    timers: Vec<Timer>,
    last_id: u64,
}

impl Timers {
    /// Gives the timer's id.
    pub fn add(&mut self, now: Instant, delay: Duration, repeats: bool, callback: Rc<Callback>) -> u64 {
        self.last_id += 1;
        let period = repeats.then_some(delay);
        self.timers.push(Timer { id: self.last_id, due: now + delay, period, callback });
        self.last_id
    }

    /// Whether there was such a timer.
    pub fn cancel(&mut self, id: u64) -> bool {
        let before = self.timers.len();
        self.timers.retain(|timer| timer.id != id);
        self.timers.len() < before
    }

    pub fn clear(&mut self) {
        self.timers.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.timers.iter().map(|timer| timer.due).min()
    }

    /// The callback most overdue, if one is due. Ticks that were missed are not made up for.
    pub fn take_due(&mut self, now: Instant) -> Option<Rc<Callback>> {
        let (index, timer) =
            self.timers.iter_mut().enumerate().filter(|(_, t)| t.due <= now).min_by_key(|(_, t)| t.due)?;
        let callback = timer.callback.clone();
        match timer.period {
            Some(period) => {
                timer.due += period;
                if timer.due <= now {
                    timer.due = now + period;
                }
            }
            None => drop(self.timers.remove(index)),
        }
        Some(callback)
    }
}
