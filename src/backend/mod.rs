//! What a script asks of the world, whatever stands behind it.
//!
//! In: a checked [`Spec`]. Out: an [`Attached`] probe, whose events arrive on the queue it was given, or a [`BackendError`]
//! with its cause and what to do. The running kernel implements this (`kernel/`), and so does a [dry run](DryRun), with
//! which `explain` follows a script. `script/` knows no other way to a probe.

mod clock;
mod door;
mod dry_run;
mod pin;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, queue::Sender},
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    template::Param,
};

pub use clock::Clock;
pub use door::Door;
pub use dry_run::DryRun;
pub use pin::{PinLease, PinRequest, Pinned, check_pin_name};

/// One probe to attach.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Its number in the session, from 1.
    pub id: u32,
    pub spec: &'r Spec,
    /// Where its events go. What finds no room there is counted as lost.
    pub events: &'r Sender,
}

/// Something that probes can be attached to.
pub trait Backend {
    /// Attaches a probe. When this returns, it decides and counts.
    ///
    /// # Errors
    /// If it cannot be attached; then nothing of it is left behind.
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError>;

    /// Lists the processes that a probe's scope applies to now. Nothing is attached.
    ///
    /// # Errors
    /// If the scope names what is not there, or that cannot be found out.
    fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, BackendError>;

    /// Lists the BPF programs that there are, whoever loaded them. A dry run has none.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn programs(&self) -> Result<Vec<Program>, BackendError>;

    /// Lists the pins that there are, whichever session has made them, by name. A dry run has none.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn pins(&self) -> Result<Vec<Box<dyn Pinned>>, BackendError> {
        Ok(Vec::new())
    }

    /// Returns whether anything comes of what is attached. If not, a session waits for nothing.
    fn is_live(&self) -> bool {
        true
    }

    /// Returns the clock of what happens there. One that goes on in steps does so by the calls below.
    fn clock(&self) -> Rc<Clock> {
        Rc::default()
    }

    /// Hears of a step in the session's time.
    fn passed(&self, _step: Passed<'_>) {}

    /// Returns what has to be known and was not said yet, in a sentence.
    fn notice(&self) -> Option<String> {
        None
    }

    /// Returns what events come from, if they have happened already.
    fn recorded(&self) -> Option<&dyn Recorded> {
        None
    }
}

/// A step in the time of a session. Whoever writes them down can have the same session again.
#[derive(Debug, Clone, Copy)]
pub enum Passed<'p> {
    /// Timers that were due by this moment have been called; what is handled next is so without one in between.
    Looked(Instant),
    /// The script has asked what time it is.
    Asked,
    /// A timer is due, at this moment.
    Due(Instant),
    /// A wait until this moment is over; what has arrived by now is handled first.
    Waits(Instant),
    /// That is done.
    Waited,
    /// Sequences and thresholds are given what happened until this time, on the kernel's monotonic clock.
    Matches(u64),
    /// This event is handled.
    Event(&'p Event),
    /// Whatever has become of probes by now is told before what comes next.
    Tells,
    /// The session ends: everything is detached, and what has arrived is handled.
    Closes,
}

/// Events that have happened already, in the order in which they were handled.
pub trait Recorded {
    /// Sends the next event, and goes on to its time; or, if `due` comes first, goes on to that.
    fn next(&self, due: Option<Instant>) -> Next;

    /// Whether it tells when sequences and thresholds were given their events.
    fn tells_matches(&self) -> bool;

    /// Whether a wait until this moment was over then, or any if it is none, with events that were handled first.
    fn settles(&self, until: Option<Instant>) -> bool;

    /// The same of what was handled before that wait was over.
    fn next_settled(&self) -> Next;

    /// Sends the next of the events that were handled while the session closed; returns whether there was one.
    fn next_last(&self) -> bool;

    /// Returns why something may be missing, a sentence each.
    fn doubts(&self) -> Vec<String>;
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// An event is in the queue, or none of those that are attached wants it.
    Event,
    /// Sequences and thresholds were given what had happened until this time.
    Matches(u64),
    /// It is as late as it was to become.
    Due,
    /// The wait, or the session that was recorded, ended here.
    Over,
}

/// A probe that is attached. Dropping it detaches it.
pub trait Attached {
    /// Returns by what it is attached.
    fn door(&self) -> Door;

    /// Returns why no better door could be had, if it was not chosen.
    fn no_better_door(&self) -> Option<&str>;

    /// Returns hooks of its template that are not there: nothing is seen or refused at these.
    fn missing_hooks(&self) -> Vec<String>;

    /// Returns what it cannot do, and what of its names was resolved once and for all: a sentence each.
    fn remarks(&self) -> Vec<String>;

    /// Returns what a name in this param means here that its text does not say: a sentence each.
    fn param_remarks(&self, param: &str) -> Vec<String>;

    /// Says this of itself to other processes that ask whose it is, as far as that can be said.
    fn say(&mut self, text: &str);

    /// Changes what is answered, from the next decision on.
    ///
    /// # Errors
    /// If the probe can only observe, and this enforces.
    fn set_mode(&mut self, mode: Mode) -> Result<(), BackendError>;

    /// Tells what has become of the question that an event with verdict `ask` was, by its thread and its time on the kernel's
    /// monotonic clock. What was answered before it stopped goes on by this.
    fn standing(&self, tid: u32, asked_ns: u64) -> Standing;

    /// Answers it, and lets it go on. Returns whether it was still held.
    ///
    /// # Errors
    /// If the answer cannot be given; then the operation waits until its time is up.
    fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, BackendError>;

    /// Looks whether another process has changed anything of it since the last look, and puts back what can be. Returns what was found.
    /// Without `asking`, only what can be found out without system calls that a probe might be about.
    ///
    /// # Errors
    /// If that cannot be found out, or not be put back.
    fn altered(&mut self, asking: bool) -> Result<Vec<Altered>, BackendError>;

    /// Makes enforcement lapse this long from now; `None`: never.
    ///
    /// # Errors
    /// If its settings cannot be written.
    fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), BackendError>;

    /// Returns whether its breaker has tripped, so that it refuses nothing. `asked`: by the script.
    ///
    /// # Errors
    /// If its settings cannot be read.
    fn tripped(&self, asked: bool) -> Result<bool, BackendError>;

    /// Lets it refuse again, and begins to count refusals anew. Nothing happens if it has no breaker.
    ///
    /// # Errors
    /// If that cannot be written.
    fn rearm(&mut self) -> Result<(), BackendError>;

    /// Lets everything go on that it holds.
    fn let_go(&mut self);

    /// Returns how many events its limits have held back so far.
    ///
    /// # Errors
    /// If its counters cannot be read.
    fn limited(&self) -> Result<u64, BackendError>;

    /// Sets whether its events are only counted, from the next decision on.
    ///
    /// # Errors
    /// If its settings cannot be written.
    fn set_quiet(&mut self, quiet: bool) -> Result<(), BackendError>;

    /// Puts the filter of `spec`, which is otherwise as it was attached, in the place of the old one. Each operation is
    /// decided once, by one of them.
    ///
    /// # Errors
    /// If the new one is refused; then the old one still decides.
    fn set_filter(&mut self, spec: &Spec) -> Result<(), BackendError>;

    /// Replaces the members of its scope that may change while it is attached: what is new is added before what is gone is
    /// taken out.
    ///
    /// # Errors
    /// If a table has no room; what was meant before then still is.
    fn set_scope(&mut self, scope: &Scope) -> Result<(), BackendError>;

    /// Replaces a param's value; `None` removes it.
    ///
    /// # Errors
    /// If an entry is refused; the old value then still holds.
    fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), BackendError>;

    /// Looks whether what scope and params name is something else now (a file replaced, a cgroup created again), and
    /// follows. Returns what has changed since the last look.
    ///
    /// # Errors
    /// If something cannot be looked at, or there is no room to follow it; what was meant before then still is.
    fn follow(&mut self, now: Instant) -> Result<Vec<Followed>, BackendError>;

    /// Returns what its aggregations have collected.
    ///
    /// # Errors
    /// If they cannot be read.
    fn summaries(&self) -> Result<Vec<Summary>, BackendError>;

    /// Returns what its aggregations have collected, and empties them; no operation is in both or in neither.
    ///
    /// # Errors
    /// If they cannot be read or emptied.
    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError>;

    /// Waits until every event emitted so far is in the queue, or counted as lost.
    fn flush(&self);

    /// Keeps it attached beyond this session, until somebody removes the pin: all of it, or (with an error) nothing.
    ///
    /// # Errors
    /// If there is a pin of that name, or it cannot be kept.
    fn pin(&mut self, request: PinRequest<'_>) -> Result<(), BackendError>;

    /// Takes the pin away: from here on it ends with the session again. Nothing happens if it is not pinned.
    ///
    /// # Errors
    /// If that cannot be done; then it is pinned still.
    fn unpin(&mut self) -> Result<(), BackendError>;

    /// Returns the name under which it is pinned, as far as is known.
    fn pinned(&self) -> Option<&str>;

    /// Returns, of a pinned probe, how long it enforces still (`Some(None)`: for ever): others may renew that.
    fn lease_left(&self) -> Option<Option<Duration>> {
        None
    }

    /// Returns its counters. While events are under way they may not add up yet.
    ///
    /// # Errors
    /// If they cannot be read.
    fn counters(&self) -> Result<Counters, BackendError>;

    /// Detaches it, brings what is left of its events into the queue, and returns its last counters and summaries.
    ///
    /// # Errors
    /// If these cannot be read; it is detached all the same.
    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError>;
}

/// A process that is in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InScope {
    pub pid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// In the form of [`crate::raw`].
    pub comm: String,
}

/// What has become of something that a probe names, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The probe goes on, about what the name means now.
    Follows(String),
    /// It reaches less than it did.
    Gone(String),
}

/// What another process has changed of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Altered {
    /// What was found, and what was done about it: the end of a sentence about the probe.
    pub what: String,
    /// It only observes from then on: whoever may do that has the last word.
    pub observes: bool,
}

/// Why something cannot be had of a backend: for people, with cause and fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BackendError {
    pub text: String,
    /// The word of the script that it is about, if there is one.
    pub about: Option<String>,
}
