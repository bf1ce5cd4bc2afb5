//! bpf(2), for what aya has no words for.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd};
use nix::libc;

/// One command. Every pointer in the attributes belongs to the caller, and outlives the call.
pub fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: bpf(2) reads and writes the attributes and what they point to, which the caller owns.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *attributes, size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The descriptor that a command has made.
pub fn descriptor(result: io::Result<i64>) -> io::Result<OwnedFd> {
    let number = i32::try_from(result?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
