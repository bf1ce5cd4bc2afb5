//! Where an operation comes from, as scripts and filters say it: `e.parent.exe`, `e.stdin.kind`, `e.ancestors.any(|p| …)`.
//!
//! Each is another way to write a field: `e.parent.exe` is `e.parent_exe`.

use super::ARGV;
use crate::values::nearest;

/// What `e.NAME` is when it is no field of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relative {
    pub name: &'static str,
    pub doc: &'static str,
    /// What can be asked of it, and which field that is.
    members: &'static [(&'static str, &'static str)],
}

/// Processes whose executable and arguments are kept from their exec on, once a probe asks for them.
pub const RECORDS: usize = 8192;
/// What that takes of the kernel's memory, in bytes: a record, its key, and `struct htab_elem` (kernel/bpf/hashtab.c), each.
pub const RECORDS_SIZE: usize = RECORDS * (1568 + 8 + 48);

/// The processes above, of which each has the members of one: `exe`, `comm`, `pid`.
pub const ANCESTORS: &str = "ancestors";
/// The members of an ancestor, and in which list each is.
pub const OF_ANCESTORS: [(&str, &str); 3] =
    [("exe", "ancestors_exe"), ("comm", "ancestors_comm"), ("pid", ANCESTOR_IDS)];
/// The list that has an element for each ancestor, whatever is known of it.
pub const ANCESTOR_IDS: &str = "ancestors_pid";

pub const RELATIVES: [Relative; 6] = [
    Relative {
        name: "process",
        doc: "The process: exe, argv, cmdline (as it was executed), comm, pid, uid, start_ns, cwd.",
        members: &[
            ("exe", "exe"),
            (ARGV, "process_argv"),
            ("comm", "comm"),
            ("pid", "pid"),
            ("uid", "uid"),
            ("start_ns", "start_ns"),
            ("cwd", "process_cwd"),
        ],
    },
    Relative {
        name: "parent",
        doc: "The parent process: exe, argv, cmdline (as it was executed), comm, pid, uid, start_ns.",
        members: &[
            ("exe", "parent_exe"),
            (ARGV, "parent_argv"),
            ("comm", "parent_comm"),
            ("pid", "ppid"),
            ("uid", "parent_uid"),
            ("start_ns", "parent_start_ns"),
        ],
    },
    Relative {
        name: "leader",
        doc: "The process that leads the session: exe, comm, pid.",
        members: &[("exe", "leader_exe"), ("comm", "leader_comm"), ("pid", "leader_pid")],
    },
    Relative {
        name: "stdin",
        doc: "Standard input: kind, peer, peer_port.",
        members: &[("kind", "stdin_kind"), ("peer", "stdin_peer"), ("peer_port", "stdin_peer_port")],
    },
    Relative {
        name: "stdout",
        doc: "Standard output: kind, peer, peer_port.",
        members: &[("kind", "stdout_kind"), ("peer", "stdout_peer"), ("peer_port", "stdout_peer_port")],
    },
    Relative {
        name: "stderr",
        doc: "Standard error: kind, peer, peer_port.",
        members: &[("kind", "stderr_kind"), ("peer", "stderr_peer"), ("peer_port", "stderr_peer_port")],
    },
];

pub const ANCESTORS_DOC: &str = "The ancestors, the parent first, up to 8, each with exe, comm and pid: `e.ancestors.any(|p| p.exe.ends_with(\"/sshd\"))`, `e.ancestors[0].comm`.";

/// What a member of a relative is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    Field(&'static str),
    /// The texts of this field as one text.
    Joined(&'static str),
}

impl Relative {
    /// Finds one by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Relative> {
        RELATIVES.iter().find(|relative| relative.name == name)
    }

    /// Finds a member by its name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Member> {
        let field = |wanted| self.members.iter().find(|(known, _)| *known == wanted).map(|(_, field)| *field);
        match name {
            super::CMDLINE => field(ARGV).map(Member::Joined),
            _ => field(name).map(Member::Field),
        }
    }

    /// Names its members.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let cmdline = self.members.iter().any(|(name, _)| *name == ARGV).then_some(super::CMDLINE);
        self.members.iter().map(|(name, _)| *name).chain(cmdline)
    }
}

/// Says that something has no such member, and which it has.
#[must_use]
pub fn no_member(of: &str, name: &str, known: &[&str]) -> (String, String) {
    let near = nearest(name, known.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    (format!("`{of}` has no `{name}`"), format!("{near}it has: {}", known.join(", ")))
}

/// Whether a field is how one of these, or what belongs to it, is said.
#[must_use]
pub fn is_member(field: &str) -> bool {
    let is_it = |members: &[(&str, &str)]| members.iter().any(|(_, known)| *known == field);
    let helps = ["_length", "_cut", "_count"].iter().any(|ending| field.ends_with(ending));
    helps || is_it(&OF_ANCESTORS) || RELATIVES.iter().any(|relative| is_it(relative.members))
}

/// Whether a script which uses these words as names of fields means this field of the origin.
#[must_use]
pub fn is_meant(field: &str, words: impl Fn(&str) -> bool) -> bool {
    let by_relative = |relative: &Relative| {
        words(relative.name)
            && relative.members.iter().any(|(member, known)| {
                *known == field && (words(member) || *member == ARGV && words(super::CMDLINE))
            })
    };
    words(field)
        || RELATIVES.iter().any(by_relative)
        || words(ANCESTORS) && OF_ANCESTORS.iter().any(|(_, known)| *known == field)
}
