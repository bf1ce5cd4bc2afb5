//! JUnit, by the schema of Jenkins' xUnit plugin.

use krsi_sh::{
    check::{Check, CheckResult, Finished, Run, samples},
    report::Document,
};
use serde_json::Value;

use crate::{harmless, readers, written};

/// Checks what was read against the run that was written.
pub fn agrees(read: &Value, run: &Run) {
    let cases = cases(read);
    assert_eq!(cases.len(), run.finished.len());
    // They are written script by script; of one script they are in their order.
    let mut finished: Vec<&Finished> = run.finished.iter().collect();
    finished.sort_by_key(|one| run.finished.iter().position(|first| first.check.script == one.check.script));
    let mut counts = [0, 0];
    for (case, finished) in cases.iter().zip(finished) {
        assert_eq!(case["attributes"]["name"], harmless(&finished.check.id));
        let expected = match finished.result {
            _ if finished.accepted.is_some() => "skipped",
            CheckResult::Pass => "system-out",
            CheckResult::Skip => "skipped",
            CheckResult::Fail => "failure",
            CheckResult::Inconclusive | CheckResult::Error => "error",
        };
        let outcome = &case["children"][0];
        assert_eq!(outcome["name"], expected, "{case}");
        counts[0] += usize::from(expected == "failure");
        counts[1] += usize::from(expected == "error");
        if let (Some(reason), "failure" | "error") = (&finished.reason, expected) {
            assert!(outcome["text"].as_str().unwrap().starts_with(&harmless(reason)), "{outcome}");
        }
    }
    assert_eq!(read["attributes"]["tests"], run.finished.len().to_string());
    assert_eq!(read["attributes"]["failures"], counts[0].to_string());
    assert_eq!(read["attributes"]["errors"], counts[1].to_string());
}

fn cases(read: &Value) -> Vec<&Value> {
    let children =
        |element: &'_ Value| -> Vec<usize> { (0..element["children"].as_array().unwrap().len()).collect() };
    let mut cases = Vec::new();
    for suite in children(read) {
        let suite = &read["children"][suite];
        let all = children(suite).into_iter().map(|at| &suite["children"][at]);
        cases.extend(all.filter(|element| element["name"] == "testcase"));
    }
    cases
}

#[test]
fn every_result_has_its_element_and_its_reason() {
    let run = samples::run();
    let Some(read) = readers::python("junit", &[written(Document::Junit, &run)]) else { return };
    agrees(&read[0], &run);
    let cases = cases(&read[0]);
    let outcome = |id: &str| {
        let case = cases.iter().find(|case| case["attributes"]["name"] == id).unwrap();
        (&case["children"][0]["attributes"], case["children"][0]["text"].as_str().unwrap())
    };
    let (hostile, text) = outcome("hostile");
    assert_eq!(hostile["type"], "critical");
    assert_eq!(hostile["message"], r"a name with \u{1b}[31m, a\nnewline, \u{0}, \u{fffe} and <b>");
    assert!(
        text.contains("\nexpected: is `a & b`\nfound:    [\"<script>alert(1)</script>\",7,null]\n"),
        "{text}"
    );
    assert_eq!(outcome("sample-inconclusive").0["type"], "inconclusive");
    assert_eq!(outcome("sample-error").0["type"], "error");
    assert_eq!(outcome("accepted").0["message"], "accepted until 2027-01-31: until the move");
}

#[test]
fn each_script_is_a_suite() {
    let of = |id: &str, script: &str| Finished {
        check: Check { script: script.into(), ..samples::check(id) },
        ..samples::finished(id, CheckResult::Pass)
    };
    let finished =
        vec![of("a", "/etc/krsi-sh/one.rhai"), of("b", "two.rhai"), of("c", "/etc/krsi-sh/one.rhai")];
    let run = Run { finished, ..samples::run() };
    let Some(read) = readers::python("junit", &[written(Document::Junit, &run)]) else { return };
    agrees(&read[0], &run);
    let suites = read[0]["children"].as_array().unwrap();
    let tests: Vec<_> = suites.iter().map(|suite| suite["attributes"]["tests"].as_str().unwrap()).collect();
    assert_eq!(tests, ["2", "1"]);
    assert_eq!(cases(&read[0])[0]["attributes"]["classname"], "etc.krsi-sh.one");
}
