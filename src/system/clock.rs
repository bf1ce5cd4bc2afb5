//! The kernel's clocks, as programs read them, seen from here.
//!
//! In a time namespace CLOCK_MONOTONIC and CLOCK_BOOTTIME of user space are set off against the kernel's own, which
//! `bpf_ktime_get_ns` and `start_boottime` know. How far stands in /proc/self/timens_offsets, which is about the namespace
//! of the children to come. Where that is another one, how far is measured, by an iterator that reads both clocks while
//! it is read itself.

use std::{fs, sync::OnceLock};

use nix::time::{ClockId, clock_gettime};
use procfs::process::Process;

/// Start times in /proc are in these (USER_HZ); `KRSI_TICK_NS` of the templates.
pub const TICK_NS: u64 = 10_000_000;

/// The kernel's clock less this process's, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Offsets {
    monotonic: i64,
    /// Zero where /proc shows start times on the kernel's clock all the same.
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

/// Learns the offsets: as the kernel tells them, or from what a program has read between two readings. `start_ns` is
/// when the kernel says that this process has started.
pub fn learn(before: Reading, monotonic_ns: u64, boottime_ns: u64, after: Reading, start_ns: u64) {
    let measured = || Offsets {
        monotonic: offset(before.monotonic, monotonic_ns, after.monotonic),
        boottime: offset(before.boottime, boottime_ns, after.boottime),
    };
    OFFSETS.get_or_init(|| {
        let offsets = told().unwrap_or_else(measured);
        let shown = Process::myself().and_then(|process| process.stat()).map(|stat| stat.starttime);
        // Before 5.11 /proc does not move them.
        let unmoved = shown.is_ok_and(|ticks| ticks == start_ns / TICK_NS);
        Offsets { boottime: if unmoved { 0 } else { offsets.boottime }, ..offsets }
    });
}

/// Learns the offsets from what the kernel tells of this process, if they are not known yet.
pub fn ask() {
    OFFSETS.get_or_init(|| told().unwrap_or_default());
}

/// Takes the offsets that another process of the same time namespace has learned.
pub fn adopt(offsets: [i64; 2]) {
    let [monotonic, boottime] = offsets;
    OFFSETS.get_or_init(|| Offsets { monotonic, boottime });
}

/// Returns the offsets that this process has learned, for [`adopt`].
#[must_use]
pub fn learned() -> [i64; 2] {
    let Offsets { monotonic, boottime } = offsets();
    [monotonic, boottime]
}

/// `None` if what the kernel tells is not about this process, or it tells nothing.
fn told() -> Option<Offsets> {
    let namespace = |name| fs::read_link(format!("/proc/self/ns/{name}")).ok();
    let own = namespace("time")?;
    if namespace("time_for_children")? != own {
        return None;
    }
    parse(&fs::read_to_string("/proc/self/timens_offsets").ok()?)
}

/// A clock a line: its name, and the seconds and nanoseconds that it is ahead of the kernel's.
fn parse(text: &str) -> Option<Offsets> {
    let ahead = |clock: &str| {
        let mut words = text.lines().find_map(|line| line.strip_prefix(clock))?.split_whitespace();
        let mut next = || words.next()?.parse::<i64>().ok();
        next()?.checked_mul(1_000_000_000)?.checked_add(next()?)
    };
    Some(Offsets { monotonic: -ahead("monotonic")?, boottime: -ahead("boottime")? })
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

/// Returns what to add to a start time on the kernel's clock to have the one that /proc shows, in nanoseconds.
#[must_use]
pub fn start_offset_ns() -> i64 {
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

    #[test]
    fn what_the_kernel_tells_is_how_far_it_is_behind() {
        let text = "monotonic          60         5\nboottime           -2 500000000\n";
        let offsets = Offsets { monotonic: -60_000_000_005, boottime: 1_500_000_000 };
        assert_eq!(parse(text), Some(offsets));
        // As before 5.7.
        assert_eq!(parse("1 60 0\n7 60 0\n"), None);
    }
}
