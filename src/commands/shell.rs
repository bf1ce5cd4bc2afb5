//! `krsi-sh` alone, at a terminal: the interactive shell.
//!
//! In: the global flags, and whether the start-up file is evaluated. Out: the shell's exit code. No subcommand has this name;
//! it is what remains when a command line names nothing to run.

use super::catalogue;
use crate::{exit, globals::Globals, script::Source, shell};

/// Runs the shell; gives the process's exit code.
#[must_use]
pub fn run(globals: &Globals, init: bool) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    shell::interactive(catalogue, globals.options(Vec::new()), shell::Begin { init, script: None })
}

/// Runs a script in the shell, and then prompts; the start-up file is for those who only prompt.
#[must_use]
pub fn run_after(script: Source, args: Vec<String>, globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let begin = shell::Begin { init: false, script: Some(script) };
    shell::interactive(catalogue, globals.options(args), begin)
}
