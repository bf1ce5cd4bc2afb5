//! Who is spared by this shell's own denials: the shell, its ancestors, and with them PID 1,
//! by task identity and not by name.

use aya::maps::{HashMap, Map, MapData};
use procfs::process::Process;

use super::{KernelError, load::chain};

/// Far more than any chain of parents is long; a cycle cannot be, but /proc is read while it changes.
const DEEPEST: usize = 128;

/// Writes the guarded processes: pid and start time in ticks since boot.
pub fn set(map: Map) -> Result<(), KernelError> {
    let refuse = |reason: String| KernelError::Table { table: "krsi_guard", reason };
    let mut table: HashMap<MapData, u32, u64> = HashMap::try_from(map).map_err(|e| refuse(chain(&e)))?;
    for (pid, start) in shell_and_ancestors() {
        table.insert(pid, start, 0).map_err(|e| refuse(chain(&e)))?;
    }
    Ok(())
}

fn shell_and_ancestors() -> Vec<(u32, u64)> {
    let mut chain = Vec::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next.filter(|pid| *pid > 0 && chain.len() < DEEPEST) {
        let Ok(stat) = Process::new(pid).and_then(|p| p.stat()) else { break };
        chain.push((pid.unsigned_abs(), stat.starttime));
        next = Some(stat.ppid);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_begins_with_this_process_and_has_its_parent() {
        let chain = shell_and_ancestors();
        assert_eq!(chain[0].0, std::process::id());
        assert!(chain.iter().any(|(pid, _)| *pid == std::os::unix::process::parent_id()));
    }
}
