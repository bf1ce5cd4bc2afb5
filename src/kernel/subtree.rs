//! Scope by process subtree: seeds the kernel's set of processes, which from then on keeps
//! itself by the fork and exit tracepoints of the same object.

use std::collections::BTreeSet;

use aya::{
    Btf, Ebpf,
    maps::{HashMap, MapData},
    programs::Program,
};
use procfs::process::{Process, all_processes};

use super::{KernelError, load::chain};

const TABLE: &str = "krsi_scope_pids";
/// The inode of the initial pid namespace (PROC_PID_INIT_INO).
const INITIAL_PID_NS: u64 = 0xEFFF_FFFC;

/// Attaches the tracepoints, then adds `roots` and all their descendants.
///
/// # Errors
/// If a root does not exist, or process ids here are not the kernel's own.
pub fn follow(ebpf: &mut Ebpf, btf: &Btf, roots: &BTreeSet<u32>) -> Result<(), KernelError> {
    check_namespace(roots)?;
    for pid in roots {
        if Process::new(pid.cast_signed()).is_err() {
            return Err(KernelError::Pid { pid: *pid, reason: "no such process".into() });
        }
    }
    // The order matters: whoever is forked from here on is seen by the tracepoint, and whoever
    // was forked before is found in /proc.
    for (program, tracepoint) in
        [("krsi_scope_fork", "sched_process_fork"), ("krsi_scope_exit", "sched_process_exit")]
    {
        attach(ebpf, btf, program, tracepoint)?;
    }
    let map = ebpf.map_mut(TABLE).ok_or(KernelError::Table { table: TABLE, reason: "missing".into() })?;
    let mut table: HashMap<&mut MapData, u32, u8> =
        HashMap::try_from(map).map_err(|e| KernelError::Table { table: TABLE, reason: chain(&e) })?;
    for root in roots {
        add(&mut table, *root)?;
    }
    // A child may be listed before its parent was added, so until nothing changes.
    while add_children(&mut table)? {}
    Ok(())
}

fn check_namespace(roots: &BTreeSet<u32>) -> Result<(), KernelError> {
    let own = Process::myself().and_then(|p| p.namespaces()).ok();
    let inode = own.and_then(|n| n.0.get(std::ffi::OsStr::new("pid")).map(|ns| ns.identifier));
    match (inode, roots.first()) {
        (Some(inode), Some(pid)) if inode != INITIAL_PID_NS => Err(KernelError::Pid {
            pid: *pid,
            reason: "this shell is in a pid namespace of its own, where process ids are not the kernel's\n\
                     cure: run krsi-sh in the host's pid namespace, or scope by cgroup"
                .into(),
        }),
        _ => Ok(()),
    }
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, name: &str, tracepoint: &str) -> Result<(), KernelError> {
    let failed =
        |error: String| KernelError::Program { what: format!("follow processes by `{tracepoint}`"), error };
    let Some(Program::BtfTracePoint(program)) = ebpf.program_mut(name) else {
        return Err(failed(format!("the object has no `{name}`")));
    };
    program.load(tracepoint, btf).map_err(|e| failed(chain(&e)))?;
    program.attach().map_err(|e| failed(chain(&e)))?;
    Ok(())
}

/// Adds a process that is alive; if it ended meanwhile, takes it out again, since
/// its exit may have been missed.
fn add(table: &mut HashMap<&mut MapData, u32, u8>, pid: u32) -> Result<(), KernelError> {
    table.insert(pid, 1, 0).map_err(|e| KernelError::Table { table: TABLE, reason: chain(&e) })?;
    if Process::new(pid.cast_signed()).is_err() {
        let _ = table.remove(&pid);
    }
    Ok(())
}

/// One pass over /proc; whether anything was added.
fn add_children(table: &mut HashMap<&mut MapData, u32, u8>) -> Result<bool, KernelError> {
    let processes = all_processes()
        .map_err(|e| KernelError::Host { what: "list processes", error: std::io::Error::other(e) })?;
    let mut changed = false;
    for stat in processes.filter_map(|p| p.ok()?.stat().ok()) {
        let (pid, parent) = (stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
        if stat.state != 'Z' && table.get(&parent, 0).is_ok() && table.get(&pid, 0).is_err() {
            add(table, pid)?;
            changed = true;
        }
    }
    Ok(changed)
}
