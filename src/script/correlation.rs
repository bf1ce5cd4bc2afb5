//! Sequences, thresholds and memories as scripts hold them, and those of a session that are running.
//!
//! What belongs together is decided by [`crate::correlation`], which knows no scripts; whether an event fits is asked of the
//! script's functions by `runtime/correlate`.

mod sequence;
mod state;
mod threshold;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

pub use self::{
    sequence::{SequenceHandle, Step},
    state::StateHandle,
    threshold::ThresholdHandle,
};
use super::{Fault, event::ScriptEvent, handle::ProbeHandle};
use crate::correlation::{LIMITS, order::Order, seen::Seen};

/// Sequences and thresholds that may run at once.
const MOST: usize = 1000;
/// Bytes that an event takes besides its record.
const EVENT: usize = 200;

/// A sequence or a threshold.
#[derive(Clone)]
pub enum Rule {
    Sequence(SequenceHandle),
    Threshold(ThresholdHandle),
}

/// Up to when all events have arrived once so many have been dispatched, or none is left.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    pub time: u64,
    pub left: usize,
}

/// What a session has of them.
#[derive(Default)]
pub struct Correlations {
    running: RefCell<Vec<Rule>>,
    made: Cell<u64>,
    /// What those that have been stopped had let go.
    dropped: Cell<u64>,
    held: RefCell<Order<ScriptEvent>>,
    pub horizon: Cell<Option<Horizon>>,
    /// What `first_seen` remembers without a state.
    pub seen: RefCell<Seen>,
    states: RefCell<Vec<StateHandle>>,
}

impl Rule {
    fn number(&self) -> u64 {
        match self {
            Rule::Sequence(sequence) => sequence.number(),
            Rule::Threshold(threshold) => threshold.number(),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Rule::Sequence(sequence) => sequence.name(),
            Rule::Threshold(threshold) => threshold.name(),
        }
    }

    /// What it is, in a line.
    pub fn describe(&self) -> String {
        match self {
            Rule::Sequence(sequence) => sequence.describe(),
            Rule::Threshold(threshold) => threshold.describe(),
        }
    }

    fn hears(&self, probe: &ProbeHandle) -> bool {
        match self {
            Rule::Sequence(sequence) => sequence.hears(probe),
            Rule::Threshold(threshold) => threshold.hears(probe),
        }
    }

    fn acts(&self) -> bool {
        match self {
            Rule::Sequence(sequence) => sequence.callback(),
            Rule::Threshold(threshold) => threshold.callback(),
        }
        .is_some_and(|callback| callback.acts())
    }

    /// What it has let go, since there was no room.
    pub fn dropped(&self) -> u64 {
        match self {
            Rule::Sequence(sequence) => sequence.counts().dropped,
            Rule::Threshold(threshold) => threshold.counts().dropped,
        }
    }

    /// Events that there was no room for before they were offered.
    pub fn unheld(&self) -> u64 {
        match self {
            Rule::Sequence(sequence) => sequence.unheld(),
            Rule::Threshold(threshold) => threshold.unheld(),
        }
    }

    fn count_unheld(&self) {
        match self {
            Rule::Sequence(sequence) => sequence.count_unheld(),
            Rule::Threshold(threshold) => threshold.count_unheld(),
        }
    }

    fn stop(&self) -> Result<(), Fault> {
        match self {
            Rule::Sequence(sequence) => sequence.stop(),
            Rule::Threshold(threshold) => threshold.stop(),
        }
    }
}

impl Correlations {
    /// Gives a new rule its number.
    pub fn next_number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }

    /// Returns how many rules were ever made.
    pub fn made(&self) -> u64 {
        self.made.get()
    }

    /// Offers events to a rule from here on.
    ///
    /// # Errors
    /// If there are too many.
    pub fn run(&self, rule: Rule) -> Result<(), Fault> {
        let mut running = self.running.borrow_mut();
        if running.iter().any(|known| known.number() == rule.number()) {
            return Ok(());
        }
        if running.len() >= MOST {
            return Err(Fault::script(format!(
                "there are {MOST} sequences and thresholds already, the most that may run; `s.stop()` ends one"
            )));
        }
        running.push(rule);
        Ok(())
    }

    /// Offers no more events to the rule of this number.
    ///
    /// # Errors
    /// If the object's layout of one of its probes is broken.
    pub fn stop(&self, number: u64) -> Result<(), Fault> {
        let rule = {
            let mut running = self.running.borrow_mut();
            let at = running.iter().position(|rule| rule.number() == number);
            at.map(|at| running.remove(at))
        };
        let Some(rule) = rule else { return Ok(()) };
        self.dropped.set(self.dropped.get() + rule.dropped() + rule.unheld());
        rule.stop()
    }

    /// Stops all that were made after so many.
    pub fn stop_after(&self, made: u64) {
        let later: Vec<u64> = self.running.borrow().iter().map(Rule::number).filter(|n| *n > made).collect();
        for number in later {
            // Its probes are detached, or about to be.
            let _ = self.stop(number);
        }
        if self.running.borrow().is_empty() {
            self.held.borrow_mut().clear();
            self.horizon.set(None);
        }
    }

    /// Returns the rules that take this probe's events.
    pub fn hearing(&self, probe: &ProbeHandle) -> Vec<Rule> {
        self.running.borrow().iter().filter(|rule| rule.hears(probe)).cloned().collect()
    }

    /// Returns all that run.
    pub fn running(&self) -> Vec<Rule> {
        self.running.borrow().clone()
    }

    /// What all of them have let go so far, since there was no room.
    pub fn dropped(&self) -> u64 {
        let running = self.running.borrow();
        self.dropped.get() + running.iter().map(|rule| rule.dropped() + rule.unheld()).sum::<u64>()
    }

    /// The name of one whose callback may do something to the system.
    pub fn acting(&self) -> Option<String> {
        self.running.borrow().iter().find(|rule| rule.acts()).map(Rule::name)
    }

    /// Holds an event of this probe until all earlier ones have arrived.
    pub fn hold(&self, probe: &ProbeHandle, event: &ScriptEvent) {
        if !self.held.borrow_mut().hold(time(event), event.clone(), bytes(event)) {
            self.hearing(probe).iter().for_each(Rule::count_unheld);
        }
    }

    /// Returns the earliest event, if its time is not after `horizon`.
    pub fn release(&self, horizon: u64) -> Option<ScriptEvent> {
        self.held.borrow_mut().release(horizon)
    }

    /// The time of the earliest event that is held.
    pub fn earliest(&self) -> Option<u64> {
        self.held.borrow().earliest()
    }

    /// Hears that an event has been dispatched.
    pub fn one_dispatched(&self) {
        if let Some(horizon) = self.horizon.get() {
            self.horizon.set(Some(Horizon { left: horizon.left.saturating_sub(1), ..horizon }));
        }
    }

    /// Returns the state of this name that the session has already.
    pub fn state(&self, name: &str) -> Option<StateHandle> {
        self.states.borrow().iter().find(|state| state.name() == name).cloned()
    }

    /// Keeps a state until the session's end.
    pub fn keep_state(&self, state: StateHandle) {
        self.states.borrow_mut().push(state);
    }

    pub fn states(&self) -> Vec<StateHandle> {
        self.states.borrow().clone()
    }
}

/// When an event happened, on the kernel's monotonic clock; every event has that.
pub fn time(event: &ScriptEvent) -> u64 {
    event.inner().number("mono_ns")
}

/// About how many bytes an event holds.
pub fn bytes(event: &ScriptEvent) -> usize {
    event.inner().record().len() + EVENT
}

/// A number that `.limit(…)` was given.
fn limit(given: i64) -> Result<usize, Fault> {
    usize::try_from(given).ok().filter(|given| LIMITS.contains(given)).ok_or_else(|| {
        let (least, most) = (LIMITS.start(), LIMITS.end());
        Fault::script(format!("`limit` takes {least} to {most}, not {given}")).about(given)
    })
}

/// A probe by its name, and whether it sends events.
fn probe_named(probe: &ProbeHandle) -> String {
    let name = probe.name();
    match (probe.attached(), probe.door()) {
        (true, _) => name,
        (false, Some(_)) => format!("{name} (detached)"),
        (false, None) => format!("{name} (not attached)"),
    }
}

/// Different probes, in the order in which they first come.
fn different<'p>(probes: impl IntoIterator<Item = &'p ProbeHandle>) -> Vec<ProbeHandle> {
    let mut different: Vec<ProbeHandle> = Vec::new();
    for probe in probes {
        if !different.iter().any(|known| known.is(probe)) {
            different.push(probe.clone());
        }
    }
    different
}

/// What these probes have lost of their events; of one whose counters cannot be read, nothing is known.
fn lost(probes: &[ProbeHandle]) -> u64 {
    let counters = probes.iter().filter_map(|probe| probe.counters().ok());
    counters.map(|counters| counters.lost_ring + counters.lost_queue + counters.withheld()).sum()
}

/// Whether it runs, as `describe` says it.
fn status(is_running: bool, has_run: bool) -> &'static str {
    match (is_running, has_run) {
        (true, _) => "",
        (false, true) => ", stopped",
        (false, false) => ", not started: `.on_match(…)` starts it",
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Counts as a script reads them.
fn as_map(counts: impl IntoIterator<Item = (&'static str, u64)>) -> rhai::Map {
    counts.into_iter().map(|(name, count)| (name.into(), count.cast_signed().into())).collect()
}

/// Adds what is not nothing to a line.
fn told(counts: impl IntoIterator<Item = (&'static str, u64)>) -> String {
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| format!(", {count} {name}")).collect()
}

/// Both are cheap to copy: functions of the script's are called while nothing is borrowed.
type Function = Rc<super::program::Callback>;

#[cfg(test)]
mod tests;
