//! What programs are attached to, as the kernel's types have it.

use super::program::Sort;

/// Something that a program can be attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The kernel's number for it.
    pub number: u32,
    /// What a function takes and gives, if that can be told.
    pub prototype: Option<Prototype>,
}

/// What a function of the kernel's takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prototype {
    pub arguments: u16,
    /// Whether it gives nothing.
    pub is_void: bool,
}

/// The kernel function that asks an LSM hook: `security_HOOK` of security/security.c, but for a few of other names.
pub fn asking_function(hook: &str) -> String {
    let name = match hook {
        "bprm_check_security" => "bprm_check",
        "msg_queue_alloc_security" => "msg_queue_alloc",
        "sem_alloc_security" => "sem_alloc",
        "settime" => "settime64",
        "shm_alloc_security" => "shm_alloc",
        "userns_create" => "create_user_ns",
        other => other,
    };
    format!("security_{name}")
}

/// What the kernel's types call that to which a program of this sort is attached.
pub fn type_name(sort: Sort, target: &str) -> String {
    match sort {
        Sort::Lsm => format!("bpf_lsm_{target}"),
        Sort::Tracepoint => format!("btf_trace_{target}"),
        Sort::Function | Sort::ModifyReturn | Sort::Exit => target.to_owned(),
        Sort::Iterator => format!("bpf_iter_{target}"),
    }
}
