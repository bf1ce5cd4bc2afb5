//! A process and all that it has started, stopped and continued together.
//!
//! In: a process. Out: what was stopped, each held by its descriptor, so that nobody who gets the same id later is continued or stopped. Stopping
//! begins with the process itself and is repeated until nothing new is found: what is stopped starts nothing more. What
//! must go on (this shell, whoever it was started by, PID 1, the kernel's own threads) is never stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use procfs::process::{Process, Stat};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{process::this_one, signal::Deed, thaw::Thawer};

/// Processes of one tree; more is a fork storm, which a limit of its cgroup stops better.
const MOST: usize = 4096;
/// How long it is looked for what is new, and waited for what was told to stop.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);
/// `PF_KTHREAD` of linux/sched.h.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Why nothing was stopped, or not all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    #[error("process {0} is not stopped: it is this shell, started it, is PID 1, or is the kernel's own")]
    Guarded(i32),
    #[error("cannot stop process {pid}: {errno}")]
    Refused { pid: i32, errno: Errno },
    #[error(
        "process {pid} is not stopped: no second process can be had that continues it if this shell dies: {why}"
    )]
    Unguarded { pid: i32, why: String },
    #[error(
        "process {pid} has more than {MOST} descendants, or starts them faster than they are stopped; what was stopped goes on"
    )]
    TooMany { pid: i32 },
}

/// A process of the tree.
#[derive(Debug)]
struct Member {
    process: OwnedFd,
    /// When it started, in ticks as /proc tells them.
    start: u64,
    /// Somebody else had stopped it before, and it stays so.
    was_stopped: bool,
}

/// A tree of processes that is stopped; when it is let go of, it goes on, unless it is to stay so.
#[derive(Debug)]
pub struct Frozen {
    members: BTreeMap<i32, Member>,
    deed: Deed,
    stays: bool,
    /// Continues them if this process dies first.
    thawer: Option<Thawer>,
}

/// Stops a process and all that it has started; `None` if it is gone. With a start time (nanoseconds since boot, as events have it) it must be
/// the very one. Under [`Deed::Try`] it is only found out which these are.
///
/// # Errors
/// If it must not be stopped, the kernel refuses, or there are too many. What was stopped before goes on then.
pub fn freeze(pid: i32, start_ns: Option<u64>, deed: Deed) -> Result<Option<Frozen>, FreezeError> {
    let guarded = guarded();
    if guarded.contains(&pid) {
        return Err(FreezeError::Guarded(pid));
    }
    // Held before it is looked at: from here on the id cannot become another one's.
    let Some(process) = open(pid)? else { return Ok(None) };
    let Some(stat) = this_one(pid, start_ns).and_then(|process| process.stat().ok()) else { return Ok(None) };
    if stat.flags & KERNEL_THREAD != 0 {
        return Err(FreezeError::Guarded(pid));
    }
    let mut frozen = Frozen { members: BTreeMap::new(), deed, stays: false, thawer: None };
    frozen.stop(pid, process, &stat)?;
    let begun = Instant::now();
    loop {
        let mut is_new = false;
        for child in descendants(&frozen, &guarded) {
            if frozen.members.len() >= MOST {
                return Err(FreezeError::TooMany { pid });
            }
            is_new |= frozen.add(child)?;
        }
        let settled = deed == Deed::Try || frozen.members.keys().all(|pid| is_at_rest(*pid));
        // One that waits for a device stops when that is over, and starts nothing before.
        if !is_new && (settled || begun.elapsed() > PATIENCE) {
            frozen.guard(pid)?;
            return Ok(Some(frozen));
        }
        if begun.elapsed() > PATIENCE {
            return Err(FreezeError::TooMany { pid });
        }
        thread::sleep(LOOK);
    }
}

/// Opens a process; `None` if there is none.
fn open(pid: i32) -> Result<Option<OwnedFd>, FreezeError> {
    let Some(named) = Pid::from_raw(pid) else { return Ok(None) };
    match pidfd_open(named, PidfdFlags::empty()) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(FreezeError::Refused { pid, errno }),
    }
}

/// What must go on: this process, and all that it was started by.
fn guarded() -> BTreeSet<i32> {
    let mut guarded = BTreeSet::from([0, 1]);
    let mut pid = std::process::id().cast_signed();
    while guarded.insert(pid) {
        match Process::new(pid).and_then(|process| process.stat()) {
            Ok(stat) => pid = stat.ppid,
            Err(_) => break,
        }
    }
    guarded
}

/// Whether it executes nothing: stopped, dead, or gone.
fn is_at_rest(pid: i32) -> bool {
    let stat = Process::new(pid).and_then(|process| process.stat());
    stat.map_or(true, |stat| matches!(stat.state, 'T' | 't' | 'Z' | 'X'))
}

/// What is below those that are stopped, and not stopped yet.
fn descendants(frozen: &Frozen, guarded: &BTreeSet<i32>) -> Vec<Stat> {
    let Ok(all) = procfs::process::all_processes() else { return Vec::new() };
    let all: BTreeMap<i32, Stat> =
        all.flatten().filter_map(|process| process.stat().ok()).map(|stat| (stat.pid, stat)).collect();
    let is_below = |stat: &Stat| {
        let (mut at, mut steps) = (stat.ppid, 0);
        while at > 1 && steps < MOST {
            let Some(parent) = all.get(&at) else { return false };
            // By its start as well: the id of one that has ended may be another one's by now.
            if frozen.members.get(&at).is_some_and(|member| member.start == parent.starttime) {
                return true;
            }
            at = parent.ppid;
            steps += 1;
        }
        false
    };
    let is_new = |stat: &&Stat| {
        !frozen.members.contains_key(&stat.pid)
            && !guarded.contains(&stat.pid)
            && !matches!(stat.state, 'Z' | 'X')
    };
    let found: Vec<i32> =
        all.values().filter(is_new).filter(|stat| is_below(stat)).map(|stat| stat.pid).collect();
    all.into_values().filter(|stat| found.contains(&stat.pid)).collect()
}

impl Frozen {
    /// Stops one more, if it is the one that was seen; gives whether it was there.
    fn add(&mut self, seen: Stat) -> Result<bool, FreezeError> {
        let Some(process) = open(seen.pid)? else { return Ok(false) };
        let now = Process::new(seen.pid).and_then(|process| process.stat());
        match now {
            Ok(now) if now.starttime == seen.starttime && now.ppid == seen.ppid => {
                self.stop(seen.pid, process, &now)
            }
            // It has another parent by now, or is another one: the next look tells.
            _ => Ok(false),
        }
    }

    /// Has them continued if this process dies before it has done so.
    fn guard(&mut self, pid: i32) -> Result<(), FreezeError> {
        if self.deed == Deed::Send {
            let stopped = self.members.values().filter(|member| !member.was_stopped);
            let thawer = Thawer::start(stopped.map(|member| &member.process));
            let why = |error: std::io::Error| FreezeError::Unguarded { pid, why: error.to_string() };
            self.thawer = Some(thawer.map_err(why)?);
        }
        Ok(())
    }

    fn stop(&mut self, pid: i32, process: OwnedFd, stat: &Stat) -> Result<bool, FreezeError> {
        let was_stopped = stat.state == 'T';
        if self.deed == Deed::Send && !was_stopped {
            match pidfd_send_signal(&process, Signal::STOP) {
                Ok(()) => {}
                Err(Errno::SRCH) => return Ok(false),
                Err(errno) => return Err(FreezeError::Refused { pid, errno }),
            }
        }
        self.members.insert(pid, Member { process, start: stat.starttime, was_stopped });
        Ok(true)
    }

    /// One that is only told of: what it is about is over.
    #[must_use]
    pub fn of_the_past() -> Self {
        Frozen { members: BTreeMap::new(), deed: Deed::Try, stays: false, thawer: None }
    }

    /// The ids of its processes.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.members.keys().copied()
    }

    /// Whether it was only found out which they are.
    #[must_use]
    pub fn is_rehearsed(&self) -> bool {
        self.deed == Deed::Try
    }

    /// Leaves them stopped when this is let go of, or this process dies.
    pub fn stay(&mut self) {
        self.stays = true;
        self.thawer = None;
    }

    /// Whether they are left stopped.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.stays
    }

    /// Continues all of them; gives how many there were still. What was stopped before stays so.
    pub fn thaw(&mut self) -> usize {
        let members = std::mem::take(&mut self.members);
        if self.deed == Deed::Try {
            return members.len();
        }
        let goes_on = |member: &Member| pidfd_send_signal(&member.process, Signal::CONT).is_ok();
        // Children first: a parent that waits for them finds them running.
        let count = members.values().rev().filter(|member| !member.was_stopped && goes_on(member)).count();
        self.thawer = None;
        count
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.stays {
            self.thaw();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::system::clock::TICK_NS;

    /// A shell that has started another one, which has started a third; and the ids of these two.
    fn family() -> (Child, Vec<i32>) {
        let code = "sh -c 'sleep 60 & echo $$ $!; wait' & wait";
        let mut child = Command::new("sh").args(["-c", code]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pids = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        (child, pids)
    }

    fn state(pid: i32) -> char {
        Process::new(pid).unwrap().stat().unwrap().state
    }

    fn start(pid: i32) -> u64 {
        Process::new(pid).unwrap().stat().unwrap().starttime * TICK_NS
    }

    fn end(child: &mut Child, others: &[i32]) {
        for pid in others {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn a_tree_stands_still_and_goes_on() {
        let (mut child, others) = family();
        let pid = child.id().cast_signed();
        assert!(freeze(pid, Some(start(pid) + 5 * TICK_NS), Deed::Send).unwrap().is_none());
        let tried = freeze(pid, Some(start(pid)), Deed::Try).unwrap().unwrap();
        assert_eq!(tried.pids().count(), 3);
        assert!(state(pid) != 'T' && others.iter().all(|pid| state(*pid) != 'T'));
        drop(tried);
        let mut frozen = freeze(pid, Some(start(pid)), Deed::Send).unwrap().unwrap();
        assert!(state(pid) == 'T' && others.iter().all(|pid| state(*pid) == 'T'));
        assert_eq!(frozen.thaw(), 3);
        thread::sleep(Duration::from_millis(50));
        assert!(state(pid) != 'T' && others.iter().all(|pid| state(*pid) != 'T'));
        let again = freeze(pid, None, Deed::Send).unwrap().unwrap();
        drop(again);
        thread::sleep(Duration::from_millis(50));
        assert!(others.iter().all(|pid| state(*pid) != 'T'));
        end(&mut child, &others);
    }

    #[test]
    fn what_was_stopped_before_stays_so() {
        let (mut child, others) = family();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(others[1]), nix::sys::signal::Signal::SIGSTOP)
            .unwrap();
        while state(others[1]) != 'T' {
            thread::sleep(LOOK);
        }
        let mut frozen = freeze(child.id().cast_signed(), None, Deed::Send).unwrap().unwrap();
        assert_eq!(frozen.thaw(), 2);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(state(others[1]), 'T');
        end(&mut child, &others);
    }

    #[test]
    fn what_must_go_on_is_not_stopped() {
        let own = std::process::id().cast_signed();
        for pid in [1, own, nix::unistd::getppid().as_raw()] {
            assert_eq!(freeze(pid, None, Deed::Try).unwrap_err(), FreezeError::Guarded(pid));
        }
        assert!(freeze(i32::MAX, None, Deed::Send).unwrap().is_none());
    }
}
