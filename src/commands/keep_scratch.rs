//! `krsi-sh keep-scratch`: the process that keeps a scratch for a session; people do not call it.
//!
//! In: a socket on standard input. Out: nothing but what goes through it.

use super::complain;
use crate::{attempt, exit, globals::Globals};

/// Keep a scratch of a session's
#[derive(Debug, Clone, clap::Args)]
#[command(hide = true)]
pub struct KeepScratchArgs {}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(_: &KeepScratchArgs, _: &Globals) -> i32 {
    match attempt::keep() {
        Ok(()) => exit::FINE,
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}
