//! Cgroups of a scope, by name: the tables by which the kernel follows a path on which cgroups come and go.
//!
//! In: the directories that a scope names. Out: the steps that lead down to each from the top of the mounted
//! hierarchy, and which cgroup is at each step now. From then on the tracepoint programs of
//! `ebpf-templates/include/krsi_cgroups.bpf.h` keep them, before a new cgroup can have a task in it. What is seen from
//! here, twice a second, is what there is to report; it also repairs what the kernel's side had no room for.

use std::{
    collections::BTreeMap,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use aya::maps::{Array, HashMap, MapData};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::{
    kernel::{
        KernelError,
        attach::trackers,
        errno::chain,
        load::{kernel_types::KernelTypes, object::Object},
        maps::{full, take},
    },
    probe::scope::Condition,
};

/// The programs that follow cgroups, and their tracepoints.
const TRACKERS: [(&str, &str); 2] =
    [("krsi_scope_mkdir", "cgroup_mkdir"), ("krsi_scope_rmdir", "cgroup_rmdir")];

pub const STEPS: &str = "krsi_scope_steps";
pub const NODES: &str = "krsi_scope_nodes";
/// `KRSI_CGROUP_NAME` of the templates; what fills it was cut.
const NAME: usize = 128;
/// Cgroups that may be made before those they replace are forgotten.
const ROOM: u32 = 16;

/// `struct krsi_cgroup_step` and `struct krsi_cgroup_node` of the templates.
type Step = [u8; 4 + NAME];
type Node = [u8; 8];

/// A cgroup that a scope names.
pub struct Named {
    pub condition: Condition,
    /// As the script has it.
    pub path: PathBuf,
    /// The id of the cgroup there, as far as is known; `None` while there is none.
    pub id: Option<u64>,
}

/// What has happened to the cgroup of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub previous: Option<u64>,
    pub now: Option<u64>,
}

impl Named {
    /// Looks the directory up.
    ///
    /// # Errors
    /// If it is not a cgroup v2 directory.
    pub fn new(condition: Condition, path: &Path) -> Result<Self, KernelError> {
        let refuse = |reason: String| KernelError::Cgroup { path: path.into(), reason };
        let kind = statfs(path).map_err(|e| refuse(e.desc().to_owned()))?.filesystem_type();
        if kind != CGROUP2_SUPER_MAGIC {
            return Err(refuse("this is not a cgroup v2 directory".into()));
        }
        let id = path.metadata().map_err(|e| refuse(e.to_string()))?.ino();
        Ok(Named { condition, path: path.into(), id: Some(id) })
    }

    /// Looks again; `Some` if another cgroup is there, or none any more.
    pub fn look(&mut self) -> Option<Seen> {
        let now = id_at(&self.path);
        (now != self.id).then(|| Seen { previous: std::mem::replace(&mut self.id, now), now })
    }
}

/// A cgroup's id is the inode number of its directory (kernfs); `None` if there is none there.
pub fn id_at(path: &Path) -> Option<u64> {
    let is_cgroup = statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    path.metadata().ok().filter(|_| is_cgroup).map(|found| found.ino())
}

/// The ways down to the cgroups of one scope.
#[derive(Default)]
pub struct Ways {
    /// Each directory on them, with the number of its node.
    nodes: BTreeMap<PathBuf, u32>,
    steps: Vec<(Step, Node)>,
    /// The cgroups of `cgroup`, if these are few and the kernel tells their depths: asked for by that, without a climb.
    places: Vec<(PathBuf, u32)>,
    table: Option<HashMap<MapData, u64, u32>>,
    step_table: Option<HashMap<MapData, Step, Node>>,
    place_table: Option<Array<MapData, u64>>,
}

/// `KRSI_PLACES` of the templates.
const PLACES: usize = 4;
const PLACE_TABLE: &str = "krsi_scope_places";

/// The depth of each of the cgroups, which all are of `cgroup`; `None` if one is not, or there are too many, or
/// the kernel's own numbers do not tell how deep one is.
fn places(ends: &BTreeMap<PathBuf, u16>) -> Option<Vec<(PathBuf, u32)>> {
    /// The number of the top of all cgroups (kernfs); a mount may begin further down, as in a cgroup namespace.
    const TOP: u64 = 1;
    let depth = |path: &Path| {
        let depth = path.ancestors().position(|above| id_at(above) == Some(TOP))?;
        // A name that is too long for the table is not followed by the kernel.
        let followed = path.file_name().is_some_and(|name| name.len() < NAME - 1);
        (depth > 0 && followed).then(|| u32::try_from(depth).ok())?
    };
    if ends.len() > PLACES || ends.values().any(|of| *of != member(false)) {
        return None;
    }
    ends.keys().map(|path| Some((path.clone(), depth(path)?))).collect()
}

/// `enum krsi_cgroup_member` of the templates.
fn member(negated: bool) -> u16 {
    if negated { 2 } else { 1 }
}

impl Ways {
    /// # Errors
    /// If a directory is not there any more.
    pub fn new(named: &[&Named]) -> Result<Self, KernelError> {
        let mut ways = Ways::default();
        let mut ends: BTreeMap<PathBuf, u16> = BTreeMap::new();
        for cgroup in named {
            let refuse =
                |e: io::Error| KernelError::Cgroup { path: cgroup.path.clone(), reason: e.to_string() };
            let end = cgroup.path.canonicalize().map_err(refuse)?;
            *ends.entry(end).or_default() |= member(cgroup.condition.negated);
        }
        ways.places = places(&ends).unwrap_or_default();
        for end in ends.keys() {
            // From the top down: of what is mounted here, the top cannot be removed.
            let mut way: Vec<&Path> = end.ancestors().take_while(|path| id_at(path).is_some()).collect();
            way.reverse();
            for path in way {
                ways.add(path, &ends);
            }
        }
        Ok(ways)
    }

    fn add(&mut self, path: &Path, ends: &BTreeMap<PathBuf, u16>) {
        if self.nodes.contains_key(path) {
            return;
        }
        let node = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let from = path.parent().and_then(|parent| self.nodes.get(parent)).copied();
        self.nodes.insert(path.to_owned(), node);
        let (Some(from), Some(name)) = (from, path.file_name()) else { return };
        let name = name.as_bytes();
        // A name that is too long for the table is followed from here only.
        if name.len() < NAME - 1 {
            let mut step = [0; 4 + NAME];
            step[..4].copy_from_slice(&from.to_ne_bytes());
            step[4..4 + name.len()].copy_from_slice(name);
            let member = ends.get(path).copied().unwrap_or_default();
            let place = self.places.iter().position(|(end, _)| end == path).map_or(0, |place| place + 1);
            let mut at = [0; 8];
            at[..4].copy_from_slice(&node.to_ne_bytes());
            at[4..6].copy_from_slice(&member.to_ne_bytes());
            at[6..].copy_from_slice(&u16::try_from(place).unwrap_or_default().to_ne_bytes());
            self.steps.push((step, at));
        }
    }

    /// How large the tables of steps and of nodes must be.
    pub fn sizes(&self) -> [u32; 2] {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        [nodes.max(1), if nodes == 0 { 1 } else { nodes.saturating_add(ROOM) }]
    }

    /// How deep each place is, in their order; nothing if they are climbed to.
    pub fn depths(&self) -> Vec<u32> {
        self.places.iter().map(|(_, depth)| *depth).collect()
    }

    /// Loads what follows the cgroups, and so makes the tables.
    ///
    /// # Errors
    /// If the kernel refuses a program or a table.
    pub fn load(&self, object: &mut Object, types: &KernelTypes) -> Result<(), KernelError> {
        if self.nodes.is_empty() {
            return Ok(());
        }
        TRACKERS.iter().try_for_each(|(program, at)| trackers::load(object, types, at, program))
    }

    /// Fills the tables, and attaches what keeps them.
    ///
    /// # Errors
    /// If a table has no room, or the kernel refuses a program.
    pub fn follow(&mut self, object: &mut Object) -> Result<(), KernelError> {
        if self.nodes.is_empty() {
            return Ok(());
        }
        let table = |table, e| KernelError::Table { table, reason: chain(&e) };
        let mut steps: HashMap<MapData, Step, Node> =
            HashMap::try_from(take(object, STEPS)?).map_err(|e| table(STEPS, e))?;
        for (step, node) in &self.steps {
            steps.insert(step, node, 0).map_err(|e| full(STEPS, &e))?;
        }
        self.step_table = Some(steps);
        self.table = Some(HashMap::try_from(take(object, NODES)?).map_err(|e| table(NODES, e))?);
        // The order matters: what is made from here on is seen by the tracepoint, and what was made before is found.
        for (program, tracepoint) in TRACKERS {
            trackers::attach(object, tracepoint, program)?;
        }
        self.find()?;
        let mut places: Array<MapData, u64> =
            Array::try_from(take(object, PLACE_TABLE)?).map_err(|e| table(PLACE_TABLE, e))?;
        for (place, (path, _)) in (0..).zip(&self.places) {
            // Unless the tracepoint has come in between with a newer one.
            let mut written = 0;
            while let Some(now) = id_at(path)
                && now != written
                && places.get(&place, 0).map_err(|e| table(PLACE_TABLE, e))? == written
            {
                places.set(place, now, 0).map_err(|e| table(PLACE_TABLE, e))?;
                written = now;
            }
        }
        self.place_table = Some(places);
        Ok(())
    }

    /// Looks whether another process has changed by what the cgroups are followed, and puts that back; gives how many entries were
    /// put there, and how many taken out. The kernel's side writes to two of the tables as well, before the directory of a cgroup can
    /// be seen and after it is gone: what was there the whole time has its entries.
    ///
    /// # Errors
    /// If a table cannot be read, or has no room.
    pub fn restore(&mut self) -> Result<(usize, usize), KernelError> {
        let (mut put, mut taken) = self.restore_steps()?;
        if let Some(table) = &mut self.table {
            for (path, node) in &self.nodes {
                let Some(id) = id_at(path) else { continue };
                let found = table.get(&id, 0).ok();
                if found != Some(*node) && id_at(path) == Some(id) {
                    table.insert(id, node, 0).map_err(|e| full(NODES, &e))?;
                    taken += 1;
                    put += usize::from(found.is_some());
                }
            }
        }
        let unreadable = |e| KernelError::Table { table: PLACE_TABLE, reason: chain(&e) };
        if let Some(table) = &mut self.place_table {
            for (place, (path, _)) in (0..).zip(&self.places) {
                let Some(id) = id_at(path) else { continue };
                let found = table.get(&place, 0).map_err(unreadable)?;
                if found != id && id_at(path) == Some(id) {
                    table.set(place, id, 0).map_err(unreadable)?;
                    taken += 1;
                    put += usize::from(found != 0);
                }
            }
        }
        Ok((put, taken))
    }

    /// The kernel's side only reads these.
    fn restore_steps(&mut self) -> Result<(usize, usize), KernelError> {
        let Some(table) = &mut self.step_table else { return Ok((0, 0)) };
        let found: BTreeMap<Step, Node> =
            table.iter().collect::<Result<_, _>>().map_err(|e| full(STEPS, &e))?;
        let is_ours = |step: &Step| self.steps.iter().any(|(own, _)| own == step);
        let put: Vec<Step> = found.keys().filter(|step| !is_ours(step)).copied().collect();
        let mut taken = 0;
        for (step, node) in self.steps.iter().filter(|(step, node)| found.get(step) != Some(node)) {
            table.insert(step, node, 0).map_err(|e| full(STEPS, &e))?;
            taken += 1;
        }
        for step in &put {
            let _ = table.remove(step);
        }
        Ok((put.len(), taken))
    }

    /// Whether a cgroup of this id was found at a node, by the kernel's side or by this one.
    pub fn has(&self, id: u64) -> bool {
        self.table.as_ref().is_some_and(|table| table.get(&id, 0).is_ok())
    }

    /// Puts the cgroups that are at the nodes now into the table.
    ///
    /// # Errors
    /// If it has no room.
    pub fn find(&mut self) -> Result<(), KernelError> {
        let Some(table) = &mut self.table else { return Ok(()) };
        for (path, node) in &self.nodes {
            if let Some(id) = id_at(path) {
                table.insert(id, node, 0).map_err(|e| full(NODES, &e))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn steps_lie_where_the_templates_have_them() {
        let shapes = Shapes::of("file_open");
        assert_eq!(NAME, shapes.length("krsi_cgroup_step", "name"));
        assert_eq!(size_of::<Step>(), shapes.size("krsi_cgroup_step"));
        assert_eq!(size_of::<Node>(), shapes.size("krsi_cgroup_node"));
        let members = |negated| u64::from(member(negated));
        assert_eq!(members(false), shapes.number("krsi_cgroup_member", "KRSI_CGROUP_MEMBER"));
        assert_eq!(members(true), shapes.number("krsi_cgroup_member", "KRSI_CGROUP_NOT_MEMBER"));

        let mut ways = Ways::default();
        ways.add(Path::new("/"), &BTreeMap::new());
        ways.add(Path::new("/a"), &BTreeMap::from([(PathBuf::from("/a"), 2)]));
        let (step, node) = &ways.steps[0];
        assert_eq!(step[shapes.offset("krsi_cgroup_step", "name")], b'a');
        assert_eq!(node[shapes.offset("krsi_cgroup_node", "node")], 1);
        assert_eq!(node[shapes.offset("krsi_cgroup_node", "member")], 2);
    }
}
