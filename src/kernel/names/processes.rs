//! What is kept of each process from its exec on: its executable and its arguments (`_processes.bpf.c`).
//!
//! Programs on exec, fork and exit keep it; what ran before is read from /proc, once they are attached: an entry that they
//! have made meanwhile is newer, and stays.

use std::{fs, os::fd::OwnedFd, os::unix::ffi::OsStrExt, sync::Arc};

use aya::maps::{HashMap, Map, MapData};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        host::tracepoints,
        load::{
            PROCESSES, explained,
            kernel_types::KernelTypes,
            object::{Object, Size},
            patch,
        },
        names::iterators::number,
    },
    system::clock,
};

pub static OBJECT: &[u8] = include_bytes!("../../../ebpf-templates/objects/_processes.bpf.o");

/// Tracepoint and program of what keeps the records.
const EXIT: (&str, &str) = ("sched_process_exit", "krsi_process_exit");
const EXEC: (&str, &str) = ("sched_process_exec", "krsi_process_exec");
const UNKNOWN: &str = "krsi_unknown_processes";

/// How often /proc is read, at most: a process that is started meanwhile by one without a record has none either.
const PASSES: usize = 8;

/// `struct krsi_process` of the templates.
const EXE: usize = 256;
const ARGV: usize = 1024;
/// Where its texts begin.
const EXE_AT: usize = 28;
const REVERSED_AT: usize = EXE_AT + EXE + 4;
const ARGV_AT: usize = REVERSED_AT + EXE;
const SIZE: usize = ARGV_AT + ARGV;

/// The programs that keep records of processes, and their table.
pub struct Processes {
    /// Its programs are attached as long as it is here.
    attached: Object,
    map: Arc<OwnedFd>,
}

impl Processes {
    /// Begins to keep them, and finds what runs already. `slots`: processes that can execute something at once.
    ///
    /// # Errors
    /// If the kernel refuses a program or the table.
    pub fn keep(types: &KernelTypes, slots: u32) -> Result<Self, KernelError> {
        let failed = |error: String| KernelError::Program { what: "keep what processes are".into(), error };
        let constants = [("krsi_slots", slots), ("krsi_kernel", types.version)];
        let bytes = patch::with_numbers(OBJECT, &constants).map_err(failed)?;
        let size = |map| Size { map, entries: slots, key: None };
        let sizes = [size("krsi_scratch"), size("krsi_claims")];
        let mut object =
            Object::new(&bytes, Vec::new(), types, &sizes).map_err(|error| failed(explained(&error)))?;
        let fork = tracepoints::forks(types.version, "krsi_process_fork", "krsi_process_woken");
        for (tracepoint, program) in [EXIT, fork, EXEC] {
            object.load(program, tracepoint, types).map_err(|error| failed(explained(&error)))?;
        }
        for (_, program) in [EXIT, fork, EXEC] {
            object.attach(program).map_err(|error| failed(chain(&error)))?;
        }
        // What one passes over, another one does not.
        object
            .attach_copies(EXEC.1, EXEC.0, types, tracepoints::copies(types.version))
            .map_err(|error| failed(explained(&error)))?;
        object.load(UNKNOWN, "task", types).map_err(|error| failed(explained(&error)))?;
        let table = object.map(PROCESSES).map_err(|error| failed(chain(&error)))?;
        let table = table.ok_or_else(|| failed(format!("it has no map `{PROCESSES}`")))?;
        find_others(&object, table).map_err(failed)?;
        let map = object.descriptor(PROCESSES).map_err(|error| failed(chain(&error)))?;
        Ok(Processes { attached: object, map: map.into() })
    }

    /// What is attached for that.
    pub fn object(&self) -> &Object {
        &self.attached
    }

    /// The table of the records.
    pub fn map(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.map)
    }
}

/// Makes records of the processes that have none.
fn find_others(object: &Object, table: Map) -> Result<(), String> {
    const ONLY_NEW: u64 = 1;
    let mut table: HashMap<MapData, u32, [u8; SIZE]> = HashMap::try_from(table).map_err(|e| chain(&e))?;
    let mut records = 0_u64;
    for _ in 0..PASSES {
        let bytes = object.output(UNKNOWN).map_err(|error| chain(&error))?;
        let unknown = bytes.chunks_exact(Unknown::SIZE).map(Unknown::read);
        let mut found = 0;
        for process in unknown {
            let Some(mut record) = record(&process) else { continue };
            records += 1;
            record[..8].copy_from_slice(&records.to_ne_bytes());
            // What is there by now is newer. A full table is told by what cannot be told.
            found += usize::from(table.insert(process.pid, record, ONLY_NEW).is_ok());
            // It may have ended before, and then nobody takes the record away.
            if !process.is_there() {
                let _ = table.remove(&process.pid);
            }
        }
        if found == 0 {
            break;
        }
    }
    Ok(())
}

/// `struct unknown_process` of `_processes.bpf.c`.
struct Unknown {
    pid: u32,
    own_pid: u32,
    start_ns: u64,
    execution: u64,
}

impl Unknown {
    const SIZE: usize = 24;

    fn read(bytes: &[u8]) -> Self {
        let half = |at: usize| number(&bytes[at..at + 4]) as u32;
        Unknown {
            pid: half(0),
            own_pid: half(4),
            start_ns: number(&bytes[8..16]),
            execution: number(&bytes[16..Self::SIZE]),
        }
    }

    /// Whether /proc has this process still, and not another of its id.
    fn is_there(&self) -> bool {
        const TICK_NS: i64 = 10_000_000;
        let stat = i32::try_from(self.own_pid)
            .ok()
            .and_then(|pid| procfs::process::Process::new(pid).ok())
            .and_then(|process| process.stat().ok());
        let Some(stat) = stat.filter(|stat| stat.state != 'Z' && stat.state != 'X') else { return false };
        let in_ticks = (self.start_ns.cast_signed() + clock::start_offset_ns()) / TICK_NS;
        // Before Linux 5.11 /proc has the host's own clock.
        let in_host_ticks = self.start_ns.cast_signed() / TICK_NS;
        [in_ticks, in_host_ticks].iter().any(|ticks| ticks.abs_diff(stat.starttime.cast_signed()) <= 1)
    }
}

/// What /proc tells of a process; `None` if it has gone, or is in no namespace of ours.
fn record(of: &Unknown) -> Option<[u8; SIZE]> {
    const DELETED: &[u8] = b" (deleted)";
    let place = format!("/proc/{}", of.own_pid);
    let exe = fs::read_link(format!("{place}/exe")).ok()?;
    let exe = exe.as_os_str().as_bytes();
    let exe = exe.strip_suffix(DELETED).unwrap_or(exe);
    let argv = fs::read(format!("{place}/cmdline")).ok()?;
    if !of.is_there() {
        return None;
    }
    let mut record = [0; SIZE];
    let length = argv.len().min(ARGV);
    record[8..16].copy_from_slice(&of.execution.to_ne_bytes());
    record[16..20].copy_from_slice(&u32::try_from(length).ok()?.to_ne_bytes());
    record[20..24].copy_from_slice(&u32::from(argv.len() > ARGV).to_ne_bytes());
    let shown = exe.len().min(EXE - 1);
    let mut path = exe[..shown].to_vec();
    for at in [EXE_AT, REVERSED_AT] {
        record[at - 4..at].copy_from_slice(&u32::try_from(8 * shown).ok()?.to_ne_bytes());
        record[at..at + shown].copy_from_slice(&path);
        path.reverse();
    }
    record[ARGV_AT..ARGV_AT + length].copy_from_slice(&argv[..length]);
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::origin, template::shapes::Shapes};

    #[test]
    fn records_are_the_templates_own() {
        let shapes = Shapes::of("file_open");
        let at = |member: &str| shapes.offset("krsi_process", member);
        let fixed = [at("number"), at("execution"), at("argv_length"), at("argv_cut")];
        assert_eq!(fixed, [0, 8, 16, 20]);
        let texts = [at("exe_bits") + 4, at("exe"), at("reversed_bits") + 4, at("reversed_exe"), at("argv")];
        assert_eq!(texts, [EXE_AT, EXE_AT, REVERSED_AT, REVERSED_AT, ARGV_AT]);
        let object = aya_obj::Object::parse(OBJECT).unwrap();
        let table = &object.maps[PROCESSES];
        let sizes = [table.max_entries(), table.value_size()].map(|size| size as usize);
        assert_eq!(sizes, [origin::RECORDS, SIZE]);
        assert_eq!(origin::RECORDS_SIZE, origin::RECORDS * (SIZE + 56));
    }
}
