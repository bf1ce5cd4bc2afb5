//! The kinds of namespaces, by name.

use nix::sched::CloneFlags;
use serde::{Deserialize, Serialize};

/// What a process may have of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    User,
    Mount,
    Net,
    Pid,
    Ipc,
    Uts,
    Cgroup,
}

impl Namespace {
    const ALL: [Namespace; Self::NAMES.len()] = [
        Namespace::User,
        Namespace::Mount,
        Namespace::Net,
        Namespace::Pid,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
    ];
    /// As scripts write them.
    pub const NAMES: &[&str] = &["user", "mount", "net", "pid", "ipc", "uts", "cgroup"];

    /// Finds one by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        Self::ALL.get(at).copied()
    }

    /// Returns the flag of unshare(2).
    pub(super) fn flag(self) -> CloneFlags {
        match self {
            Namespace::User => CloneFlags::CLONE_NEWUSER,
            Namespace::Mount => CloneFlags::CLONE_NEWNS,
            Namespace::Net => CloneFlags::CLONE_NEWNET,
            Namespace::Pid => CloneFlags::CLONE_NEWPID,
            Namespace::Ipc => CloneFlags::CLONE_NEWIPC,
            Namespace::Uts => CloneFlags::CLONE_NEWUTS,
            Namespace::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        }
    }

    /// Returns the name under /proc/PID/ns.
    pub(super) fn file(self) -> &'static str {
        match self {
            Namespace::User => "user",
            Namespace::Mount => "mnt",
            Namespace::Net => "net",
            Namespace::Pid => "pid",
            Namespace::Ipc => "ipc",
            Namespace::Uts => "uts",
            Namespace::Cgroup => "cgroup",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_name() {
        let found: Vec<_> = Namespace::NAMES.iter().filter_map(|name| Namespace::from_name(name)).collect();
        assert_eq!(found, Namespace::ALL);
        for (namespace, name) in Namespace::ALL.iter().zip(Namespace::NAMES) {
            let path = format!("/proc/self/ns/{}", namespace.file());
            assert!(std::fs::read_link(path).is_ok(), "{name}");
            assert_eq!(format!("{namespace:?}").to_lowercase(), *name);
        }
        assert_eq!(Namespace::from_name("mnt"), None);
    }
}
