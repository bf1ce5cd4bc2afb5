//! What time it is for a session: the system's, or one that goes on in steps, so that it can be written down and lived through again.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::system::clock;

/// The time of a session.
#[derive(Debug)]
pub struct Clock {
    /// `None`: it is the system's.
    steps: Option<Steps>,
}

/// A time that stands still between two steps, in nanoseconds on the kernel's monotonic clock.
#[derive(Debug)]
struct Steps {
    now_ns: Cell<u64>,
    /// One moment on both clocks.
    begin: Instant,
    begin_ns: u64,
    /// `CLOCK_REALTIME - CLOCK_MONOTONIC`.
    wall_offset_ns: i64,
}

impl Default for Clock {
    /// Makes one that is the system's.
    fn default() -> Self {
        Clock { steps: None }
    }
}

impl Clock {
    /// Makes one that goes on in steps from here, in nanoseconds on the kernel's monotonic clock.
    #[must_use]
    pub fn in_steps(begin_ns: u64, wall_offset_ns: i64) -> Self {
        let begin = Instant::now();
        Clock { steps: Some(Steps { now_ns: Cell::new(begin_ns), begin, begin_ns, wall_offset_ns }) }
    }

    /// Goes on to a time; nothing happens if that is over, or if it is the system's.
    pub fn step(&self, to_ns: u64) {
        if let Some(steps) = &self.steps {
            steps.now_ns.set(to_ns.max(steps.now_ns.get()));
        }
    }

    /// Goes on to a moment, likewise.
    pub fn step_to(&self, moment: Instant) {
        self.step(self.ns_of(moment));
    }

    /// Returns whether it goes on in steps.
    #[must_use]
    pub fn is_stepped(&self) -> bool {
        self.steps.is_some()
    }

    #[must_use]
    pub fn now(&self) -> Instant {
        self.steps.as_ref().map_or_else(Instant::now, |steps| steps.moment(steps.now_ns.get()))
    }

    /// Returns the time on the kernel's monotonic clock, in nanoseconds.
    #[must_use]
    pub fn kernel_ns(&self) -> u64 {
        let system = || clock::monotonic_ns().cast_unsigned();
        self.steps.as_ref().map_or_else(system, |steps| steps.now_ns.get())
    }

    /// Returns a moment of this clock's on the kernel's monotonic clock, in nanoseconds.
    #[must_use]
    pub fn ns_of(&self, moment: Instant) -> u64 {
        let Some(steps) = &self.steps else { return clock::monotonic_ns().cast_unsigned() };
        let since = |later: Instant, earlier: Instant| {
            u64::try_from(later.saturating_duration_since(earlier).as_nanos()).unwrap_or(u64::MAX)
        };
        if moment < steps.begin {
            return steps.begin_ns.saturating_sub(since(steps.begin, moment));
        }
        steps.begin_ns.saturating_add(since(moment, steps.begin))
    }

    /// Returns the time of day.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        let Some(steps) = &self.steps else { return Timestamp::now() };
        let wall_ns = i128::from(steps.now_ns.get()) + i128::from(steps.wall_offset_ns);
        Timestamp::from_nanosecond(wall_ns).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Steps {
    fn moment(&self, at_ns: u64) -> Instant {
        let moved = match at_ns.checked_sub(self.begin_ns) {
            Some(later) => self.begin.checked_add(Duration::from_nanos(later)),
            None => self.begin.checked_sub(Duration::from_nanos(self.begin_ns - at_ns)),
        };
        moved.unwrap_or(self.begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_clock_stands_still_and_never_goes_back() {
        let clock = Clock::in_steps(5_000, 1_000_000);
        let begin = clock.now();
        clock.step(7_000);
        clock.step(6_000);
        assert_eq!(clock.kernel_ns(), 7_000);
        assert_eq!(clock.now() - begin, Duration::from_nanos(2_000));
        assert_eq!(clock.ns_of(begin + Duration::from_nanos(4_000)), 9_000);
        assert_eq!(clock.wall(), Timestamp::from_nanosecond(1_007_000).unwrap());
        clock.step_to(begin + Duration::from_nanos(4_000));
        assert_eq!(clock.kernel_ns(), 9_000);
    }

    #[test]
    fn the_systems_clock_goes_on_by_itself() {
        let clock = Clock::default();
        clock.step(u64::MAX);
        assert!(!clock.is_stepped() && clock.now().elapsed() < Duration::from_secs(5));
    }
}
