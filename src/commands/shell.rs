//! `krsi-sh` alone, at a terminal: the interactive shell.
//!
//! In: the global flags. Out: the shell's exit code. No subcommand has this name;
//! it is what remains when a command line names nothing to run.

use super::{complain, exit};
use crate::cli::Globals;

/// Runs the shell; gives the process's exit code.
#[must_use]
pub fn run(_globals: &Globals) -> i32 {
    complain("this build has no interactive shell yet\ncure: run a script: krsi-sh FILE, or krsi-sh -e CODE");
    exit::ENVIRONMENT
}
