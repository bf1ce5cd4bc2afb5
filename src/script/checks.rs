//! The checks of a script: which there are, what is set up for them, and what the one that is being run has come to so far.
//!
//! What is decided inside of a check's function (an expectation that does not hold, `skip`) ends it as a [`Stop`], which no `try`
//! of the script's can keep from happening. How a check is run is in `runtime/check.rs`.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use rhai::{Dynamic, FnPtr};
use serde_json::Value;

use super::{Fault, fault::Fallible, stop::Stop, value};
use crate::{
    check::{Check, CheckResult, Finished, Selection, Tally},
    exit,
};

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
    /// Makes one that gives a reason.
    pub fn new(result: CheckResult, reason: impl Into<String>) -> Self {
        Decision { result, reason: Some(reason.into()), expected: None, line: 0 }
    }

    /// Makes one that needs none.
    pub fn pass() -> Self {
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

    pub fn options(&self) -> &CheckOptions {
        &self.options
    }

    /// Whether a check is being run.
    pub fn is_running(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Begins with a check.
    pub fn begin(&self) {
        *self.current.borrow_mut() = Some(Current::default());
    }

    /// Returns what is called before each check.
    pub fn setup(&self) -> Vec<FnPtr> {
        self.setup.borrow().clone()
    }

    /// Returns what is called after the check that is being run: what was set up last goes first.
    pub fn take_teardown(&self) -> Vec<FnPtr> {
        let own = self.current.borrow_mut().as_mut().map(|current| std::mem::take(&mut current.teardown));
        let all = self.teardown.borrow();
        own.unwrap_or_default().into_iter().rev().chain(all.iter().rev().cloned()).collect()
    }

    /// Returns what the check was decided to be, if that happened, and whether anything was expected that held.
    pub fn take_decision(&self) -> (Option<Decision>, bool) {
        match &mut *self.current.borrow_mut() {
            Some(current) => (current.decision.take(), current.has_expected),
            None => (None, false),
        }
    }

    /// Returns what of the check was only rehearsed.
    pub fn rehearsal(&self) -> Option<String> {
        self.current.borrow().as_ref().and_then(|current| current.rehearsed.clone())
    }

    /// Ends the check; returns what it has looked at.
    pub fn end(&self) -> Vec<Value> {
        self.current.borrow_mut().take().map(|current| current.evidence).unwrap_or_default()
    }

    /// Counts a check that is over.
    pub fn count(&self, finished: &Finished) {
        let mut tally = self.tally.get();
        tally.add(finished);
        self.tally.set(tally);
    }

    /// Takes note of the id of a check.
    ///
    /// # Errors
    /// If it is not one, or another check has it.
    pub fn note_id(&self, check: &Check) -> Result<(), Fault> {
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
