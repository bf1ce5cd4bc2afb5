//! Whether hardware acceleration works here, as opposed to being there.
//!
//! `/dev/kvm` may exist and open, and a guest on it still hang (nested
//! virtualisation without its host's support does that). So the first guest is
//! tried on it with a short limit; what came of it is remembered until the
//! machine's next boot, so that nobody pays for the trial twice.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceleration {
    Kvm,
    /// QEMU's software emulation.
    Tcg,
    /// None: the kernel is a program of the host's.
    UserMode,
}

impl std::fmt::Display for Acceleration {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Acceleration::Kvm => "KVM",
            Acceleration::Tcg => "software emulation",
            Acceleration::UserMode => "user-mode Linux",
        })
    }
}

/// How long a guest on trial may take to be ready. One that works takes under a second.
pub(super) const TRIAL: Duration = Duration::from_secs(3);

/// What the next guest starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nobody knows yet: KVM, and emulation if it is not ready within [`TRIAL`].
    Try,
    Settled(Acceleration),
}

/// What is known of this machine's acceleration.
pub(super) struct Memory {
    file: PathBuf,
    boot: String,
}

impl Memory {
    pub(super) fn of_this_machine() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Memory { file: super::cache_home().join("kvm"), boot: boot.trim().to_owned() }
    }

    /// Counted instructions are the emulator's alone.
    pub(super) fn choice(&self, icount: bool) -> Choice {
        let usable = !icount && opens(Path::new("/dev/kvm"));
        choose(usable, fs::read_to_string(&self.file).ok().as_deref(), &self.boot)
    }

    /// Best effort: a cache that cannot be written only costs the next trial.
    pub(super) fn remember(&self, outcome: Acceleration) {
        let word = match outcome {
            Acceleration::Kvm => WORKS,
            Acceleration::Tcg => HANGS,
            Acceleration::UserMode => return,
        };
        if let Some(directory) = self.file.parent() {
            let _ = fs::create_dir_all(directory);
        }
        let _ = fs::write(&self.file, format!("{} {word}\n", self.boot));
    }
}

const WORKS: &str = "works";
const HANGS: &str = "hangs";

fn opens(device: &Path) -> bool {
    OpenOptions::new().read(true).write(true).open(device).is_ok()
}

fn choose(usable: bool, remembered: Option<&str>, boot: &str) -> Choice {
    if !usable {
        return Choice::Settled(Acceleration::Tcg);
    }
    match remembered.and_then(|text| text.trim().split_once(' ')) {
        Some((then, WORKS)) if then == boot => Choice::Settled(Acceleration::Kvm),
        Some((then, HANGS)) if then == boot => Choice::Settled(Acceleration::Tcg),
        _ => Choice::Try,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_does_not_open_is_not_tried() {
        assert_eq!(choose(false, Some("this works"), "this"), Choice::Settled(Acceleration::Tcg));
    }

    #[test]
    fn what_was_seen_counts_until_the_machine_boots_again() {
        assert_eq!(choose(true, None, "this"), Choice::Try);
        assert_eq!(choose(true, Some("this works\n"), "this"), Choice::Settled(Acceleration::Kvm));
        assert_eq!(choose(true, Some("this hangs\n"), "this"), Choice::Settled(Acceleration::Tcg));
        assert_eq!(choose(true, Some("earlier hangs\n"), "this"), Choice::Try);
        assert_eq!(choose(true, Some("rubbish"), "this"), Choice::Try);
    }
}
