//! The Test Anything Protocol, version 14: a line for each check, and what there is to say about it as YAML below.
//!
//! Older readers skip the YAML, or know less of it than there is: it is kept to texts in quotes (as JSON writes them), numbers,
//! lists and maps, one to a line.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Look, clean};
use crate::check::{CheckResult, Finished, Run};

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", run.finished.len())?;
    for (number, finished) in (1..).zip(&run.finished) {
        point(number, finished, out)?;
    }
    Ok(())
}

fn point(number: usize, finished: &Finished, out: &mut dyn Write) -> io::Result<()> {
    let check = &finished.check;
    let holds = matches!(finished.result, CheckResult::Pass | CheckResult::Skip);
    let ok = if holds { "ok" } else { "not ok" };
    write!(out, "{ok} {number} - {} {}", escaped(&check.id), escaped(&check.title))?;
    let reason = finished.reason.as_deref().unwrap_or_default();
    match (&finished.accepted, finished.result) {
        (Some(accepted), _) => write!(out, " # TODO {}", escaped(&accepted.reason))?,
        (None, CheckResult::Skip) => write!(out, " # SKIP {}", escaped(reason))?,
        // A brace at the end would open a subtest for some readers.
        (None, _) if check.title.ends_with('{') => write!(out, " .")?,
        (None, _) => {}
    }
    writeln!(out)?;
    if finished.result == CheckResult::Pass {
        return Ok(());
    }
    writeln!(out, "  ---")?;
    map(&diagnostics(finished), 1, out)?;
    writeln!(out, "  ...")
}

/// A text within a line: it neither ends it nor begins a directive.
fn escaped(text: &str) -> String {
    clean::line(text).replace('\\', r"\\").replace('#', r"\#")
}

fn diagnostics(finished: &Finished) -> Map<String, Value> {
    let check = &finished.check;
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    add("result", finished.result.name().into());
    add("message", json!(finished.reason));
    add("severity", check.severity.to_string().into());
    add("level", check.level.into());
    if finished.expected.is_some() {
        add("expected", json!(finished.expected));
        // That nothing was there is an answer too.
        add("found", finished.found.clone().filter(|found| !found.is_null()).unwrap_or("nothing".into()));
    }
    let line = if finished.decided_at > 0 { finished.decided_at } else { check.line };
    add("at", json!({"file": check.script, "line": line}));
    if !finished.evidence.is_empty() {
        add("evidence", finished.evidence.clone().into());
    }
    if let Some(until) = finished.accepted.as_ref().and_then(|accepted| accepted.until) {
        add("accepted_until", until.to_string().into());
    }
    add("remedy", json!(check.remedy));
    if !check.refs.is_empty() {
        add("refs", json!(check.refs));
    }
    fields
}

/// Writes the members of a map, `depth` steps to the right.
fn map(fields: &Map<String, Value>, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    fields.iter().try_for_each(|(name, value)| {
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        let is_plain = !name.is_empty() && name.chars().all(plain);
        let name = if is_plain { name.clone() } else { clean::json(&name.as_str().into()) };
        below(&format!("{name}:"), value, depth, out)
    })
}

/// Writes a value behind what names it, or below that.
fn below(name: &str, value: &Value, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            writeln!(out, "{indent}{name}")?;
            map(fields, depth + 1, out)
        }
        Value::Array(items) if !items.is_empty() => {
            writeln!(out, "{indent}{name}")?;
            items.iter().try_for_each(|item| below("-", item, depth + 1, out))
        }
        // Perl would take what stands before a colon and a blank for the name of a field.
        other if name == "-" => writeln!(out, "{indent}- {}", clean::json(other).replace(": ", r":\x20")),
        other => writeln!(out, "{indent}{name} {}", clean::json(other)),
    }
}
