//! Why the kernel refuses a map, a program, a link, a mapping or a file, and what to do about it: one table for all of
//! them, by errno.
//!
//! What went wrong is said by whoever tried; what follows here is why, where an errno of bpf(2) and what surrounds it
//! has a cause that is not the object's.

use std::{error::Error, io};

use aya::{maps::MapError, programs::ProgramError};
use nix::{
    errno::Errno,
    libc,
    sys::resource::{Resource, getrlimit},
};

use procfs::ProcError;

use crate::kernel::host;

/// `ENOTSUPP`, which has no name in user space: what this kernel was not built with, or this architecture lacks.
const NOT_SUPPORTED: i32 = 524;

/// An error with all its causes, and the cause and cure of the errno behind them if that is known.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let text = plain_chain(error);
    match errno(error).and_then(advice) {
        Some(advice) => format!("{text}\n{advice}"),
        None => text,
    }
}

/// An error with all its causes, on one line.
pub fn plain_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text.replace("Unknown error 524 (os error 524)", "not supported by this kernel (ENOTSUPP)")
}

/// The errno of a system call that is behind an error.
pub fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    // Those that are transparent in aya hide the error that they are made of.
    let io = error.downcast_ref::<io::Error>().or_else(|| match error.downcast_ref::<MapError>() {
        Some(MapError::IoError(io)) => Some(io),
        _ => match error.downcast_ref::<ProgramError>() {
            Some(ProgramError::IOError(io)) => Some(io),
            Some(ProgramError::MapError(MapError::IoError(io))) => Some(io),
            _ => None,
        },
    });
    match io {
        Some(io) => io.raw_os_error().or_else(|| errno(io.get_ref()?)),
        None => match error.downcast_ref::<Errno>() {
            Some(errno) => Some(*errno as i32),
            None => match error.downcast_ref::<ProcError>() {
                Some(ProcError::Io(io, _)) => io.raw_os_error(),
                _ => errno_of_cause(error),
            },
        },
    }
}

fn errno_of_cause(error: &(dyn Error + 'static)) -> Option<i32> {
    error.source().and_then(errno)
}

/// Whether the cause is this process or this host, and not what was asked of it.
pub fn is_the_hosts(error: &(dyn Error + 'static)) -> bool {
    errno(error).and_then(advice).is_some()
}

/// `cause: …` and `cure: …`, a line each.
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
pub fn is_memory_locked() -> bool {
    const CHARGES_NO_MORE: u32 = (5 << 16) + (11 << 8);
    let limited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY);
    limited && host::version().is_ok_and(|version| version < CHARGES_NO_MORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: i32) -> MapError {
        MapError::CreateError { name: "m".into(), io_error: io::Error::from_raw_os_error(errno) }
    }

    #[test]
    fn an_errno_is_found_however_it_is_wrapped() {
        let io = || io::Error::from_raw_os_error(libc::EMFILE);
        let wrapped: [Box<dyn Error>; 7] = [
            Box::new(io()),
            Box::new(io::Error::other(ProcError::Io(io(), None))),
            Box::new(of(libc::EMFILE)),
            Box::new(MapError::IoError(io())),
            Box::new(ProgramError::IOError(io())),
            Box::new(aya::EbpfError::MapError(of(libc::EMFILE))),
            Box::new(ProgramError::MapError(MapError::IoError(io()))),
        ];
        for error in wrapped {
            assert_eq!(errno(&*error), Some(libc::EMFILE), "{error:?}");
            assert!(chain(&*error).contains("\ncure: ulimit -n"), "{error:?}");
        }
        assert_eq!(errno(&MapError::KeyNotFound), None);
    }

    #[test]
    fn each_errno_of_bpf_has_cause_and_cure() {
        let listed = [
            libc::EMFILE,
            libc::ENFILE,
            libc::EPERM,
            libc::EACCES,
            libc::ENOMEM,
            libc::E2BIG,
            libc::ENOSPC,
            libc::EBUSY,
            libc::EAGAIN,
            libc::EINTR,
            NOT_SUPPORTED,
            libc::EOPNOTSUPP,
            libc::ENOSYS,
        ];
        for errno in listed {
            let text = chain(&of(errno));
            assert!(text.contains("\ncause: ") && text.contains("\ncure: "), "{errno}: {text}");
        }
        assert!(chain(&of(NOT_SUPPORTED)).contains("ENOTSUPP"));
        // What is wrong with the object stays wrong with the object.
        assert!(!is_the_hosts(&of(libc::EINVAL)));
    }
}
