//! `krsi-sh keep-scratch`: the process that keeps a scratch for a session; people do not call it.
//!
//! In: a socket on standard input. Out: nothing but what goes through it.

use super::complain;
use crate::{attempt, exit};

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run() -> i32 {
    match attempt::keep() {
        Ok(()) => exit::FINE,
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}
