//! `krsi-sh doctor`: what this machine can do, found out.
//!
//! In: the catalogue. Out: facts with their fixes, and for each hook what came of
//! trying it; or the same as JSON. The exit code says whether probes can enforce here.

use std::io::{self, IsTerminal};

use super::{answer, catalogue};
use crate::{doctor, exit, globals::Globals, report::Format};

/// Find out what this machine can do, by trying each hook
///
/// Exit code 0: every hook this kernel has was seen to fire. 3: something is in the way,
/// and the output says what, and the fix. With --format json, one object:
/// kernel, checks (name, status, detail, remedy), hooks (hook, template, status, reason), audit_only (the
/// templates that observe by other means where not all hooks fire).
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {}

/// Begins the terminal's row anew.
const CLEAR: &str = "\r\x1b[K";

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(_: &DoctorArgs, globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let shown = !globals.quiet && io::stderr().is_terminal();
    let report = doctor::examine(&catalogue, &|hook| {
        if shown {
            eprint!("{CLEAR}trying `{hook}` …");
        }
    });
    if shown {
        eprint!("{CLEAR}");
    }
    let text = match globals.format.for_answer() {
        Format::Text => doctor::page(&report, globals.color()),
        Format::Json => serde_json::to_string(&report).unwrap_or_default() + "\n",
    };
    match answer(&text) {
        exit::FINE if report.can_enforce() => exit::FINE,
        exit::FINE => exit::ENVIRONMENT,
        other => other,
    }
}
