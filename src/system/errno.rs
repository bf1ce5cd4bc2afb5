//! Why this system refuses a file, a mapping, a map or a program, and what to do about it: one table, by errno.

use std::io;

use nix::{
    libc,
    sys::resource::{Resource, getrlimit},
};

use super::release;

/// `ENOTSUPP`, which has no name in user space: what this kernel was not built with, or this architecture lacks.
pub const NOT_SUPPORTED: i32 = 524;

/// Returns an error's text, and behind it cause and cure if its errno has them.
#[must_use]
pub fn explained(error: &io::Error) -> String {
    match error.raw_os_error().and_then(advice) {
        Some(advice) => format!("{error}\n{advice}"),
        None => error.to_string(),
    }
}

/// Returns `cause: …` and `cure: …`, a line each, where an errno of bpf(2) and what surrounds it has a cause that is not
/// the object's.
#[must_use]
pub fn advice(errno: i32) -> Option<String> {
    let soft = |resource| getrlimit(resource).map_or(0, |(soft, _)| soft);
    let (cause, cure) = match errno {
        libc::EMFILE => (
            format!("this process may have {} files open (ulimit -n), and each map and program is one", soft(Resource::RLIMIT_NOFILE)),
            "ulimit -n 4096 before krsi-sh is started (LimitNOFILE= of a systemd unit), or fewer probes",
        ),
        libc::ENFILE => ("the whole system has no room for another open file".into(), "sysctl fs.file-max shows and raises it"),
        libc::EPERM if is_memory_locked() => (
            format!(
                "before Linux 5.11 maps and programs count as locked memory, of which this process may have {} KiB (ulimit -l)",
                soft(Resource::RLIMIT_MEMLOCK) / 1024
            ),
            "ulimit -l unlimited before krsi-sh is started (LimitMEMLOCK=infinity), or CAP_SYS_RESOURCE, with which it lifts the limit itself",
        ),
        libc::EPERM => (
            "this process lacks a capability for it, or a policy forbids it: lockdown, seccomp (containers), a security module".into(),
            "run krsi-sh as root on the host itself; `krsi-sh doctor` tells what this host allows",
        ),
        libc::EACCES => (
            "a security module (SELinux, AppArmor) or the mode of a file forbids it".into(),
            "the audit log names the rule (ausearch -m avc, journalctl -k)",
        ),
        libc::ENOMEM => (
            "there is no memory for it: in the system, or in this process's cgroup (memory.max) or limits (ulimit -v)".into(),
            "free some or raise the limit; fewer or smaller tables and aggregations need less",
        ),
        libc::E2BIG => (
            "it is larger than the kernel takes at once".into(),
            "give fewer entries or a smaller filter, or spread them over two probes",
        ),
        libc::ENOSPC => ("the kernel, or a file system, has no room for one more".into(), "detach a probe, or free some room"),
        libc::EBUSY => ("something else holds it: another tracer, or a live patch of that function".into(), "detach that (bpftool prog, bpftool link), then try again"),
        libc::EAGAIN | libc::EINTR => ("a signal came in between, again and again".into(), "try again"),
        NOT_SUPPORTED | libc::EOPNOTSUPP | libc::ENOSYS => (
            "this kernel, or this architecture of it, has no such thing (trampolines need a JIT); or a seccomp filter hides it".into(),
            "use a newer kernel, or rehearse in a virtual machine: krsi-sh lab SCRIPT",
        ),
        _ => return None,
    };
    Some(format!("cause: {cause}\ncure: {cure}"))
}

/// Whether this kernel charges maps to RLIMIT_MEMLOCK, and this process has such a limit.
#[must_use]
pub fn is_memory_locked() -> bool {
    const CHARGES_NO_MORE: u32 = (5 << 16) + (11 << 8);
    let limited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY);
    limited && release::version().is_ok_and(|version| version < CHARGES_NO_MORE)
}
