//! TAP, by Perl's parser; what stands below a line, by a reader of YAML.

use krsi_sh::{
    check::{Check, CheckResult, Finished, Run, samples},
    report::{Document, printable},
};
use serde_json::Value;

use crate::{harmless, readers, written};

/// Checks what was read against the run that was written.
pub fn agrees(read: &Value, diagnostics: &Value, run: &Run) {
    assert_eq!(read["planned"], run.finished.len());
    let points = read["points"].as_array().unwrap();
    assert_eq!(points.len(), run.finished.len());
    let mut diagnostics = diagnostics.as_array().unwrap().iter();
    for (point, finished) in points.iter().zip(&run.finished) {
        let holds = matches!(finished.result, CheckResult::Pass | CheckResult::Skip);
        assert_eq!(point["ok"], holds, "{point}");
        assert_eq!(point["passes"], holds || finished.accepted.is_some(), "{point}");
        let directive = match finished.result {
            _ if finished.accepted.is_some() => "TODO",
            CheckResult::Skip => "SKIP",
            _ => "",
        };
        assert_eq!(point["directive"], directive, "{point}");
        if finished.result == CheckResult::Pass {
            continue;
        }
        let told = diagnostics.next().unwrap();
        assert_eq!(told["result"], finished.result.name());
        assert_eq!(told["message"].as_str(), finished.reason.as_deref());
        if finished.evidence.is_empty() {
            assert!(told.get("evidence").is_none());
        } else {
            assert_eq!(told["evidence"].as_array().unwrap(), &finished.evidence);
        }
    }
    assert_eq!(diagnostics.next(), None);
}

#[test]
fn every_result_has_its_line_and_what_there_is_to_say() {
    let run = samples::run();
    let text = [written(Document::Tap, &run)];
    assert!(text[0].starts_with("TAP version 14\n1..7\nok 1 - sample-pass"), "{}", text[0]);
    let (Some(read), Some(diagnostics)) = (readers::perl(&text), readers::python("yaml", &text)) else {
        return;
    };
    agrees(&read[0], &diagnostics[0], &run);
    let todo = read[0]["points"].as_array().unwrap().last().unwrap();
    assert_eq!(todo["explanation"], "until the move");
    let hostile =
        diagnostics[0].as_array().unwrap().iter().find(|one| one["severity"] == "critical").unwrap();
    assert_eq!(hostile["remedy"], "# not a directive\nok 1 - not a result");
    assert_eq!(hostile["at"]["line"], 14);
}

#[test]
fn a_title_is_no_directive_and_no_line() {
    let titles = ["x # SKIP not run", r"x \# TODO later", "x\nok 2 - y", "Bail out!", "#", r"\", "block {"];
    let finished: Vec<Finished> = titles
        .iter()
        .map(|title| Finished {
            check: Check { title: (*title).into(), ..samples::check("x") },
            ..samples::finished("x", CheckResult::Fail)
        })
        .collect();
    let run = Run { finished, ..samples::run() };
    let text = [written(Document::Tap, &run)];
    let (Some(read), Some(diagnostics)) = (readers::perl(&text), readers::python("yaml", &text)) else {
        return;
    };
    agrees(&read[0], &diagnostics[0], &run);
    for (title, line) in titles.iter().zip(text[0].lines().filter(|line| line.starts_with("not ok"))) {
        let harmless = harmless(&printable(title)).replace('\\', r"\\").replace('#', r"\#");
        assert!(line.contains(&harmless), "{line}");
        // node's reader takes it for the beginning of a subtest.
        assert!(!line.ends_with('{'), "{line}");
    }
}
