//! Scope by process subtree: seeds the kernel's set of processes, which from then on keeps
//! itself by the fork and exit tracepoints of the same object.

use std::collections::BTreeMap;

use aya::maps::{HashMap, MapData};
use procfs::process::{Process, all_processes};

use crate::{
    kernel::{
        KernelError,
        attach::trackers::track,
        errno::chain,
        host::tracepoints,
        load::{kernel_types::KernelTypes, object::Object},
        maps::{full, take},
    },
    system::namespaces,
};

pub const TABLE: &str = "krsi_scope_pids";

/// Which of the scope's subtrees a process belongs to: `enum krsi_subtree` of the templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tree(u8);

impl Tree {
    /// The subtrees of `pid`, or of `not_pid`.
    pub fn add(&mut self, negated: bool) {
        self.0 |= if negated { 2 } else { 1 };
    }
}

/// Attaches the tracepoints, then adds `roots` and all their descendants.
///
/// # Errors
/// If a root does not exist, or process ids here are not the kernel's own.
pub fn follow(
    object: &mut Object,
    types: &KernelTypes,
    roots: &BTreeMap<u32, Tree>,
) -> Result<(), KernelError> {
    for pid in roots.keys() {
        check(*pid)?;
    }
    // The order matters: what is forked from here on is seen by the tracepoint, and what
    // was forked before is found in /proc.
    // An exit that is not seen leaves an entry behind, which goes when another process has the id.
    let fork = tracepoints::forks(types.version, "krsi_scope_fork", "krsi_scope_woken");
    for (tracepoint, program) in [fork, ("sched_process_exit", "krsi_scope_exit")] {
        track(object, types, tracepoint, program)?;
    }
    let mut table: HashMap<MapData, u32, u8> = HashMap::try_from(take(object, TABLE)?)
        .map_err(|e| KernelError::Table { table: TABLE, reason: chain(&e) })?;
    for (root, tree) in roots {
        add(&mut table, *root, tree.0)?;
    }
    // A child may be listed before its parent was added, so until nothing changes.
    while add_children(&mut table)? {}
    Ok(())
}

fn check(pid: u32) -> Result<(), KernelError> {
    let refuse = |reason: String| Err(KernelError::Pid { pid, reason });
    if let Err(foreign) = namespaces::process_ids() {
        return refuse(format!("{foreign}; or scope by cgroup"));
    }
    if Process::new(pid.cast_signed()).is_err() { refuse("no such process".into()) } else { Ok(()) }
}

/// Adds a process that is alive to these subtrees; if it ended meanwhile, takes it out again,
/// since its exit may have been missed. Whether anything changed.
fn add(table: &mut HashMap<MapData, u32, u8>, pid: u32, trees: u8) -> Result<bool, KernelError> {
    let known = table.get(&pid, 0).unwrap_or(0);
    if known | trees == known {
        return Ok(false);
    }
    table.insert(pid, known | trees, 0).map_err(|e| full(TABLE, &e))?;
    if Process::new(pid.cast_signed()).is_err() {
        let _ = table.remove(&pid);
    }
    Ok(true)
}

/// One pass over /proc; whether anything was added.
fn add_children(table: &mut HashMap<MapData, u32, u8>) -> Result<bool, KernelError> {
    let processes = all_processes()
        .map_err(|e| KernelError::Host { what: "list processes".into(), error: std::io::Error::other(e) })?;
    let mut changed = false;
    for stat in processes.filter_map(|p| p.ok()?.stat().ok()) {
        let (pid, parent) = (stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
        if let Ok(trees) = table.get(&parent, 0)
            && stat.state != 'Z'
        {
            changed |= add(table, pid, trees)?;
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn subtrees_have_the_templates_own_bits() {
        let shapes = Shapes::of("file_open");
        for (negated, name) in [(false, "KRSI_SUBTREE"), (true, "KRSI_NOT_SUBTREE")] {
            let mut tree = Tree::default();
            tree.add(negated);
            assert_eq!(u64::from(tree.0), shapes.number("krsi_subtree", name));
        }
    }
}
