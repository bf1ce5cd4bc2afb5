//! A sequence as a script holds it: its steps, what they are keyed by, and what has begun.

use std::{cell::RefCell, rc::Rc, time::Duration};

use rhai::Map;

use super::{Function, as_map, different, limit, lost, nanoseconds, probe_named, status, told};
use crate::{
    correlation::{
        Key, LIMIT,
        sequence::{Counts, STEPS, Sequence, Waiting},
    },
    script::{Fault, event::ScriptEvent, handle::ProbeHandle},
};

/// A sequence that a script holds; clones are the same one.
#[derive(Clone)]
pub struct SequenceHandle(Rc<RefCell<State>>);

/// What one event of a sequence has to be.
#[derive(Clone)]
pub struct Step {
    pub probe: ProbeHandle,
    /// Asked about each event of the probe; it may take the events before as well.
    pub condition: Option<Function>,
    /// Gives an event's key.
    pub key: Function,
}

struct State {
    number: u64,
    within: Duration,
    /// What the steps are keyed by that are added next.
    key: Option<Function>,
    steps: Vec<Step>,
    limit: usize,
    callback: Option<Function>,
    /// From the first start on.
    matcher: Option<Sequence<ScriptEvent>>,
    is_running: bool,
    events: u64,
    /// Events that there was no room for while earlier ones were on their way.
    unheld: u64,
    /// Questions to the script's functions that had no answer.
    errors: u64,
}

impl SequenceHandle {
    pub fn new(number: u64, within: Duration) -> Self {
        SequenceHandle(Rc::new(RefCell::new(State {
            number,
            within,
            key: None,
            steps: Vec::new(),
            limit: LIMIT,
            callback: None,
            matcher: None,
            is_running: false,
            events: 0,
            unheld: 0,
            errors: 0,
        })))
    }

    pub fn number(&self) -> u64 {
        self.0.borrow().number
    }

    pub fn name(&self) -> String {
        format!("sequence {}", self.number())
    }

    /// Sets what the steps are keyed by that are added from here on.
    ///
    /// # Errors
    /// If it was started already.
    pub fn set_key(&self, key: Function) -> Result<(), Fault> {
        self.before_start("by")?;
        self.0.borrow_mut().key = Some(key);
        Ok(())
    }

    /// Adds a step.
    ///
    /// # Errors
    /// If there are enough, nothing is known to key it by, or it was started already.
    pub fn add_step(&self, probe: ProbeHandle, condition: Option<Function>) -> Result<(), Fault> {
        self.before_start("step")?;
        let mut state = self.0.borrow_mut();
        let most = STEPS.end();
        if state.steps.len() >= *most {
            return Err(Fault::script(format!(
                "a sequence has {} to {most} steps, and this is one more",
                STEPS.start()
            ))
            .about("step"));
        }
        let Some(key) = state.key.clone() else {
            let fault = Fault::script(
                "a step needs something that its events have in common with those of the others",
            );
            let advice = "say `.by(…)` before it: `.by(|e| e.process_key())` for the events of one process";
            return Err(Fault { advice: Some(advice.into()), ..fault.about("step") });
        };
        state.steps.push(Step { probe, condition, key });
        Ok(())
    }

    /// Sets how many partial sequences there may be.
    ///
    /// # Errors
    /// If that is none or too many.
    pub fn set_limit(&self, given: i64) -> Result<(), Fault> {
        let limit = limit(given)?;
        let mut state = self.0.borrow_mut();
        state.limit = limit;
        if let Some(matcher) = &mut state.matcher {
            matcher.set_limit(limit);
        }
        Ok(())
    }

    /// Sets what is called with a match, and starts it.
    ///
    /// # Errors
    /// If there are not enough steps.
    pub fn start(&self, callback: Function) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        if !STEPS.contains(&state.steps.len()) {
            let (least, most, have) = (STEPS.start(), STEPS.end(), state.steps.len());
            let fault =
                Fault::script(format!("a sequence has {least} to {most} steps, and this one has {have}"));
            let advice = "add steps before: `.step(p, |e| …)`; a `threshold` counts the events of one probe";
            return Err(Fault { advice: Some(advice.into()), ..fault.about("on_match") });
        }
        state.callback = Some(callback);
        if state.is_running {
            return Ok(());
        }
        let looks_back = |step: &Step| step.condition.as_ref().is_some_and(|condition| condition.arity > 1);
        if state.matcher.is_none() {
            let looks_back = state.steps.iter().any(looks_back);
            let mut matcher = Sequence::new(state.steps.len(), nanoseconds(state.within), looks_back);
            matcher.set_limit(state.limit);
            state.matcher = Some(matcher);
        }
        state.is_running = true;
        state.probes().iter().try_for_each(ProbeHandle::listen)
    }

    /// Lets everything go that has begun, and takes no more events.
    ///
    /// # Errors
    /// If the object's layout of a probe is broken.
    pub fn stop(&self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        if !std::mem::take(&mut state.is_running) {
            return Ok(());
        }
        if let Some(matcher) = &mut state.matcher {
            matcher.clear();
        }
        // It may hold this sequence, and a circle is never dropped.
        state.callback = None;
        state.probes().iter().try_for_each(ProbeHandle::stop_listening)
    }

    pub fn callback(&self) -> Option<Function> {
        self.0.borrow().callback.clone()
    }

    pub fn hears(&self, probe: &ProbeHandle) -> bool {
        self.0.borrow().steps.iter().any(|step| step.probe.is(probe))
    }

    /// The steps that may be events of this probe, the last one first, with their places.
    pub fn steps_of(&self, probe: &ProbeHandle) -> Vec<(usize, Step)> {
        let state = self.0.borrow();
        let steps = state.steps.iter().enumerate().rev().filter(|(_, step)| step.probe.is(probe));
        steps.map(|(place, step)| (place, step.clone())).collect()
    }

    pub fn counts(&self) -> Counts {
        self.0.borrow().matcher.as_ref().map(Sequence::counts).unwrap_or_default()
    }

    /// Hears of an event, before it is offered.
    pub fn hear(&self, time: u64) {
        self.with_matcher(|matcher| matcher.expire(time));
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

    /// See [`Sequence::waiting`].
    pub fn waiting(&self, step: usize, key: &Key, time: u64) -> Vec<Waiting<ScriptEvent>> {
        self.with_matcher(|matcher| matcher.waiting(step, key, time)).unwrap_or_default()
    }

    /// See [`Sequence::advance`].
    pub fn advance(&self, numbers: &[u64], event: &ScriptEvent) -> Option<Vec<ScriptEvent>> {
        let (time, bytes) = (super::time(event), super::bytes(event));
        self.with_matcher(|matcher| matcher.advance(numbers, time, event, bytes)).flatten()
    }

    /// See [`Sequence::begin`].
    pub fn begin(&self, key: &Key, event: &ScriptEvent) {
        let (time, bytes) = (super::time(event), super::bytes(event));
        self.with_matcher(|matcher| matcher.begin(key, time, event, bytes));
    }

    /// What one of the script's functions has stopped meanwhile is left alone.
    fn with_matcher<R>(&self, work: impl FnOnce(&mut Sequence<ScriptEvent>) -> R) -> Option<R> {
        let mut state = self.0.borrow_mut();
        if !state.is_running {
            return None;
        }
        state.matcher.as_mut().map(work)
    }

    pub fn stats(&self) -> Map {
        let lost = lost(&self.0.borrow().probes());
        let (counts, state) = (self.counts(), self.0.borrow());
        as_map([
            ("events", state.events),
            ("matched", counts.matched),
            ("partial", state.partial()),
            ("expired", counts.expired),
            ("replaced", counts.replaced),
            ("dropped", counts.dropped),
            ("late", counts.late),
            ("errors", state.errors),
            ("lost", lost + state.unheld),
        ])
    }

    /// Returns what it is, in a line.
    pub fn describe(&self) -> String {
        let (counts, state) = (self.counts(), self.0.borrow());
        let steps: Vec<String> = state.steps.iter().map(|step| probe_named(&step.probe)).collect();
        let steps = if steps.is_empty() { "no steps".to_owned() } else { steps.join(", then ") };
        let within = humantime::format_duration(state.within);
        let told = told([
            ("matched", counts.matched),
            ("partial", state.partial()),
            ("dropped", counts.dropped),
            ("late", counts.late),
        ]);
        let status = status(state.is_running, state.matcher.is_some());
        format!("sequence {}: {steps}, within {within}{told}{status}", state.number)
    }

    fn before_start(&self, what: &str) -> Result<(), Fault> {
        let state = self.0.borrow();
        if state.matcher.is_none() {
            return Ok(());
        }
        let number = state.number;
        let text =
            format!("sequence {number} has been started, and `.{what}(…)` is decided before `.on_match(…)`");
        Err(Fault::script(text).about(what))
    }
}

impl State {
    fn probes(&self) -> Vec<ProbeHandle> {
        different(self.steps.iter().map(|step| &step.probe))
    }

    fn partial(&self) -> u64 {
        self.matcher.as_ref().map_or(0, |matcher| matcher.partial() as u64)
    }
}
