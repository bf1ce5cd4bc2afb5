//! The kernel's clocks, as programs read them, seen from here.
//!
//! In a time namespace CLOCK_MONOTONIC and CLOCK_BOOTTIME of user space are set off against the kernel's own, which
//! `bpf_ktime_get_ns` and `start_boottime` know. How far is found out by an iterator that reads both clocks while it
//! is read itself; what /proc/self/timens_offsets says is about the children's namespace.

use std::sync::OnceLock;

use nix::time::{ClockId, clock_gettime};

/// The kernel's clock less this process's, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Offsets {
    monotonic: i64,
    boottime: i64,
}

/// A process never changes its time namespace.
static OFFSETS: OnceLock<Offsets> = OnceLock::new();

/// Both clocks here.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    monotonic: i64,
    boottime: i64,
}

#[cfg(test)]
impl Reading {
    pub fn monotonic(self) -> i64 {
        self.monotonic
    }
}

/// Reads both clocks as they are here.
#[must_use]
pub fn read() -> Reading {
    Reading { monotonic: here(ClockId::CLOCK_MONOTONIC), boottime: here(ClockId::CLOCK_BOOTTIME) }
}

/// Learns the offsets from what a program has read between two readings.
pub fn learn(before: Reading, monotonic_ns: u64, boottime_ns: u64, after: Reading) {
    OFFSETS.get_or_init(|| Offsets {
        monotonic: offset(before.monotonic, monotonic_ns, after.monotonic),
        boottime: offset(before.boottime, boottime_ns, after.boottime),
    });
}

/// Zero if the kernel's reading lies between the two.
fn offset(before: i64, kernel: u64, after: i64) -> i64 {
    let kernel = i64::try_from(kernel).unwrap_or(i64::MAX);
    if (before..=after).contains(&kernel) { 0 } else { kernel - (before + (after - before) / 2) }
}

/// Returns CLOCK_MONOTONIC of the kernel, in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    here(ClockId::CLOCK_MONOTONIC) + offsets().monotonic
}

/// Returns what to add to CLOCK_BOOTTIME of the kernel to have this process's, in nanoseconds: /proc shows start times
/// by the latter.
#[must_use]
pub fn boottime_offset_ns() -> i64 {
    -offsets().boottime
}

/// Returns what turns the kernel's CLOCK_MONOTONIC into wall-clock time, in nanoseconds.
#[must_use]
pub fn wall_offset_ns() -> i64 {
    here(ClockId::CLOCK_REALTIME) - monotonic_ns()
}

fn offsets() -> Offsets {
    OFFSETS.get().copied().unwrap_or_default()
}

fn here(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |t| t.tv_sec() * 1_000_000_000 + t.tv_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_agrees_has_no_offset_and_one_that_does_not_is_followed() {
        assert_eq!(offset(100, 105, 110), 0);
        assert_eq!(offset(100, 100, 100), 0);
        assert_eq!(offset(60_000_000_100, 105, 60_000_000_110), -60_000_000_000);
        assert_eq!(offset(100, 1_000_000_105, 110), 1_000_000_000);
    }
}
