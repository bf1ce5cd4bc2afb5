//! SARIF 2.1.0, for code scanning: a rule for each check, a result for what it came to.
//!
//! Written by hand on JSON: a library of all that the standard has would be larger than the rest of the report, and a test
//! asks the standard's own schema.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Write},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{Look, clean};
use crate::{
    check::{Accepted, Check, CheckResult, Finished, Run},
    raw,
    values::Severity,
};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut rules = Vec::new();
    let mut numbers = HashMap::new();
    for Finished { check, .. } in &run.finished {
        numbers.entry(check.id.as_str()).or_insert_with(|| {
            rules.push(rule(check));
            rules.len() - 1
        });
    }
    let results: Vec<Value> =
        run.finished.iter().map(|one| result(run, one, numbers[one.check.id.as_str()])).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": run.program, "version": run.version, "rules": rules } },
            // Each host is a category of its own: what is mended on one is not mended on the others.
            "automationDetails": { "id": format!("{}-check/{}/", run.program, clean::line(&run.host)) },
            "invocations": [invocation(run)],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    writeln!(out, "{}", clean::document(&document))
}

/// What a check asserts, whatever it came to.
fn rule(check: &Check) -> Value {
    let mut rule = json!({
        "id": check.id,
        "shortDescription": { "text": told(&check.title) },
        "defaultConfiguration": { "level": level(check.severity) },
    });
    let about: Vec<&str> = [&check.about, &check.why].into_iter().flatten().map(String::as_str).collect();
    if !about.is_empty() {
        rule["fullDescription"] = json!({ "text": told(&about.join("\n\n")) });
    }
    if let Some(remedy) = &check.remedy {
        rule["help"] = json!({ "text": told(remedy) });
    }
    if let Some(address) = check.refs.iter().find(|reference| super::is_address(reference)) {
        rule["helpUri"] = uri(address, ADDRESS).into();
    }
    let mut tags: Vec<&str> = Vec::new();
    // Without the word GitHub takes no notice of the number.
    for tag in check.tags.iter().map(String::as_str).chain(["security"]) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    rule["properties"] = json!({ "tags": tags, "level": check.level, "refs": check.refs });
    if let Some(score) = score(check.severity) {
        rule["properties"]["security-severity"] = score.into();
    }
    rule
}

fn result(run: &Run, finished: &Finished, number: usize) -> Value {
    let Finished { check, result, .. } = finished;
    let (kind, level) = match result {
        CheckResult::Pass => ("pass", "none"),
        CheckResult::Skip => ("notApplicable", "none"),
        CheckResult::Fail => ("fail", level(check.severity)),
        // Evaluated, and not enough is known to say whether there is a problem.
        CheckResult::Inconclusive | CheckResult::Error => ("open", "none"),
    };
    let mut value = json!({
        "ruleId": check.id,
        "ruleIndex": number,
        "kind": kind,
        "level": level,
        "message": { "text": told(&message(finished)) },
        "locations": [location(&check.script, check.line)],
        // The first is what GitHub goes by. Neither has the line or the reason: a script that is edited, and a failure in other
        // words, are no other finding.
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{}/{}:1", clean::line(&run.host), check.id),
            "krsi-sh-check/v1": format!("{}/{}", clean::line(&run.host), check.id),
        },
        "properties": properties(finished),
    });
    if finished.decided_at > 0 && finished.decided_at != check.line {
        value["relatedLocations"] = json!([location(&check.script, finished.decided_at)]);
        value["relatedLocations"][0]["message"] = json!({ "text": "decided here" });
    }
    // If one result has suppressions, all have: else nobody could tell that the others have been looked at.
    value["suppressions"] = finished.accepted.iter().map(suppression).collect();
    value
}

fn suppression(accepted: &Accepted) -> Value {
    let mut suppression = json!({
        "kind": "external",
        "status": "accepted",
        "justification": clean::lines(&accepted.reason),
    });
    if let Some(until) = accepted.until {
        suppression["properties"] = json!({ "until": until.to_string() });
    }
    suppression
}

/// What there is to know besides, as it is.
fn properties(finished: &Finished) -> Value {
    let mut properties = Map::new();
    properties.insert("result".into(), finished.result.name().into());
    properties.insert("severity".into(), finished.check.severity.to_string().into());
    if let Some(expected) = &finished.expected {
        properties.insert("expected".into(), expected.as_str().into());
        properties.insert("found".into(), finished.found.clone().unwrap_or_default());
    }
    if !finished.evidence.is_empty() {
        properties.insert("evidence".into(), finished.evidence.clone().into());
    }
    properties.insert("seconds".into(), json!(finished.seconds));
    properties.into()
}

fn message(finished: &Finished) -> String {
    let mut text = match (&finished.reason, finished.result) {
        (Some(reason), _) if !reason.is_empty() => reason.clone(),
        _ => finished.check.title.clone(),
    };
    if let Some(expected) = &finished.expected {
        let found = finished.found.as_ref().map_or_else(|| "nothing".to_owned(), clean::value);
        _ = write!(text, "\nexpected: {expected}\nfound: {found}");
    }
    text
}

fn location(script: &str, line: usize) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": file(script) } });
    if line > 0 {
        physical["region"] = json!({ "startLine": line });
    }
    json!({ "physicalLocation": physical })
}

fn invocation(run: &Run) -> Value {
    let errors: Vec<Value> = run
        .finished
        .iter()
        .filter(|finished| finished.result == CheckResult::Error)
        .map(|finished| {
            json!({
                "level": "error",
                "message": { "text": told(&message(finished)) },
                "associatedRule": { "id": finished.check.id },
                "locations": [location(&finished.check.script, finished.check.line)],
            })
        })
        .collect();
    let took = SignedDuration::try_from(run.took).unwrap_or_default();
    let ended = run.began.checked_add(took).unwrap_or(run.began);
    json!({
        "executionSuccessful": errors.is_empty(),
        "startTimeUtc": time(run.began),
        "endTimeUtc": time(ended),
        "machine": run.host,
        "properties": { "kernel": run.kernel },
        "toolExecutionNotifications": errors,
    })
}

/// To the millisecond.
fn time(at: Timestamp) -> String {
    at.strftime("%FT%T%.3fZ").to_string()
}

/// A text as a message: in one, brackets would make a link and braces stand for an argument.
fn told(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in clean::lines(text).chars() {
        match c {
            '[' | ']' | '\\' => out.extend(['\\', c]),
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The middle of what GitHub gives the same name; it has none for what only informs.
fn score(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Info => None,
    }
}

/// What a path keeps beside letters, digits and `-._~`.
const PATH: &str = "/";
/// What an address keeps.
const ADDRESS: &str = "/:?#[]@!$&'()*+,;=%";

/// Returns where a script is: relative, as long as it was named so.
fn file(script: &str) -> String {
    let script = script.strip_prefix("./").unwrap_or(script);
    let path = uri(script, PATH);
    if script.starts_with('/') { format!("file://{path}") } else { path }
}

/// Returns the bytes of a text, what may not stand in a URI by its number.
fn uri(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in raw::bytes(text).iter() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || (c.is_ascii() && keep.contains(c)) {
            out.push(c);
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_named_by_a_uri_with_each_of_its_bytes() {
        assert_eq!(file("./checks/a b.rhai"), "checks/a%20b.rhai");
        assert_eq!(file("/etc/a:b%#é\u{efff}"), "file:///etc/a%3Ab%25%23%C3%A9%FF");
        assert_eq!(uri("https://example.org/?a=1&b=\"2\"", ADDRESS), "https://example.org/?a=1&b=%222%22");
    }

    #[test]
    fn a_text_makes_neither_a_link_nor_an_argument() {
        assert_eq!(told(r"[x](http://y) {0} \"), r"\[x\](http://y) {{0}} \\");
    }
}
