//! A process for one attempt: forked, so that nothing of it lasts, and watched until it has told what came of it.
//!
//! What executes a program is stopped by the kernel before that program's first instruction ([`executes`]), and then killed: that it
//! was permitted is all that is wanted.

use std::{
    ffi::CStr,
    io::Write,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl, ptrace,
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pipe2, read},
};
use serde::{Deserialize, Serialize};

/// How long an attempt may take; all are of the kind that ends at once.
const LONGEST: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// How long a process may take to die whose words have ended.
const DEATH: Duration = Duration::from_millis(50);

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// What the kernel has answered.
    Errno(i32),
    /// Its process was killed, by this signal.
    Killed(i32),
    /// It was not attempted, or its end is not known.
    Cannot(String),
}

/// What an attempt came to.
pub type Answer = Result<(), Trouble>;

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Trouble::Errno(errno as i32)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Trouble::Errno(number),
            None => Trouble::Cannot(error.to_string()),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Errno(number) => match Errno::from_raw(*number) {
                Errno::UnknownErrno => write!(f, "errno {number}"),
                known => write!(f, "{known:?}"),
            },
            Trouble::Killed(number) => match Signal::try_from(*number) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
            Trouble::Cannot(why) => f.write_str(why),
        }
    }
}

/// Does something in a process of its own. To be called where there is one thread.
///
/// # Errors
/// What it came to, if it was not done.
pub fn run(work: impl FnOnce() -> Answer) -> Answer {
    let (from, to) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: this process has one thread, so its child may do whatever it may do itself.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(from);
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            let answer = work();
            let told = serde_json::to_vec(&answer).unwrap_or_default();
            // Nobody is left to tell if this fails.
            let _ = std::fs::File::from(to).write_all(&told);
            // SAFETY: ends the child at once; what its parent has to do at its end is not the child's.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(to);
            watch(child, &from)
        }
    }
}

fn watch(child: Pid, from: &OwnedFd) -> Answer {
    let until = Instant::now() + LONGEST;
    let (mut told, mut over) = (Vec::new(), None::<Instant>);
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Trouble::Cannot(format!("its process was lost: {}", errno.desc()))),
            // A program has begun.
            Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => {
                end(child);
                return Ok(());
            }
            Ok(WaitStatus::Stopped(_, signal)) => {
                let _ = ptrace::cont(child, signal);
            }
            Ok(WaitStatus::Exited(..)) => {
                drain(from, &mut told);
                // What has ended without a word was another program.
                return judged(&told).unwrap_or(Ok(()));
            }
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                drain(from, &mut told);
                return judged(&told).unwrap_or(Err(Trouble::Killed(signal as i32)));
            }
            Ok(_) => {}
        }
        if over.is_some_and(|since| told.is_empty() && since.elapsed() > DEATH) {
            // The words have ended with the execution, which nobody has stopped, and the program runs.
            end(child);
            return Ok(());
        }
        if Instant::now() > until {
            end(child);
            return Err(Trouble::Cannot(format!("it took more than {} s", LONGEST.as_secs())));
        }
        if over.is_some() {
            reap_threads(child);
            thread::sleep(LOOK);
        } else if !wait(from, &mut told) {
            over = Some(Instant::now());
        }
    }
}

fn judged(told: &[u8]) -> Option<Answer> {
    serde_json::from_slice(told).ok()
}

/// Reads what there is within a look's time; returns whether there may be more.
fn wait(from: &OwnedFd, told: &mut Vec<u8>) -> bool {
    let mut watched = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(LOOK.as_millis()).unwrap_or(PollTimeout::ZERO);
    match poll(&mut watched, timeout) {
        Ok(1..) => more(from, told),
        _ => true,
    }
}

fn more(from: &OwnedFd, told: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 1024];
    match read(from, &mut buffer) {
        Ok(count @ 1..) => {
            told.extend_from_slice(&buffer[..count]);
            true
        }
        Err(Errno::EINTR) => true,
        Ok(_) | Err(_) => false,
    }
}

/// Reads what a process has left that is gone; one that it has started may hold the pipe open.
fn drain(from: &OwnedFd, told: &mut Vec<u8>) {
    let mut watched = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    while matches!(poll(&mut watched, PollTimeout::ZERO), Ok(1..)) {
        if !more(from, told) {
            return;
        }
    }
}

/// Kills it, and waits until it is gone.
fn end(child: Pid) {
    let until = Instant::now() + LONGEST;
    let _ = kill(child, Signal::SIGKILL);
    while Instant::now() < until {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return,
            Err(errno) if errno != Errno::EINTR => return,
            _ => {}
        }
        reap_threads(child);
        thread::sleep(LOOK);
    }
}

/// A thread that was to execute something is traced, and a process of which such a thread has ended does not end before that is heard.
fn reap_threads(child: Pid) {
    let threads = std::fs::read_dir(format!("/proc/{child}/task")).into_iter().flatten().flatten();
    let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    for thread in numbers.map(Pid::from_raw).filter(|thread| *thread != child) {
        // One that is not traced is none of this process's.
        let _ = waitpid(thread, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL));
    }
}

/// Executes by a call that does not come back if it succeeds. The program does nothing: it is stopped before it begins.
///
/// # Errors
/// What the call says.
pub fn executes(call: impl FnOnce() -> Errno) -> Answer {
    // A rule may refuse that as well: then the program runs for a moment.
    let _ = ptrace::traceme();
    match call() {
        // It was permitted, and is none.
        Errno::ENOEXEC => Ok(()),
        errno => Err(errno.into()),
    }
}

/// Executes a file by its name.
///
/// # Errors
/// Why it was not executed.
pub fn execute(path: &CStr) -> Answer {
    let environment: [&CStr; 0] = [];
    executes(|| match nix::unistd::execve(path, &[path], &environment) {
        Err(errno) => errno,
        Ok(never) => match never {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The test's process has threads, of which a child has one; what is done here takes no lock but for memory, which glibc's fork
    // takes along.

    #[test]
    fn a_child_tells_what_came_of_it() {
        assert_eq!(run(|| Ok(())), Ok(()));
        assert_eq!(run(|| Err(Errno::EPERM.into())), Err(Trouble::Errno(1)));
    }

    #[test]
    fn a_signal_is_told() {
        let killed = run(|| {
            let _ = kill(Pid::this(), Signal::SIGKILL);
            Ok(())
        });
        assert_eq!(killed, Err(Trouble::Killed(9)));
    }

    #[test]
    fn a_thread_that_is_refused_an_execution_holds_nothing_up() {
        let begun = Instant::now();
        let refused = run(|| {
            let ended = thread::spawn(|| execute(c"/there/is/none")).join();
            ended.unwrap_or_else(|_| Err(Trouble::Cannot("lost".into())))
        });
        assert_eq!(refused, Err(Trouble::Errno(Errno::ENOENT as i32)));
        assert!(begun.elapsed() < LONGEST / 2);
        let executed = run(|| {
            let ended = thread::spawn(|| execute(c"/bin/true")).join();
            ended.unwrap_or_else(|_| Err(Trouble::Cannot("lost".into())))
        });
        assert_eq!(executed, Ok(()));
    }

    #[test]
    fn a_program_that_is_executed_does_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        let touch = std::ffi::CString::new("/bin/touch").unwrap();
        let name = std::ffi::CString::new(made.to_str().unwrap()).unwrap();
        let ran = run(|| {
            executes(|| match nix::unistd::execv(&touch, &[touch.as_c_str(), name.as_c_str()]) {
                Err(errno) => errno,
                Ok(never) => match never {},
            })
        });
        assert_eq!(ran, Ok(()));
        assert!(!made.exists());
        assert_eq!(run(|| execute(c"/there/is/none")), Err(Trouble::Errno(Errno::ENOENT as i32)));
    }
}
