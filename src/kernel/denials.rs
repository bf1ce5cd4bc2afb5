//! System calls of some processes that are refused, as the kernel tells them (`_why.bpf.c`).
//!
//! In: processes, the functions whose refusals are to be noted, and what each system call is about. Out: one record for
//! each call that is refused, with the functions that have refused something within it, the innermost first. What they
//! mean is not known here.

use std::{
    collections::BTreeMap,
    fs,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::Duration,
};

use aya::maps::{Array, HashMap, MapData, RingBuf, stack_trace::StackTraceMap};
use aya_obj::generated::{bpf_attr, bpf_cmd};
use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    facts::bpf::Program,
    kernel::{
        KernelError,
        call::{bpf, descriptor},
        errno::chain,
        host::{self, tracepoints},
        load::{
            explained,
            kernel_types::{self, KernelTypes},
            object::{Object, ObjectError, OtherProgram},
            patch,
            target::{self, Prototype, Target},
            types::Wanted,
        },
        names::iterators::number,
        programs,
    },
    system::limits,
};

static OBJECT: &[u8] = include_bytes!("../../ebpf-templates/objects/_why.bpf.o");

const PIDS: &str = "krsi_why_pids";
const CALLS: &str = "krsi_why_calls";
const LOST: &str = "krsi_why_lost";
const DENIALS: &str = "krsi_denials";
const STACKS: &str = "krsi_stacks";
/// Different stacks that are kept at most.
const STACK_ROOM: u32 = 4096;
/// Tasks that can be refused something at once.
const SLOTS: u32 = 16;
/// Functions' numbers end before this; from here on it is a program of BPF's, by its id.
const FIRST_PROGRAM: u32 = 1 << 24;
/// Reasons that are kept of a call.
const REASONS: usize = 8;
const GROUPS: usize = 32;
const TEXT: usize = 256;
const ADDRESS: usize = TEXT / 2;

/// What the program at a function's exit knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// That it returns an errno.
    Plain,
    /// Besides, that its first argument says what is asked.
    Asked,
    Capability,
    /// It asks about an inode.
    Inode,
    /// It asks about a mount.
    Mount,
    /// It says whether nothing may be executed from somewhere.
    Noexec,
    /// It asks seccomp.
    Filter,
}

impl Sort {
    fn program(self, version: u32) -> &'static str {
        const WITH_IDS: u32 = 5 << 16 | 12 << 8;
        match self {
            Sort::Plain => "krsi_why_returned",
            Sort::Asked => "krsi_why_asked",
            Sort::Capability => "krsi_why_capable",
            Sort::Inode if version < WITH_IDS => "krsi_why_inode_alone",
            Sort::Inode => "krsi_why_inode",
            Sort::Mount => "krsi_why_mount",
            Sort::Noexec => "krsi_why_noexec",
            Sort::Filter => "krsi_why_filtered",
        }
    }
}

/// A function of the kernel's whose refusals are to be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub sort: Sort,
}

/// Which arguments of a system call say what it is about, from 1 on; 0: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subject {
    pub texts: [u8; 2],
    /// Of the first text.
    pub directory: u8,
    pub descriptor: u8,
    pub address: u8,
}

impl Subject {
    /// `struct krsi_call` of the object.
    fn bytes(self) -> [u8; 8] {
        let Subject { texts: [first, second], directory, descriptor, address } = self;
        [first, second, directory, descriptor, address, 0, 0, 0]
    }
}

/// Who has refused something within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuser {
    /// A function, by its place in the list that was given.
    Function(usize),
    /// A program of BPF's, by its id.
    Program(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub refuser: Refuser,
    /// Negative, as the kernel has it.
    pub result: i32,
    /// A capability; what is asked; flags of a mount; the number of an inode.
    pub first: u64,
    /// A user namespace; flags of a file system; the device of an inode.
    pub second: u64,
}

/// The inode that was asked about last by what has refused it; its ids are the kernel's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inode {
    pub number: u64,
    pub device: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub flags: u32,
    pub super_flags: u32,
    /// `MAY_READ` and so on.
    pub asked: u32,
    pub has_acl: bool,
}

/// A system call that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denial {
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    pub number: u32,
    /// Negative, as the kernel has it.
    pub result: i32,
    /// One of the calls of 32-bit programs, which have other numbers.
    pub is_compat: bool,
    /// Whether seccomp has let it pass.
    pub was_begun: bool,
    pub arguments: [u64; 6],
    pub uid: u32,
    pub euid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    pub capabilities: u64,
    pub user_ns: u32,
    /// As many as are told; there may be more.
    pub groups: Vec<u32>,
    pub has_more_groups: bool,
    /// The innermost first; of many, the last ones.
    pub reasons: Vec<Reason>,
    pub inode: Inode,
    pub comm: Vec<u8>,
    pub texts: [Vec<u8>; 2],
    /// Of a socket, as user space has given it.
    pub address: Vec<u8>,
    /// What the first text is relative to, or the file that the call is about.
    pub directory: Vec<u8>,
    /// Where the process was, innermost first, if that is wanted.
    pub stack: Vec<u64>,
}

/// Takes numbers and bytes off the beginning of a record.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// As many zeros as there are bytes missing.
    fn bytes(&mut self, length: usize) -> &'b [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn long(&mut self) -> u64 {
        number(self.bytes(8))
    }

    fn word(&mut self) -> u32 {
        number(self.bytes(4)) as u32
    }

    fn text(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.bytes(length);
        bytes.iter().copied().take_while(|byte| *byte != 0).collect()
    }
}

impl Denial {
    /// `struct krsi_denial` of the object.
    const SIZE: usize = 1408;

    /// Gives the number of its stack, too.
    fn read(bytes: &[u8]) -> (Self, u32) {
        let mut fields = Fields(bytes);
        let mut denial = Denial {
            time_ns: fields.long(),
            pid: fields.word(),
            tid: fields.word(),
            number: fields.word(),
            result: fields.word().cast_signed(),
            is_compat: fields.word() != 0,
            was_begun: fields.word() != 0,
            ..Denial::default()
        };
        denial.arguments = std::array::from_fn(|_| fields.long());
        fields.bytes(2 * 8);
        denial.uid = fields.word();
        denial.euid = fields.word();
        denial.fsuid = fields.word();
        denial.fsgid = fields.word();
        denial.capabilities = fields.long();
        denial.user_ns = fields.word();
        let count = fields.word() as usize;
        let groups: Vec<u32> = (0..GROUPS).map(|_| fields.word()).collect();
        denial.groups = groups.into_iter().take(count).collect();
        denial.has_more_groups = count > GROUPS;
        let count = fields.word() as usize;
        let stack = fields.word();
        let reasons: Vec<Reason> = (0..REASONS).map(|_| reason(&mut fields)).collect();
        // The last ones are kept, each at its number modulo as many as there is room for.
        denial.reasons = (count.saturating_sub(REASONS)..count).map(|at| reasons[at % REASONS]).collect();
        denial.inode = Inode {
            number: fields.long(),
            device: fields.word(),
            mode: fields.word(),
            uid: fields.word(),
            gid: fields.word(),
            flags: fields.word(),
            super_flags: fields.word(),
            asked: fields.word(),
            has_acl: fields.word() != 0,
        };
        denial.comm = fields.text(16);
        denial.texts = std::array::from_fn(|_| fields.text(TEXT));
        denial.address = fields.bytes(ADDRESS).to_vec();
        denial.directory = fields.text(TEXT);
        (denial, stack)
    }
}

fn reason(fields: &mut Fields<'_>) -> Reason {
    let function = fields.word();
    let refuser = match function.checked_sub(FIRST_PROGRAM) {
        Some(id) => Refuser::Program(id),
        None => Refuser::Function(function as usize),
    };
    Reason { refuser, result: fields.word().cast_signed(), first: fields.long(), second: fields.long() }
}

/// Processes whose refusals are told, until this is dropped.
pub struct Watch {
    object: Object,
    ring: RingBuf<MapData>,
    stacks: Option<StackTraceMap<MapData>>,
    /// For each function whether it is watched.
    pub watched: Vec<bool>,
    /// Why no function can be.
    pub without_functions: Option<String>,
    /// Functions that the kernel has and does not let be watched, and why.
    pub refused: Vec<(String, String)>,
    /// The LSM programs that are watched.
    pub programs: Vec<u32>,
    /// All programs that there were in the beginning.
    pub found: Vec<Program>,
}

impl Watch {
    /// Watches a process and all that it starts from here on, and what descends from it already.
    ///
    /// # Errors
    /// If this host has not even tracepoints for it, or the process ends.
    pub fn begin(
        roots: &[u32],
        functions: &[Function],
        calls: &[(u32, Subject)],
        with_stacks: bool,
    ) -> Result<Self, KernelError> {
        host::check()?;
        limits::lift_locked_memory();
        limits::lift_files_to_hard();
        let mut wanted = Wanted::default();
        wanted.add(OBJECT);
        wanted.add_functions(functions.iter().map(|function| function.name.as_str()));
        let types = kernel_types::types(wanted)?;
        let mut object = object(types, true, with_stacks)?;
        let (watched, refused) = attach_to_functions(&mut object, functions, types);
        let first =
            || refused.first().map_or_else(|| "the kernel has none of them".into(), |(_, why)| why.clone());
        let without_functions = (!watched.contains(&true)).then(first);
        // Without the list, what they refuse is told as far as it can be.
        let found = programs::programs().unwrap_or_default();
        let mut attached = Vec::new();
        if without_functions.is_some() {
            object = self::object(types, false, with_stacks)?;
        } else {
            attached = attach_to_programs(&mut object, types, &found);
        }
        follow(&mut object, types, roots, calls, without_functions.is_none())?;
        let ring = RingBuf::try_from(map(&object, DENIALS)?).map_err(|error| table(DENIALS, &error))?;
        let stacks = match with_stacks {
            true => {
                Some(StackTraceMap::try_from(map(&object, STACKS)?).map_err(|error| table(STACKS, &error))?)
            }
            false => None,
        };
        Ok(Watch { object, ring, stacks, watched, without_functions, refused, programs: attached, found })
    }

    /// What has been refused since, waiting for some so long at most.
    pub fn read(&mut self, patience: Duration) -> Vec<Denial> {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        // SAFETY: the ring buffer owns its descriptor, and lives on.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) };
        // What interrupts it is looked after by the caller.
        let _ = poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], timeout);
        let mut found = Vec::new();
        while let Some(record) = self.ring.next() {
            if record.len() >= Denial::SIZE {
                let (mut denial, stack) = Denial::read(&record);
                denial.stack =
                    self.stacks.as_ref().and_then(|stacks| frames(stacks, stack)).unwrap_or_default();
                found.push(denial);
            }
        }
        found
    }

    /// How many refusals could not be told.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn lost(&self) -> Result<u64, KernelError> {
        let counter: Array<MapData, u64> =
            Array::try_from(map(&self.object, LOST)?).map_err(|error| table(LOST, &error))?;
        let told = counter.get(&0, 0).map_err(|error| table(LOST, &error))?;
        let passed_over: u64 =
            ["krsi_why_entered", "krsi_why_left"].map(|p| self.object.missed(p)).iter().sum();
        // A copy has made up for what was passed over, as far as anybody knows.
        Ok(if tracepoints::copies(host::version()?) > 0 { told } else { told + passed_over })
    }
}

fn cannot(error: String) -> KernelError {
    KernelError::Program { what: "watch what is refused".into(), error }
}

fn table(table: &'static str, error: &(dyn std::error::Error + 'static)) -> KernelError {
    KernelError::Table { table, reason: chain(error) }
}

/// The frames of a stack, by its number and one more.
fn frames(stacks: &StackTraceMap<MapData>, number: u32) -> Option<Vec<u64>> {
    let trace = stacks.get(&number.checked_sub(1)?, 0).ok()?;
    Some(trace.frames().iter().map(|frame| frame.ip).collect())
}

fn object(types: &KernelTypes, with_functions: bool, with_stacks: bool) -> Result<Object, KernelError> {
    use crate::kernel::load::object::Size;
    let constants = [
        ("krsi_slots", SLOTS),
        ("krsi_kernel", types.version),
        ("krsi_functions", u32::from(with_functions)),
        ("krsi_stack", u32::from(with_stacks)),
    ];
    let bytes = patch::with_numbers(OBJECT, &constants).map_err(cannot)?;
    let size = |map| Size { map, entries: SLOTS, key: None };
    let stacks = Size { map: STACKS, entries: if with_stacks { STACK_ROOM } else { 1 }, key: None };
    let sizes = [size("krsi_scratch"), size("krsi_claims"), stacks];
    Object::new(&bytes, Vec::new(), types, &sizes).map_err(|error| cannot(explained(&error)))
}

fn map(object: &Object, name: &'static str) -> Result<aya::maps::Map, KernelError> {
    let found = object.map(name).map_err(|error| table(name, &error))?;
    found.ok_or_else(|| KernelError::Table { table: name, reason: "no program has it".into() })
}

/// Attaches to those that the kernel has and lets be watched. Gives for each whether it is, and which it refuses, and why.
fn attach_to_functions(
    object: &mut Object,
    functions: &[Function],
    types: &KernelTypes,
) -> (Vec<bool>, Vec<(String, String)>) {
    let mut refused = Vec::new();
    let mut attach = |number: usize, function: &Function| {
        let number = u32::try_from(number).unwrap_or(FIRST_PROGRAM);
        match object.attach_at_exit(function.sort.program(types.version), &function.name, number, types) {
            Ok(()) => true,
            // Of some the kernel has no entry that can be watched, or too many arguments.
            Err(ObjectError::NoTarget(_)) => false,
            Err(error) => {
                refused.push((function.name.clone(), reason_of(&error)));
                false
            }
        }
    };
    let watched: Vec<bool> = functions.iter().enumerate().map(|(at, one)| attach(at, one)).collect();
    (watched, refused)
}

/// Why a program could not be had; with the verifier's last words, if it has said something.
fn reason_of(error: &ObjectError) -> String {
    const LAST: usize = 4;
    let mut text = explained(error);
    if let ObjectError::Program { refused, .. } = error {
        let lines: Vec<&str> = refused.log.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LAST)) {
            text.push('\n');
            text.push_str(line);
        }
    }
    text
}

/// Attaches to the exits of the LSM programs that there are. What cannot be watched is told by elimination.
fn attach_to_programs(object: &mut Object, types: &KernelTypes, found: &[Program]) -> Vec<u32> {
    // The verifier of 5.10 takes a program at the exit of an LSM program for one itself, looks for the hook that it is on, and
    // takes the whole kernel down with it. Mended in some 6.x; seen to be well on 6.12.
    const FIRST_THAT_IS_WELL: u32 = 6 << 16 | 6 << 8;
    if types.version < FIRST_THAT_IS_WELL {
        return Vec::new();
    }
    let mut attached = Vec::new();
    for program in found.iter().filter(|program| program.kind == "lsm") {
        let Some((descriptor, function)) = programs::function_of(program.id) else { continue };
        let number = FIRST_PROGRAM + program.id;
        let mut attach = |arguments| {
            let prototype = Some(Prototype { arguments, is_void: false });
            let target = Target { number: function, prototype };
            let other = OtherProgram { program: descriptor.as_fd(), target };
            object.attach_at_program(Sort::Plain.program(types.version), other, number, types)
        };
        // Whether the kernel goes by the program's types it does not say; if it does, a sixth word is refused.
        if attach(CONSERVATIVE).or_else(|_| attach(1)).is_ok() {
            attached.push(program.id);
        }
    }
    attached
}

/// Arguments that the kernel takes a program to have if it does not trust its types.
const CONSERVATIVE: u16 = 5;

/// Attaches to what begins and ends processes and system calls, and says who is watched.
fn follow(
    object: &mut Object,
    types: &KernelTypes,
    roots: &[u32],
    calls: &[(u32, Subject)],
    with_functions: bool,
) -> Result<(), KernelError> {
    let failed = |error: ObjectError| cannot(explained(&error));
    let fork = tracepoints::forks(types.version, "krsi_why_fork", "krsi_why_woken");
    let left = ("sys_exit", "krsi_why_left");
    let entered = ("sys_enter", "krsi_why_entered");
    let all = [("sched_process_exit", "krsi_why_gone"), fork, entered, left];
    for (tracepoint, program) in all {
        object.load(program, tracepoint, types).map_err(failed)?;
    }
    let mut subjects: Array<MapData, [u8; 8]> =
        Array::try_from(map(object, CALLS)?).map_err(|error| table(CALLS, &error))?;
    for (number, subject) in calls {
        subjects.set(*number, subject.bytes(), 0).map_err(|error| table(CALLS, &error))?;
    }
    for (_, program) in [all[0], all[1]] {
        object.attach(program).map_err(|error| cannot(chain(&error)))?;
    }
    let mut pids: HashMap<MapData, u32, u8> =
        HashMap::try_from(map(object, PIDS)?).map_err(|error| table(PIDS, &error))?;
    for pid in with_descendants(roots) {
        pids.insert(pid, 1, 0).map_err(|error| table(PIDS, &error))?;
    }
    for (_, program) in [entered, left] {
        object.attach(program).map_err(|error| cannot(chain(&error)))?;
    }
    // Without functions a second one would take each call for one that seccomp has refused.
    if with_functions {
        for (tracepoint, program) in [entered, left] {
            let copies = tracepoints::copies(types.version);
            object.attach_copies(program, tracepoint, types, copies).map_err(failed)?;
        }
    }
    Ok(())
}

fn with_descendants(roots: &[u32]) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        if let Ok(stat) = process.stat() {
            parents.insert(stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
        }
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = parents.iter().filter(|(child, of)| **of == parent && !found.contains(child));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        at += 1;
    }
    found
}

/// The BPF programs that there are now, and where they are pinned, by id.
///
/// # Errors
/// If the kernel does not tell.
pub fn programs_and_pins() -> Result<(Vec<Program>, BTreeMap<u32, String>), KernelError> {
    let mut pins = BTreeMap::new();
    find_pins(Path::new("/sys/fs/bpf"), &mut pins, 0);
    Ok((programs::programs()?, pins))
}

fn find_pins(directory: &Path, pins: &mut BTreeMap<u32, String>, depth: usize) {
    const DEEPEST: usize = 8;
    // What cannot be looked at, or has gone meanwhile, is told without a place.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEEPEST => find_pins(&path, pins, depth + 1),
            Ok(kind) if kind.is_file() => {
                if let Some(id) = pinned_program(&path) {
                    pins.entry(id).or_insert_with(|| crate::raw::from_os(&path));
                }
            }
            _ => {}
        }
    }
}

/// The program that is pinned there, or a link to it.
fn pinned_program(path: &Path) -> Option<u32> {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.push(0);
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_OBJ_GET reads this variant.
    let get = unsafe { &mut attributes.__bindgen_anon_4 };
    get.pathname = name.as_ptr().addr() as u64;
    let object: OwnedFd = descriptor(bpf(bpf_cmd::BPF_OBJ_GET, &mut attributes)).ok()?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", object.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("prog_id:"))?.trim().parse().ok()
}

/// The kernel's function that asks all security modules about a hook.
#[must_use]
pub fn asking_function(hook: &str) -> String {
    target::asking_function(hook)
}

/// The name of an errno, as the kernel gives it.
#[must_use]
pub fn errno_name(result: i32) -> &'static str {
    match -result {
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::EROFS => "EROFS",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_the_objects_own() {
        use object::{Object as _, ObjectSymbol as _};
        let elf = object::File::parse(OBJECT).unwrap();
        let symbol = elf.symbols().find(|symbol| symbol.name() == Ok("krsi_kept_denial")).unwrap();
        assert_eq!(symbol.size(), Denial::SIZE as u64);
    }

    #[test]
    fn of_many_reasons_the_last_are_told_in_their_order() {
        let mut bytes = vec![0; Denial::SIZE];
        // The count stands before them.
        let at = 8 + 6 * 4 + 8 * 8 + 4 * 4 + 8 + 2 * 4 + GROUPS * 4;
        bytes[at] = 10;
        for slot in 0..REASONS {
            bytes[at + 8 + slot * 24] = u8::try_from(slot).unwrap();
        }
        let told: Vec<_> = Denial::read(&bytes).0.reasons.iter().map(|reason| reason.refuser).collect();
        let expected = [2, 3, 4, 5, 6, 7, 0, 1].map(Refuser::Function);
        assert_eq!(told, expected);
    }
}
