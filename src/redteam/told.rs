//! What a way came to, as a check of a report, and all of them as a table for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::{
    deed::Deed,
    page,
    ways::{Untried, Way},
};
use crate::{
    check::{Check, CheckResult, Finished, Tally},
    report::printable,
    values::Severity,
};

/// What became of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel has refused it, and these probes have counted that.
    Stopped {
        by: String,
        how: String,
    },
    /// It went round the rule, and a rule of the same template would have stopped it.
    Hole,
    /// It did, and no rule of this template sees it.
    Gap,
    /// It is none here: it fails without the rule, too.
    NotPossible(String),
    NotTried(String),
    /// Nothing can be said.
    Unclear(String),
}

impl Outcome {
    /// Returns its name in the table and in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Stopped { .. } => "stopped",
            Outcome::Hole => "HOLE",
            Outcome::Gap => "gap",
            Outcome::NotPossible(_) => "not possible",
            Outcome::NotTried(_) => "not tried",
            Outcome::Unclear(_) => "inconclusive",
        }
    }

    fn result(&self) -> CheckResult {
        match self {
            Outcome::Stopped { .. } => CheckResult::Pass,
            Outcome::Hole => CheckResult::Fail,
            Outcome::Gap | Outcome::NotPossible(_) | Outcome::NotTried(_) => CheckResult::Skip,
            Outcome::Unclear(_) => CheckResult::Inconclusive,
        }
    }
}

/// What is tried: a script's probe and the deed that it refuses.
#[derive(Debug, Clone)]
pub struct About<'a> {
    pub script: &'a str,
    pub probe: &'a str,
    pub template: &'a str,
    pub deed: Option<&'a Deed>,
    /// Of the deeds of its probe, from 1.
    pub number: usize,
}

/// Letters, digits and `-`, as ids are.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || "-_.".contains(c) => slug.push(c),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_matches('-').to_owned()
}

impl About<'_> {
    fn check(&self, way: &str, title: String) -> Check {
        const LONGEST_NAME: usize = 30;
        let probe: String = slug(self.probe).chars().take(LONGEST_NAME).collect();
        Check {
            id: format!("redteam.{probe}.{}.{}", self.number, slug(way)),
            title,
            level: 1,
            tags: vec!["redteam".to_owned(), self.template.to_owned()],
            severity: Severity::High,
            about: None,
            why: None,
            remedy: None,
            refs: Vec::new(),
            script: self.script.to_owned(),
            line: 0,
        }
    }

    /// Returns what a way came to.
    #[must_use]
    pub fn way(&self, way: &Way, outcome: &Outcome, began: Timestamp, seconds: f64) -> Finished {
        let page = page::row(way.row).map_or("", |row| row.why);
        self.told(way.name, way.row, page, outcome, began, seconds)
    }

    /// Returns that of a row of the page which is not tried.
    #[must_use]
    pub fn untried(&self, Untried { name, row, why, .. }: &Untried) -> Finished {
        let outcome = Outcome::NotTried((*why).to_owned());
        self.told(name, row, "", &outcome, Timestamp::now(), 0.0)
    }

    fn told(
        &self,
        name: &str,
        row: &str,
        page: &str,
        outcome: &Outcome,
        began: Timestamp,
        seconds: f64,
    ) -> Finished {
        let deed = self.deed.map(Deed::to_string).unwrap_or_default();
        let reason = match outcome {
            Outcome::Stopped { .. } => None,
            Outcome::Hole => Some(format!("it went round the rule; what stops it: {page}")),
            Outcome::Gap => Some(format!("no rule of `{}` sees it: {page}", self.template)),
            Outcome::NotPossible(why) => {
                Some(format!("it is no way here: without the rule it fails as well ({why})"))
            }
            Outcome::NotTried(why) => Some(format!("not tried: {why}")),
            Outcome::Unclear(why) => Some(why.clone()),
        };
        let mut check = self.check(name, format!("{name} does not go round `{}`: {deed}", self.probe));
        if *outcome == Outcome::Hole {
            check.remedy = Some(page.to_owned());
        }
        let how = if let Outcome::Stopped { by, how } = outcome {
            format!("{how}, by {by}")
        } else {
            String::new()
        };
        Finished {
            result: outcome.result(),
            reason,
            evidence: vec![json!({
                "probe": self.probe, "deed": deed, "way": name, "outcome": outcome.name(), "answer": how, "page": row,
            })],
            began,
            seconds,
            ..Finished::without_a_run(check, CheckResult::Pass, String::new())
        }
    }

    /// Returns that nothing could be tried of a probe.
    #[must_use]
    pub fn nothing(&self, result: CheckResult, why: String) -> Finished {
        let check = self.check("deed", format!("`{}` refuses something that can be tried", self.probe));
        let evidence = json!({
            "probe": self.probe, "deed": "", "way": "", "outcome": "not tried", "answer": "", "page": "",
        });
        Finished { evidence: vec![evidence], ..Finished::without_a_run(check, result, why) }
    }
}

/// Returns that a script has nothing to go round, or came to no end.
#[must_use]
pub fn nothing_to_go_round(script: &str, why: String) -> Finished {
    let about = About { script, probe: "script", template: "none", deed: None, number: 0 };
    let check = Check {
        tags: vec!["redteam".to_owned()],
        ..about.check("script", "the script refuses something".to_owned())
    };
    Finished::without_a_run(check, CheckResult::Error, why)
}

fn said<'f>(finished: &'f Finished, key: &str) -> &'f str {
    finished.evidence.first().and_then(|evidence| evidence[key].as_str()).unwrap_or_default()
}

/// Columns of the name of a way, and of its outcome.
const WAY: usize = 28;
const OUTCOME: usize = 12;

/// Lays out what ways came to, by probe and deed, for people.
#[must_use]
pub fn table(all: &[Finished]) -> String {
    let mut text = String::new();
    let mut last = (String::new(), String::new());
    for finished in all {
        let reason = finished.reason.as_deref().unwrap_or_default();
        let (probe, deed) = (said(finished, "probe"), said(finished, "deed"));
        if probe.is_empty() {
            _ = writeln!(text, "{}: {}", finished.result, printable(reason));
            continue;
        }
        if last != (probe.to_owned(), deed.to_owned()) {
            if !text.is_empty() {
                text.push('\n');
            }
            let of = if deed.is_empty() { String::new() } else { format!(": {}", printable(deed)) };
            _ = writeln!(text, "{}{of}", printable(probe));
            last = (probe.to_owned(), deed.to_owned());
        }
        let way = said(finished, "way");
        if way.is_empty() {
            _ = writeln!(text, "  {}: {}", finished.result, printable(reason));
            continue;
        }
        let answer = said(finished, "answer");
        let why =
            if answer.is_empty() { reason.strip_prefix("not tried: ").unwrap_or(reason) } else { answer };
        let line = format!("  {way:WAY$}  {:OUTCOME$}  {}", said(finished, "outcome"), printable(why));
        _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Returns in a line what they came to: `21 ways: 17 stopped, 1 hole, 2 gaps, 1 not possible`
#[must_use]
pub fn sum(all: &[Finished]) -> String {
    let count = |outcome: &str| {
        all.iter().filter(|one| said(one, "outcome") == outcome && !said(one, "way").is_empty()).count()
    };
    let tried = all.iter().filter(|one| !said(one, "way").is_empty()).count();
    let noun =
        |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let mut parts = vec![format!("{} stopped", count("stopped")), noun(count("HOLE"), "hole")];
    for (outcome, words) in [
        ("gap", "known to no rule of the template"),
        ("not possible", "not possible here"),
        ("not tried", "not tried"),
        ("inconclusive", "inconclusive"),
    ] {
        let count = count(outcome);
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let tally = Tally::of(all);
    let unclear = tally.get(CheckResult::Inconclusive) + tally.get(CheckResult::Error);
    if unclear > count("inconclusive") {
        parts.push(format!("{} without a result", noun(unclear - count("inconclusive"), "probe")));
    }
    format!("{}: {}", noun(tried, "way"), parts.join(", "))
}
