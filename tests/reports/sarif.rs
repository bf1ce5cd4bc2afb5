//! SARIF, by the schema of the standard.

use krsi_sh::{
    check::{Check, CheckResult, Finished, Run, samples},
    report::Document,
};
use serde_json::{Value, json};

use crate::{readers, written};

/// Checks what was read against the run that was written.
pub fn agrees(read: &Value, run: &Run) {
    let results = read["runs"][0]["results"].as_array().unwrap();
    let rules = read["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(results.len(), run.finished.len());
    for (result, finished) in results.iter().zip(&run.finished) {
        let kind = match finished.result {
            CheckResult::Pass => "pass",
            CheckResult::Skip => "notApplicable",
            CheckResult::Fail => "fail",
            CheckResult::Inconclusive | CheckResult::Error => "open",
        };
        assert_eq!(result["kind"], kind);
        // The standard gives a level to failures alone.
        assert_eq!(result["level"] == "none", kind != "fail", "{result}");
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], finished.check.id.as_str());
        assert_eq!(result["ruleId"], rule["id"]);
        let suppressions = result["suppressions"].as_array().unwrap();
        assert_eq!(suppressions.len(), usize::from(finished.accepted.is_some()));
        assert_eq!(
            result["properties"].get("found"),
            finished.expected.as_ref().and(finished.found.as_ref())
        );
    }
}

#[test]
fn every_result_has_its_kind_and_its_rule() {
    let run = samples::run();
    let text = written(Document::Sarif, &run);
    let Some(read) = readers::python("sarif", &[text]) else { return };
    agrees(&read[0], &run);
    let run = &read[0]["runs"][0];
    let (rule, result) = (&run["tool"]["driver"]["rules"][5], &run["results"][5]);
    assert_eq!(rule["properties"]["security-severity"], "9.5");
    assert_eq!(rule["helpUri"], "https://example.org/?a=1&b=2");
    assert_eq!(result["level"], "error");
    assert_eq!(
        result["locations"][0]["physicalLocation"],
        json!({ "artifactLocation": { "uri": "samples.rhai" }, "region": { "startLine": 12 } })
    );
    assert_eq!(result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 14);
    assert_eq!(run["results"][6]["suppressions"][0]["justification"], "until the move");
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["startTimeUtc"], "1970-01-01T00:00:00.000Z");
    assert_eq!(invocation["endTimeUtc"], "1970-01-01T00:00:01.500Z");
    // One check is at fault itself.
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"][0]["associatedRule"]["id"], "sample-error");
}

#[test]
fn a_finding_is_known_again_after_the_script_was_edited_and_on_its_host_alone() {
    let of = |host: &str, line| Run {
        host: host.into(),
        finished: vec![Finished {
            check: Check { line, ..samples::check("a") },
            reason: Some(format!("in line {line}")),
            ..samples::finished("a", CheckResult::Fail)
        }],
        ..samples::run()
    };
    let print = |run: &Run| {
        let document: Value = serde_json::from_str(&written(Document::Sarif, run)).unwrap();
        document["runs"][0]["results"][0]["partialFingerprints"].clone()
    };
    assert_eq!(print(&of("one", 1)), print(&of("one", 9)));
    assert_ne!(print(&of("one", 1)), print(&of("two", 1)));
}
