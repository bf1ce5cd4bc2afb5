//! What there is on this system, as scripts have it: records are maps, a file and a walk over files are types of their own.
//!
//! Nothing here changes anything, so `--audit` and `explain` read as well, and no policy is asked.
//!
//! ```text
//! table    the functions without arguments, from the table of facts
//! named    those that are given a name: sysctl, kconfig, package_of, verify
//! system   `sys`
//! file     one file
//! files    files by a pattern, one at a time
//! ```

mod file;
mod files;
mod named;
mod system;
mod table;

use rhai::Engine;

pub use self::system::System;
use super::Fallible;
use crate::{
    facts::{FactError, Reader, Whose},
    script::{Fault, runtime::Runtime},
};

pub fn register(engine: &mut Engine) {
    table::register(engine);
    named::register(engine);
    system::register(engine);
    file::register(engine);
    files::register(engine);
}

/// Reads something, for as long as the session is to go on.
fn read<T>(runtime: &Runtime, read: impl FnOnce(Reader<'_>) -> Result<T, FactError>) -> Fallible<T> {
    let go_on = || {
        runtime.heartbeat();
        runtime.go_on().is_ok()
    };
    read(Reader { facts: &runtime.facts, go_on: &go_on }).map_err(|error| {
        if error.whose == Whose::Stopped
            && let Err(stop) = runtime.go_on()
        {
            return stop.into();
        }
        Fault::from(error).into()
    })
}

#[cfg(test)]
mod tests;
