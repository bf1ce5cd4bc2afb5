//! bpf(2), for what aya has no words for.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_attr__bindgen_ty_1, bpf_cmd};
use nix::libc;

/// One command. Every pointer in the attributes belongs to the caller, and outlives the call.
pub fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: bpf(2) reads and writes the attributes and what they point to, which the caller owns.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *attributes, size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Has the kernel fill in what it knows of a program, a link or types.
pub fn inform<T>(object: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.info.bpf_fd = object.as_raw_fd().cast_unsigned();
    attributes.info.info_len = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    attributes.info.info = (&raw mut *info).addr() as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attributes).map(drop)
}

/// Makes a map. `describe` is given its attributes, all zero.
pub fn create_map(describe: impl FnOnce(&mut bpf_attr__bindgen_ty_1)) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_MAP_CREATE reads this variant.
    describe(unsafe { &mut attributes.__bindgen_anon_1 });
    descriptor(bpf(bpf_cmd::BPF_MAP_CREATE, &mut attributes))
}

/// Writes an element of a map. Key and value are as long as the map says.
pub fn put(map: &OwnedFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_MAP_UPDATE_ELEM reads this variant.
    let element = unsafe { &mut attributes.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd().cast_unsigned();
    element.key = key.as_ptr() as u64;
    element.__bindgen_anon_1.value = value.as_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attributes).map(drop)
}

/// Reads an element of a map. Key and value are as long as the map says.
pub fn get(map: &OwnedFd, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_MAP_LOOKUP_ELEM reads this variant.
    let element = unsafe { &mut attributes.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd().cast_unsigned();
    element.key = key.as_ptr() as u64;
    element.__bindgen_anon_1.value = value.as_mut_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attributes).map(drop)
}

/// From here on no process writes to the map.
pub fn freeze(map: &OwnedFd) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // BPF_MAP_FREEZE reads the descriptor, which is the first word of this variant.
    attributes.__bindgen_anon_2.map_fd = map.as_raw_fd().cast_unsigned();
    bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attributes).map(drop)
}

/// The descriptor that a command has made.
pub fn descriptor(result: io::Result<i64>) -> io::Result<OwnedFd> {
    let number = i32::try_from(result?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
