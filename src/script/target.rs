//! The process that a session is about: a command that it starts, or a process that is there already.
//!
//! In: what the command line says. Out: `target`, a scope for that process and all it starts, and the session's end when the process
//! has ended. A command executes nothing before the script waits for the first time, or is done: its probes are in force by then.

use std::{
    cell::{Cell, OnceCell, RefCell},
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
    reaction::{Ended, Held, Orphans, Swept},
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
    /// What it leaves running is ended with it; `None` before it was released.
    ends_all: Cell<bool>,
    orphans: OnceCell<Orphans>,
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
            ends_all: Cell::new(false),
            orphans: OnceCell::new(),
        }
    }

    /// The same, of whom nothing goes on when the session ends: what keeps it in bounds ends as well.
    #[must_use]
    pub fn whole(self) -> Self {
        self.ends_all.set(true);
        self
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
        Ok(Target {
            pid,
            command: None,
            over,
            has_ended: Cell::new(false),
            cut_short: Cell::new(None),
            ends_all: Cell::new(false),
            orphans: OnceCell::new(),
        })
    }

    /// What `target` is in the script: a scope.
    pub fn scope(&self) -> Map {
        scope_of(self.pid)
    }

    /// Whether it is a command that this shell has started.
    pub fn is_command(&self) -> bool {
        self.command.is_some()
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets a command execute its program.
    pub fn release(&self) {
        let Some(command) = &self.command else { return };
        if self.ends_all.get() && !command.borrow().released() {
            // Whoever is started from now on is the command's.
            if let Ok(orphans) = Orphans::adopt() {
                let _ = self.orphans.set(orphans);
            }
        }
        command.borrow_mut().release();
    }

    /// Ends what the command has left running, as long as it is kept in bounds; what there is to say about it.
    pub fn sweep(&self) -> Option<String> {
        let Swept { ended, left } = self.orphans.get()?.end();
        match (ended, left) {
            (0, 0) => None,
            (ended, 0) => Some(format!(
                "the command has left {ended} processes running, which are ended with the session"
            )),
            (_, left) => Some(format!(
                "warning: {left} processes that the command has left running could not be ended, and go on without what kept them"
            )),
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
