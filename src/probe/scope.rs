//! Which tasks a probe applies to; decided first, in the kernel.
//!
//! A scope is a set of conditions on the task that asks. Each is a kind (`uid`, `cgroup`, …) with
//! its members; the kinds are joined by *and*, the members of one kind by *or*. A kind
//! whose name begins with `not_` is met by whoever is none of its members, so
//! `#{cgroup: "/sys/fs/cgroup/web.slice", not_uid: [0, 33]}` is: in web.slice, and neither root nor 33.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::param::{describe, one_or_many};
use crate::{
    raw,
    system::accounts::{Account, NoAccount},
    values::{nearest, not_in_a_path},
};

/// What is kept of an executable's path, in bytes (`KRSI_PROCESS_EXE` of the templates, and its NUL).
const LONGEST_PART: usize = 255;
/// The kernel's `task_struct.comm` with its NUL (TASK_COMM_LEN).
const LONGEST_COMM: usize = 15;

/// What can be asked of a task; [`Kind::doc`] says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Uid,
    Gid,
    Loginuid,
    Comm,
    Pid,
    UserNs,
    PidNs,
    MntNs,
    Exe,
    ParentExe,
    ExePrefix,
    ExeSuffix,
    ParentExePrefix,
    ParentExeSuffix,
    Cgroup,
}

impl Kind {
    pub const ALL: [Kind; 15] = [
        Kind::Cgroup,
        Kind::Uid,
        Kind::Gid,
        Kind::Loginuid,
        Kind::Pid,
        Kind::Comm,
        Kind::Exe,
        Kind::ParentExe,
        Kind::ExePrefix,
        Kind::ExeSuffix,
        Kind::ParentExePrefix,
        Kind::ParentExeSuffix,
        Kind::PidNs,
        Kind::MntNs,
        Kind::UserNs,
    ];

    /// As a script writes it, and as the templates' `enum krsi_scope_kind` does.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Uid => "uid",
            Kind::Gid => "gid",
            Kind::Loginuid => "loginuid",
            Kind::Comm => "comm",
            Kind::Pid => "pid",
            Kind::UserNs => "user_ns",
            Kind::PidNs => "pid_ns",
            Kind::MntNs => "mnt_ns",
            Kind::Exe => "exe",
            Kind::ParentExe => "parent_exe",
            Kind::ExePrefix => "exe_prefix",
            Kind::ExeSuffix => "exe_suffix",
            Kind::ParentExePrefix => "parent_exe_prefix",
            Kind::ParentExeSuffix => "parent_exe_suffix",
            Kind::Cgroup => "cgroup",
        }
    }

    /// A sentence, for help.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Kind::Uid => "Real user id, in the initial user namespace.",
            Kind::Gid => "Real group id, in the initial user namespace.",
            Kind::Loginuid => "Audit login user id.",
            Kind::Comm => "Name of the thread.",
            Kind::Pid => {
                "Process ids; each stands for itself and all its descendants, those at the attach and those to come, even after their parent is gone."
            }
            Kind::UserNs => "User namespace of the task's credentials.",
            Kind::PidNs => "PID namespace of the task.",
            Kind::MntNs => "Mount namespace of the task.",
            Kind::Exe => {
                "The executable the process runs, by inode; one that is replaced is followed within a second."
            }
            Kind::ParentExe => {
                "The executable the parent process runs, by inode; one that is replaced is followed within a second."
            }
            Kind::ExePrefix => {
                "How the path of the executable begins, as it was executed: `/usr/lib/jvm/`. Changes live, by `.scope(…)` again."
            }
            Kind::ExeSuffix => {
                "How the path of the executable ends, as it was executed: `/nginx`. Changes live, by `.scope(…)` again."
            }
            Kind::ParentExePrefix => {
                "How the path of the parent's executable begins. Changes live, by `.scope(…)` again."
            }
            Kind::ParentExeSuffix => {
                "How the path of the parent's executable ends. Changes live, by `.scope(…)` again."
            }
            Kind::Cgroup => {
                "Cgroup v2 directories; each stands for its whole subtree, and for one created again under its path."
            }
        }
    }

    /// What its members may be.
    #[must_use]
    pub fn allowed(self) -> &'static str {
        match self {
            Kind::Uid => "a user's id or name, or an array of them (0 to 4294967295)",
            Kind::Gid => "a group's id or name, or an array of them (0 to 4294967295)",
            Kind::Loginuid => "a login user's id or name, or an array of them (4294967295: never set)",
            Kind::Comm => "a thread's name or an array of them",
            Kind::Pid => "a process id or an array of them",
            Kind::UserNs | Kind::PidNs | Kind::MntNs => {
                "a namespace or an array of them: \"host\", an inode number, or a file such as \"/proc/42/ns/mnt\""
            }
            Kind::Exe | Kind::ParentExe => "the path of an executable or an array of them",
            Kind::ExePrefix | Kind::ParentExePrefix => "the beginning of a path or an array of them",
            Kind::ExeSuffix | Kind::ParentExeSuffix => "the end of a path or an array of them",
            Kind::Cgroup => "a path or an array of paths",
        }
    }

    /// Whether it is about how the path of an executable begins or ends: its members may change while a probe is attached.
    #[must_use]
    pub fn is_of_path(self) -> bool {
        self.is_prefix() || matches!(self, Kind::ExeSuffix | Kind::ParentExeSuffix)
    }

    /// Whether it is about how such a path begins.
    #[must_use]
    pub fn is_prefix(self) -> bool {
        matches!(self, Kind::ExePrefix | Kind::ParentExePrefix)
    }

    /// Whether that is the executable of the parent.
    #[must_use]
    pub fn is_of_parents_path(self) -> bool {
        matches!(self, Kind::ParentExePrefix | Kind::ParentExeSuffix)
    }

    /// What its ids are of, where they have names.
    #[must_use]
    pub fn account(self) -> Option<Account> {
        match self {
            Kind::Uid | Kind::Loginuid => Some(Account::User),
            Kind::Gid => Some(Account::Group),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind in one of its two senses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    pub kind: Kind,
    /// `not_…`: met by whoever is none of the members.
    pub negated: bool,
}

impl Condition {
    /// Every condition, in the order to speak of them.
    fn all() -> impl Iterator<Item = Condition> {
        [false, true]
            .into_iter()
            .flat_map(|negated| Kind::ALL.into_iter().map(move |kind| Condition { kind, negated }))
    }

    fn from_name(name: &str) -> Result<Self, ScopeError> {
        Self::all().find(|c| c.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(|c| c.to_string()).collect();
            ScopeError::UnknownKey {
                given: name.to_owned(),
                nearest: nearest(name, names.iter().map(String::as_str)).map(str::to_owned),
            }
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.negated { "not_" } else { "" };
        write!(f, "{prefix}{}", self.kind.name())
    }
}

/// A member of a condition's set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// An id, or a namespace's inode.
    Number(u32),
    /// In the form of [`raw`].
    Comm(String),
    /// The beginning or the end of an executable's path, in the form of [`raw`].
    Part(String),
    /// Absolute: a cgroup's directory, an executable, a namespace's file.
    Path(PathBuf),
    /// The host's own namespace.
    Host,
}

/// Empty: every task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    conditions: BTreeMap<Condition, BTreeSet<Member>>,
    /// What the script has called ids, for showing them.
    names: BTreeMap<(Condition, u32), String>,
}

/// What `.scope(#{…})` refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("scope has no `{given}`{}; allowed: {}, and each with `not_` before it, such as `not_uid`", nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean `{n}`?)")), kinds())]
    UnknownKey { given: String, nearest: Option<String> },
    #[error(
        "scope `{key}` must not be empty: an empty set says nothing; leave `{key}` out to say nothing about it"
    )]
    Empty { key: Condition },
    #[error("scope `{key}` takes {}, not {given}", key.kind.allowed())]
    Type { key: Condition, given: String },
    #[error(
        "scope cgroup `{0}` must be an absolute path of a cgroup v2 directory, such as /sys/fs/cgroup/system.slice"
    )]
    RelativeCgroup(String),
    #[error("scope `{key}`: `{given}` is not an absolute path; a path starts with `/`")]
    Relative { key: Condition, given: String },
    #[error(
        "scope `{key}`: `{given}` is longer than the kernel keeps a thread's name; allowed: at most {LONGEST_COMM} bytes, as `ps -o comm` shows them"
    )]
    LongComm { key: Condition, given: String },
    #[error("scope `{key}`: a text must be neither empty nor contain a NUL byte")]
    Text { key: Condition },
    #[error(
        "scope `{key}`: {given:?} never matches: the kernel has no `{part}` in a path; write the path without it"
    )]
    NotPlain { key: Condition, given: String, part: &'static str },
    #[error(
        "scope `{key}`: {given:?} never matches: no path ends with `/`; for what is in a directory: {}: {given:?}", key.kind.prefix()
    )]
    Directory { key: Condition, given: String },
    #[error("scope `{key}`: `*`, `?` and `[` stand for themselves in {given:?}; for patterns: `.when(|e| e.{}.like({given:?}))`", key.kind.field())]
    Pattern { key: Condition, given: String },
    #[error("scope `{key}`: a text of {length} bytes is too long; the longest is {LONGEST_PART}")]
    LongPart { key: Condition, length: usize },
    #[error("scope `{key}`: {error}")]
    Account { key: Condition, error: NoAccount },
    #[error("scope `{key}`: {given:?} ends with a newline, and no name does; take it off: `text.trim()`")]
    Newline { key: Condition, given: String },
    #[error("scope `{0}` and `not_{0}` leave no task: each member of `{0}` is one of `not_{0}` too")]
    Nobody(Kind),
}

fn kinds() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl Scope {
    /// Whether it is about tasks that may have other files than this process, by the same names: of a container, or in another root.
    #[must_use]
    pub fn may_be_elsewhere(&self) -> bool {
        self.conditions().any(|(condition, members)| match condition.kind {
            Kind::MntNs | Kind::PidNs | Kind::UserNs => {
                condition.negated || members.iter().any(|member| *member != Member::Host)
            }
            Kind::Cgroup | Kind::Pid => !condition.negated,
            _ => false,
        })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it names somebody: what only leaves tasks out, or names what every task is in, narrows nothing, and
    /// enforcement within it may reach anybody.
    #[must_use]
    pub fn narrows(&self) -> bool {
        self.conditions.iter().any(|(condition, members)| {
            if condition.negated {
                // Every container, as opposed to the host.
                condition.kind.is_namespace() && members.iter().any(is_hosts)
            } else {
                !members.iter().any(|member| has_everybody(condition.kind, member))
            }
        })
    }

    /// Whether it asks how the path of an executable begins or ends.
    #[must_use]
    pub fn asks_for_paths(&self) -> bool {
        self.conditions.keys().any(|condition| condition.kind.is_of_path())
    }

    /// Whether a directory on the way to one of its cgroups has a name of more bytes.
    #[must_use]
    pub fn has_name_longer_than(&self, bytes: usize) -> bool {
        let cgroups = self.conditions.iter().filter(|(condition, _)| condition.kind == Kind::Cgroup);
        let mut paths = cgroups.flat_map(|(_, members)| members).filter_map(|member| match member {
            Member::Path(path) => Some(path),
            _ => None,
        });
        paths.any(|path| path.iter().any(|name| name.len() > bytes))
    }

    /// Whether `other` differs in nothing but the members of what may change while a probe is attached.
    #[must_use]
    pub fn differs_in_parts_only(&self, other: &Scope) -> bool {
        let same = |((one, members), (other, others)): ((&Condition, &_), (&Condition, &_))| {
            one == other && (one.kind.is_of_path() || members == others)
        };
        self.conditions.len() == other.conditions.len()
            && self.conditions.iter().zip(&other.conditions).all(same)
    }

    /// Every condition with its members.
    pub fn conditions(&self) -> impl Iterator<Item = (Condition, &BTreeSet<Member>)> {
        self.conditions.iter().map(|(condition, members)| (*condition, members))
    }

    /// Reads `#{cgroup: …, not_uid: …}`; each value is one or an array.
    ///
    /// # Errors
    /// Unknown key, wrong type, empty set: each with what is allowed.
    pub fn parse(entries: &serde_json::Map<String, Value>) -> Result<Self, ScopeError> {
        let mut scope = Scope::default();
        for (name, value) in entries {
            let key = Condition::from_name(name)?;
            let mut members = BTreeSet::new();
            for value in one_or_many(value) {
                let member = member(key, value)?;
                if let (Member::Number(id), Some(_), Some(name)) =
                    (&member, key.kind.account(), value.as_str())
                {
                    scope.names.insert((key, *id), name.to_owned());
                }
                members.insert(member);
            }
            if members.is_empty() {
                return Err(ScopeError::Empty { key });
            }
            scope.conditions.insert(key, members);
        }
        scope.check()
    }

    fn check(self) -> Result<Self, ScopeError> {
        let of = |kind, negated| self.conditions.get(&Condition { kind, negated });
        let nobody = Kind::ALL.into_iter().find(|kind| match (of(*kind, false), of(*kind, true)) {
            (Some(only), Some(not)) => only.is_subset(not),
            _ => false,
        });
        nobody.map_or(Ok(self), |kind| Err(ScopeError::Nobody(kind)))
    }
}

impl Kind {
    /// The kind that is about the beginning of the same path.
    fn prefix(self) -> &'static str {
        if self.is_of_parents_path() { "parent_exe_prefix" } else { "exe_prefix" }
    }

    /// The event's field that has the same path.
    fn field(self) -> &'static str {
        if self.is_of_parents_path() { "parent.exe" } else { "exe" }
    }

    fn is_namespace(self) -> bool {
        matches!(self, Kind::UserNs | Kind::PidNs | Kind::MntNs)
    }
}

fn is_hosts(member: &Member) -> bool {
    *member == Member::Host
}

/// Whether every process is in it, but for the kernel's own and those in containers.
fn has_everybody(kind: Kind, member: &Member) -> bool {
    match (kind, member) {
        (Kind::Pid, Member::Number(pid)) => *pid == 1,
        // Every path begins with it.
        (Kind::ExePrefix | Kind::ParentExePrefix, Member::Part(part)) => part == "/",
        (Kind::Cgroup, Member::Path(path)) => is_top(path),
        (kind, Member::Host) => kind.is_namespace(),
        (kind, Member::Number(number)) if kind.is_namespace() => {
            hosts_namespace(kind) == Some((*number).into())
        }
        (kind, Member::Path(path)) if kind.is_namespace() => {
            // Its inode may not be for this process to see.
            path.starts_with("/proc/1/ns")
                || hosts_namespace(kind)
                    .is_some_and(|host| path.metadata().is_ok_and(|found| found.ino() == host))
        }
        _ => false,
    }
}

/// Whether this directory is where a file system is mounted: the top of the cgroups as they are seen from here.
fn is_top(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let Ok(path) = path.canonicalize() else { return false };
    path.parent().is_none_or(|parent| device(&path) != device(parent))
}

/// The inode of the namespace of process 1.
fn hosts_namespace(kind: Kind) -> Option<u64> {
    let name = match kind {
        Kind::UserNs => "user",
        Kind::PidNs => "pid",
        _ => "mnt",
    };
    Path::new("/proc/1/ns").join(name).metadata().ok().map(|found| found.ino())
}

fn member(key: Condition, value: &Value) -> Result<Member, ScopeError> {
    let refuse = || ScopeError::Type { key, given: describe(value) };
    if let (Some(of), Some(name)) = (key.kind.account(), value.as_str()) {
        let id = of.id(name).map_err(|error| ScopeError::Account { key, error })?;
        return Ok(Member::Number(id));
    }
    match key.kind {
        Kind::Uid | Kind::Gid | Kind::Loginuid | Kind::Pid => {
            number(value).map(Member::Number).ok_or_else(refuse)
        }
        Kind::Comm => comm(key, value.as_str().ok_or_else(refuse)?),
        Kind::UserNs | Kind::PidNs | Kind::MntNs => match value.as_str() {
            Some("host") => Ok(Member::Host),
            Some(text) if text.starts_with('/') => path(key, text),
            Some(_) => Err(refuse()),
            None => number(value).map(Member::Number).ok_or_else(refuse),
        },
        Kind::Exe | Kind::ParentExe | Kind::Cgroup => path(key, value.as_str().ok_or_else(refuse)?),
        Kind::ExePrefix | Kind::ExeSuffix | Kind::ParentExePrefix | Kind::ParentExeSuffix => {
            part(key, value.as_str().ok_or_else(refuse)?)
        }
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_i64().and_then(|n| u32::try_from(n).ok())
}

fn comm(key: Condition, text: &str) -> Result<Member, ScopeError> {
    if text.is_empty() || text.contains('\0') {
        return Err(ScopeError::Text { key });
    }
    if text.ends_with('\n') {
        return Err(ScopeError::Newline { key, given: text.to_owned() });
    }
    if raw::bytes(text).len() > LONGEST_COMM {
        return Err(ScopeError::LongComm { key, given: text.to_owned() });
    }
    Ok(Member::Comm(text.to_owned()))
}

fn path(key: Condition, text: &str) -> Result<Member, ScopeError> {
    if text.is_empty() || text.contains('\0') {
        return Err(ScopeError::Text { key });
    }
    if text.ends_with('\n') {
        return Err(ScopeError::Newline { key, given: text.to_owned() });
    }
    match key.kind {
        _ if text.starts_with('/') => Ok(Member::Path(raw::os(text).into())),
        Kind::Cgroup => Err(ScopeError::RelativeCgroup(text.to_owned())),
        _ => Err(ScopeError::Relative { key, given: text.to_owned() }),
    }
}

/// The beginning or the end of a path as the kernel has it: absolute, with each name once.
fn part(key: Condition, text: &str) -> Result<Member, ScopeError> {
    let given = || text.to_owned();
    if text.is_empty() || text.contains('\0') {
        return Err(ScopeError::Text { key });
    }
    if text.ends_with('\n') {
        return Err(ScopeError::Newline { key, given: given() });
    }
    let length = raw::bytes(text).len();
    if length > LONGEST_PART {
        return Err(ScopeError::LongPart { key, length });
    }
    if text.contains(['*', '?', '[']) {
        return Err(ScopeError::Pattern { key, given: given() });
    }
    if let Some(part) = not_in_a_path(text) {
        return Err(ScopeError::NotPlain { key, given: given(), part });
    }
    if key.kind.is_prefix() && !text.starts_with('/') {
        return Err(ScopeError::Relative { key, given: given() });
    }
    if !key.kind.is_prefix() && text.ends_with('/') {
        return Err(ScopeError::Directory { key, given: given() });
    }
    Ok(Member::Part(given()))
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Number(number) => number.fmt(f),
            Member::Comm(text) | Member::Part(text) => text.escape_debug().fmt(f),
            Member::Path(path) => raw::from_os(path).escape_debug().fmt(f),
            Member::Host => f.write_str("host"),
        }
    }
}

/// `uid 1000, 1001; not_cgroup /sys/fs/cgroup/web.slice`; of a long list the beginning and how many.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let one = |(condition, members): (&Condition, &BTreeSet<Member>)| {
            let name = |member: &Member| match member {
                Member::Number(id) => self.names.get(&(*condition, *id)).map(|name| format!("{id}({name})")),
                _ => None,
            };
            let show = |member: &Member| name(member).unwrap_or_else(|| member.to_string());
            let shown: Vec<_> = members.iter().take(SHOWN).map(show).collect();
            let more = match members.len().saturating_sub(SHOWN) {
                0 => String::new(),
                left => format!(" and {left} more"),
            };
            format!("{condition} {}{more}", shown.join(", "))
        };
        let said: Vec<_> = self.conditions.iter().map(one).collect();
        f.write_str(&said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Scope, ScopeError> {
        Scope::parse(value.as_object().unwrap())
    }

    fn members(scope: &Scope, name: &str) -> Vec<Member> {
        let key = Condition::from_name(name).unwrap();
        scope.conditions.get(&key).into_iter().flatten().cloned().collect()
    }

    #[test]
    fn one_value_and_an_array_are_both_taken() {
        let scope = parse(json!({"uid": 1000, "pid": [7, 8], "cgroup": "/sys/fs/cgroup/a"})).unwrap();
        assert_eq!(members(&scope, "uid"), [Member::Number(1000)]);
        assert_eq!(members(&scope, "pid"), [Member::Number(7), Member::Number(8)]);
        assert_eq!(members(&scope, "cgroup"), [Member::Path("/sys/fs/cgroup/a".into())]);
    }

    #[test]
    fn every_kind_has_a_negation() {
        for kind in Kind::ALL {
            let value = match kind {
                Kind::Uid | Kind::Gid | Kind::Loginuid | Kind::Pid => json!(1),
                _ => json!("/x"),
            };
            let name = format!("not_{}", kind.name());
            let scope = parse(json!({name.as_str(): value})).unwrap();
            assert_eq!(members(&scope, &name).len(), 1);
            assert!(members(&scope, kind.name()).is_empty());
        }
    }

    #[test]
    fn a_namespace_is_the_hosts_a_number_or_a_file() {
        let scope = parse(json!({"not_pid_ns": ["host", 7, "/proc/1/ns/pid"]})).unwrap();
        let expected = [Member::Number(7), Member::Path("/proc/1/ns/pid".into()), Member::Host];
        assert_eq!(members(&scope, "not_pid_ns"), expected);
        let error = parse(json!({"mnt_ns": "guest"})).unwrap_err().to_string();
        assert!(error.contains("\"host\""), "{error}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(matches!(parse(json!({"uid": []})), Err(ScopeError::Empty { .. })));
        assert!(matches!(parse(json!({"uid": -1})), Err(ScopeError::Type { .. })));
        assert!(matches!(parse(json!({"not_gid": [true]})), Err(ScopeError::Type { .. })));
        assert!(matches!(parse(json!({"not_gid": ["nosuchgroup"]})), Err(ScopeError::Account { .. })));
        for (key, text) in [("exe", "/bin/sh\n"), ("cgroup", "/sys/fs/cgroup/a\n"), ("comm", "sh\n")] {
            assert!(matches!(parse(json!({key: text})), Err(ScopeError::Newline { .. })), "{key}");
        }
        assert!(matches!(parse(json!({"cgroup": "web.slice"})), Err(ScopeError::RelativeCgroup(_))));
        assert!(matches!(parse(json!({"exe": "sh"})), Err(ScopeError::Relative { .. })));
        assert!(matches!(parse(json!({"comm": "sixteen-bytes-xx"})), Err(ScopeError::LongComm { .. })));
        assert!(parse(json!({"comm": "fifteen-bytes-x"})).is_ok());
        let error = parse(json!({"cgruop": "/x"})).unwrap_err().to_string();
        assert!(error.contains("did you mean `cgroup`?") && error.contains("`not_uid`"), "{error}");
    }

    #[test]
    fn a_scope_is_shown_as_it_was_written_and_a_long_one_is_cut() {
        let scope = parse(json!({"not_mnt_ns": "host", "uid": (0..10).collect::<Vec<_>>()})).unwrap();
        assert_eq!(scope.to_string(), "uid 0, 1, 2, 3, 4, 5, 6, 7 and 2 more; not_mnt_ns host");
    }

    #[test]
    fn a_user_or_group_may_be_named_and_is_shown_with_its_id() {
        for key in ["uid", "not_uid", "gid", "not_gid", "loginuid", "not_loginuid"] {
            let scope = parse(json!({key: ["root", 7]})).unwrap();
            assert_eq!(members(&scope, key), [Member::Number(0), Member::Number(7)]);
            assert_eq!(scope.to_string(), format!("{key} 0(root), 7"));
        }
        let error = parse(json!({"uid": "rooot"})).unwrap_err().to_string();
        assert!(error.contains("did you mean \"root\"?"), "{error}");
        assert!(matches!(parse(json!({"pid": "root"})), Err(ScopeError::Type { .. })));
    }

    #[test]
    fn what_leaves_nobody_out_narrows_nothing() {
        let narrows = |value| parse(value).unwrap().narrows();
        for everybody in [
            json!({}),
            json!({"not_uid": 4294967294u32}),
            json!({"not_uid": 0, "not_comm": "sh", "not_exe": "/bin/sh", "not_cgroup": "/sys/fs/cgroup/a"}),
            json!({"not_pid": 1}),
            json!({"pid": 1}),
            json!({"pid": [7, 1]}),
            json!({"pid_ns": "host"}),
            json!({"pid_ns": "/proc/1/ns/pid"}),
            json!({"mnt_ns": ["host", 7]}),
            json!({"cgroup": "/proc"}),
        ] {
            assert!(!narrows(everybody.clone()), "{everybody}");
        }
        for some in [
            json!({"uid": 1000}),
            json!({"uid": 0}),
            json!({"pid": 7}),
            json!({"pid": 1, "uid": 7}),
            json!({"not_mnt_ns": "host"}),
            json!({"comm": "sh", "not_uid": 0}),
            json!({"cgroup": "/sys/fs/cgroup/no-such.slice"}),
        ] {
            assert!(narrows(some.clone()), "{some}");
        }
    }

    #[test]
    fn a_scope_that_leaves_nobody_is_refused() {
        let error = parse(json!({"uid": [1, 2], "not_uid": [1, 2, 3]})).unwrap_err();
        assert_eq!(error, ScopeError::Nobody(Kind::Uid));
        assert!(parse(json!({"uid": [1, 2], "not_uid": 1})).is_ok());
    }
}
