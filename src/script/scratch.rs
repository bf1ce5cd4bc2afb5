//! Scratches of a session: a handle for scripts, and a list by which those that are forgotten are closed.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use crossbeam_channel::{Receiver, TryRecvError};

use crate::attempt::{Made, Reply, Scratch, wait_for_end};

/// A scratch, as a script has it.
#[derive(Clone)]
pub struct ScratchHandle(pub Rc<Held>);

/// What a handle holds.
pub struct Held {
    pub scratch: Scratch,
    pub made: Made,
    /// Whose processes are in it.
    pub user: String,
}

impl ScratchHandle {
    /// Returns what it is, in a line.
    pub fn describe(&self) -> String {
        let Held { scratch, made, user } = &*self.0;
        let closed = if scratch.is_open() { "" } else { ", closed" };
        let cgroup = made.cgroup.as_ref().map_or_else(|| "no cgroup".into(), |path| format!("cgroup {path}"));
        format!("scratch of {user} in {}, {cgroup}{closed}", made.directory)
    }
}

/// The scratches that a session has made.
#[derive(Default)]
pub struct Scratches {
    seen: RefCell<Vec<Seen>>,
    made: Cell<u64>,
}

/// One of them, which the script may have let go of.
struct Seen {
    number: u64,
    held: Weak<Held>,
    replies: Receiver<Reply>,
}

impl Seen {
    fn close(self) -> Vec<String> {
        match self.held.upgrade() {
            Some(held) => held.scratch.close(),
            // It is being removed, or was.
            None => wait_for_end(&self.replies),
        }
    }

    /// Whether something of it may be there.
    fn is_there(&self) -> bool {
        match self.held.upgrade() {
            Some(held) => held.scratch.is_open(),
            None => {
                !matches!(self.replies.try_recv(), Ok(Reply::Closed(_)) | Err(TryRecvError::Disconnected))
            }
        }
    }
}

impl Scratches {
    /// Keeps sight of a new one.
    pub fn add(&self, handle: &ScratchHandle) {
        let number = self.made.get() + 1;
        self.made.set(number);
        let mut seen = self.seen.borrow_mut();
        seen.retain(Seen::is_there);
        let replies = handle.0.scratch.replies().clone();
        seen.push(Seen { number, held: Rc::downgrade(&handle.0), replies });
    }

    /// Returns how many were ever made.
    pub fn made(&self) -> u64 {
        self.made.get()
    }

    /// Closes all that were made after so many. Returns what could not be removed, a sentence each.
    pub fn close_after(&self, made: u64) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.borrow_mut());
        let (later, before): (Vec<_>, Vec<_>) =
            seen.into_iter().filter(Seen::is_there).partition(|seen| seen.number > made);
        *self.seen.borrow_mut() = before;
        later.into_iter().flat_map(Seen::close).collect()
    }
}
