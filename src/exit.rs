//! The process's exit codes, as `--help` tells them.

use crate::check::{CheckResult, Tally};

/// Whoever reads these is content.
pub const FINE: i32 = 0;
/// The script failed.
pub const FAILED: i32 = 1;
/// The command line, or a file it names, is not one to start from.
pub const USAGE: i32 = 2;
/// This machine lacks something (privilege, BPF LSM, QEMU), or has lost output.
pub const ENVIRONMENT: i32 = 3;
/// Added to a signal's number, as shells do.
pub const BY_SIGNAL: i32 = 128;
/// A command that was to be started is not there, as shells say it.
pub const NOT_FOUND: i32 = 127;
/// It is there, and could not be executed.
pub const NOT_EXECUTED: i32 = 126;
/// 128 and SIGINT's number, as shells say it.
pub const INTERRUPTED: i32 = 130;
/// A check failed, and nothing is worse.
pub const CHECK_FAILED: i32 = 4;
/// A check could not be decided, or is itself at fault.
pub const UNDECIDED: i32 = 5;

/// Returns what checks come to: the worst of them, and nothing if all is well.
#[must_use]
pub fn of_checks(tally: &Tally) -> i32 {
    if tally.get(CheckResult::Error) + tally.get(CheckResult::Inconclusive) > 0 {
        UNDECIDED
    } else if tally.get(CheckResult::Fail) > 0 {
        CHECK_FAILED
    } else {
        FINE
    }
}
