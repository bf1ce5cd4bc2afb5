//! A probe's scope, from a script's words to the members of the kernel's tables.
//!
//! In: a checked [`Scope`], whose paths mean something only on this host. Out: a
//! [`Resolved`] one, all numbers and names as the kernel has them; then the tables
//! filled and, for process subtrees, kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::maps::{HashMap, MapData};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use crate::{
    backend::Followed,
    kernel::{
        KernelError,
        attach::{
            cgroups::{self, Ways},
            executables::Parts,
            subtree::{self, Tree},
        },
        errno::chain,
        host,
        load::{constants::ScopeConstants, kernel_types::KernelTypes, object::Object},
        maps::{full, take},
        names::{
            files::{Change, NamedFile, running},
            identity,
            iterators::Iterators,
        },
    },
    probe::scope::{Condition, Kind, Member, Scope},
    raw,
    system::namespaces,
    template::Layout,
};

/// `KRSI_SCOPE_NOT` of the templates.
const NOT: u32 = 32;
/// `KRSI_FEW` of the templates: so many numbers stand in the program.
const FEW: usize = 4;
/// From this `KERNEL_VERSION` on programs of tracing may ask for a cgroup's ancestor.
const ANCESTORS: u32 = 5 << 16 | 14 << 8;
pub const TABLE: &str = "krsi_scope_members";

/// `struct krsi_scope_key` of the templates: kind, device, then a number or a comm.
type Key = [u8; 24];

/// Room for what has the place of a member before that one is taken out.
const ROOM: usize = 64;
/// How often it is looked whether a previous executable is still run.
const LOOK_AT_PREVIOUS: Duration = Duration::from_secs(10);

/// For how many the tables of a scope have room, at least 1 each.
#[derive(Debug, Clone, Copy)]
pub struct ScopeSize {
    /// What the scope names, but for processes.
    pub members: u32,
    /// In the subtrees of processes that it names.
    pub processes: u32,
    /// Steps on the ways down to the cgroups that it names.
    pub steps: u32,
    /// Cgroups on these ways.
    pub nodes: u32,
}

/// A scope that the kernel's tables can hold.
#[derive(Default)]
pub struct Resolved {
    /// Which conditions are in force, a bit for each.
    word: u64,
    /// Conditions that ask for one of a few numbers, and these.
    few: BTreeMap<u32, Vec<u64>>,
    members: BTreeSet<Key>,
    roots: BTreeMap<u32, Tree>,
    /// Those of the roots that have not ended.
    processes: Vec<(Condition, u32)>,
    cgroups: Vec<(u32, cgroups::Named)>,
    ways: Ways,
    parts: Parts,
    /// Their descriptors keep executables from being freed and their inode numbers from being reused.
    executables: Vec<(Condition, u32, NamedFile)>,
    /// What was pinned to what, a sentence each.
    pinned: Vec<String>,
    table: Option<HashMap<MapData, Key, u8>>,
    /// Cgroups that the kernel's side has put there, and whose directories could not be seen when it was last looked.
    not_yet_seen: BTreeSet<Key>,
    previous_looked_at: Option<Instant>,
}

impl Resolved {
    /// Looks up what the scope names.
    ///
    /// # Errors
    /// If something does not exist, or is not what it should be.
    pub fn new(scope: &Scope, layout: &Layout, iterators: &Iterators) -> Result<Self, KernelError> {
        let mut resolved = Resolved { parts: Parts::new(scope), ..Resolved::default() };
        for (condition, members) in scope.conditions() {
            let number = number_of(condition, layout)?;
            resolved.word |= 1 << number;
            match condition.kind {
                Kind::Pid => resolved.add_roots(condition, members),
                Kind::Exe | Kind::ParentExe => {
                    resolved.add_executables(condition, number, members, iterators)?;
                }
                Kind::Cgroup => resolved.add_cgroups(condition, number, members)?,
                kind if kind.is_of_path() => {}
                _ => resolved.add_members(condition, number, members)?,
            }
        }
        let named: Vec<_> = resolved.cgroups.iter().map(|(_, named)| named).collect();
        resolved.ways = Ways::new(&named)?;
        Ok(resolved)
    }

    fn add_members(
        &mut self,
        condition: Condition,
        number: u32,
        members: &BTreeSet<Member>,
    ) -> Result<(), KernelError> {
        let few = members.len() <= FEW && condition.kind != Kind::Comm;
        for member in members {
            let key = key(number, condition, member)?;
            self.pinned.extend(pinned(condition, member, &key));
            if few {
                self.few.entry(number).or_default().push(number_in(&key));
            } else {
                self.members.insert(key);
            }
        }
        Ok(())
    }

    /// What stands of it in the probe's programs, on a kernel of this `KERNEL_VERSION`.
    pub fn constants(&self, version: u32) -> ScopeConstants {
        /// `struct krsi_few` of the templates.
        const SIZE: usize = 8 + 8 * FEW;
        let mut few = Vec::new();
        for (number, values) in &self.few {
            let (kind, negated) = if *number < NOT { (*number, 0) } else { (*number - NOT, 1) };
            let at = (2 * kind + negated) as usize * SIZE;
            few.resize(few.len().max(at + SIZE), 0);
            few[at..at + 4].copy_from_slice(&u32::try_from(values.len()).unwrap_or(0).to_ne_bytes());
            for (value, place) in values.iter().zip(few[at + 8..at + SIZE].chunks_exact_mut(8)) {
                place.copy_from_slice(&value.to_ne_bytes());
            }
        }
        let depths = if version < ANCESTORS { Vec::new() } else { self.ways.depths() };
        ScopeConstants {
            kinds: self.word,
            few,
            depths: depths.iter().flat_map(|depth| depth.to_ne_bytes()).collect(),
        }
    }

    /// How many entries its tables must have room for.
    pub fn size(&self) -> ScopeSize {
        let room = if self.has_names() { ROOM.max(self.executables.len()) } else { 0 };
        let [steps, nodes] = self.ways.sizes();
        ScopeSize {
            members: u32::try_from(self.members.len() + room).unwrap_or(u32::MAX).max(1),
            processes: if self.roots.is_empty() { 1 } else { host::most_tasks() },
            steps,
            nodes,
        }
    }

    /// What was pinned to what, a sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.pinned
    }

    /// Whether it names something that may be another thing later, or gone.
    pub fn follows(&self) -> bool {
        self.has_names() || !self.processes.is_empty()
    }

    fn has_names(&self) -> bool {
        !self.cgroups.is_empty() || !self.executables.is_empty()
    }

    fn add_roots(&mut self, condition: Condition, members: &BTreeSet<Member>) {
        for member in members {
            if let Member::Number(pid) = member {
                self.roots.entry(*pid).or_default().add(condition.negated);
                if is_there(*pid) {
                    self.processes.push((condition, *pid));
                }
            }
        }
    }

    fn add_cgroups(
        &mut self,
        condition: Condition,
        number: u32,
        members: &BTreeSet<Member>,
    ) -> Result<(), KernelError> {
        for path in members.iter().filter_map(as_path) {
            let named = cgroups::Named::new(condition, path)?;
            self.members.extend(named.id.map(|id| layout(number, 0, id)));
            self.cgroups.push((number, named));
        }
        Ok(())
    }

    fn add_executables(
        &mut self,
        condition: Condition,
        number: u32,
        members: &BTreeSet<Member>,
        iterators: &Iterators,
    ) -> Result<(), KernelError> {
        let mut paths = Vec::new();
        for path in members.iter().filter_map(as_path) {
            let refuse = |reason: String| KernelError::Executable { condition, path: path.into(), reason };
            let found = path.metadata().map_err(|e| refuse(e.to_string()))?;
            if !found.is_file() {
                return Err(refuse("it is not a file".into()));
            }
            paths.push(raw::from_os(path));
        }
        for file in NamedFile::of(iterators, &paths)? {
            self.members.extend(file.now.as_ref().map(|i| layout(number, i.device, i.inode)));
            self.executables.push((condition, number, file));
        }
        Ok(())
    }

    /// Fills the tables, and follows cgroups and subtrees from here on.
    ///
    /// # Errors
    /// If a table refuses an entry, or a process named does not exist.
    pub fn apply(&mut self, object: &mut Object, types: &KernelTypes) -> Result<(), KernelError> {
        self.ways.load(object, types)?;
        self.parts.apply(object)?;
        if !self.members.is_empty() || self.has_names() {
            let mut table: HashMap<MapData, Key, u8> = HashMap::try_from(take(object, TABLE)?)
                .map_err(|e| KernelError::Table { table: TABLE, reason: chain(&e) })?;
            for member in &self.members {
                table.insert(member, 1, 0).map_err(|e| full(TABLE, &e))?;
            }
            self.table = Some(table);
        }
        self.ways.follow(object)?;
        if self.roots.is_empty() { Ok(()) } else { subtree::follow(object, types, &self.roots) }
    }

    /// Replaces what it names of executables' paths; nothing else of it changes.
    ///
    /// # Errors
    /// If a table has no room; then it says what it did before.
    pub fn replace_parts(&mut self, scope: &Scope) -> Result<(), KernelError> {
        self.parts.replace(scope)
    }

    /// Looks whether the names mean something else now, and if so has the tables say it: what is new is added
    /// before what is gone is taken out. Gives what has changed, a sentence each.
    ///
    /// # Errors
    /// If an executable cannot be looked at, or the table has no room.
    pub fn follow(&mut self, iterators: &Iterators, now: Instant) -> Result<Vec<Followed>, KernelError> {
        let mut seen = self.follow_processes();
        seen.extend(self.follow_cgroups()?);
        seen.extend(self.follow_executables(iterators)?);
        if self.previous_looked_at.is_none_or(|at| now.duration_since(at) >= LOOK_AT_PREVIOUS) {
            self.previous_looked_at = Some(now);
            self.forget_previous();
        }
        self.bring_up_to_date()?;
        Ok(seen)
    }

    /// Its descendants stay in scope, and may have ended as well: nobody but the kernel knows.
    fn follow_processes(&mut self) -> Vec<Followed> {
        let (running, ended): (Vec<_>, Vec<_>) =
            self.processes.drain(..).partition(|(_, pid)| is_there(*pid));
        self.processes = running;
        let ended = ended.into_iter().map(|(condition, pid)| {
            Followed::Follows(format!(
                "scope `{condition}`: process {pid} has ended; its descendants stay in the scope, and another process with this id is not in it"
            ))
        });
        ended.collect()
    }

    fn follow_cgroups(&mut self) -> Result<Vec<Followed>, KernelError> {
        let mut events = Vec::new();
        for (_, named) in &mut self.cgroups {
            let Some(seen) = named.look() else { continue };
            let (condition, path) = (named.condition, named.path.display().to_string());
            events.push(match (seen.previous, seen.now) {
                (_, Some(_)) => Followed::Follows(format!(
                    "scope `{condition}`: {path:?} was created again; the scope follows"
                )),
                _ if condition.negated => Followed::Follows(format!(
                    "scope `{condition}`: {path:?} is gone; the scope follows if it is created again"
                )),
                _ => Followed::Gone(format!(
                    "scope `{condition}`: {path:?} is gone, so no task of it is in scope; the scope follows if it is created again"
                )),
            });
        }
        if !events.is_empty() {
            self.ways.find()?;
        }
        Ok(events)
    }

    /// Looks whether another process has changed who is in scope, and puts that back; gives how many entries were put there, and how
    /// many taken out. Cgroups that the kernel's side puts there and takes out itself are left alone.
    ///
    /// # Errors
    /// If the table cannot be read, or has no room.
    pub fn restore(&mut self) -> Result<(usize, usize), KernelError> {
        let Some(table) = &mut self.table else { return Ok((0, 0)) };
        let found = table.keys().collect::<Result<BTreeSet<Key>, _>>().map_err(|e| full(TABLE, &e))?;
        let of_cgroups: BTreeSet<u32> = self.cgroups.iter().map(|(number, _)| *number).collect();
        // Asked after the table was read: a cgroup that goes takes its entry with it only once its directory is gone.
        let here: BTreeSet<Key> = self
            .cgroups
            .iter()
            .filter_map(|(number, named)| Some(layout(*number, 0, cgroups::id_at(&named.path)?)))
            .collect();
        let is_of_cgroup = |key: &Key| of_cgroups.contains(&number_of_condition(key));
        let mut not_yet = BTreeSet::new();
        let mut put = Vec::new();
        for key in found.difference(&self.members) {
            if is_of_cgroup(key) && here.contains(key) {
                continue;
            }
            // The kernel's side puts a cgroup there before its directory can be seen.
            if is_of_cgroup(key) && self.ways.has(number_in(key)) && !self.not_yet_seen.contains(key) {
                not_yet.insert(*key);
            } else {
                put.push(*key);
            }
        }
        self.not_yet_seen = not_yet;
        let is_to_be = |key: &&Key| !is_of_cgroup(key) || here.contains(*key);
        let taken: Vec<Key> = self.members.difference(&found).filter(is_to_be).copied().collect();
        for key in &put {
            let _ = table.remove(key);
        }
        for key in &taken {
            table.insert(key, 1, 0).map_err(|e| full(TABLE, &e))?;
        }
        Ok((put.len(), taken.len()))
    }

    /// The same of the tables by which cgroups are followed.
    ///
    /// # Errors
    /// If one cannot be read, or has no room.
    pub fn restore_ways(&mut self) -> Result<(usize, usize), KernelError> {
        self.ways.restore()
    }

    /// The same of the tables of parts of paths, which may be large.
    ///
    /// # Errors
    /// If one cannot be read, or has no room.
    pub fn restore_parts(&mut self) -> Result<(usize, usize), KernelError> {
        self.parts.restore()
    }

    fn follow_executables(&mut self, iterators: &Iterators) -> Result<Vec<Followed>, KernelError> {
        let changed: Vec<usize> =
            (0..self.executables.len()).filter(|i| self.executables[*i].2.has_changed()).collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<String> = changed.iter().map(|i| self.executables[*i].2.path.clone()).collect();
        let mut events = Vec::new();
        for (index, now) in changed.into_iter().zip(identity::of_each(iterators, &paths)?) {
            let (condition, _, file) = &mut self.executables[index];
            let what = match file.turn_to(now) {
                None => continue,
                Some(Change::Gone) => "is gone; what still runs it stays the same to the scope".to_owned(),
                Some(Change::Made) => "was created again; the scope follows".to_owned(),
                Some(Change::Replaced | Change::Forgotten) => {
                    "was replaced; the scope follows, and what still runs the former file stays the same to it"
                        .to_owned()
                }
                Some(Change::LeadsTo(path)) => {
                    format!("leads to {path:?} now; the scope follows")
                }
            };
            events.push(Followed::Follows(format!("scope `{condition}`: {:?} {what}", file.path)));
        }
        self.forget_previous();
        Ok(events)
    }

    /// A previous executable belongs to the scope as long as a process runs it.
    fn forget_previous(&mut self) {
        if self.executables.iter().all(|(_, _, file)| file.previous.is_empty()) {
            return;
        }
        let running = running();
        for (_, _, file) in &mut self.executables {
            file.retain_previous(|previous| previous.stamp().is_some_and(|stamp| running.contains(&stamp)));
        }
    }

    fn bring_up_to_date(&mut self) -> Result<(), KernelError> {
        if !self.has_names() {
            return Ok(());
        }
        let by_cgroup = self.cgroups.iter().filter_map(|(number, named)| Some((*number, 0, named.id?)));
        let by_file = self.executables.iter().flat_map(|(_, number, file)| {
            file.now.iter().chain(&file.previous).map(|i| (*number, i.device, i.inode))
        });
        let wanted: BTreeSet<Key> =
            by_cgroup.chain(by_file).map(|(number, device, value)| layout(number, device, value)).collect();
        let numbers: BTreeSet<u32> = self.cgroups.iter().map(|(number, _)| *number).collect();
        let numbers: BTreeSet<u32> =
            numbers.into_iter().chain(self.executables.iter().map(|(_, number, _)| *number)).collect();
        let followed = |key: &Key| numbers.contains(&number_of_condition(key));
        let Some(table) = &mut self.table else { return Ok(()) };
        for key in wanted.difference(&self.members).copied().collect::<Vec<_>>() {
            table.insert(key, 1, 0).map_err(|e| full(TABLE, &e))?;
            self.members.insert(key);
        }
        let gone: Vec<Key> =
            self.members.iter().filter(|key| followed(key) && !wanted.contains(*key)).copied().collect();
        for key in gone {
            // The kernel's side may have taken it out already.
            let _ = table.remove(&key);
            self.members.remove(&key);
        }
        Ok(())
    }
}

/// The number of the condition that a member belongs to.
fn number_of_condition(key: &Key) -> u32 {
    u32::from_ne_bytes([key[0], key[1], key[2], key[3]])
}

/// The number that a member is.
fn number_in(key: &Key) -> u64 {
    u64::from_ne_bytes([key[8], key[9], key[10], key[11], key[12], key[13], key[14], key[15]])
}

/// A namespace is what its file stood for at the attach.
fn pinned(condition: Condition, member: &Member, key: &Key) -> Option<String> {
    let Member::Path(path) = member else { return None };
    let number = number_in(key);
    Some(format!("scope `{condition}`: {path:?} is namespace {number}, and means that one from here on"))
}

/// Whether there is a process of this id. Asked without opening a file, which a probe on opens would count twice a second.
fn is_there(pid: u32) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, None) != Err(nix::errno::Errno::ESRCH)
}

/// The condition's bit among the kinds in force, which is also its members' mark.
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
        (Member::Comm(text) | Member::Part(text), _) => return Ok(comm_key(number, text)),
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
        return Err(refuse("this is not a namespace's file".into()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn members_lie_where_the_templates_have_them() {
        let shapes = Shapes::of("file_open");
        assert_eq!(size_of::<Key>(), shapes.size("krsi_scope_key"));
        assert_eq!(u64::from(NOT), shapes.number("krsi_scope_kind", "KRSI_SCOPE_NOT"));
        assert_eq!(FEW, shapes.length("krsi_few", "numbers"));
        assert_eq!(8 + 8 * FEW, shapes.size("krsi_few"));
        let key = layout(1, 2, 3);
        assert_eq!(key[shapes.offset("krsi_scope_key", "kind")], 1);
        assert_eq!(key[shapes.offset("krsi_scope_key", "device")], 2);
        // Number and comm are in the struct's union, which stands last.
        assert_eq!(key[8], 3);
        assert_eq!(comm_key(1, "sixteen-bytes-xx")[8..], *b"sixteen-bytes-x\0");
    }
}
