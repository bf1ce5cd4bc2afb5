//! A filter's sets that are too large for its code: maps of their own, made and filled before the load.
//!
//! Nobody writes to them afterwards: neither a program (BPF_F_RDONLY_PROG) nor, once they are frozen, a process. They
//! live as long as a program that asks them.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_map_type};

use crate::{
    filter::{Code, Set},
    kernel::call::{bpf, descriptor, freeze, put},
};

const RDONLY_PROG: u32 = 1 << 7;

/// Maps for all sets of the code, in their order.
///
/// # Errors
/// If the kernel makes no such map, or takes a key no more.
pub fn create(code: &Code) -> io::Result<Vec<OwnedFd>> {
    code.sets.iter().map(create_one).collect()
}

/// The code with these maps in it.
#[must_use]
pub fn bytes_with(code: &Code, maps: &[OwnedFd]) -> Vec<u8> {
    code.bytes_with(&maps.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>())
}

fn create_one(set: &Set) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_MAP_CREATE reads this variant.
    let map = unsafe { &mut attributes.__bindgen_anon_1 };
    map.map_type = bpf_map_type::BPF_MAP_TYPE_HASH as u32;
    map.key_size = u32::try_from(set.key_size).map_err(io::Error::other)?;
    map.value_size = 1;
    map.max_entries = u32::try_from(set.keys.len().max(1)).map_err(io::Error::other)?;
    map.map_flags = RDONLY_PROG;
    for (to, from) in map.map_name.iter_mut().zip(b"krsi_set") {
        *to = from.cast_signed();
    }
    let map = descriptor(bpf(bpf_cmd::BPF_MAP_CREATE, &mut attributes))?;
    for key in &set.keys {
        put(&map, key, &[1])?;
    }
    freeze(&map)?;
    Ok(map)
}
