//! A probe's maps: what is put into them before and while it is attached, and what is read from them.

pub mod counters;
pub mod grace;
pub mod params;
pub mod ring;
pub mod settings;
pub mod stacks;
pub mod summaries;

use aya::{
    Ebpf,
    maps::{Map, MapError},
};
use nix::libc;

use crate::kernel::{KernelError, errno::chain};

/// Takes a map out of an object.
///
/// # Errors
/// If the object has none of this name.
pub fn take(ebpf: &mut Ebpf, table: &'static str) -> Result<Map, KernelError> {
    ebpf.take_map(table).ok_or(KernelError::Table { table, reason: "the object has no such map".into() })
}

/// Says why an entry found no place in a table.
pub fn full(table: &'static str, error: &MapError) -> KernelError {
    const LIMIT: u32 = 65536;
    let no_room = [libc::ENOSPC, libc::E2BIG];
    match error {
        MapError::SyscallError(failed)
            if failed.io_error.raw_os_error().is_some_and(|e| no_room.contains(&e)) =>
        {
            KernelError::TableFull { table, limit: LIMIT }
        }
        other => KernelError::Table { table, reason: chain(other) },
    }
}
