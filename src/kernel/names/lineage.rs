//! Who this shell is: itself and its ancestors as the kernel knows them, and the kernel's clocks.
//!
//! In a namespace of its own the shell cannot know either otherwise.

use crate::{
    kernel::{
        KernelError,
        names::iterators::{Iterator, Iterators, number},
    },
    system::clock,
};

const LINEAGE: Iterator = Iterator { program: "krsi_lineage", kind: "task" };

/// A process as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// In the initial pid namespace.
    pub pid: u32,
    /// On the kernel's CLOCK_BOOTTIME.
    pub start_ns: u64,
}

/// Lists the shell and its ancestors, the shell first; and learns the kernel's clocks.
///
/// # Errors
/// If the kernel does not answer.
pub fn lineage(iterators: &Iterators) -> Result<Vec<Process>, KernelError> {
    let failed = |error: String| KernelError::Program { what: "learn who this shell is".into(), error };
    // Loading it takes a while, in which the clocks go on.
    iterators.prepare(LINEAGE).map_err(failed)?;
    let before = clock::read();
    let bytes = iterators.output(LINEAGE).map_err(failed)?;
    let after = clock::read();
    let mut pairs = bytes.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).peekable();
    let empty = || failed("the kernel's list of tasks is empty".into());
    let (monotonic, boottime) = pairs.next().ok_or_else(empty)?;
    let (_, start_ns) = *pairs.peek().ok_or_else(empty)?;
    clock::learn(before, monotonic, boottime, after, start_ns);
    Ok(pairs.map(|(pid, start_ns)| Process { pid: pid as u32, start_ns }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::names::iterators::tests::iterators;

    /// The kernel's list of this process and its ancestors is that of /proc, where both are of the same namespaces.
    #[test]
    fn the_kernel_lists_this_process_and_its_ancestors() {
        let Some(iterators) = iterators() else { return };
        let lineage = lineage(&iterators).unwrap();
        let mut pid = std::process::id().cast_signed();
        for process in &lineage {
            let stat = procfs::process::Process::new(pid).unwrap().stat().unwrap();
            assert_eq!((process.pid, process.start_ns / 10_000_000), (stat.pid as u32, stat.starttime));
            pid = stat.ppid;
        }
        assert!(lineage.len() > 1 && lineage[1].pid == std::os::unix::process::parent_id());
        let here = clock::read();
        let nearly = |kernel: i64, here: i64| (kernel - here).abs() < 1_000_000_000;
        assert!(nearly(clock::monotonic_ns(), here.monotonic()));
        assert_eq!(clock::start_offset_ns(), 0);
    }
}
