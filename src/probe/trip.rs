//! When a probe that refuses too much stops by itself.

use std::{fmt, time::Duration};

/// The most refusals that may be said: each is a number in the kernel's memory.
pub const MOST: u32 = 100_000;

/// A breaker: more refusals than these within that time, and the probe observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// As many may be, from 1 to [`MOST`].
    pub refusals: u32,
    pub within: Duration,
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = humantime::format_duration(self.within);
        match self.refusals {
            1 => write!(f, "1 refusal within {within}"),
            many => write!(f, "{many} refusals within {within}"),
        }
    }
}
