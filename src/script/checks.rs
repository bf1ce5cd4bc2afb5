//! The checks of a script: one at a time, from what it says of itself to what it came to.
//!
//! In: a [`Check`] and its function. Out: a [`Finished`], reported at once. What is decided inside of the function (an expectation
//! that does not hold, `skip`) ends it as a [`Stop`], which no `try` of the script's can keep from happening; what has been set
//! up is torn down after it, however it ended.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};
use serde_json::Value;

use super::{
    Fault,
    diagnostics::Diagnostic,
    fault::{Cause, Fallible},
    handle::ProbeHandle,
    runtime::Runtime,
    stop::Stop,
    value,
};
use crate::{
    check::{Check, CheckResult, Finished, Selection, Tally},
    exit,
    report::Record,
};

/// How long what tears down has once the check's time, or the session's, is up.
const TEARDOWN: Duration = Duration::from_secs(5);
/// Bytes of evidence that are kept of one check.
const MOST_EVIDENCE: usize = 256 << 10;

/// What becomes of a script's checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    pub selection: Selection,
    /// They are only listed: none is run.
    pub listed: bool,
    /// Those that are not selected are told of as well: somebody wants to know which there are.
    pub told: bool,
}

/// The checks of one session.
#[derive(Debug)]
pub struct Checks {
    options: CheckOptions,
    /// The line of each id that was used.
    ids: RefCell<HashMap<String, usize>>,
    setup: RefCell<Vec<FnPtr>>,
    teardown: RefCell<Vec<FnPtr>>,
    current: RefCell<Option<Current>>,
    tally: Cell<Tally>,
}

/// The check that is being run.
#[derive(Debug, Default)]
struct Current {
    /// Something has been expected, and held.
    has_expected: bool,
    decision: Option<Decision>,
    evidence: Vec<Value>,
    evidence_size: usize,
    teardown: Vec<FnPtr>,
    /// Of what it would have enforced, what was only rehearsed.
    rehearsed: Option<String>,
}

/// What a check came to, and why.
#[derive(Debug, Clone)]
pub struct Decision {
    pub result: CheckResult,
    pub reason: Option<String>,
    /// What was asked for, and what was there.
    pub expected: Option<(String, Value)>,
    /// 0 if it is not known.
    pub line: usize,
}

impl Decision {
    fn new(result: CheckResult, reason: impl Into<String>) -> Self {
        Decision { result, reason: Some(reason.into()), expected: None, line: 0 }
    }

    fn pass() -> Self {
        Decision { result: CheckResult::Pass, reason: None, expected: None, line: 0 }
    }
}

impl Checks {
    pub fn new(options: CheckOptions) -> Self {
        Checks {
            options,
            ids: RefCell::default(),
            setup: RefCell::default(),
            teardown: RefCell::default(),
            current: RefCell::default(),
            tally: Cell::default(),
        }
    }

    /// Returns the exit code that the checks so far come to: the worst goes first.
    pub fn exit_code(&self) -> i32 {
        exit::of_checks(&self.tally.get())
    }

    /// Has this called before each check that follows.
    pub fn set_up(&self, function: FnPtr) -> Result<(), Fault> {
        if self.current.borrow().is_some() {
            return Err(Fault::script(
                "`setup` is called before each check, and cannot be set inside of one",
            ));
        }
        self.setup.borrow_mut().push(function);
        Ok(())
    }

    /// Has this called after the check that is being run, or after each that follows.
    pub fn tear_down(&self, function: FnPtr) {
        match &mut *self.current.borrow_mut() {
            Some(current) => current.teardown.push(function),
            None => self.teardown.borrow_mut().push(function),
        }
    }

    /// Takes note that an expectation held.
    ///
    /// # Errors
    /// If no check is being run.
    pub fn held(&self) -> Result<(), Fault> {
        self.in_check("expect", |current| current.has_expected = true)
    }

    /// Decides the check that is being run: it ends here.
    ///
    /// # Errors
    /// If none is.
    pub fn decide(&self, word: &str, decision: Decision) -> Fallible<()> {
        self.in_check(word, |current| {
            // What was decided first holds, whatever is called on the way out.
            current.decision.get_or_insert(decision);
        })?;
        Err(Stop::Decided.into())
    }

    /// Keeps something that the check has looked at.
    ///
    /// # Errors
    /// If no check is being run, or it is too much.
    pub fn keep(&self, evidence: &Dynamic) -> Result<(), Fault> {
        let size = value::weight(evidence);
        self.in_check("evidence", |current| {
            if current.evidence_size.saturating_add(size) > MOST_EVIDENCE {
                return Err(Fault::script("`evidence`: a check keeps at most 256 KiB of it"));
            }
            current.evidence_size += size;
            current.evidence.push(value::to_json(evidence));
            Ok(())
        })?
    }

    /// Takes note that something of the check that is being run was only rehearsed; outside of one it matters to none.
    pub fn rehearsed(&self, what: &str) {
        if let Some(current) = &mut *self.current.borrow_mut() {
            current.rehearsed.get_or_insert_with(|| what.to_owned());
        }
    }

    fn in_check<T>(&self, word: &str, act: impl FnOnce(&mut Current) -> T) -> Result<T, Fault> {
        match &mut *self.current.borrow_mut() {
            Some(current) => Ok(act(current)),
            None => Err(Fault::script(format!(
                "`{word}` belongs into the function of a check: `check(\"id\", \"title\", || {word}(…))`"
            ))
            .about(word)),
        }
    }

    fn note_id(&self, check: &Check) -> Result<(), Fault> {
        crate::check::id(&check.id).map_err(|why| Fault::script(why).about(&check.id))?;
        match self.ids.borrow_mut().insert(check.id.clone(), check.line) {
            Some(line) => {
                let text = format!("the id `{}` is used twice: line {line} has it already", check.id);
                Err(Fault::script(text).about(&check.id))
            }
            None => Ok(()),
        }
    }
}

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
    if checks.current.borrow().is_some() {
        return Err(Fault::script("a check cannot stand inside of another").about("check").into());
    }
    checks.note_id(&check)?;
    let selected = checks.options.selection.includes(&check);
    if !selected && !checks.options.told {
        return Ok(());
    }
    if !selected || checks.options.listed {
        runtime.report(|reporter| reporter.emit(Record::Check(&listed(check))));
        return Ok(());
    }
    let (began, start) = (Timestamp::now(), Instant::now());
    let session_ends = runtime.deadline();
    let ends = within.and_then(|within| start.checked_add(within));
    runtime.set_deadline(session_ends.into_iter().chain(ends).min());
    let losses = Losses::of(runtime);
    *checks.current.borrow_mut() = Some(Current::default());

    let setup = checks.setup.borrow().clone();
    let outcome =
        setup.iter().try_for_each(|before| before.call_within_context::<Dynamic>(context, ()).map(drop));
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
    let current = checks.current.borrow_mut().take().unwrap_or_default();
    let (expected, found) = decision.expected.unzip();
    let finished = Finished {
        check,
        result: decision.result,
        reason: decision.reason,
        expected,
        found,
        decided_at: decision.line,
        evidence: current.evidence,
        began,
        seconds: start.elapsed().as_secs_f64(),
        listed: false,
        accepted: None,
    };
    let mut tally = checks.tally.get();
    tally.add(&finished);
    checks.tally.set(tally);
    runtime.report(|reporter| reporter.emit(Record::Check(&finished)));
    stop.map_or(Ok(()), |stop| Err(stop.into()))
}

/// One that is listed and not run.
fn listed(check: Check) -> Finished {
    Finished {
        check,
        result: CheckResult::Skip,
        reason: Some("it was not run".into()),
        expected: None,
        found: None,
        decided_at: 0,
        evidence: Vec::new(),
        began: Timestamp::now(),
        seconds: 0.0,
        listed: true,
        accepted: None,
    }
}

/// What the check's function came to, and what ends the session besides.
fn decided(
    runtime: &Runtime,
    outcome: Fallible<Dynamic>,
    session_is_over: bool,
    within: Option<Duration>,
) -> (Decision, Option<Stop>) {
    let (decision, has_expected) = match &mut *runtime.checks.current.borrow_mut() {
        Some(current) => (current.decision.take(), current.has_expected),
        None => (None, false),
    };
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

/// What probes had lost when a check began, and which of them were attached.
struct Losses {
    lost: HashMap<u32, u64>,
    attached: HashSet<u32>,
}

impl Losses {
    fn of(runtime: &Runtime) -> Self {
        let probes = runtime.probes.used();
        let lost = probes.iter().map(|probe| (probe.id(), lost(probe))).collect();
        let attached = probes.iter().filter(|probe| probe.attached()).map(ProbeHandle::id).collect();
        Losses { lost, attached }
    }

    /// Why nothing can be said that rests on the probes, if so.
    fn doubts(&self, runtime: &Runtime) -> Option<String> {
        let rehearsed =
            runtime.checks.current.borrow().as_ref().and_then(|current| current.rehearsed.clone());
        let doubtful = |probe: &ProbeHandle| {
            let name = probe.name();
            let lost = lost(probe) - self.lost.get(&probe.id()).copied().unwrap_or_default();
            let concerned = probe.attached() || !self.attached.contains(&probe.id());
            match probe.current_books() {
                _ if lost > 0 => Some(format!("probe `{name}` lost {lost} events")),
                Ok(Some(books)) if concerned && books.audit_only => {
                    Some(format!("probe `{name}` is audit-only: it cannot deny here"))
                }
                Ok(Some(books)) if concerned && books.lease_over => {
                    Some(format!("the lease of probe `{name}` has run out: it did not enforce to the end"))
                }
                Err(fault) => Some(format!("probe `{name}`: {}", fault.text)),
                _ => None,
            }
        };
        rehearsed.or_else(|| runtime.probes.used().iter().find_map(doubtful))
    }
}

fn lost(probe: &ProbeHandle) -> u64 {
    probe.counters().map_or(0, |counters| counters.lost_ring + counters.lost_queue + counters.overflow)
}

/// Takes back what the check has set up. Gives what went wrong with that.
fn tear_down(runtime: &Runtime, context: &NativeCallContext, before: &Losses) -> Option<String> {
    runtime.set_deadline(Instant::now().checked_add(TEARDOWN));
    let own = match &mut *runtime.checks.current.borrow_mut() {
        Some(current) => std::mem::take(&mut current.teardown),
        None => Vec::new(),
    };
    let all = runtime.checks.teardown.borrow().clone();
    let mut wrong = None;
    // What was set up last goes first.
    for function in own.iter().rev().chain(all.iter().rev()) {
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
    for probe in runtime.probes.used().iter().filter(|probe| !before.attached.contains(&probe.id())) {
        if let Err(fault) = probe.detach() {
            wrong.get_or_insert_with(|| {
                format!("probe `{}` could not be detached: {}", probe.name(), fault.text)
            });
        }
    }
    wrong
}
