//! One check, from what it says of itself to what it came to.
//!
//! In: a [`Check`] and its function. Out: a [`Finished`], reported at once. What has been set up is torn down after it, however it
//! ended.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};

use super::Runtime;
use crate::{
    check::{Check, CheckResult, Finished},
    report::Record,
    script::{
        checks::Decision,
        diagnostics::Diagnostic,
        fault::{Cause, Fallible, Fault},
        handle::ProbeHandle,
        stop::Stop,
    },
};

/// How long what tears down has once the check's time, or the session's, is up.
const TEARDOWN: Duration = Duration::from_secs(5);

/// Runs a check, if it is selected, and reports what it came to. A check that fails is no error of the script's: that goes on.
///
/// # Errors
/// What ends the session; or that the check stands inside of another, or has the id of another.
pub fn perform(
    runtime: &Runtime,
    context: &NativeCallContext,
    check: Check,
    function: &FnPtr,
    within: Option<Duration>,
) -> Fallible<()> {
    let checks = &runtime.checks;
    if checks.is_running() {
        return Err(Fault::script("a check cannot stand inside of another").about("check").into());
    }
    checks.note_id(&check)?;
    let selected = checks.options().selection.includes(&check);
    if !selected && !checks.options().told {
        return Ok(());
    }
    if !selected || checks.options().listed {
        runtime.report(|reporter| reporter.emit(Record::Check(&listed(check))));
        return Ok(());
    }
    let (began, start) = (Timestamp::now(), Instant::now());
    let session_ends = runtime.deadline();
    let ends = within.and_then(|within| start.checked_add(within));
    runtime.set_deadline(session_ends.into_iter().chain(ends).min());
    let losses = Losses::of(runtime);
    checks.begin();

    let outcome = checks
        .setup()
        .iter()
        .try_for_each(|before| before.call_within_context::<Dynamic>(context, ()).map(drop));
    let outcome = outcome.and_then(|()| function.call_within_context::<Dynamic>(context, ()));
    // Whatever is still under way belongs to the check.
    let settled = runtime.settle(context.engine());
    let (mut decision, mut stop) =
        decided(runtime, outcome, session_ends.is_some_and(|at| at <= Instant::now()), within);
    stop = stop.or(settled.err().filter(|stop| *stop != Stop::Decided));
    if let Some(why) = losses.doubts(runtime) {
        decision = doubted(decision, why);
    }
    if let Some(why) = tear_down(runtime, context, &losses) {
        decision = match decision.result {
            CheckResult::Pass | CheckResult::Skip => Decision::new(CheckResult::Error, why),
            _ => Decision { reason: Some(joined(decision.reason.as_deref(), &why)), ..decision },
        };
    }
    runtime.set_deadline(session_ends);
    let evidence = checks.end();
    let (expected, found) = decision.expected.unzip();
    let finished = Finished {
        check,
        result: decision.result,
        reason: decision.reason,
        expected,
        found,
        decided_at: decision.line,
        evidence,
        began,
        seconds: start.elapsed().as_secs_f64(),
        listed: false,
        accepted: None,
    };
    checks.count(&finished);
    runtime.report(|reporter| reporter.emit(Record::Check(&finished)));
    stop.map_or(Ok(()), |stop| Err(stop.into()))
}

/// One that is listed and not run.
fn listed(check: Check) -> Finished {
    let finished = Finished::without_a_run(check, CheckResult::Skip, "it was not run".into());
    Finished { listed: true, ..finished }
}

/// What the check's function came to, and what ends the session besides.
fn decided(
    runtime: &Runtime,
    outcome: Fallible<Dynamic>,
    session_is_over: bool,
    within: Option<Duration>,
) -> (Decision, Option<Stop>) {
    let (decision, has_expected) = runtime.checks.take_decision();
    let error = match outcome {
        // Even if the script went on after it: a `try` hides no failure.
        Ok(_) if decision.is_some() => return (decision.unwrap_or_else(Decision::pass), None),
        Ok(value) => return (by_value(runtime, &value, has_expected), None),
        Err(error) => error,
    };
    let line = line_of(&error);
    let at = |decision: Decision| Decision {
        line: if decision.line > 0 { decision.line } else { line },
        ..decision
    };
    match (Stop::of(&error), decision) {
        (Some(Stop::Decided), Some(decision)) => (at(decision), None),
        (Some(Stop::TimeUp), _) => {
            let why = match within {
                Some(within) if !session_is_over => format!("it took more than {within:?}"),
                _ => "the time of the run was up".to_owned(),
            };
            (at(Decision::new(CheckResult::Inconclusive, why)), session_is_over.then_some(Stop::TimeUp))
        }
        (Some(Stop::Signal(signal)), _) => {
            let why = format!("the run was ended by signal {signal}");
            (at(Decision::new(CheckResult::Inconclusive, why)), Some(Stop::Signal(signal)))
        }
        (Some(Stop::Limit(text)), _) => (at(Decision::new(CheckResult::Error, text)), None),
        (Some(stop), _) => {
            let why = "it ended the session, and other checks with it".to_owned();
            (at(Decision::new(CheckResult::Error, why)), Some(stop))
        }
        (None, Some(decision)) => (at(decision), None),
        (None, None) => (at(failed(runtime, &error)), None),
    }
}

/// What a function's value says: true and false are a verdict; anything else is evidence, and says nothing by itself.
fn by_value(runtime: &Runtime, value: &Dynamic, has_expected: bool) -> Decision {
    match value.as_bool() {
        Ok(true) => return Decision::pass(),
        Ok(false) => return Decision::new(CheckResult::Fail, "its function returned false"),
        Err(_) => {}
    }
    if !value.is_unit()
        && let Err(fault) = runtime.checks.keep(value)
    {
        return Decision::new(CheckResult::Error, fault.text);
    }
    if has_expected {
        Decision::pass()
    } else {
        let why = "it asserts nothing: it must `expect` something, or return true or false";
        Decision::new(CheckResult::Error, why)
    }
}

/// An error of the script's, or something that this machine does not have.
fn failed(runtime: &Runtime, error: &EvalAltResult) -> Decision {
    let diagnostic = match runtime.program() {
        Ok(program) => runtime.explain_failure(error, &program.source),
        Err(fault) => Diagnostic::sentence(&fault.text),
    };
    let result = match diagnostic.cause() {
        Cause::Script => {
            runtime.diagnose(&diagnostic);
            CheckResult::Error
        }
        Cause::Environment => CheckResult::Inconclusive,
    };
    Decision::new(result, diagnostic.text())
}

/// The place that an error comes from, the innermost one that is known.
fn line_of(error: &EvalAltResult) -> usize {
    let inner = match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => line_of(inner),
        _ => 0,
    };
    if inner > 0 { inner } else { error.position().line().unwrap_or_default() }
}

/// What may not be relied on is neither a pass nor a failure.
fn doubted(decision: Decision, why: String) -> Decision {
    match decision.result {
        CheckResult::Pass => Decision { reason: Some(why), result: CheckResult::Inconclusive, ..decision },
        CheckResult::Fail => Decision {
            result: CheckResult::Inconclusive,
            reason: Some(joined(
                Some(&why),
                &format!("else it would be a failure: {}", decision.reason.unwrap_or_default()),
            )),
            ..decision
        },
        _ => decision,
    }
}

fn joined(first: Option<&str>, second: &str) -> String {
    first.map_or_else(|| second.to_owned(), |first| format!("{first}; {second}"))
}

/// What probes had lost when a check began, which of them were attached, and how many scratches there were.
struct Losses {
    lost: HashMap<u32, Lost>,
    attached: HashSet<u32>,
    scratches: u64,
    /// How many sequences and thresholds there were, and what they had let go.
    rules: u64,
    dropped: u64,
}

impl Losses {
    fn of(runtime: &Runtime) -> Self {
        let probes = runtime.probes.used();
        let lost = probes.iter().map(|probe| (probe.id(), lost(probe))).collect();
        let attached = probes.iter().filter(|probe| probe.attached()).map(ProbeHandle::id).collect();
        let (rules, dropped) = (runtime.correlations.made(), runtime.correlations.dropped());
        Losses { lost, attached, scratches: runtime.scratches.made(), rules, dropped }
    }

    /// Why nothing can be said that rests on the probes, if so.
    fn doubts(&self, runtime: &Runtime) -> Option<String> {
        let rehearsed = runtime.checks.rehearsal();
        let doubtful = |probe: &ProbeHandle| {
            let name = probe.name();
            let before = self.lost.get(&probe.id()).copied().unwrap_or_default();
            // Counters that cannot be read are none; that is told below.
            let now = lost(probe);
            let (lost, withheld) =
                (now.lost.saturating_sub(before.lost), now.withheld.saturating_sub(before.withheld));
            let concerned = probe.attached() || !self.attached.contains(&probe.id());
            let missing = probe.missing_hooks();
            match probe.current_books() {
                _ if lost > 0 => Some(format!(
                    "probe `{name}` lost {lost} events, or was not asked about as many operations"
                )),
                _ if withheld > 0 => Some(format!(
                    "`.limit(…)` or `.sample(…)` held back {withheld} events of probe `{name}`: they were not looked at"
                )),
                Ok(Some(books)) if concerned && books.audit_only() => {
                    Some(format!("probe `{name}` is audit-only: it cannot deny here"))
                }
                Ok(Some(books)) if concerned && books.lease_over => {
                    Some(format!("the lease of probe `{name}` has run out: it did not enforce to the end"))
                }
                Ok(Some(books)) if concerned && books.altered > 0 => Some(format!(
                    "another process has changed something of probe `{name}` in the kernel, or its canary was permitted"
                )),
                Ok(Some(books)) if concerned && books.tripped => {
                    Some(format!("the breaker of probe `{name}` has tripped: it did not enforce to the end"))
                }
                Ok(Some(_)) if concerned && !missing.is_empty() => Some(format!(
                    "probe `{name}` sees nothing at {}: this kernel does not have it",
                    missing.join(", ")
                )),
                Err(fault) => Some(format!("probe `{name}`: {}", fault.text)),
                _ => None,
            }
        };
        let dropped = runtime.correlations.dropped().saturating_sub(self.dropped);
        let crowded = (dropped > 0).then(|| {
            format!("sequences or thresholds have let {dropped} go: there were more at once than `.limit(…)` allows")
        });
        rehearsed.or_else(|| runtime.probes.used().iter().find_map(doubtful)).or(crowded)
    }
}

/// What nobody has looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    /// For want of room, or since nobody was asked.
    lost: u64,
    /// As the script has said.
    withheld: u64,
}

fn lost(probe: &ProbeHandle) -> Lost {
    let counters = probe.counters().unwrap_or_default();
    let lost = counters.lost_ring + counters.lost_queue + counters.overflow + counters.missed;
    Lost { lost, withheld: counters.withheld() }
}

/// Takes back what the check has set up. Gives what went wrong with that.
fn tear_down(runtime: &Runtime, context: &NativeCallContext, before: &Losses) -> Option<String> {
    runtime.set_deadline(Instant::now().checked_add(TEARDOWN));
    // What has ended the check, or is about to end the session, does not end this.
    let pending = runtime.take_stop();
    runtime.tears_down.set(true);
    let mut wrong = None;
    for function in runtime.checks.take_teardown() {
        if let Err(error) = function.call_within_context::<Dynamic>(context, ()) {
            let text = match Stop::of(&error) {
                Some(Stop::TimeUp) => "it took more than 5 s".to_owned(),
                Some(_) => "it ended early".to_owned(),
                None => failed(runtime, &error).reason.unwrap_or_default(),
            };
            wrong.get_or_insert_with(|| format!("its teardown failed: {text}"));
        }
    }
    // A probe that was attached inside of a check is the check's.
    runtime.say_what_was_done();
    for probe in runtime.probes.used().iter().filter(|probe| !before.attached.contains(&probe.id())) {
        if let Err(fault) = probe.detach() {
            wrong.get_or_insert_with(|| {
                format!("probe `{}` could not be detached: {}", probe.name(), fault.text)
            });
        }
    }
    runtime.correlations.stop_after(before.rules);
    // So is a scratch.
    for left in runtime.scratches.close_after(before.scratches) {
        wrong.get_or_insert(left);
    }
    runtime.tears_down.set(false);
    if let Some(stop) = pending {
        runtime.put_stop(stop);
    }
    wrong
}
