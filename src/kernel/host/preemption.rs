//! Whether the kernel may put a task aside while it is inside a program.
//!
//! A kernel says how it was built in its version, and if it can be told at boot (PREEMPT_DYNAMIC), what it does now in
//! debugfs. That is mounted here for this process alone and at no path, since it need not be mounted, and nobody is to
//! notice that it was asked.

use std::{
    fs::File,
    io::{self, Read},
    sync::OnceLock,
};

use rustix::{
    fs::{Mode, OFlags, openat},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

/// True also where it cannot be told. Asked once.
pub fn is_possible() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(ask)
}

fn ask() -> bool {
    let version = nix::sys::utsname::uname().ok();
    let version = version.as_ref().and_then(|system| system.version().to_str());
    match version {
        Some(version) if !version.contains("PREEMPT") => false,
        _ => now().map_or(true, |modes| is_preemptible(&modes)),
    }
}

/// What the kernel can do, with parentheses about what it does: `none (voluntary) full`.
fn now() -> io::Result<String> {
    let context = fsopen("debugfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    let file = openat(&mounted, "sched/preempt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut modes = String::new();
    File::from(file).read_to_string(&mut modes)?;
    Ok(modes)
}

/// `lazy` is preemption too, only later.
fn is_preemptible(modes: &str) -> bool {
    !(modes.contains("(none)") || modes.contains("(voluntary)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_wait_for_the_program_is_no_preemption() {
        assert!(!is_preemptible("none (voluntary) full\n"));
        assert!(!is_preemptible("(none) voluntary full lazy\n"));
        assert!(is_preemptible("none voluntary (full)\n"));
        assert!(is_preemptible("full (lazy)\n"));
        assert!(is_preemptible(""));
    }
}
