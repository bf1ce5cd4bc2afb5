//! Waiting for programs that are running now.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::OnceLock,
};

use aya_obj::generated::bpf_map_type::{BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_ARRAY_OF_MAPS};

use crate::kernel::call::{create_map, put};

/// Waits until every program that runs now has ended. One of which the kernel is only about to begin, after an earlier one
/// at the same hook, is not waited for: a preemptible kernel may put a task aside between the two.
///
/// Programs run under RCU, and a change of a map of maps returns after a grace period of it (kernel/bpf/syscall.c,
/// `maybe_wait_bpf_programs`). membarrier(2) is none on one processor, nor where CPUs run without a tick.
///
/// # Errors
/// If the kernel makes no such map.
pub fn wait_for_programs() -> io::Result<()> {
    static MAPS: OnceLock<Result<[OwnedFd; 2], i32>> = OnceLock::new();
    let code = |error: io::Error| error.raw_os_error().unwrap_or_default();
    match MAPS.get_or_init(|| maps().map_err(code)) {
        Ok([outer, inner]) => put(outer, &0_u32.to_ne_bytes(), &inner.as_raw_fd().to_ne_bytes()),
        Err(code) => Err(io::Error::from_raw_os_error(*code)),
    }
}

/// A map with room for another one, and that.
fn maps() -> io::Result<[OwnedFd; 2]> {
    let word = size_of::<u32>() as u32;
    let inner = create_map(|map| {
        map.map_type = BPF_MAP_TYPE_ARRAY as u32;
        (map.key_size, map.value_size, map.max_entries) = (word, word, 1);
    })?;
    let outer = create_map(|map| {
        map.map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS as u32;
        (map.key_size, map.value_size, map.max_entries) = (word, word, 1);
        map.inner_map_fd = inner.as_raw_fd().cast_unsigned();
    })?;
    Ok([outer, inner])
}
