//! A signal to one process, and to no other that has its id later.

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use super::process::this_one;
use crate::values::Signal;

#[derive(Debug, thiserror::Error)]
#[error("cannot send {signal} to process {pid}: {error}")]
pub struct SignalError {
    pid: i32,
    signal: Signal,
    error: Errno,
}

/// How far a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Send,
    /// Everything is checked, and nothing is sent (signal 0 of kill(2)).
    Try,
}

/// Sends the signal; false if the process has gone. With a start time (nanoseconds
/// since boot, as events have it) the process must be the very one. Between looking and
/// signalling the id is held by nothing, so a reuse in that moment is not excluded, but it takes
/// the kernel a whole round of process ids to come to it.
///
/// # Errors
/// If the kernel refuses.
pub fn signal(pid: i32, start_ns: Option<u64>, signal: Signal, deed: Deed) -> Result<bool, SignalError> {
    if start_ns.is_some() && this_one(pid, start_ns).is_none() {
        return Ok(false);
    }
    let sent = match deed {
        Deed::Send => Some(signal.raw()),
        Deed::Try => None,
    };
    match kill(Pid::from_raw(pid), sent) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(SignalError { pid, signal, error }),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use procfs::process::Process;

    use super::*;
    use crate::reaction::process::TICK_NS;

    #[test]
    fn only_the_process_with_that_start_is_hit() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        let start = Process::new(pid).unwrap().stat().unwrap().starttime * TICK_NS;
        let term = Signal::from_name("SIGTERM").unwrap();
        assert!(!signal(pid, Some(start + TICK_NS), term, Deed::Send).unwrap());
        assert!(signal(pid, Some(start), term, Deed::Try).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        assert!(signal(pid, Some(start), term, Deed::Send).unwrap());
        assert!(!child.wait().unwrap().success());
    }
}
