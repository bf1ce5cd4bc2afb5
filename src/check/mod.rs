//! Checks: named assertions, what they came to, and what a run remembers of them.
//!
//! In: what a script says of a check, and what its function has done. Out: [`Finished`], one for each check, and a [`Run`] of all.
//! Knows neither scripts nor formats: a script makes these, a report writes them, and in between they travel as JSON from
//! the process that ran the script to the one that was asked for the report.

pub mod baseline;
pub mod history;
pub mod lock;
pub mod selection;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::values::Severity;

pub use self::selection::{Selection, SelectionError};

/// What a script says of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Names it in every run: letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// What holds if it passes, in a line.
    pub title: String,
    /// 1 for what every machine should hold; higher numbers ask for more.
    pub level: u8,
    pub tags: Vec<String>,
    /// How bad it is if it fails.
    pub severity: Severity,
    /// What it looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Why that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do if it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where else it is asked for: sections of standards, addresses.
    pub refs: Vec<String>,
    /// The script as it was named, and the line of the check in it; 0 if it is not known.
    pub script: String,
    pub line: usize,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    Pass,
    /// It does not apply here, for a reason.
    Skip,
    Fail,
    /// Nothing can be said: events were lost, a hook is unavailable, or nothing was to be enforced. Never a pass.
    Inconclusive,
    /// The check itself is at fault.
    Error,
}

impl CheckResult {
    /// Each, the mildest first.
    pub const ALL: [CheckResult; 5] = [
        CheckResult::Pass,
        CheckResult::Skip,
        CheckResult::Fail,
        CheckResult::Inconclusive,
        CheckResult::Error,
    ];

    /// Returns its name in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CheckResult::Pass => "pass",
            CheckResult::Skip => "skip",
            CheckResult::Fail => "fail",
            CheckResult::Inconclusive => "inconclusive",
            CheckResult::Error => "error",
        }
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A check that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    #[serde(flatten)]
    pub check: Check,
    pub result: CheckResult,
    /// Why it is no pass; `None` for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What an expectation asked for, and what was there: both are known, or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
    /// Line of the script at which it was decided; 0 if that is not known.
    pub decided_at: usize,
    /// What it has looked at, as the script tells it.
    pub evidence: Vec<Value>,
    pub began: Timestamp,
    pub seconds: f64,
    /// It was not run: it was not selected, or is only listed. What stands above is then empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// The baseline accepts that it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// That a failure is known, and lived with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub reason: String,
    /// The last day on which it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::civil::Date>,
}

impl Finished {
    /// Makes one that was decided without its function: all that is known is why.
    #[must_use]
    pub fn without_a_run(check: Check, result: CheckResult, reason: String) -> Self {
        Finished {
            check,
            result,
            reason: Some(reason),
            expected: None,
            found: None,
            decided_at: 0,
            evidence: Vec::new(),
            began: Timestamp::now(),
            seconds: 0.0,
            listed: false,
            accepted: None,
        }
    }

    /// Returns how it counts for the whole: what the baseline accepts is no failure.
    #[must_use]
    pub fn counts_as(&self) -> CheckResult {
        if self.accepted.is_some() { CheckResult::Skip } else { self.result }
    }

    /// Whether a person has to look at it.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(self.counts_as(), CheckResult::Pass | CheckResult::Skip)
    }
}

/// Of each result how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [usize; CheckResult::ALL.len()],
    pub accepted: usize,
}

impl Tally {
    /// Counts these.
    pub fn of<'f>(all: impl IntoIterator<Item = &'f Finished>) -> Self {
        let mut tally = Tally::default();
        all.into_iter().for_each(|finished| tally.add(finished));
        tally
    }

    /// Counts one more.
    pub fn add(&mut self, finished: &Finished) {
        if finished.accepted.is_some() {
            self.accepted += 1;
        } else {
            self.counts[finished.result as usize] += 1;
        }
    }

    #[must_use]
    pub fn get(&self, result: CheckResult) -> usize {
        self.counts[result as usize]
    }

    /// Returns how many there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.iter().sum::<usize>() + self.accepted
    }
}

/// Everything that one run of `check` came to.
#[derive(Debug, Clone)]
pub struct Run {
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    pub program: &'static str,
    pub version: &'static str,
    pub began: Timestamp,
    pub took: Duration,
    /// In the order of the scripts, and of the checks in each.
    pub finished: Vec<Finished>,
}

impl Run {
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally::of(&self.finished)
    }
}

/// What makes a word an id.
///
/// # Errors
/// What is wrong with it, in words.
pub fn id(word: &str) -> Result<(), String> {
    /// Bytes; enough to say what is checked.
    const LONGEST: usize = 80;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if word.is_empty() || word.len() > LONGEST || !word.chars().all(fits) {
        return Err(format!(
            "`{word}` is not an id of a check; allowed: letters, digits, `-`, `_` and `.`, up to {LONGEST}"
        ));
    }
    Ok(())
}

#[doc(hidden)]
pub mod samples;
