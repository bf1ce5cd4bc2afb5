//! Ways round a rule, tried against a script's own probes.
//!
//! In: the probes that a script has attached, and what a person says that they refuse. Out: what came of each way, as a
//! [`Finished`](crate::check::Finished) each, so that every format of a report on checks can tell it.
//!
//! ```text
//! trial     which probe refuses which deed, each way without the rule and with it, the judgement
//! told      an outcome as a check, and a table of them for people
//! watch     a backend that keeps sight of what a script attaches at another one
//! attacker  the process that tries: none of those that a session's own denials spare
//! derive    what a probe says ─▶ deeds that it may refuse, and who does them
//! ways      the table: a way is a row and a function
//! page      what docs/bypasses.md says of a way
//! deed      what is attempted
//! gates     doors of the kernel beside the usual system calls; ring: io_uring
//! child     a process for one attempt
//! ```
//!
//! Each way is tried twice by a process of the same kind: while the probes only observe, which tells whether it is one here, and
//! while they enforce. So a kernel that lacks something is never taken for a rule that holds. What must never happen: that
//! something which was not tried looks like something which was stopped.

mod attacker;
mod child;
mod deed;
mod derive;
pub mod gates;
mod page;
pub mod ring;
mod told;
mod trial;
mod watch;
pub mod ways;

pub use self::{
    attacker::{Attacker, Reply, attack},
    child::{Answer, Trouble},
    deed::{Access, Deed, DeedError},
    page::{Row, rows},
    told::{Outcome, nothing_to_go_round, sum, table},
    trial::{Alive, Trial},
    watch::Watch,
};
