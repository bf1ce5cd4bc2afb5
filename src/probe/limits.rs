//! How many of the events that a probe could send it sends.

use crate::values::Rate;

/// The highest number of a rate: each is a word in the kernel's memory.
pub const MOST: u32 = 100_000;
/// The same of a rate for each process.
pub const MOST_OF_A_PROCESS: u32 = 64;
/// The highest `n` of one of each `n`.
pub const MOST_APART: u32 = 1_000_000_000;

/// What is not to be sent of what matches. Verdicts, counters and aggregations know nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of each so many one.
    pub sample: Option<u32>,
    /// Of all that is left of these.
    pub probe: Option<Rate>,
    /// Of each process.
    pub process: Option<Rate>,
}

impl Limits {
    /// Whether everything is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }

    /// Returns what they are, in the words of a script: `limit 100/s`, `limit 10/s per process`, `1 of 10 sampled`; the
    /// order is that in which they are asked.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let sample = self.sample.map(|of| format!("1 of {of} sampled"));
        let process = self.process.map(|rate| format!("limit {rate} per process"));
        let probe = self.probe.map(|rate| format!("limit {rate}"));
        [sample, process, probe].into_iter().flatten().collect()
    }
}
