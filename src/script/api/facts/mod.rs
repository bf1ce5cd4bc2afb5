//! What there is on this system, as scripts have it: records are maps, a file and a walk over files are types of their own.
//!
//! Nothing here changes anything, so `--audit` and `explain` read as well, and no policy is asked.
//!
//! ```text
//! table    the functions without arguments, from the table of facts
//! named    those that are given a name: sysctl, kconfig, package_of, verify
//! system   `sys`
//! file     one file
//! checksum the SHA-256 of a file, and of what a process executes
//! files    files by a pattern, one at a time
//! ```

mod checksum;
mod file;
mod files;
mod named;
mod system;
mod table;

use std::cell::RefCell;

use rhai::Engine;

pub use self::system::System;
use super::Fallible;
use crate::{
    facts::{FactError, Reader},
    script::{Fault, runtime::Runtime},
};

pub fn register(engine: &mut Engine) {
    table::register(engine);
    named::register(engine);
    system::register(engine);
    file::register(engine);
    checksum::register(engine);
    files::register(engine);
}

/// Reads something, for as long as the session is to go on.
fn read<T>(runtime: &Runtime, read: impl FnOnce(Reader<'_>) -> Result<T, FactError>) -> Fallible<T> {
    // A signal is told once, and this is asked more often.
    let stopped = RefCell::new(None);
    let go_on = || {
        runtime.heartbeat();
        let mut stopped = stopped.borrow_mut();
        if stopped.is_none() {
            *stopped = runtime.go_on().err();
        }
        stopped.is_none()
    };
    let found = read(Reader { facts: &runtime.facts, go_on: &go_on });
    match (found, stopped.into_inner()) {
        (Err(_), Some(stop)) => Err(stop.into()),
        // It was read to its end all the same; then the signal is the script's.
        (Ok(found), Some(stop)) => {
            runtime.put_stop(stop);
            Ok(found)
        }
        (found, None) => found.map_err(|error| Fault::from(error).into()),
    }
}

#[cfg(test)]
mod tests;
