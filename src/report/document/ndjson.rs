//! One JSON value a line: each check as a session writes it, and at the end the sum.

use std::io::{self, Write};

use serde_json::json;

use super::Look;
use crate::{
    check::{CheckResult, Run},
    report::format::json,
};

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    for finished in &run.finished {
        writeln!(out, "{}", json::check(finished))?;
    }
    writeln!(out, "{}", json::safe(&sum(run).to_string()))
}

/// What the run came to as a whole.
pub fn sum(run: &Run) -> serde_json::Value {
    let tally = run.tally();
    let mut sum = json!({
        "type": "checks",
        "host": run.host,
        "kernel": run.kernel,
        "program": run.program,
        "version": run.version,
        "began": run.began,
        "seconds": run.took.as_secs_f64(),
        "checks": tally.total(),
    });
    for result in CheckResult::ALL {
        sum[result.name()] = tally.get(result).into();
    }
    sum["accepted"] = tally.accepted.into();
    sum
}
