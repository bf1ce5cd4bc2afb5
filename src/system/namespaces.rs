//! Whose process ids and users are those that this shell sees: in a container they are not the kernel's, which is what
//! hooks compare and events contain.

use std::{path::Path, sync::OnceLock};

/// The inode of the initial pid namespace (PROC_PID_INIT_INO).
const INITIAL_PID: &str = "pid:[4026531836]";
/// The inode of the initial user namespace (PROC_USER_INIT_INO).
const INITIAL_USER: &str = "user:[4026531837]";

/// Why process ids here are not the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error(
        "this shell is in a pid namespace of its own, where process ids are not the kernel's\n\
         fix: run krsi-sh in the host's pid namespace (nsenter -t 1 -p, docker run --pid=host)"
    )]
    Namespace,
    #[error(
        "/proc does not show this process, so its pid namespace is not known\n\
         fix: mount this pid namespace's /proc: mount -t proc proc /proc"
    )]
    Unknown,
    #[error(
        "/proc is that of another pid namespace than this shell's\n\
         fix: mount this pid namespace's /proc (unshare --mount-proc), or run krsi-sh in the host's pid namespace"
    )]
    Proc,
}

/// Checks that process ids here are the kernel's own. A process never changes its pid namespace.
///
/// # Errors
/// Why they are not, with its fix.
pub fn process_ids() -> Result<(), Foreign> {
    static FOUND: OnceLock<Result<(), Foreign>> = OnceLock::new();
    *FOUND.get_or_init(|| judge(link("/proc/self/ns/pid").as_deref(), link("/proc/self").as_deref()))
}

/// Whether the ids that /proc lists can be signalled as they stand there.
#[must_use]
pub fn lists_our_ids() -> bool {
    !matches!(process_ids(), Err(Foreign::Unknown | Foreign::Proc))
}

fn judge(namespace: Option<&str>, own: Option<&str>) -> Result<(), Foreign> {
    match (namespace, own) {
        (Some(INITIAL_PID), _) => Ok(()),
        (Some(_), Some(own)) if own == std::process::id().to_string() => Err(Foreign::Namespace),
        (Some(_), Some(_)) => Err(Foreign::Proc),
        _ => Err(Foreign::Unknown),
    }
}

/// Whether this process is in a user namespace of its own, in which no capability counts for bpf(2).
#[must_use]
pub fn in_own_user_namespace() -> bool {
    link("/proc/self/ns/user").is_some_and(|namespace| namespace != INITIAL_USER)
}

fn link(path: &str) -> Option<String> {
    Some(std::fs::read_link(Path::new(path)).ok()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_and_whose_proc_it_is_are_told_apart() {
        let own = std::process::id().to_string();
        assert_eq!(judge(Some(INITIAL_PID), Some(&own)), Ok(()));
        assert_eq!(judge(Some("pid:[4026532000]"), Some(&own)), Err(Foreign::Namespace));
        assert_eq!(judge(Some("pid:[4026532000]"), Some("0")), Err(Foreign::Proc));
        assert_eq!(judge(None, None), Err(Foreign::Unknown));
    }
}
