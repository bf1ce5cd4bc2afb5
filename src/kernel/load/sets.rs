//! A filter's sets that are too large for its code, and the tables that it walks through: maps of their own, made and
//! filled before the load.
//!
//! Nobody writes to them afterwards: neither a program (BPF_F_RDONLY_PROG) nor, once they are frozen, a process. They
//! live as long as a program that asks them.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use aya_obj::generated::bpf_map_type;

use crate::{
    filter::{Code, Set},
    kernel::call::{create_map, freeze, put},
};

const RDONLY_PROG: u32 = 1 << 7;

/// Maps for all sets of the code, in their order, and then for its tables.
///
/// # Errors
/// If the kernel makes no such map, or takes a key no more.
pub fn create(code: &Code) -> io::Result<Vec<OwnedFd>> {
    let sets = code.sets.iter().map(create_one);
    sets.chain(code.tables.iter().map(|table| create_table(&table.bytes))).collect()
}

/// The code with these maps in it.
#[must_use]
pub fn bytes_with(code: &Code, maps: &[OwnedFd]) -> Vec<u8> {
    code.bytes_with(&maps.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>())
}

fn create_one(set: &Set) -> io::Result<OwnedFd> {
    let size = |of: usize| u32::try_from(of).map_err(io::Error::other);
    let map = make(
        bpf_map_type::BPF_MAP_TYPE_HASH,
        b"krsi_set",
        size(set.key_size)?,
        1,
        size(set.keys.len().max(1))?,
    )?;
    for key in &set.keys {
        put(&map, key, &[1])?;
    }
    freeze(&map)?;
    Ok(map)
}

/// An array of one element, to whose bytes the code has a pointer.
fn create_table(bytes: &[u8]) -> io::Result<OwnedFd> {
    let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let map = make(bpf_map_type::BPF_MAP_TYPE_ARRAY, b"krsi_table", size_of::<u32>() as u32, size, 1)?;
    put(&map, &0_u32.to_ne_bytes(), bytes)?;
    freeze(&map)?;
    Ok(map)
}

fn make(kind: bpf_map_type, name: &[u8], key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    create_map(|map| {
        map.map_type = kind as u32;
        (map.key_size, map.value_size, map.max_entries) = (key, value, entries);
        map.map_flags = RDONLY_PROG;
        for (to, from) in map.map_name.iter_mut().zip(name) {
            *to = from.cast_signed();
        }
    })
}
