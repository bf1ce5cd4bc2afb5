//! Where this program keeps what outlives it, and the lock that keeps a second run of checks out.

use std::{
    env,
    path::{Path, PathBuf},
};

use nix::unistd::{Uid, geteuid};

use super::accounts;

/// The directories of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The lock's file.
    pub lock: PathBuf,
    /// What the last runs came to.
    pub history: PathBuf,
    /// What `krsi-sh panic` has ended.
    pub trail: PathBuf,
    /// The directory of what scripts remember: `state("name")`.
    pub remembered: PathBuf,
    /// The directory of files in which commands read what they were refused.
    pub denials: PathBuf,
    /// The directory of directories of evidence: `keep_evidence(e)`.
    pub evidence: PathBuf,
}

impl Places {
    /// Returns those of this process's user. systemd's directories go first (`STATE_DIRECTORY`, `RUNTIME_DIRECTORY`); then
    /// root has the system's, and others their own by the XDG rules, with HOME or without (cron may not set it).
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::of(geteuid(), |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()))
    }

    fn of(user: Uid, variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let own = |directory: PathBuf| directory.join("krsi-sh");
        let (state, runtime) = if user.is_root() {
            (PathBuf::from("/var/lib/krsi-sh"), PathBuf::from("/run/krsi-sh"))
        } else {
            let private = PathBuf::from(format!("/tmp/krsi-sh-{user}"));
            let home = || accounts::home(user.as_raw());
            let home = variable("HOME").or_else(home).filter(|home| home != Path::new("/"));
            let state = variable("XDG_STATE_HOME").or_else(|| Some(home?.join(".local/state"))).map(own);
            let runtime = variable("XDG_RUNTIME_DIR").map(own);
            (state.unwrap_or_else(|| private.clone()), runtime.unwrap_or(private))
        };
        let state = variable("STATE_DIRECTORY").unwrap_or(state);
        let runtime = variable("RUNTIME_DIRECTORY").unwrap_or(runtime);
        // Who is refused may be another user than this one, and goes into it; into the other directories nobody does.
        let denials =
            if user.is_root() { PathBuf::from("/run/krsi-denials") } else { runtime.join("denials") };
        Places {
            denials,
            lock: runtime.join("check.lock"),
            history: state.join("check.json"),
            trail: state.join("panic.ndjson"),
            remembered: state.join("state"),
            evidence: state.join("evidence"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_the_systems_directories_and_others_their_own() {
        let none = |_: &str| None;
        let root = Places::of(Uid::from_raw(0), none);
        assert_eq!(root.lock, Path::new("/run/krsi-sh/check.lock"));
        assert_eq!(root.history, Path::new("/var/lib/krsi-sh/check.json"));
        assert_eq!(root.remembered, Path::new("/var/lib/krsi-sh/state"));
        // An account that is nobody's.
        let stranger = Places::of(Uid::from_raw(4_000_000), none);
        assert_eq!(stranger.lock, Path::new("/tmp/krsi-sh-4000000/check.lock"));
        let at_home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/a"));
        let user = Places::of(Uid::from_raw(4_000_000), at_home);
        assert_eq!(user.history, Path::new("/home/a/.local/state/krsi-sh/check.json"));
        let unit = |name: &str| (name == "STATE_DIRECTORY").then(|| PathBuf::from("/var/lib/x"));
        assert_eq!(Places::of(Uid::from_raw(0), unit).history, Path::new("/var/lib/x/check.json"));
    }
}
