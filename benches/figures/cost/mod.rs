//! What a probe costs the tasks it watches: instructions for an open and close, and for
//! a fork, an execution and the wait, beside bpftrace and auditd.
//!
//! In a guest of one processor whose time counts instructions (`-icount`), so that a
//! nanosecond is an instruction and figures repeat. One boot takes all of them, each
//! twice, and tells how far the two are apart.
//!
//! ```text
//! cases     what the operations run under
//! worker    the task that does them, and its processor time
//! noop      the program it executes
//! records   who reads the records, and their processor time
//! probe     the shell with a probe attached, and its books
//! empty     an LSM program that does nothing
//! bpftrace  bpftrace with a program attached, and what it counted or printed
//! auditd    auditd, its rule, its log
//! guest     every case, twice
//! rows      what the host makes of it
//! ```

mod auditd;
mod bpftrace;
mod cases;
mod empty;
mod guest;
mod noop;
mod probe;
mod records;
mod rows;
mod worker;

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::{
    document,
    figure::Figure,
    peers,
    visit::{Found, Visit},
};

pub const ROLE: &str = "--cost";
pub const WORKER: &str = "--work";
/// A word, to take the cases alone that have it in their names.
const ONLY: &str = "KRSI_COST";

/// Instructions for one operation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cost {
    /// On the processor time of the task that does it, and of its child.
    own: f64,
    /// On that of whoever reads the records.
    readers: f64,
    /// The part of the operations whose records were lost.
    lost: f64,
}

/// A case's name, and the cost in each round.
type Findings = Vec<(String, Result<Vec<Cost>, String>)>;

/// The guest's part.
pub fn measure(word: &str) -> ExitCode {
    match serde_json::to_writer(std::io::stdout(), &guest::measure(&cases::with(word))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The measured task's part.
pub fn work(what: &str, times: &str) -> ExitCode {
    match worker::work(what, times) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

pub fn figures() -> Vec<Figure> {
    // The document has them all, of one run.
    let word =
        std::env::var(ONLY).ok().filter(|_| std::env::var_os(document::BLESS).is_none()).unwrap_or_default();
    let cases = cases::with(&word);
    let visit = || -> Result<Found<Findings>, String> {
        let mut files = Vec::new();
        if cases.iter().any(|case| case.under.is_bpftrace()) {
            files.extend(peers::files("bpftrace")?);
        }
        if cases.iter().any(|case| case.under.is_auditd()) {
            files.extend(peers::files("auditd")?);
            files.push(auditd::configuration());
        }
        Visit { role: &[ROLE, &word], files, icount: true }.pay()
    };
    match visit() {
        Ok(found) => rows::figures(&cases, &found.findings),
        Err(reason) => vec![Figure::failed("instructions", "", &reason)],
    }
}
