//! The limits of this process (getrlimit(2)) that probes need lifted: open files, and before 5.11 locked memory.

use std::sync::OnceLock;

use nix::{
    libc,
    sys::resource::{Resource, getrlimit, setrlimit},
};

/// Before 5.11 maps count against RLIMIT_MEMLOCK. A limit that cannot be lifted
/// shows itself as EPERM when the maps are made.
pub fn lift_locked_memory() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) {
        let unlimited = libc::RLIM_INFINITY;
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, unlimited, unlimited)
            .or_else(|_| setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard));
    }
}

/// What this process was started with: programs that it starts are to have the same.
static FILES_AT_START: OnceLock<(u64, u64)> = OnceLock::new();

/// Returns the limits of open files, soft and hard, that were there before they were lifted; `None` if they were not.
pub fn files_at_start() -> Option<(u64, u64)> {
    FILES_AT_START.get().copied()
}

/// Lets this process have as many files open as it may: each probe needs some dozens, and the usual soft limit is for
/// programs that know no more than select(2).
pub fn lift_files_to_hard() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = FILES_AT_START.set((soft, hard));
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Lets this process open so many more files; above the hard limit if privilege allows that.
pub fn lift_files(more: usize) {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = FILES_AT_START.set((soft, hard));
        let wanted = soft.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard));
    }
}
