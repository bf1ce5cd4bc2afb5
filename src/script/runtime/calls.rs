//! The script's own functions: which one gets an event, and what becomes of one that fails.

use rhai::{Dynamic, Engine};

use super::Runtime;
use crate::{
    event::Event,
    recording::{Ahead, Now},
    script::{
        denials::Denials, diagnostics::Diagnostic, docs, event::ScriptEvent, handle::ProbeHandle,
        program::Callback, stop::Stop,
    },
};

/// Different errors of one callback that are shown whole; the rest is counted.
const SHOWN_ERRORS: usize = 3;

/// What a function of the script's is given.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Nothing,
    Event(ScriptEvent),
    /// As many of these as it takes.
    Values(Vec<Dynamic>),
}

/// What has become of a callback that fails.
#[derive(Debug, Default)]
pub(super) struct Failed {
    pub(super) times: u64,
    pub(super) shown: Vec<String>,
}

impl Runtime {
    pub(super) fn handle(&self, engine: &Engine, event: ScriptEvent) -> Result<(), Stop> {
        let probe = self.probes.named(event.inner().probe());
        let put = match &probe {
            Some(probe) => self.decide(engine, probe, &event)?,
            None => false,
        };
        if let Some(condition) = probe.as_ref().and_then(ProbeHandle::condition)
            && !self.passes(engine, &condition, &event)?
        {
            return self.pending_stop().map_or(Ok(()), Err);
        }
        self.recent.borrow_mut().add(event.clone());
        let is_heard = probe.as_ref().is_some_and(ProbeHandle::is_heard);
        let at = self.clock.kernel_ns();
        let keep = |now: Now<'_>| self.kept.borrow_mut().add(event.inner(), now, at);
        let is_kept = probe.as_ref().is_some_and(|probe| probe.recorded(keep).is_some());
        if let Some(probe) = probe.as_ref().filter(|_| is_heard) {
            self.correlations.hold(probe, &event);
        }
        let denial = probe.as_ref().and_then(|probe| self.denial(probe, &event));
        let callback = probe.and_then(|probe| probe.callback());
        let (has_callback, name) = (callback.is_some(), event.inner().probe().to_owned());
        let handled = match callback {
            Some(callback) => {
                let of = || format!("the callback of probe `{name}`");
                self.call(engine, &callback, Some(event), &of)
            }
            // What comes of it is told, and not each event.
            None if is_heard || is_kept || put => self.pending_stop().map_or(Ok(()), Err),
            None => {
                self.report(|reporter| reporter.event(event.inner()));
                self.pending_stop().map_or(Ok(()), Err)
            }
        };
        if let (Some((event, rule)), Some(denials)) = (denial, self.denials.get()) {
            denials.tell(&rule, event.inner());
        }
        if let (true, Err(Stop::Signal(_) | Stop::TimeUp)) = (has_callback, &handled) {
            // It may have been about to find something.
            self.hunt.doubt(format!("the session's end interrupted the callback of probe `{name}`"));
        }
        handled
    }

    /// An event by which the session's command is to know that it was refused, and the rule's name; `None` of any other.
    fn denial(&self, probe: &ProbeHandle, event: &ScriptEvent) -> Option<(ScriptEvent, String)> {
        let (denials, target) = (self.denials.get()?, self.target.get()?);
        if !probe.with_scope(|scope| Denials::concern(event.inner(), scope, target.pid())) {
            return None;
        }
        denials.listen();
        let source = probe.source().unwrap_or_default();
        let rule = self.hunt.said_in(&source).map_or(source, |said| said.rule().name.to_owned());
        Some((event.clone(), rule))
    }

    /// What has come of probes that have a recorder, and waits.
    pub fn recorded_ahead(&self, at: u64) -> Vec<Ahead> {
        let ahead = self.events.1.look_ahead();
        let mut kept = self.kept.borrow_mut();
        let of = |event: &Event| {
            let probe = self.probes.named(event.probe())?;
            probe.recorded(|now| kept.ahead(event, now, at))
        };
        ahead.iter().filter_map(of).collect()
    }

    /// What a `where_user` says of an event. One that fails is reported, and lets the event pass: nothing
    /// is lost by an error.
    fn passes(&self, engine: &Engine, condition: &Callback, event: &ScriptEvent) -> Result<bool, Stop> {
        let of = || format!("the condition of probe `{}`", event.inner().probe());
        let holds = self.holds(engine, condition, &Given::Event(event.clone()), "where_user", &of)?;
        Ok(holds.unwrap_or(true))
    }

    /// What a condition says, which was given to the method `method`; `None`, once that is reported, if it says nothing.
    pub(super) fn holds(
        &self,
        engine: &Engine,
        condition: &Callback,
        given: &Given,
        method: &str,
        of: &dyn Fn() -> String,
    ) -> Result<Option<bool>, Stop> {
        let ask = || self.value(engine, condition, given.clone(), of);
        let said = match ask() {
            // Once more, now that the signal is taken: what ends the script does not take this event with it.
            Err(stop @ Stop::Signal(_)) => {
                let said = ask();
                self.stop.borrow_mut().get_or_insert(stop);
                said
            }
            other => other,
        };
        let Some(value) = said? else { return Ok(None) };
        match value.as_bool() {
            Ok(holds) => Ok(Some(holds)),
            Err(kind) => {
                let kind = docs::plain_types(kind);
                let text = format!(
                    "the function given to `{method}` must return true or false, and returned {kind}"
                );
                self.complain(&text, of)?;
                Ok(None)
            }
        }
    }

    /// Says what is wrong with what a function of the script's has returned; ends the script only under `fail_fast()`.
    pub(super) fn complain(&self, text: &str, of: &dyn Fn() -> String) -> Result<(), Stop> {
        self.callback_failed(&Diagnostic::sentence(text), &of())
    }

    /// Calls a function of the script's. Its failure is reported, and ends the script only under `fail_fast()`.
    pub fn call(
        &self,
        engine: &Engine,
        callback: &Callback,
        event: Option<ScriptEvent>,
        of: &dyn Fn() -> String,
    ) -> Result<(), Stop> {
        self.value(engine, callback, event.map_or(Given::Nothing, Given::Event), of)?;
        self.pending_stop().map_or(Ok(()), Err)
    }

    /// The same, with its value; `None` if it failed. A stop that came meanwhile is the caller's to look for, since
    /// the value may still decide about an event.
    pub(super) fn value(
        &self,
        engine: &Engine,
        callback: &Callback,
        given: Given,
        of: &dyn Fn() -> String,
    ) -> Result<Option<Dynamic>, Stop> {
        let former = self.enter(&callback.program);
        let was = self.in_callback.replace(true);
        let outcome = match given {
            Given::Event(event) => callback.call_with(engine, event),
            Given::Values(values) => callback.call_with_values(engine, values),
            Given::Nothing => callback.call(engine),
        };
        self.in_callback.set(was);
        self.leave(former);
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let reported = match Stop::of(&error) {
            Some(Stop::Limit(text)) => self.callback_failed(&Diagnostic::sentence(text), &of()),
            Some(stop) => Err(stop),
            None => {
                let diagnostic = self.explain_failure(&error, &callback.program.source);
                self.callback_failed(&diagnostic, &of())
            }
        };
        reported.map(|()| None)
    }

    fn callback_failed(&self, diagnostic: &Diagnostic, of: &str) -> Result<(), Stop> {
        let is_new = {
            let mut failed = self.failed_callbacks.borrow_mut();
            let failed = failed.entry(of.to_owned()).or_default();
            failed.times += 1;
            let is_new = failed.shown.len() < SHOWN_ERRORS
                && !failed.shown.iter().any(|text| text == diagnostic.text());
            if is_new {
                failed.shown.push(diagnostic.text().to_owned());
            }
            is_new
        };
        if self.fail_fast.get() {
            self.diagnose(&diagnostic.in_callback(of, "the script ends, as `fail_fast()` asked for"));
            return Err(Stop::CallbackFailed(diagnostic.exit_code()));
        }
        if is_new {
            self.diagnose(
                &diagnostic
                    .in_callback(of, "the script goes on; the same error is only counted from here on"),
            );
        }
        Ok(())
    }
}
