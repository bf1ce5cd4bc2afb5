//! Attempts at what ought to be forbidden: made by a process of its own, in a scratch that is gone afterwards.
//!
//! In: whom to attempt it as, and what. Out: the kernel's own answer, an errno. A [`Scratch`] is a user, a cgroup, namespaces and
//! a directory; its *keeper* makes it, a second process of this program in a session of its own:
//!
//! ```text
//! session ── Scratch ══ socket ══ keeper ── fork ── enter ── one operation, or a program
//!                                   └ at the socket's end: kills what is left, removes cgroup and directory
//! ```
//!
//! The socket's end is the one sign that the session is over, and the kernel gives it however the session ends, SIGKILL included.
//! If the keeper is killed as well, the lock that it holds on the scratch is free, and the next keeper removes what it finds. The
//! keeper has one thread, so what it forks may do anything; and it executes nothing, so a probe that denies executions decides
//! about what is attempted and about nothing else.
//!
//! What must never happen: an operation that does harm where it is permitted. Each has arguments with which the kernel's
//! permission changes nothing that lasts, or makes it fail later for another reason ([`Operation::permitted`]).

mod arguments;
mod calls;
mod cgroup;
mod directory;
mod enter;
mod keeper;
mod message;
mod namespace;
mod operation;
mod output;
mod performer;
mod processes;
mod scratch;

pub use self::{
    arguments::{ArgumentsError, Value},
    calls::network::{FAMILY_NAMES, family},
    keeper::keep,
    message::{Attempted, Ending, Made, Performed, Ran, Reply, Spec, Want, Work},
    namespace::Namespace,
    operation::{Operation, UnknownOperation, operations},
    scratch::{COMMAND, Scratch, wait_for_end},
};
