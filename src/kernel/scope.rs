//! A probe's scope, from a script's words to the members of the kernel's tables.
//!
//! In: a checked [`Scope`], whose paths mean something only on this host. Out: a
//! [`Resolved`] one, all numbers and names as the kernel has them; then the tables
//! filled and, for process subtrees, kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use aya::{Btf, Ebpf};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, NSFS_MAGIC, statfs};

use super::{
    KernelError,
    attachment::take,
    host,
    identity::{Identities, Identity},
    load::ScopeSize,
    namespaces,
    subtree::{self, Tree},
    tables,
};
use crate::{
    probe::scope::{Condition, Kind, Member, Scope},
    raw,
    template::Layout,
};

/// `KRSI_SCOPE_NOT` of the templates.
const NOT: u32 = 32;
pub const TABLE: &str = "krsi_scope_members";

/// `struct krsi_scope_key` of the templates: kind, device, then a number or a comm.
type Key = [u8; 24];

/// A scope that the kernel's tables can hold.
#[derive(Default)]
pub struct Resolved {
    /// The control word: which conditions are in force.
    pub word: u64,
    members: BTreeSet<Key>,
    roots: BTreeMap<u32, Tree>,
    /// Keeps executables from being freed and their inode numbers from being reused.
    _open: Vec<Identity>,
}

impl Resolved {
    /// Looks up what the scope names.
    ///
    /// # Errors
    /// If something does not exist, or is not what it should be.
    pub fn new(
        scope: &Scope,
        layout: &Layout,
        identities: &Identities,
        btf: &'static Btf,
    ) -> Result<Self, KernelError> {
        let mut resolved = Resolved::default();
        for (condition, members) in scope.conditions() {
            let number = number_of(condition, layout)?;
            resolved.word |= 1 << number;
            match condition.kind {
                Kind::Pid => resolved.add_roots(condition, members),
                Kind::Exe | Kind::ParentExe => {
                    resolved.add_executables(condition, number, members, identities, btf)?;
                }
                _ => {
                    for member in members {
                        resolved.members.insert(key(number, condition, member)?);
                    }
                }
            }
        }
        Ok(resolved)
    }

    /// How many entries its tables must have room for.
    pub fn size(&self) -> ScopeSize {
        ScopeSize {
            members: u32::try_from(self.members.len()).unwrap_or(u32::MAX).max(1),
            processes: if self.roots.is_empty() { 1 } else { host::most_tasks() },
        }
    }

    fn add_roots(&mut self, condition: Condition, members: &BTreeSet<Member>) {
        for member in members {
            if let Member::Number(pid) = member {
                self.roots.entry(*pid).or_default().add(condition.negated);
            }
        }
    }

    fn add_executables(
        &mut self,
        condition: Condition,
        number: u32,
        members: &BTreeSet<Member>,
        identities: &Identities,
        btf: &'static Btf,
    ) -> Result<(), KernelError> {
        let mut paths = Vec::new();
        for path in members.iter().filter_map(as_path) {
            let refuse = |reason: String| KernelError::Executable { condition, path: path.into(), reason };
            let found = path.metadata().map_err(|e| refuse(e.to_string()))?;
            if !found.is_file() {
                return Err(refuse("it is no file".into()));
            }
            paths.push(raw::from_os(path));
        }
        let found = identities.of(btf, &paths)?;
        self.members.extend(found.iter().map(|i| layout(number, i.device, i.inode)));
        self._open.extend(found);
        Ok(())
    }

    /// Fills the tables, and follows the subtrees from here on.
    ///
    /// # Errors
    /// If a table refuses an entry, or a process named does not exist.
    pub fn apply(&self, ebpf: &mut Ebpf, btf: &'static Btf) -> Result<(), KernelError> {
        tables::fill(take(ebpf, TABLE)?, TABLE, self.members.iter().copied())?;
        if self.roots.is_empty() { Ok(()) } else { subtree::follow(ebpf, btf, &self.roots) }
    }
}

/// The condition's bit in the control word, which is also its members' mark.
fn number_of(condition: Condition, layout: &Layout) -> Result<u32, KernelError> {
    let name = condition.kind.name();
    let known = layout.scope_kinds.iter().find(|(known, _)| known == name);
    let (_, number) = known.filter(|(_, n)| *n < NOT).ok_or_else(|| KernelError::Table {
        table: TABLE,
        reason: format!("the object has no scope `{name}`"),
    })?;
    Ok(if condition.negated { number + NOT } else { *number })
}

fn key(number: u32, condition: Condition, member: &Member) -> Result<Key, KernelError> {
    let value = match (member, condition.kind) {
        (Member::Number(id), _) => u64::from(*id),
        (Member::Comm(comm), _) => return Ok(comm_key(number, comm)),
        (Member::Path(path), Kind::Cgroup) => cgroup_id(path)?,
        (Member::Path(path), kind) => namespace(condition, kind, path)?,
        (Member::Host, kind) => host_namespace(condition, kind)?,
    };
    Ok(layout(number, 0, value))
}

fn layout(number: u32, device: u32, value: u64) -> Key {
    let mut key = [0; 24];
    key[..4].copy_from_slice(&number.to_ne_bytes());
    key[4..8].copy_from_slice(&device.to_ne_bytes());
    key[8..16].copy_from_slice(&value.to_ne_bytes());
    key
}

fn comm_key(number: u32, comm: &str) -> Key {
    let mut key = layout(number, 0, 0);
    let bytes = raw::bytes(comm);
    let length = bytes.len().min(15);
    key[8..8 + length].copy_from_slice(&bytes[..length]);
    key
}

fn as_path(member: &Member) -> Option<&Path> {
    match member {
        Member::Path(path) => Some(path),
        _ => None,
    }
}

/// A cgroup's id is the inode number of its folder (kernfs).
fn cgroup_id(path: &Path) -> Result<u64, KernelError> {
    let refuse = |reason: String| KernelError::Cgroup { path: PathBuf::from(path), reason };
    let kind = statfs(path).map_err(|e| refuse(e.desc().to_owned()))?.filesystem_type();
    if kind != CGROUP2_SUPER_MAGIC {
        return Err(refuse("this is no cgroup v2 folder".into()));
    }
    path.metadata().map(|m| m.ino()).map_err(|e| refuse(e.to_string()))
}

/// What nsfs calls the namespaces of a kind, and /proc/PID/ns their files.
fn namespace_name(kind: Kind) -> &'static str {
    match kind {
        Kind::PidNs => "pid",
        Kind::UserNs => "user",
        _ => "mnt",
    }
}

fn namespace(condition: Condition, kind: Kind, path: &Path) -> Result<u64, KernelError> {
    let refuse = |reason: String| KernelError::Namespace { condition, path: path.into(), reason };
    let found = statfs(path).map_err(|e| refuse(e.desc().to_owned()))?.filesystem_type();
    if found != NSFS_MAGIC {
        return Err(refuse("this is no namespace's file".into()));
    }
    // A file of another kind of namespace would match nothing, in silence. Those in /proc are links
    // that tell their kind: `pid:[4026531836]`.
    let wanted = format!("{}:", namespace_name(kind));
    match std::fs::read_link(path) {
        Ok(text) if !text.as_os_str().as_bytes().starts_with(wanted.as_bytes()) => {
            Err(refuse(format!("this is a namespace of another kind: {}", raw::from_os(text))))
        }
        _ => path.metadata().map(|m| m.ino()).map_err(|e| refuse(e.to_string())),
    }
}

fn host_namespace(condition: Condition, kind: Kind) -> Result<u64, KernelError> {
    let path = PathBuf::from(format!("/proc/1/ns/{}", namespace_name(kind)));
    if let Err(foreign) = namespaces::process_ids() {
        let reason = format!("process 1 here is not the host's: {foreign}; or give the inode number");
        return Err(KernelError::Namespace { condition, path, reason });
    }
    namespace(condition, kind, &path)
}
