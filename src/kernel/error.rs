//! What the kernel, or this host's configuration of it, refuses: each with
//! cause and fix.

use std::{borrow::Cow, io, path::PathBuf};

use crate::{
    kernel::{errno, verifier::Log},
    probe::{Mode, scope::Condition},
    raw,
    system::namespaces::Foreign,
    template::Template,
};

/// Why a probe cannot be had here, or not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error(
        "{place} is not mounted, and krsi-sh needs it to attach probes\nfix: mount -t {kind} {kind} {place}"
    )]
    NotMounted { place: &'static str, kind: &'static str },
    #[error(
        "probes need privilege: CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON; this process has neither\n\
         fix: run krsi-sh as root (sudo krsi-sh …)"
    )]
    Privilege,
    #[error(
        "BPF LSM is not active: `bpf` is not in the kernel's list of LSMs ({list})\n\
         fix: boot with `lsm={list},bpf` on the kernel command line, or rehearse in a virtual machine: krsi-sh lab SCRIPT"
    )]
    NotInLsmList { list: String },
    #[error(
        "this kernel does not describe its types (no /sys/kernel/btf/vmlinux)\n\
         fix: use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution's is), or: krsi-sh lab SCRIPT"
    )]
    NoBtf,
    #[error("this kernel's types cannot be read: {error}")]
    Btf { error: String },
    #[error(
        "this host refuses LSM programs: loading `{hook}` gave EPERM though this process is privileged\n\
         cause: a hardened kernel, a hypervisor's policy or a container's seccomp profile\n\
         fix: try on the host itself, or rehearse in a virtual machine: krsi-sh lab SCRIPT"
    )]
    Refused { hook: String },
    #[error(
        "lockdown keeps programs from reading kernel memory, which probes must: loading `{hook}` was refused\n\
         cause: this kernel is locked down for confidentiality\n\
         fix: boot with `lockdown=integrity`, or rehearse in a virtual machine: krsi-sh lab SCRIPT"
    )]
    Lockdown { hook: String },
    #[error(
        "{reason}\n\
         fmod_ret and observing by other means were tried as well, and are refused, too: {refused}\n\
         (`krsi-sh doctor` tells which templates still observe here)"
    )]
    NotEvenObserved { reason: Box<KernelError>, refused: String },
    #[error("template `{template}` can only observe here, so `{mode}` is refused: {reason}")]
    AuditOnly { template: String, mode: Mode, reason: String },
    #[error(
        "hook `{hook}` is unknown to this kernel ({release})\nfix: use a kernel that has it, or another template"
    )]
    UnknownHook { hook: String, release: String },
    #[error("this kernel ({release}) has no function `{function}` to attach to")]
    NoSuchFunction { function: String, release: String },
    #[error("template `{template}` has no observer: it can be attached by lsm or fmod_ret")]
    NoObserver { template: String },
    #[error(
        "hook `{hook}` cannot be had by fmod_ret: this kernel ({release}) has no function `{function}` to attach to"
    )]
    UnknownFunction { hook: String, function: String, release: String },
    #[error(
        "hook `{hook}` cannot be had by fmod_ret: `{function}` has other arguments than the hook, and the template has no program for it"
    )]
    OtherArguments { hook: String, function: String },
    #[error(
        "the kernel's verifier refused `{hook}`: {error}\n{log}\nthis is a defect of krsi-sh or of a foreign template; please report it with `uname -r` and the log"
    )]
    Verifier { hook: String, error: io::Error, log: Log },
    #[error(
        "the kernel has no room for one more program on hook `{hook}` ({error}); it takes 38\nfix: detach a probe, or put more into one probe's params"
    )]
    TooManyOnHook { hook: String, error: io::Error },
    #[error(
        "`{kind}` cannot be kept on this kernel ({release}): LSM programs have no lock before Linux 6.1, and without one two tasks at once could lose a value\nfix: use `.hist(…)`, `.sum(…)` or `.avg(…)`, which are exact here, or a newer kernel"
    )]
    NoLock { kind: &'static str, release: String },
    #[error("cannot {what}: {error}")]
    Program { what: String, error: String },
    #[error("template `{template}`: {reason}\nthis object is not a template of this version of krsi-sh")]
    Object { template: String, reason: String },
    #[error("cannot write table `{table}`: {reason}")]
    Table { table: &'static str, reason: String },
    #[error(
        "table `{table}` is full: it takes {limit} entries\nfix: give fewer, or a prefix instead of many paths"
    )]
    TableFull { table: &'static str, limit: u32 },
    #[error("cannot learn which file `{path}` is: {error}", path = raw::from_os(.path))]
    Identity { path: PathBuf, error: String },
    #[error("scope cgroup `{path}`: {reason}\nallowed: a directory of a cgroup v2 file system, such as /sys/fs/cgroup/system.slice", path = raw::from_os(.path))]
    Cgroup { path: PathBuf, reason: String },
    #[error("scope `{condition}`: `{path}`: {reason}\nallowed: an executable that exists; it is known by its inode from then on", path = raw::from_os(.path))]
    Executable { condition: Condition, path: PathBuf, reason: String },
    #[error("scope `{condition}`: `{path}`: {reason}\nallowed: \"host\", an inode number, or a namespace's file such as /proc/42/ns/mnt", path = raw::from_os(.path))]
    Namespace { condition: Condition, path: PathBuf, reason: String },
    #[error("cannot {what}: {foreign}")]
    ProcessIds { what: &'static str, foreign: Foreign },
    #[error(
        "probes need privilege in the initial user namespace; this process has it only in one of its own\n\
         fix: run krsi-sh as root outside of the user namespace (of a rootless container, say)"
    )]
    UserNamespace,
    #[error("scope pid {pid}: {reason}")]
    Pid { pid: u32, reason: String },
    #[error(
        "the probe was attached without `.ask(…)`, so its programs cannot hold anything\nfix: detach it, say `.ask(…)`, and attach it again"
    )]
    NotLoadedToAsk,
    #[error("pin `{name}`: {reason}")]
    Pin { name: String, reason: String },
    #[error(
        "the probe is pinned as `{name}`, and a pinned filter is not replaced: the programs that are pinned would go on with the old one\n\
         fix: `.unpin()`, then the filter, then `.pin(\"{name}\", …)`"
    )]
    PinnedFilter { name: String },
    #[error(
        "this process has mounts of its own (a mount namespace), and a pin is a mount: it would be seen by nobody else, and end with them\n\
         fix: nsenter --target 1 --mount krsi-sh …; in a systemd unit, none of PrivateTmp=, ProtectSystem= and their like"
    )]
    OtherMounts,
    #[error("cannot {what}: {}", errno::chain(.error))]
    Host { what: Cow<'static, str>, error: io::Error },
}

impl KernelError {
    /// A mode that enforces, of a probe whose door refuses nothing; `no_better`: why it has no other, if that was not chosen.
    pub fn audit_only(template: &Template, mode: Mode, no_better: Option<&str>) -> Self {
        let reason = no_better.unwrap_or("the door `observe` was chosen").to_owned();
        KernelError::AuditOnly { template: template.name.clone(), mode, reason }
    }
}
