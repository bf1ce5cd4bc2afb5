//! The running kernel's own types (BTF).

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_btf_info, bpf_cmd};

use crate::kernel::call::{bpf, descriptor, inform};

/// All of them, as a section: some 5 MB. They are had in one piece from bpf(2); the file gives a page at a time.
///
/// # Errors
/// If the kernel has none, or they cannot be read.
pub fn types() -> io::Result<Vec<u8>> {
    /// Types are numbered as they come, and the kernel's own come first.
    const FIRST: u32 = 1;
    // What is looked for elsewhere, and told by `doctor`, is the file.
    fs::metadata(super::BTF)?;
    match of_id(FIRST).map(|(types, size)| copy(&types, size)) {
        Some(Ok(section)) => Ok(section),
        // Nobody has asked for them yet, a kernel does not name them (5.10), or the privilege is missing.
        _ => fs::read(super::BTF),
    }
}

/// The types of this id, and their length in bytes, if they are those of the kernel itself.
pub fn of_id(id: u32) -> Option<(OwnedFd, u32)> {
    const NAME: &[u8] = b"vmlinux\0";
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    let types = descriptor(bpf(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attributes)).ok()?;
    let mut name = [0_u8; 64];
    let mut info = none();
    info.name = name.as_mut_ptr().addr() as u64;
    info.name_len = u32::try_from(name.len()).ok()?;
    inform(types.as_fd(), &mut info).ok()?;
    (info.kernel_btf == 1 && name.starts_with(NAME)).then_some((types, info.btf_size))
}

fn copy(types: &OwnedFd, size: u32) -> io::Result<Vec<u8>> {
    let mut section = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let mut info = none();
    info.btf = section.as_mut_ptr().addr() as u64;
    info.btf_size = size;
    inform(types.as_fd(), &mut info)?;
    if info.btf_size == size { Ok(section) } else { Err(io::Error::other("the kernel's types have changed")) }
}

fn none() -> bpf_btf_info {
    // SAFETY: all zero is a valid value of this struct of plain numbers.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_of_the_file() {
        let Ok(file) = fs::read(crate::kernel::host::BTF) else {
            eprintln!("skipped: no kernel BTF here");
            return;
        };
        assert!(types().unwrap() == file);
    }
}
