//! A threshold as a script holds it: whose events it counts, what they are keyed by, and what it has counted.

use std::{cell::RefCell, rc::Rc, time::Duration};

use rhai::Map;

use super::{Function, as_map, different, limit, lost, nanoseconds, probe_named, status, told};
use crate::{
    correlation::{
        Key,
        threshold::{Counts, Threshold, WANTED},
    },
    script::{Fault, event::ScriptEvent, handle::ProbeHandle},
};

/// A threshold that a script holds; clones are the same one.
#[derive(Clone)]
pub struct ThresholdHandle(Rc<RefCell<State>>);

struct State {
    number: u64,
    wanted: usize,
    within: Duration,
    /// The probes whose events count, and what is asked about each event.
    sources: Vec<(ProbeHandle, Option<Function>)>,
    key: Option<Function>,
    callback: Option<Function>,
    counter: Threshold<ScriptEvent>,
    is_running: bool,
    has_run: bool,
    events: u64,
    /// Events that there was no room for while earlier ones were on their way.
    unheld: u64,
    errors: u64,
}

impl ThresholdHandle {
    /// # Errors
    /// If it wants none, or too many.
    pub fn new(number: u64, wanted: i64, within: Duration) -> Result<Self, Fault> {
        let given = wanted;
        let wanted =
            usize::try_from(given).ok().filter(|wanted| WANTED.contains(wanted)).ok_or_else(|| {
                let (least, most) = (WANTED.start(), WANTED.end());
                Fault::script(format!("`threshold` counts to {least} to {most}, not to {given}")).about(given)
            })?;
        Ok(ThresholdHandle(Rc::new(RefCell::new(State {
            number,
            wanted,
            within,
            sources: Vec::new(),
            key: None,
            callback: None,
            counter: Threshold::new(wanted, nanoseconds(within)),
            is_running: false,
            has_run: false,
            events: 0,
            unheld: 0,
            errors: 0,
        }))))
    }

    pub fn number(&self) -> u64 {
        self.0.borrow().number
    }

    pub fn name(&self) -> String {
        format!("threshold {}", self.number())
    }

    /// Counts the events of one more probe.
    ///
    /// # Errors
    /// If it was started already.
    pub fn add_probe(&self, probe: ProbeHandle, condition: Option<Function>) -> Result<(), Fault> {
        self.before_start("of")?;
        self.0.borrow_mut().sources.push((probe, condition));
        Ok(())
    }

    /// Sets what events are keyed by.
    ///
    /// # Errors
    /// If it was started already.
    pub fn set_key(&self, key: Function) -> Result<(), Fault> {
        self.before_start("by")?;
        self.0.borrow_mut().key = Some(key);
        Ok(())
    }

    /// Sets how many keys there may be.
    ///
    /// # Errors
    /// If that is none or too many.
    pub fn set_limit(&self, given: i64) -> Result<(), Fault> {
        let limit = limit(given)?;
        self.0.borrow_mut().counter.set_limit(limit);
        Ok(())
    }

    /// Sets what is called with a match, and starts it.
    ///
    /// # Errors
    /// If it counts no probe's events.
    pub fn start(&self, callback: Function) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        if state.sources.is_empty() {
            let fault = Fault::script("this threshold counts no probe's events").about("on_match");
            let advice = "say whose before: `.of(p)`, or `.of(p, |e| …)` for some of them";
            return Err(Fault { advice: Some(advice.into()), ..fault });
        }
        state.callback = Some(callback);
        state.has_run = true;
        if std::mem::replace(&mut state.is_running, true) {
            return Ok(());
        }
        state.probes().iter().try_for_each(ProbeHandle::listen)
    }

    /// Forgets what was counted, and takes no more events.
    ///
    /// # Errors
    /// If the object's layout of a probe is broken.
    pub fn stop(&self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        if !std::mem::take(&mut state.is_running) {
            return Ok(());
        }
        state.counter.clear();
        // It may hold this threshold, and a circle is never dropped.
        state.callback = None;
        state.probes().iter().try_for_each(ProbeHandle::stop_listening)
    }

    pub fn callback(&self) -> Option<Function> {
        self.0.borrow().callback.clone()
    }

    pub fn key(&self) -> Option<Function> {
        self.0.borrow().key.clone()
    }

    pub fn hears(&self, probe: &ProbeHandle) -> bool {
        self.0.borrow().sources.iter().any(|(source, _)| source.is(probe))
    }

    /// What is asked about events of this probe: one that holds is enough.
    pub fn conditions_of(&self, probe: &ProbeHandle) -> Vec<Option<Function>> {
        let state = self.0.borrow();
        let sources = state.sources.iter().filter(|(source, _)| source.is(probe));
        sources.map(|(_, condition)| condition.clone()).collect()
    }

    pub fn counts(&self) -> Counts {
        self.0.borrow().counter.counts()
    }

    /// Hears of an event, before it is offered.
    pub fn hear(&self) {
        self.0.borrow_mut().events += 1;
    }

    /// An event could not be held.
    pub fn count_unheld(&self) {
        self.0.borrow_mut().unheld += 1;
    }

    pub fn unheld(&self) -> u64 {
        self.0.borrow().unheld
    }

    /// A function of the script's had no answer.
    pub fn count_error(&self) {
        self.0.borrow_mut().errors += 1;
    }

    /// See [`Threshold::offer`].
    pub fn offer(&self, key: &Key, event: ScriptEvent) -> Option<Vec<ScriptEvent>> {
        let (time, bytes) = (super::time(&event), super::bytes(&event));
        let mut state = self.0.borrow_mut();
        // One of the script's functions may have stopped it meanwhile.
        if !state.is_running {
            return None;
        }
        state.counter.offer(key, time, event, bytes)
    }

    pub fn stats(&self) -> Map {
        let lost = lost(&self.0.borrow().probes());
        let (counts, state) = (self.counts(), self.0.borrow());
        as_map([
            ("events", state.events),
            ("matched", counts.matched),
            ("keys", state.counter.keys() as u64),
            ("resting", counts.resting),
            ("dropped", counts.dropped),
            ("late", counts.late),
            ("errors", state.errors),
            ("lost", lost + state.unheld),
        ])
    }

    /// Returns what it is, in a line.
    pub fn describe(&self) -> String {
        let (counts, state) = (self.counts(), self.0.borrow());
        let probes: Vec<String> = state.probes().iter().map(probe_named).collect();
        let of = if probes.is_empty() { "no probe".to_owned() } else { probes.join(", ") };
        let within = humantime::format_duration(state.within);
        let told = told([
            ("matched", counts.matched),
            ("keys", state.counter.keys() as u64),
            ("dropped", counts.dropped),
            ("late", counts.late),
        ]);
        let status = status(state.is_running, state.has_run);
        let events = if state.wanted == 1 { "event" } else { "events" };
        format!("threshold {}: {} {events} of {of} within {within}{told}{status}", state.number, state.wanted)
    }

    fn before_start(&self, what: &str) -> Result<(), Fault> {
        let state = self.0.borrow();
        if !state.has_run {
            return Ok(());
        }
        let number = state.number;
        let text =
            format!("threshold {number} has been started, and `.{what}(…)` is decided before `.on_match(…)`");
        Err(Fault::script(text).about(what))
    }
}

impl State {
    fn probes(&self) -> Vec<ProbeHandle> {
        different(self.sources.iter().map(|(probe, _)| probe))
    }
}
