//! What the kernel itself says of this suite's credentials, and calls that change those of a task.

use std::fs;

use nix::{errno::Errno, libc};

/// A set of capabilities of this process, which its privileged tasks have too: a line of /proc/self/status.
pub fn own_capabilities(line: &str) -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let set = status.lines().find_map(|each| each.strip_prefix(line)?.strip_prefix(':')).ok_or(line)?;
    u64::from_str_radix(set.trim(), 16).map_err(|e| format!("{line}: {e}"))
}

/// The names in a set, in the order of their numbers.
pub fn names(set: u64) -> Vec<String> {
    let mut all: Vec<_> = caps::all().into_iter().filter(|each| set & each.bitmask() != 0).collect();
    all.sort_by_key(|each| each.bitmask());
    all.into_iter().map(|each| each.to_string()).collect()
}

pub const CHOWN: u64 = 1 << 0;
pub const KILL: u64 = 1 << 5;
pub const NET_RAW: u64 = 1 << 13;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives the calling thread these capabilities.
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
    const VERSION: u32 = 0x2008_0522;
    let header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| {
        let word = |set: u64| (set >> shift) as u32;
        Data { effective: word(effective), permitted: word(permitted), inheritable: word(inheritable) }
    };
    let data = [half(0), half(32)];
    // SAFETY: both structures are as the call wants them, and live to its end.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// A system call with numbers for arguments.
pub fn call(number: i64, arguments: [u64; 5]) -> Result<i64, Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: only for calls that take no addresses.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e) })
}
