//! A process, and no other that has its id later.

use procfs::process::Process;

/// Start times in /proc are in these (USER_HZ).
pub const TICK_NS: u64 = 10_000_000;

/// The process of this id, if there is one. With a start time (nanoseconds since boot, as events have it) it must be the very one.
pub fn this_one(pid: i32, start_ns: Option<u64>) -> Option<Process> {
    let process = Process::new(pid).ok()?;
    let same = match start_ns {
        Some(start) => process.stat().ok()?.starttime == start / TICK_NS,
        None => true,
    };
    same.then_some(process)
}
