//! A stopped process goes on, and no other that has its id later.

use std::{fs, io};

use procfs::process::Process;
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::process::this_one;

/// Sends SIGCONT to the process that was started then (nanoseconds since boot, as events have it). False if it is gone.
///
/// # Errors
/// If the kernel refuses.
pub fn continue_process(pid: i32, start_ns: u64) -> io::Result<bool> {
    let Some(named) = Pid::from_raw(pid) else { return Ok(false) };
    // Held before it is looked at: from here on the id cannot become another one's.
    let process = match pidfd_open(named, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if this_one(pid, Some(start_ns)).is_none() {
        return Ok(false);
    }
    match pidfd_send_signal(&process, Signal::CONT) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the process that was started then is there.
#[must_use]
pub fn has_process(pid: i32, start_ns: u64) -> bool {
    this_one(pid, Some(start_ns)).is_some()
}

/// Whether the process has this thread, which was started then, and it lives.
#[must_use]
pub fn has_thread(pid: i32, tid: i32, start_ns: u64) -> bool {
    let task = Process::new(pid).and_then(|process| process.task_from_tid(tid));
    let Ok(stat) = task.and_then(|task| task.stat()) else { return false };
    !matches!(stat.state, 'Z' | 'X') && super::process::began(stat.starttime, start_ns)
}

/// Whether this thread of the process is stopped, by whoever it was.
#[must_use]
pub fn is_stopped(pid: i32, tid: i32) -> bool {
    let task = Process::new(pid).and_then(|process| process.task_from_tid(tid));
    task.and_then(|task| task.stat()).is_ok_and(|stat| stat.state == 'T')
}

/// Says to the kernel that this process is the last one to end where memory runs out. It may refuse.
pub fn spare_from_oom() {
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        thread::sleep,
        time::{Duration, Instant},
    };

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    use super::*;
    use crate::system::clock::TICK_NS;

    #[test]
    fn only_the_process_with_that_start_goes_on() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        let state = || Process::new(pid).unwrap().stat().unwrap().state;
        let is = |wanted: char| {
            let begun = Instant::now();
            while state() != wanted && begun.elapsed() < Duration::from_secs(5) {
                sleep(Duration::from_millis(5));
            }
            state() == wanted
        };
        let start = Process::new(pid).unwrap().stat().unwrap().starttime * TICK_NS;
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        assert!(is('T'));
        assert!(!continue_process(pid, start + TICK_NS).unwrap());
        assert_eq!(state(), 'T');
        assert!(has_thread(pid, pid, start) && !has_thread(pid, pid, start + TICK_NS));
        assert!(continue_process(pid, start).unwrap());
        assert!(is('S'));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!continue_process(pid, start).unwrap() && !has_process(pid, start));
    }
}
