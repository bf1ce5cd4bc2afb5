//! Claims about `.fields(…)`: what an event tells, and what is gathered all the same because something else asks.

use serde_json::Value;

use super::{Outcome, holds, same, shell};

/// A probe on executions by this process's children, narrowed to `pid` and `path`, and two executions.
fn narrowed(rest: &str) -> Result<shell::Ended, String> {
    let ended = shell::run(&format!(
        "let p = probe(\"exec\").scope(#{{pid: {}}}).fields([\"pid\", \"path\"]).name(\"t\"){rest}.attach(); \
         run([\"true\"]); run([\"true\"]); p.detach();",
        std::process::id()
    ))?;
    ended.well()?;
    Ok(ended)
}

fn names(event: &Value) -> Vec<&str> {
    event.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

pub fn only_these() -> Outcome {
    let ended = narrowed("")?;
    let events: Vec<_> = ended.events().collect();
    same("events", events.len(), 2)?;
    same("fields", names(events[0]), vec!["type", "time", "probe", "template", "pid", "path"])?;
    holds(events[0]["path"].as_str().is_some_and(|path| path.starts_with('/')), "its path")
}

pub fn asked_elsewhere() -> Outcome {
    let ended = narrowed(".when(|e| e.exe.ends_with(\"/krsi-sh\") && e.cwd.starts_with(\"/\"))")?;
    same("by a filter", ended.events().count(), 2)?;
    let ended = narrowed(".count_by(\"exe\")")?;
    let record = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    same("groups", record["rows"].as_array().map(Vec::len), Some(1))?;
    let exe = record["rows"][0]["exe"].as_str().unwrap_or_default();
    holds(exe.ends_with("/krsi-sh"), format!("by an aggregation: {exe:?}"))
}
