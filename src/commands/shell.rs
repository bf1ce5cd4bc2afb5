//! `krsi-sh` alone, at a terminal: the interactive shell.
//!
//! In: the global flags. Out: the shell's exit code. No subcommand has this name;
//! it is what remains when a command line names nothing to run.

use super::{complain, exit};
use crate::{cli::Globals, shell, template::Catalogue};

/// Runs the shell; gives the process's exit code.
#[must_use]
pub fn run(globals: &Globals) -> i32 {
    match Catalogue::builtin() {
        Ok(catalogue) => shell::interactive(catalogue, globals.options(Vec::new())),
        Err(error) => {
            complain(error);
            exit::ENVIRONMENT
        }
    }
}
