//! A filter's code in a program that the kernel lets one run by hand: LSM programs have no test-run,
//! raw tracepoint programs do. For tests and figures: the real verifier, and the real machine.
//!
//! The program looks the event up in a map, calls the slot as a template does, and returns its answer.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_map_type, bpf_prog_type};

use crate::{
    filter::{Code, MARGIN},
    kernel::{
        call::{bpf, create_map, descriptor},
        load::sets,
    },
};

/// Where one event at a time is put.
pub struct TestRun {
    map: OwnedFd,
    size: usize,
}

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunResult {
    pub answer: u32,
    /// Instructions that the verifier has walked through.
    pub walked: u64,
}

/// Why there was none.
#[derive(Debug, thiserror::Error)]
pub enum TestRunError {
    #[error("this host runs no such program: {0}")]
    Host(io::Error),
    #[error("the verifier refused: {error}\n{log}")]
    Verifier { error: io::Error, log: String },
}

const LOG_SIZE: usize = 1 << 20;
/// Only the summary, and the reason of a refusal (BPF_LOG_STATS).
const LOG_LEVEL: u32 = 4;

/// Code whose maps live as long as it.
pub struct Slot {
    pub code: Vec<u8>,
    _maps: Vec<OwnedFd>,
}

impl TestRun {
    /// For events of so many bytes.
    ///
    /// # Errors
    /// If the host makes no maps for us.
    pub fn new(event_size: usize) -> Result<Self, TestRunError> {
        let size = event_size + MARGIN;
        Ok(TestRun { map: one_value(size).map_err(TestRunError::Host)?, size })
    }

    /// Loads the code once, and runs it on each event.
    ///
    /// # Errors
    /// If the verifier refuses it, or the host does.
    pub fn run(&self, code: &Code, events: &[Vec<u8>]) -> Result<Vec<RunResult>, TestRunError> {
        let mut log = vec![0_u8; LOG_SIZE];
        let slot = self.slot(code)?;
        let program = load(&Self::asking_once(&self.map, &slot.code), 0, &mut log)?;
        let text = String::from_utf8_lossy(&log);
        let walked = text.split_once("processed ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let walked = walked.unwrap_or_default();
        let ran = |event: &Vec<u8>| {
            self.put(event)?;
            Ok(RunResult { answer: self.ask(&program)?, walked })
        };
        events.iter().map(ran).collect()
    }

    /// A filter's code as a slot has it, and the maps that it is about.
    ///
    /// # Errors
    /// If the host makes no maps for us.
    pub fn slot(&self, code: &Code) -> Result<Slot, TestRunError> {
        let maps = sets::create(code).map_err(TestRunError::Host)?;
        let mut program = Program(sets::bytes_with(code, &maps));
        program.put(EXIT, 0, 0, 0, 0);
        Ok(Slot { code: program.0, _maps: maps })
    }

    /// Asks a slot's code (an `exit` at its end) about one event, `times` in one run of a program, and that `rounds`
    /// times, for measurements; gives what `clock` says before and behind each round, and the answer. From
    /// Linux 6.9 on.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn repeat<T>(
        &self,
        slot: &[u8],
        event: &[u8],
        times: u32,
        rounds: usize,
        clock: impl Fn() -> T,
    ) -> Result<(Vec<(T, T)>, u32), TestRunError> {
        let mut log = vec![0_u8; LOG_SIZE];
        let program = load(&self.asking_often(slot), 0, &mut log)?;
        let event = self.with_times(event, times);
        let mut answer = 0;
        let mut round = |_| {
            self.put(&event)?;
            let before = clock();
            answer = self.ask(&program)?;
            Ok((before, clock()))
        };
        let clocks = (0..rounds).map(&mut round).collect::<Result<_, TestRunError>>()?;
        Ok((clocks, answer))
    }

    /// The same with one question in each run of the program: for code that the verifier does not follow in a loop.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn once<T>(
        &self,
        slot: &[u8],
        event: &[u8],
        rounds: usize,
        clock: impl Fn() -> T,
    ) -> Result<(Vec<(T, T)>, u32), TestRunError> {
        let mut log = vec![0_u8; LOG_SIZE];
        let program = load(&Self::asking_once(&self.map, slot), 0, &mut log)?;
        self.put(event)?;
        let mut answer = 0;
        let mut round = |_| {
            let before = clock();
            answer = self.ask(&program)?;
            Ok((before, clock()))
        };
        let clocks = (0..rounds).map(&mut round).collect::<Result<_, TestRunError>>()?;
        Ok((clocks, answer))
    }

    fn put(&self, event: &[u8]) -> Result<(), TestRunError> {
        let mut value = vec![0x2f; self.size];
        value[..event.len().min(self.size)].copy_from_slice(&event[..event.len().min(self.size)]);
        exchange(&self.map, bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut value).map_err(TestRunError::Host)
    }

    fn ask(&self, program: &OwnedFd) -> Result<u32, TestRunError> {
        run(program).map_err(TestRunError::Host)
    }

    /// Main program and slot.
    fn asking_once(map: &OwnedFd, slot: &[u8]) -> Vec<u8> {
        let mut program = Program::begin(map);
        program.put(0xbf, 1, 0, 0, 0); // r1 = r0
        program.put(0x85, 0, PSEUDO_CALL, 0, 1); // the slot, behind the exit
        program.put(EXIT, 0, 0, 0, 0);
        program.0.extend(slot);
        program.0
    }

    /// Main program with a loop, and the slot. How often is in the last bytes behind the event, where the verifier
    /// does not know it, and no register keeps it: so every turn looks the same, and the loop is followed once. `may_goto` is what promises it an end.
    fn asking_often(&self, slot: &[u8]) -> Vec<u8> {
        let mut program = Program::begin(&self.map);
        let times = self.times_at();
        program.put(0xbf, 7, 0, 0, 0); // r7 = r0
        program.put(MAY_GOTO, 0, 0, 7, 0);
        program.put(0x61, 6, 7, times, 0); // r6 = *(u32 *)(r7 + times)
        program.put(0x15, 6, 0, 5, 0); // if r6 == 0 goto +5
        program.put(0x07, 6, 0, 0, -1); // r6 -= 1
        program.put(0x63, 7, 6, times, 0); // *(u32 *)(r7 + times) = r6
        program.put(0xbf, 1, 7, 0, 0); // r1 = r7
        program.put(0x85, 0, PSEUDO_CALL, 0, 4); // the slot, behind the exit
        program.put(0x05, 0, 0, -8, 0); // goto may_goto
        program.put(0xbf, 1, 7, 0, 0); // r1 = r7
        program.put(0x85, 0, PSEUDO_CALL, 0, 1); // once more, for the answer
        program.put(EXIT, 0, 0, 0, 0);
        program.0.extend(slot);
        program.0
    }

    fn with_times(&self, event: &[u8], times: u32) -> Vec<u8> {
        let mut value = vec![0; self.size];
        value[..event.len()].copy_from_slice(event);
        value[self.size - size_of::<u32>()..].copy_from_slice(&times.to_le_bytes());
        value
    }

    fn times_at(&self) -> i16 {
        i16::try_from(self.size - size_of::<u32>()).unwrap_or(i16::MAX)
    }
}

/// A map that holds one value.
pub(in crate::kernel) fn one_value(size: usize) -> io::Result<OwnedFd> {
    map(bpf_map_type::BPF_MAP_TYPE_ARRAY, (4, u32::try_from(size).unwrap_or(u32::MAX)), 1)
}

/// A map with keys and values of these sizes.
pub(in crate::kernel) fn map(
    kind: bpf_map_type,
    (key, value): (u32, u32),
    entries: u32,
) -> io::Result<OwnedFd> {
    crate::system::limits::lift_locked_memory();
    create_map(|map| {
        map.map_type = kind as u32;
        (map.key_size, map.value_size, map.max_entries) = (key, value, entries);
    })
}

/// Writes the one value, or reads it. `value` is as long as the map says.
pub(in crate::kernel) fn exchange(map: &OwnedFd, command: bpf_cmd, value: &mut [u8]) -> io::Result<()> {
    let key = 0_u32;
    // SAFETY: as above.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_MAP_UPDATE_ELEM and BPF_MAP_LOOKUP_ELEM read this variant.
    let element = unsafe { &mut attributes.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd().cast_unsigned();
    element.key = &raw const key as u64;
    element.__bindgen_anon_1.value = value.as_mut_ptr() as u64;
    bpf(command, &mut attributes).map(|_| ())
}

/// Runs it once, by hand.
pub(in crate::kernel) fn run(program: &OwnedFd) -> io::Result<u32> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.test.prog_fd = program.as_raw_fd().cast_unsigned();
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attributes)?;
    // SAFETY: BPF_PROG_TEST_RUN has written this variant.
    Ok(unsafe { attributes.test.retval })
}

/// Loads a raw tracepoint program; `level` 0 asks for no more of the log than a refusal needs.
pub(in crate::kernel) fn load(
    instructions: &[u8],
    level: u32,
    log: &mut [u8],
) -> Result<OwnedFd, TestRunError> {
    // SAFETY: as in `new`.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_PROG_LOAD reads this variant.
    let load = unsafe { &mut attributes.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT as u32;
    load.insn_cnt = u32::try_from(instructions.len() / 8).unwrap_or(u32::MAX);
    load.insns = instructions.as_ptr() as u64;
    load.license = c"GPL".as_ptr() as u64;
    load.log_level = if level == 0 { LOG_LEVEL } else { level };
    load.log_size = u32::try_from(log.len()).unwrap_or(u32::MAX);
    load.log_buf = log.as_mut_ptr() as u64;
    let loaded = descriptor(bpf(bpf_cmd::BPF_PROG_LOAD, &mut attributes));
    match loaded {
        Ok(program) => Ok(program),
        // Once more, for its reasons, which may be longer than the log.
        Err(first) if level == 0 => match self::load(instructions, 1, log) {
            Err(TestRunError::Verifier { log, .. }) => Err(TestRunError::Verifier { error: first, log }),
            other => other,
        },
        Err(error) => {
            let text = String::from_utf8_lossy(log);
            let text = text.trim_end_matches('\0');
            if text.trim().is_empty() {
                return Err(TestRunError::Host(error));
            }
            let tail = text.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
            Err(TestRunError::Verifier { error, log: text[tail..].to_owned() })
        }
    }
}

const PSEUDO_CALL: u8 = 1;
pub(in crate::kernel) const EXIT: u8 = 0x95;
/// Jumps once the kernel has had enough of the loop.
pub(in crate::kernel) const MAY_GOTO: u8 = 0xe5;

/// Instructions, as the kernel takes them.
pub(in crate::kernel) struct Program(pub(in crate::kernel) Vec<u8>);

impl Program {
    /// Ends in r0 being the event.
    pub(in crate::kernel) fn begin(map: &OwnedFd) -> Self {
        const LOOKUP: i32 = 1;
        const PSEUDO_MAP_FD: u8 = 1;
        let mut program = Program(Vec::new());
        program.put(0x62, 10, 0, -4, 0); // *(u32 *)(r10 - 4) = 0
        program.put(0xbf, 2, 10, 0, 0); // r2 = r10
        program.put(0x07, 2, 0, 0, -4); // r2 += -4
        program.put(0x18, 1, PSEUDO_MAP_FD, 0, map.as_raw_fd()); // r1 = map
        program.put(0, 0, 0, 0, 0);
        program.put(0x85, 0, 0, 0, LOOKUP);
        program.put(0x55, 0, 0, 1, 0); // if r0 != 0 goto +1
        program.put(EXIT, 0, 0, 0, 0);
        program
    }

    pub(in crate::kernel) fn put(&mut self, opcode: u8, dst: u8, src: u8, offset: i16, immediate: i32) {
        self.0.extend([opcode, src << 4 | dst]);
        self.0.extend(offset.to_le_bytes());
        self.0.extend(immediate.to_le_bytes());
    }
}
