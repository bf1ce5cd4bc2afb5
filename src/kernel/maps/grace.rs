//! Waiting for programs that are running now.

use nix::libc;

/// Waits until every program that runs now has ended: programs that do not sleep run under RCU, and this
/// membarrier is a grace period of it (kernel/sched/membarrier.c, MEMBARRIER_CMD_GLOBAL).
///
/// # Errors
/// If this kernel has no such call, or refuses it.
pub fn wait_for_programs() -> std::io::Result<()> {
    const GLOBAL: libc::c_int = 1;
    // SAFETY: membarrier(2) takes numbers only.
    let waited = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    if waited == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
