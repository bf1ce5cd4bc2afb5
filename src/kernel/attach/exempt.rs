//! Who is spared by this shell's own denials: the shell, its ancestors, and with them PID 1,
//! by task identity and not by name.
//!
//! The kernel itself lists them: process ids and start times of /proc are those of a namespace, and in a pid namespace
//! of the shell's own (a container) they would spare nobody, or another process.

use aya::maps::{HashMap, Map};

use crate::{
    kernel::{KernelError, errno::chain, names::lineage::Process, waker::Spared},
    system::clock::TICK_NS,
};

/// Writes the guarded processes, pid and start time in ticks since boot; gives the table, for who is spared later.
///
/// # Errors
/// If the kernel refuses an entry.
pub fn set(map: Map, spared: &[Process]) -> Result<Spared, KernelError> {
    let refuse = |reason: String| KernelError::Table { table: "krsi_guard", reason };
    let mut table: Spared = HashMap::try_from(map).map_err(|e| refuse(chain(&e)))?;
    for process in spared {
        table.insert(process.pid, process.start_ns / TICK_NS, 0).map_err(|e| refuse(chain(&e)))?;
    }
    Ok(table)
}
