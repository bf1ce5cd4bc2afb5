//! What this host has: privilege, LSM list, version.

pub mod facts;
pub mod preemption;
pub mod tracepoints;
pub mod vmlinux;

use std::{fs, io, path::Path};

use nix::{
    libc,
    sys::resource::{Resource, getrlimit},
};
use procfs::process::Process;

use crate::{
    kernel::KernelError,
    system::{errno, limits, namespaces, release},
};

// include/uapi/linux/capability.h
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

pub(in crate::kernel) const LSM_LIST: &str = "/sys/kernel/security/lsm";
pub(in crate::kernel) const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Whether these effective capabilities let a process load probes.
pub fn suffices(capabilities: u64) -> bool {
    capabilities & CAP_SYS_ADMIN != 0 || capabilities & (CAP_BPF | CAP_PERFMON) == CAP_BPF | CAP_PERFMON
}

/// Whether this process may load programs, as far as its capabilities go.
pub fn is_privileged() -> bool {
    own_capabilities().is_ok_and(suffices)
}

fn own_capabilities() -> Result<u64, KernelError> {
    let status = Process::myself().and_then(|p| p.status());
    status.map(|status| status.capeff).map_err(|e| KernelError::Host {
        what: "read this process's capabilities".into(),
        error: io::Error::other(e),
    })
}

/// # Errors
/// If this process may not load programs, or what it reads for that is not mounted.
pub fn check_privilege() -> Result<(), KernelError> {
    let needed = [("/proc", "proc", "/proc/self"), ("/sys", "sysfs", "/sys/kernel")];
    if let Some((place, kind, _)) = needed.into_iter().find(|(.., within)| !Path::new(within).exists()) {
        return Err(KernelError::NotMounted { place, kind });
    }
    match suffices(own_capabilities()?) {
        true if namespaces::in_own_user_namespace() => Err(KernelError::UserNamespace),
        true => Ok(()),
        false => Err(KernelError::Privilege),
    }
}

/// Whether anything can be attached here.
///
/// # Errors
/// The first thing that is missing.
pub fn check() -> Result<(), KernelError> {
    check_privilege()?;
    if Path::new(BTF).exists() { Ok(()) } else { Err(KernelError::NoBtf) }
}

/// Whether LSM programs are asked, as far as can be known before one is attached.
///
/// # Errors
/// If they are not.
pub fn check_lsm() -> Result<(), KernelError> {
    // Where securityfs is not mounted (most containers) the list cannot be had, and the
    // load has to tell. Where it can be read it must be believed: with `bpf` missing,
    // load and attach succeed, and nothing ever fires.
    match fs::read_to_string(LSM_LIST) {
        Ok(list) if !list.trim().split(',').any(|lsm| lsm == "bpf") => {
            Err(KernelError::NotInLsmList { list: list.trim().to_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether the list of active LSMs, which [`check`] goes by, can be read.
pub fn lsm_list_is_readable() -> bool {
    fs::read_to_string(LSM_LIST).is_ok()
}

/// Says that not even this program itself can work with so few files, if so; random numbers take one, too.
pub fn too_few_files() -> Option<String> {
    const LEAST: u64 = 8;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok().filter(|(soft, _)| *soft < LEAST)?;
    limits::lift_files_to_hard();
    (hard < LEAST).then(|| errno::advice(libc::EMFILE).map(|text| format!("too few open files\n{text}")))?
}

/// More tasks than this there cannot be at once: `PID_MAX_LIMIT` (include/linux/threads.h).
const MOST_TASKS: u32 = 1 << 22;
/// Where the limit cannot be read, or is so low that it will be raised.
const FEWEST_TASKS: u32 = 1 << 10;

/// How many tasks this host allows at once (`kernel.threads-max`), as a size for tables of them.
pub fn most_tasks() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/threads-max").unwrap_or_default();
    text.trim().parse().unwrap_or(FEWEST_TASKS).clamp(FEWEST_TASKS, MOST_TASKS)
}

/// How many processors this host may ever have: as many parts has what the kernel keeps for each.
pub fn processors() -> u32 {
    let counted = aya::util::nr_cpus().ok().and_then(|count| u32::try_from(count).ok());
    counted.unwrap_or(1)
}

/// The running kernel's release (`uname -r`).
///
/// # Errors
/// If it cannot be read.
pub fn release() -> Result<String, KernelError> {
    release::release().map_err(unknown_release)
}

/// The running kernel as `KERNEL_VERSION(a, b, c)` of the templates.
///
/// # Errors
/// If its release cannot be read.
pub fn version() -> Result<u32, KernelError> {
    release::version().map_err(unknown_release)
}

fn unknown_release(error: io::Error) -> KernelError {
    KernelError::Host { what: "read the kernel's release".into(), error }
}
