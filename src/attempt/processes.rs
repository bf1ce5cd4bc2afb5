//! The processes of a scratch without a cgroup: whatever this process has started, since orphans come back to it.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

const LOOK: Duration = Duration::from_millis(2);

/// Kills every descendant, and waits for them; false if some are left when the patience is over.
pub fn end_all(patience: Duration) -> bool {
    let begun = Instant::now();
    loop {
        for pid in children() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return true,
                Ok(status) if status.pid().is_some() => {}
                _ => break,
            }
        }
        if begun.elapsed() > patience {
            return false;
        }
        thread::sleep(LOOK);
    }
}

fn children() -> Vec<Pid> {
    let own = std::process::id();
    let Ok(all) = procfs::process::all_processes() else { return Vec::new() };
    let stats = all.filter_map(|process| process.ok()?.stat().ok());
    stats.filter(|stat| stat.ppid.unsigned_abs() == own).map(|stat| Pid::from_raw(stat.pid)).collect()
}
