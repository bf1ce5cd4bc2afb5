//! A probe's maps: what is put into them before and while it is attached, and what is read from them.

pub mod bytes;
pub mod counters;
pub mod grace;
pub mod params;
pub mod questions;
pub mod ring;
pub mod settings;
pub mod stacks;
pub mod summaries;
pub mod tokens;

use aya::maps::{Map, MapError};
use nix::libc;

use crate::kernel::{KernelError, errno::chain, load::object::Object};

/// A map that a program of the object uses.
///
/// # Errors
/// If none uses one of this name.
pub fn take(object: &Object, table: &'static str) -> Result<Map, KernelError> {
    let unused = || KernelError::Table { table, reason: "no program of the object uses such a map".into() };
    take_used(object, table)?.ok_or_else(unused)
}

/// The same; `None` if no program uses it.
///
/// # Errors
/// If the kernel does not tell what map it is.
pub fn take_used(object: &Object, table: &'static str) -> Result<Option<Map>, KernelError> {
    object.map(table).map_err(|error| KernelError::Table { table, reason: chain(&error) })
}

/// Says why an entry found no place in a table of the usual size.
pub fn full(table: &'static str, error: &MapError) -> KernelError {
    full_of(table, error, 65536)
}

/// Says why an entry found no place in a table with room for so many.
pub fn full_of(table: &'static str, error: &MapError, limit: u32) -> KernelError {
    let no_room = [libc::ENOSPC, libc::E2BIG];
    match error {
        MapError::SyscallError(failed)
            if failed.io_error.raw_os_error().is_some_and(|e| no_room.contains(&e)) =>
        {
            KernelError::TableFull { table, limit }
        }
        other => KernelError::Table { table, reason: chain(other) },
    }
}
