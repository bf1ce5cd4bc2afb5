//! Events on their way to sequences and thresholds: in the order in which they happened, and each with the script's own
//! answers about it.
//!
//! Each probe has a ring buffer of its own, so events arrive batch by batch. One that somebody listens to is held for some
//! milliseconds; then all buffers are read once more, and what they had is dispatched: no event that happened before is
//! under way any more, but for one whose task was held up between its time and the buffer. That one is counted as late.

use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine};

use super::{Runtime, calls::Given};
use crate::{
    backend::Passed,
    correlation::Key,
    script::{
        correlation::{self, Horizon, Rule, SequenceHandle, Step, ThresholdHandle},
        event::ScriptEvent,
        handle::ProbeHandle,
        key,
        program::Callback,
        stop::Stop,
    },
    system::clock,
};

/// How long an event is held.
const HELD: Duration = Duration::from_millis(5);

/// What a function of the script's says that an event belongs to.
enum Keyed {
    By(Key),
    /// It belongs to nothing.
    LeftOut,
    /// It failed, which has been reported.
    Unknown,
}

fn held() -> u64 {
    HELD.as_nanos() as u64
}

fn array(events: &[ScriptEvent]) -> Dynamic {
    events.iter().cloned().map(Dynamic::from).collect::<Vec<_>>().into()
}

impl Runtime {
    /// What has happened by now has an earlier time than this, on the kernel's monotonic clock.
    pub(super) fn kernel_now(&self) -> u64 {
        match self.backend.recorded() {
            Some(_) => self.clock.kernel_ns(),
            None => clock::monotonic_ns().cast_unsigned(),
        }
    }

    /// When there is something to do for sequences and thresholds.
    pub(super) fn correlate_due(&self, now: Instant) -> Option<Instant> {
        let earliest = self.correlations.earliest()?;
        if self.correlations.horizon.get().is_some() {
            return Some(now);
        }
        let left = earliest.saturating_add(held()).saturating_sub(self.kernel_now());
        now.checked_add(Duration::from_nanos(left))
    }

    /// Gives sequences and thresholds up to so many of the events that have been held long enough, once all that are
    /// earlier have arrived.
    pub(super) fn correlate(&self, engine: &Engine, most: usize) -> Result<(), Stop> {
        let Some(earliest) = self.correlations.earliest() else { return Ok(()) };
        let horizon = match self.correlations.horizon.get() {
            Some(horizon) => horizon,
            None => {
                let time = self.kernel_now().saturating_sub(held());
                if earliest > time {
                    return Ok(());
                }
                for probe in self.probes.used().iter().filter(|probe| probe.is_heard()) {
                    probe.flush();
                }
                Horizon { time, left: self.events.1.len() }
            }
        };
        self.correlations.horizon.set(Some(horizon));
        if horizon.left > 0 && !self.events.1.is_empty() {
            return Ok(());
        }
        if self.correlations.earliest().is_some_and(|earliest| earliest <= horizon.time) {
            self.backend.passed(Passed::Matches(horizon.time));
        }
        for _ in 0..most {
            let Some(event) = self.correlations.release(horizon.time) else {
                self.correlations.horizon.set(None);
                return Ok(());
            };
            self.match_one(engine, &event)?;
        }
        Ok(())
    }

    /// Gives sequences and thresholds all events up to this time: all of them have arrived.
    pub(super) fn correlate_until(&self, engine: &Engine, time: u64) -> Result<(), Stop> {
        if self.correlations.earliest().is_some_and(|earliest| earliest <= time) {
            self.backend.passed(Passed::Matches(time));
        }
        while let Some(event) = self.correlations.release(time) {
            self.match_one(engine, &event)?;
        }
        Ok(())
    }

    /// Gives them what is left, at the end of the session. From the deadline or a signal on nothing else is done.
    pub(super) fn last_matches(&self, engine: &Engine) {
        while !self.overdue()
            && !self.interrupted()
            && let Some(event) = self.correlations.release(u64::MAX)
        {
            if self.match_one(engine, &event).is_err() {
                return;
            }
        }
    }

    /// Says what was let go, and ends them.
    pub(super) fn end_correlations(&self) {
        for rule in self.correlations.running() {
            let (name, dropped) = (rule.name(), rule.dropped());
            let what = match &rule {
                Rule::Sequence(_) => "partial sequences",
                Rule::Threshold(_) => "keys",
            };
            if rule.unheld() > 0 {
                self.note(&format!("{name} was not given {} events: too many came at once", rule.unheld()));
            }
            if dropped > 0 {
                self.note(&format!(
                    "{name} let {dropped} {what} go, since there were more at once than `.limit(…)` or memory allows"
                ));
            }
        }
        self.correlations.stop_after(0);
        self.keep_states(None);
    }

    /// Writes what the script remembers, as far as that is due.
    pub(super) fn save_states(&self) {
        self.keep_states(Some(Instant::now()));
    }

    fn keep_states(&self, due: Option<Instant>) {
        for state in self.correlations.states() {
            if let Some(error) = state.keep(due) {
                self.report(|reporter| reporter.log(&format!("error: state `{}`: {error}", state.name())));
            }
        }
    }

    fn match_one(&self, engine: &Engine, event: &ScriptEvent) -> Result<(), Stop> {
        // Many that each take a moment take long.
        self.heartbeat();
        let Some(probe) = self.probes.named(event.inner().probe()) else { return Ok(()) };
        self.reporter.borrow_mut().about(Some(event.inner().probe()));
        let offered = self.correlations.hearing(&probe).iter().try_for_each(|rule| match rule {
            Rule::Sequence(sequence) => self.offer_to_sequence(engine, sequence, &probe, event),
            Rule::Threshold(threshold) => self.offer_to_threshold(engine, threshold, &probe, event),
        });
        self.reporter.borrow_mut().about(None);
        offered
    }

    fn offer_to_sequence(
        &self,
        engine: &Engine,
        sequence: &SequenceHandle,
        probe: &ProbeHandle,
        event: &ScriptEvent,
    ) -> Result<(), Stop> {
        let time = correlation::time(event);
        sequence.hear(time);
        let mut whole = None;
        // The last step first: an event takes no sequence on by two of them.
        for (place, step) in sequence.steps_of(probe) {
            let of = || format!("the key of {}, step {}", sequence.name(), place + 1);
            let key = match self.key(engine, &step.key, event, &of)? {
                Keyed::By(key) => key,
                Keyed::LeftOut => continue,
                Keyed::Unknown => {
                    sequence.count_error();
                    continue;
                }
            };
            if place == 0 {
                if self.fits(engine, sequence, (place, &step), event, &[])? {
                    sequence.begin(&key, event);
                }
                continue;
            }
            let waiting = sequence.waiting(place, &key, time);
            let looks_back = step.condition.as_ref().is_some_and(|condition| condition.arity > 1);
            let mut fitting = Vec::new();
            // A condition about the event alone has one answer.
            let mut answer = None;
            for waiting in waiting {
                let fits = match answer {
                    Some(fits) if !looks_back => fits,
                    _ => self.fits(engine, sequence, (place, &step), event, &waiting.items)?,
                };
                answer = Some(fits);
                if fits {
                    fitting.push(waiting.number);
                }
            }
            whole = whole.or(sequence.advance(&fitting, event));
        }
        let (Some(events), Some(callback)) = (whole, sequence.callback()) else { return Ok(()) };
        self.tell_match(engine, &callback, &events, &|| format!("the callback of {}", sequence.name()))
    }

    /// Whether an event fits a step. One about which that cannot be told does not; that is reported.
    fn fits(
        &self,
        engine: &Engine,
        sequence: &SequenceHandle,
        (place, step): (usize, &Step),
        event: &ScriptEvent,
        before: &[ScriptEvent],
    ) -> Result<bool, Stop> {
        let Some(condition) = &step.condition else { return Ok(true) };
        let given = match condition.arity {
            0 | 1 => Given::Event(event.clone()),
            _ => Given::Values(vec![Dynamic::from(event.clone()), array(before)]),
        };
        let of = || format!("the condition of {}, step {}", sequence.name(), place + 1);
        let holds = self.holds(engine, condition, &given, "step", &of)?;
        if holds.is_none() {
            sequence.count_error();
        }
        Ok(holds.unwrap_or(false))
    }

    fn offer_to_threshold(
        &self,
        engine: &Engine,
        threshold: &ThresholdHandle,
        probe: &ProbeHandle,
        event: &ScriptEvent,
    ) -> Result<(), Stop> {
        threshold.hear();
        if !self.counts_for(engine, threshold, probe, event)? {
            return Ok(());
        }
        let key = match threshold.key() {
            None => Key::from(""),
            Some(function) => {
                let of = || format!("the key of {}", threshold.name());
                match self.key(engine, &function, event, &of)? {
                    Keyed::By(key) => key,
                    Keyed::LeftOut => return Ok(()),
                    Keyed::Unknown => {
                        threshold.count_error();
                        return Ok(());
                    }
                }
            }
        };
        let whole = threshold.offer(&key, event.clone());
        let (Some(events), Some(callback)) = (whole, threshold.callback()) else { return Ok(()) };
        self.tell_match(engine, &callback, &events, &|| format!("the callback of {}", threshold.name()))
    }

    /// Whether one of a threshold's conditions about this probe's events holds.
    fn counts_for(
        &self,
        engine: &Engine,
        threshold: &ThresholdHandle,
        probe: &ProbeHandle,
        event: &ScriptEvent,
    ) -> Result<bool, Stop> {
        for condition in threshold.conditions_of(probe) {
            let Some(condition) = condition else { return Ok(true) };
            let of = || format!("the condition of {}", threshold.name());
            let holds = self.holds(engine, &condition, &Given::Event(event.clone()), "of", &of)?;
            match holds {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => threshold.count_error(),
            }
        }
        Ok(false)
    }

    /// The key that a function of the script's gives an event.
    fn key(
        &self,
        engine: &Engine,
        function: &Callback,
        event: &ScriptEvent,
        of: &dyn Fn() -> String,
    ) -> Result<Keyed, Stop> {
        let Some(value) = self.value(engine, function, Given::Event(event.clone()), of)? else {
            return Ok(Keyed::Unknown);
        };
        match key::of(&value) {
            Ok(Some(key)) => Ok(Keyed::By(key)),
            Ok(None) => Ok(Keyed::LeftOut),
            Err(text) => {
                self.complain(&text, of)?;
                Ok(Keyed::Unknown)
            }
        }
    }

    fn tell_match(
        &self,
        engine: &Engine,
        callback: &Callback,
        events: &[ScriptEvent],
        of: &dyn Fn() -> String,
    ) -> Result<(), Stop> {
        self.value(engine, callback, Given::Values(vec![array(events)]), of)?;
        self.pending_stop().map_or(Ok(()), Err)
    }
}
