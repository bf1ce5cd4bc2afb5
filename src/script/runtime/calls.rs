//! The script's own functions: which one gets an event, and what becomes of one that fails.

use rhai::{Dynamic, Engine};

use super::Runtime;
use crate::script::{
    diagnostics::Diagnostic, docs, event::ScriptEvent, handle::ProbeHandle, program::Callback, stop::Stop,
};

/// Different errors of one callback that are shown whole; the rest is counted.
const SHOWN_ERRORS: usize = 3;

/// What has become of a callback that fails.
#[derive(Debug, Default)]
pub(super) struct Failed {
    pub(super) times: u64,
    pub(super) shown: Vec<String>,
}

impl Runtime {
    pub(super) fn handle(&self, engine: &Engine, event: ScriptEvent) -> Result<(), Stop> {
        let probe = self.probes.named(event.inner().probe());
        if let Some(condition) = probe.as_ref().and_then(ProbeHandle::condition)
            && !self.holds(engine, &condition, &event)?
        {
            return self.pending_stop().map_or(Ok(()), Err);
        }
        self.recent.borrow_mut().add(event.clone());
        match probe.and_then(|probe| probe.callback()) {
            Some(callback) => {
                let named = event.clone();
                let of = || format!("the callback of probe `{}`", named.inner().probe());
                self.call(engine, &callback, Some(event), &of)
            }
            None => {
                self.report(|reporter| reporter.event(event.inner()));
                self.pending_stop().map_or(Ok(()), Err)
            }
        }
    }

    /// What a `where_user` says of an event. One that fails is reported, and lets the event pass: nothing
    /// is lost by an error.
    fn holds(&self, engine: &Engine, condition: &Callback, event: &ScriptEvent) -> Result<bool, Stop> {
        let of = || format!("the condition of probe `{}`", event.inner().probe());
        let ask = || self.value(engine, condition, Some(event.clone()), &of);
        let said = match ask() {
            // Once more, now that the signal is taken: what ends the script does not take this event with it.
            Err(stop @ Stop::Signal(_)) => {
                let said = ask();
                self.stop.borrow_mut().get_or_insert(stop);
                said
            }
            other => other,
        };
        let Some(value) = said? else { return Ok(true) };
        match value.as_bool() {
            Ok(holds) => Ok(holds),
            Err(kind) => {
                let kind = docs::plain_types(kind);
                let text = format!(
                    "the function given to `where_user` must return true or false, and returned {kind}"
                );
                self.callback_failed(&Diagnostic::sentence(&text), &of())?;
                Ok(true)
            }
        }
    }

    /// Calls a function of the script's. Its failure is reported, and ends the script only under `fail_fast()`.
    pub fn call(
        &self,
        engine: &Engine,
        callback: &Callback,
        event: Option<ScriptEvent>,
        of: &dyn Fn() -> String,
    ) -> Result<(), Stop> {
        self.value(engine, callback, event, of)?;
        self.pending_stop().map_or(Ok(()), Err)
    }

    /// The same, with its value; `None` if it failed. A stop that came meanwhile is the caller's to look for, since
    /// the value may still decide about an event.
    fn value(
        &self,
        engine: &Engine,
        callback: &Callback,
        event: Option<ScriptEvent>,
        of: &dyn Fn() -> String,
    ) -> Result<Option<Dynamic>, Stop> {
        let former = self.enter(&callback.program);
        let was = self.in_callback.replace(true);
        let outcome = match event {
            Some(event) => callback.call_with(engine, event),
            None => callback.call(engine),
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
