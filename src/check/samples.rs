//! Checks for the tests of this room and of the reports; those of the reports are no unit tests, so it is always here.

use jiff::Timestamp;
use serde_json::json;

use super::{Accepted, Check, CheckResult, Finished, Run};
use crate::values::Severity;

/// Returns a check of this id, with everything else as in a script that says no more.
#[must_use]
pub fn check(id: &str) -> Check {
    Check {
        id: id.to_owned(),
        title: format!("the title of {id}"),
        level: 1,
        tags: vec!["sample".to_owned()],
        severity: Severity::Medium,
        about: None,
        why: None,
        remedy: None,
        refs: Vec::new(),
        script: "samples.rhai".to_owned(),
        line: 1,
    }
}

/// Returns one that came to this.
#[must_use]
pub fn finished(id: &str, result: CheckResult) -> Finished {
    Finished {
        check: check(id),
        result,
        reason: (result != CheckResult::Pass).then(|| format!("why {id} is {result}")),
        expected: None,
        found: None,
        decided_at: 0,
        evidence: Vec::new(),
        began: Timestamp::UNIX_EPOCH,
        seconds: 0.25,
        listed: false,
        accepted: None,
    }
}

/// Returns a run with one of each result, an accepted failure, and texts that no format may pass on as they are.
#[must_use]
pub fn run() -> Run {
    let mut all: Vec<Finished> =
        CheckResult::ALL.iter().map(|result| finished(&format!("sample-{result}"), *result)).collect();
    all.push(Finished {
        check: Check {
            severity: Severity::Critical,
            about: Some("looks at <this> & \"that\"".into()),
            why: Some("since ]]> ends a CDATA section".into()),
            remedy: Some("# not a directive\nok 1 - not a result".into()),
            refs: vec!["CIS 1.1.1".into(), "https://example.org/?a=1&b=2".into()],
            line: 12,
            ..check("hostile")
        },
        reason: Some("a name with \u{1b}[31m, a\nnewline, \u{0}, \u{fffe} and <b>".into()),
        expected: Some("is `a & b`".into()),
        found: Some(json!(["<script>alert(1)</script>", 7, null])),
        decided_at: 14,
        evidence: vec![json!({"path": "/tmp/a b", "mode": "0644"}), json!("plain")],
        ..finished("hostile", CheckResult::Fail)
    });
    all.push(Finished {
        accepted: Some(Accepted {
            reason: "until the move".into(),
            until: Some(jiff::civil::date(2027, 1, 31)),
        }),
        ..finished("accepted", CheckResult::Fail)
    });
    Run {
        host: "host".into(),
        kernel: "6.12.0".into(),
        program: "krsi-sh",
        version: "0.1.0",
        began: Timestamp::UNIX_EPOCH,
        took: std::time::Duration::from_millis(1500),
        finished: all,
    }
}
