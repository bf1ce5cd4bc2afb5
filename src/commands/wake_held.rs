//! `krsi-sh wake-held`: the process that continues what a session holds when that does not; people do not call it.
//!
//! In: a socket on standard input. Out: nothing but what goes through it.

use super::complain;
use crate::{exit, kernel};

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run() -> i32 {
    match kernel::serve_as_waker() {
        Ok(()) => exit::FINE,
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}
