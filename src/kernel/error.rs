//! What the kernel, or this host's configuration of it, refuses: each with
//! cause and cure.

/// Why a probe cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error(
        "this kernel has no BPF LSM: `bpf` is not in /sys/kernel/security/lsm\n  cure: boot with `lsm=…,bpf` on the kernel command line, or rehearse in the lab: krsi-sh lab SCRIPT"
    )]
    NotLsm,
}
