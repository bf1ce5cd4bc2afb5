//! A process, and no other that has its id later.

use procfs::process::Process;

use crate::system::clock::{self, TICK_NS};

/// The process of this id, if there is one. With a start time (nanoseconds since boot on the kernel's clock, as events
/// have it) it must be the very one.
pub fn this_one(pid: i32, start_ns: Option<u64>) -> Option<Process> {
    let process = Process::new(pid).ok()?;
    let same = match start_ns {
        Some(start) => began(process.stat().ok()?.starttime, start),
        None => true,
    };
    same.then_some(process)
}

/// Whether what /proc shows, in ticks, is this start time (nanoseconds since boot on the kernel's clock).
pub fn began(ticks: u64, start_ns: u64) -> bool {
    is_start(ticks, start_ns, clock::start_offset_ns())
}

/// Whether /proc shows this start time, which is as far off the kernel's as the time namespace is. That offset is
/// measured, so a tick may lie between.
fn is_start(ticks: u64, start_ns: u64, offset_ns: i64) -> bool {
    let expected = start_ns.saturating_add_signed(offset_ns) / TICK_NS;
    ticks.abs_diff(expected) <= u64::from(offset_ns != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_moved_by_the_time_namespace() {
        assert!(is_start(7, 7 * TICK_NS, 0) && !is_start(8, 7 * TICK_NS, 0));
        assert!(is_start(6007, 7 * TICK_NS, 60_000_000_001) && !is_start(7, 7 * TICK_NS, 60_000_000_000));
    }
}
