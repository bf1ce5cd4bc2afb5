//! The kernel's functions that can say no, and for whom each speaks.

use crate::kernel::denials::{Function, Sort};

/// For whom a function speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// All security modules together, about this hook.
    Hook(&'static str),
    /// One of them.
    Module {
        name: &'static str,
        hook: &'static str,
    },
    Capability,
    Lockdown,
    Seccomp,
    /// Mode and access list of an inode.
    Mode,
    /// All that is asked about an inode before it is used.
    Permission,
    /// Whether a mount may be written to.
    Mount,
    /// Whether something may be executed from a mount.
    Noexec,
    /// A check that stands for nothing but itself.
    Check(Check),
}

/// Checks that the kernel itself makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Names being removed: immutable, append-only and sticky.
    Removal,
    /// Links to files of others.
    Link,
    /// Attributes being changed by who does not own the file.
    Owner,
    /// Files being opened: immutable and append-only.
    Opening,
    Xattr,
    Signal,
    Trace,
}

/// The hooks that are watched, by the names that security modules have for them.
const HOOKS: &[&str] = &[
    "bpf",
    "bpf_map_create",
    "bpf_prog_load",
    "bprm_check_security",
    "bprm_creds_for_exec",
    "capable",
    "capset",
    "file_fcntl",
    "file_ioctl",
    "file_lock",
    "file_mprotect",
    "file_open",
    "file_permission",
    "file_receive",
    "file_truncate",
    "inode_create",
    "inode_getattr",
    "inode_getxattr",
    "inode_link",
    "inode_mkdir",
    "inode_mknod",
    "inode_permission",
    "inode_readlink",
    "inode_removexattr",
    "inode_rename",
    "inode_rmdir",
    "inode_setattr",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "ipc_permission",
    "kernel_load_data",
    "kernel_read_file",
    "key_permission",
    "locked_down",
    "mmap_addr",
    "mmap_file",
    "move_mount",
    "path_chmod",
    "path_chown",
    "path_chroot",
    "path_link",
    "path_mkdir",
    "path_mknod",
    "path_rename",
    "path_rmdir",
    "path_symlink",
    "path_truncate",
    "path_unlink",
    "perf_event_open",
    "ptrace_access_check",
    "ptrace_traceme",
    "sb_mount",
    "sb_pivotroot",
    "sb_remount",
    "sb_umount",
    "setprocattr",
    "settime",
    "socket_accept",
    "socket_bind",
    "socket_connect",
    "socket_create",
    "socket_listen",
    "socket_recvmsg",
    "socket_sendmsg",
    "socket_setsockopt",
    "syslog",
    "task_fix_setuid",
    "task_kill",
    "task_prctl",
    "task_setnice",
    "task_setpgid",
    "task_setrlimit",
    "task_setscheduler",
    "unix_may_send",
    "unix_stream_connect",
    "userns_create",
];

/// Security modules, by their names in the kernel's list, what they are called, and what their functions' names begin with.
const MODULES: &[(&str, &str, &str)] = &[
    ("apparmor", "AppArmor", "apparmor_"),
    ("landlock", "Landlock", "hook_"),
    ("selinux", "SELinux", "selinux_"),
    ("smack", "Smack", "smack_"),
    ("tomoyo", "TOMOYO", "tomoyo_"),
    ("yama", "Yama", "yama_"),
];

/// Checks of the kernel's own.
const CHECKS: &[(&str, Sort, Role)] = &[
    ("__seccomp_filter", Sort::Filter, Role::Seccomp),
    ("cap_capable", Sort::Capability, Role::Capability),
    ("lockdown_is_locked_down", Sort::Asked, Role::Lockdown),
    ("generic_permission", Sort::Inode, Role::Mode),
    ("inode_permission", Sort::Inode, Role::Permission),
    ("mnt_want_write", Sort::Mount, Role::Mount),
    ("mnt_get_write_access", Sort::Mount, Role::Mount),
    ("__mnt_want_write", Sort::Mount, Role::Mount),
    ("path_noexec", Sort::Noexec, Role::Noexec),
    ("may_delete", Sort::Plain, Role::Check(Check::Removal)),
    ("may_delete_dentry", Sort::Plain, Role::Check(Check::Removal)),
    ("may_linkat", Sort::Plain, Role::Check(Check::Link)),
    ("may_open", Sort::Plain, Role::Check(Check::Opening)),
    ("setattr_prepare", Sort::Plain, Role::Check(Check::Owner)),
    ("may_setattr", Sort::Plain, Role::Check(Check::Owner)),
    ("notify_change", Sort::Plain, Role::Check(Check::Owner)),
    ("xattr_permission", Sort::Plain, Role::Check(Check::Xattr)),
    ("check_kill_permission", Sort::Plain, Role::Check(Check::Signal)),
    ("__ptrace_may_access", Sort::Plain, Role::Check(Check::Trace)),
];

/// The function that asks all modules about a hook.
fn asking(hook: &str) -> String {
    crate::kernel::denials::asking_function(hook)
}

/// The functions to watch where these modules are active; all modules if that cannot be told.
pub fn functions(active: Option<&[String]>) -> Vec<(Function, Role)> {
    let is_active = |name: &str| active.is_none_or(|active| active.iter().any(|known| known == name));
    let mut found: Vec<_> = CHECKS
        .iter()
        .map(|(name, sort, role)| (Function { name: (*name).to_owned(), sort: *sort }, role.clone()))
        .collect();
    for hook in HOOKS {
        let plain = |name: String| Function { name, sort: Sort::Plain };
        for (_, name, prefix) in MODULES.iter().filter(|(key, ..)| is_active(key)) {
            found.push((plain(format!("{prefix}{hook}")), Role::Module { name, hook }));
        }
        found.push((plain(asking(hook)), Role::Hook(hook)));
    }
    found
}

/// What active modules of these names are called, as far as they are known.
pub fn module_name(key: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, ..)| *known == key).map(|(_, name, _)| *name)
}
