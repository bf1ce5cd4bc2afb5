//! The process that a session is about: a command that it starts, or a process that is there already.
//!
//! In: what the command line says. Out: `target`, a scope for that process and all it starts, and the session's end when the process
//! has ended. A command executes nothing before the script waits for the first time, or is done: its probes are in force by then.

use std::{
    cell::{Cell, RefCell},
    os::fd::{FromRawFd, OwnedFd},
    thread,
};

use crossbeam_channel::{Receiver, bounded};
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use rhai::{Dynamic, Map};

use crate::{
    exit,
    reaction::{Ended, Held},
    values::Signal,
};

/// The process that a session is about.
#[derive(Debug)]
pub struct Target {
    pid: i32,
    /// `None`: it is not this shell's.
    command: Option<RefCell<Held>>,
    over: Receiver<()>,
    has_ended: Cell<bool>,
    /// What a command came to that the session has ended.
    cut_short: Cell<Option<i32>>,
}

/// What `target` is for this process: a scope.
pub(super) fn scope_of(pid: i32) -> Map {
    Map::from([("pid".into(), Dynamic::from(i64::from(pid)))])
}

impl Target {
    /// Makes one of a command that waits.
    #[must_use]
    pub fn of_command(command: Held) -> Self {
        Target {
            pid: command.pid(),
            over: command.over(),
            command: Some(RefCell::new(command)),
            has_ended: Cell::new(false),
            cut_short: Cell::new(None),
        }
    }

    /// Makes one of a process that is there.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn of_process(pid: i32) -> Result<Self, Errno> {
        // SAFETY: two numbers; a descriptor that is returned is this function's.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = Errno::result(fd)? as i32;
        // SAFETY: a descriptor that the kernel has just given, and nobody else has.
        let process = unsafe { OwnedFd::from_raw_fd(fd) };
        let (tell, over) = bounded(1);
        let watch = move || {
            use std::os::fd::AsFd as _;
            // A descriptor of a process can be read when it has ended.
            while poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)
                == Err(Errno::EINTR)
            {}
            let _ = tell.send(());
        };
        thread::Builder::new().name("krsi-target".into()).spawn(watch).map_err(|_| Errno::EAGAIN)?;
        Ok(Target { pid, command: None, over, has_ended: Cell::new(false), cut_short: Cell::new(None) })
    }

    /// What `target` is in the script: a scope.
    pub fn scope(&self) -> Map {
        scope_of(self.pid)
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets a command execute its program.
    pub fn release(&self) {
        if let Some(command) = &self.command {
            command.borrow_mut().release();
        }
    }

    /// Is told something when it has ended.
    #[must_use]
    pub fn over(&self) -> &Receiver<()> {
        &self.over
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether Ctrl-C is for the command, which has the same terminal.
    pub fn takes_interrupts(&self) -> bool {
        let runs = |command: &RefCell<Held>| command.borrow().released();
        self.command.as_ref().is_some_and(runs) && !self.has_ended.get()
    }

    /// Takes note that it has ended; gives what the session's exit code comes to, and what is to be said of it.
    pub fn ended(&self) -> (i32, Option<String>) {
        self.has_ended.set(true);
        let Some(command) = &self.command else {
            return (exit::FINE, Some(format!("process {} has ended", self.pid)));
        };
        match command.borrow_mut().finish() {
            Ok(ended) => code_of(&ended),
            Err(error) => (exit::FAILED, Some(format!("the command could not be waited for: {error}"))),
        }
    }

    /// Returns the exit code of a command that the session has ended; `None` if it has ended none.
    pub fn cut_short(&self) -> Option<i32> {
        self.cut_short.get()
    }

    /// Ends a command that outlives the session; says so.
    pub fn end(&self) -> Option<String> {
        let command = self.command.as_ref().filter(|_| !self.has_ended.get())?;
        let told = match command.borrow().released() {
            true => format!("the session ends before its command: process {} is ended", self.pid),
            false => "the session ends before its command was started".to_owned(),
        };
        command.borrow_mut().end();
        self.has_ended.set(true);
        self.cut_short.set(command.borrow_mut().finish().ok().map(|ended| code_of(&ended).0));
        Some(told)
    }
}

/// As shells tell how a program ended.
fn code_of(ended: &Ended) -> (i32, Option<String>) {
    if let Some(errno) = &ended.errno {
        let code = if errno == "ENOENT" { exit::NOT_FOUND } else { exit::NOT_EXECUTED };
        return (code, Some(format!("the command could not be executed: {errno}")));
    }
    if let Some(signal) = &ended.signal {
        // A real-time signal has a number only.
        let number = Signal::from_name(signal).map_or_else(|_| signal.parse().unwrap_or(0), Signal::number);
        return (exit::BY_SIGNAL + number, Some(format!("the command was ended by {signal}")));
    }
    (ended.code.unwrap_or_default(), None)
}
