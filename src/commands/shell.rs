//! `krsi-sh` alone, at a terminal: the interactive shell.
//!
//! In: the global flags, and whether the start-up file is evaluated. Out: the shell's exit code. No subcommand has this name;
//! it is what remains when a command line names nothing to run.

use super::catalogue;
use crate::{exit, globals::Globals, shell};

/// Runs the shell; gives the process's exit code.
#[must_use]
pub fn run(globals: &Globals, init: bool) -> i32 {
    let Some(catalogue) = catalogue() else { return exit::ENVIRONMENT };
    shell::interactive(catalogue, globals.options(Vec::new()), init)
}
