//! A filter's code in a program that the kernel lets one run by hand: LSM programs have no test-run,
//! raw tracepoint programs do. For tests: the real verifier, and the real machine.
//!
//! The program looks the event up in a map, calls the slot as a template does, and returns its answer.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_map_type, bpf_prog_type};
use nix::libc;

use crate::filter::{Code, MARGIN};

/// Where one event at a time is put.
pub struct Carrier {
    map: OwnedFd,
    size: usize,
}

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    pub answer: u32,
    /// Instructions that the verifier has walked through.
    pub walked: u64,
}

/// Why there was none.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    #[error("this host runs no such program: {0}")]
    Host(io::Error),
    #[error("the verifier refused: {error}\n{log}")]
    Verifier { error: io::Error, log: String },
}

const LOG_SIZE: usize = 1 << 20;
/// Only the summary, and the reason of a refusal (BPF_LOG_STATS).
const LOG_LEVEL: u32 = 4;

impl Carrier {
    /// For events of so many bytes.
    ///
    /// # Errors
    /// If the host makes no maps for us.
    pub fn new(event_size: usize) -> Result<Self, CarrierError> {
        super::host::lift_memory_limit();
        let size = event_size + MARGIN;
        // SAFETY: all zero is a valid value of this union of plain numbers.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        // SAFETY: BPF_MAP_CREATE reads this variant.
        let map = unsafe { &mut attributes.__bindgen_anon_1 };
        map.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
        map.key_size = 4;
        map.value_size = u32::try_from(size).unwrap_or(u32::MAX);
        map.max_entries = 1;
        let map = descriptor(bpf(bpf_cmd::BPF_MAP_CREATE, &mut attributes)).map_err(CarrierError::Host)?;
        Ok(Carrier { map, size })
    }

    /// Loads the code once, and runs it on each event.
    ///
    /// # Errors
    /// If the verifier refuses it, or the host does.
    pub fn run(&self, code: &Code, events: &[Vec<u8>]) -> Result<Vec<Ran>, CarrierError> {
        let mut log = vec![0_u8; LOG_SIZE];
        let program = self.load(code, 0, &mut log)?;
        let text = String::from_utf8_lossy(&log);
        let walked = text.split_once("processed ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let walked = walked.unwrap_or_default();
        events.iter().map(|event| Ok(Ran { answer: self.ask(&program, event)?, walked })).collect()
    }

    fn load(&self, code: &Code, level: u32, log: &mut [u8]) -> Result<OwnedFd, CarrierError> {
        let instructions = self.program(code);
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
            // Once more, for its reasons.
            Err(_) if level == 0 => self.load(code, 1, log),
            Err(error) => {
                let text = String::from_utf8_lossy(log);
                let text = text.trim_end_matches('\0');
                if text.trim().is_empty() {
                    return Err(CarrierError::Host(error));
                }
                let tail = text.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
                Err(CarrierError::Verifier { error, log: text[tail..].to_owned() })
            }
        }
    }

    fn ask(&self, program: &OwnedFd, event: &[u8]) -> Result<u32, CarrierError> {
        let mut value = vec![0x2f; self.size];
        value[..event.len().min(self.size)].copy_from_slice(&event[..event.len().min(self.size)]);
        let key = 0_u32;
        // SAFETY: as in `new`.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        // SAFETY: BPF_MAP_UPDATE_ELEM reads this variant.
        let element = unsafe { &mut attributes.__bindgen_anon_2 };
        element.map_fd = self.map.as_raw_fd().cast_unsigned();
        element.key = &raw const key as u64;
        element.__bindgen_anon_1.value = value.as_ptr() as u64;
        bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attributes).map_err(CarrierError::Host)?;
        // SAFETY: as in `new`.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        attributes.test.prog_fd = program.as_raw_fd().cast_unsigned();
        bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attributes).map_err(CarrierError::Host)?;
        // SAFETY: BPF_PROG_TEST_RUN has written this variant.
        Ok(unsafe { attributes.test.retval })
    }

    /// Main program and slot.
    fn program(&self, code: &Code) -> Vec<u8> {
        const LOOKUP: i32 = 1;
        const PSEUDO_MAP_FD: u8 = 1;
        const PSEUDO_CALL: u8 = 1;
        let mut bytes = Vec::new();
        let mut put = |opcode: u8, dst: u8, src: u8, offset: i16, immediate: i32| {
            bytes.extend([opcode, src << 4 | dst]);
            bytes.extend(offset.to_le_bytes());
            bytes.extend(immediate.to_le_bytes());
        };
        put(0x62, 10, 0, -4, 0); // *(u32 *)(r10 - 4) = 0
        put(0xbf, 2, 10, 0, 0); // r2 = r10
        put(0x07, 2, 0, 0, -4); // r2 += -4
        put(0x18, 1, PSEUDO_MAP_FD, 0, self.map.as_raw_fd()); // r1 = map
        put(0, 0, 0, 0, 0);
        put(0x85, 0, 0, 0, LOOKUP);
        put(0x55, 0, 0, 1, 0); // if r0 != 0 goto +1
        put(0x95, 0, 0, 0, 0); // exit
        put(0xbf, 1, 0, 0, 0); // r1 = r0
        put(0x85, 0, PSEUDO_CALL, 0, 1); // the slot, behind the exit
        put(0x95, 0, 0, 0, 0);
        bytes.extend(code.bytes());
        bytes.extend([0x95, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }
}

fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: bpf(2); every pointer in the attributes belongs to a caller above and outlives the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, &raw mut *attributes, size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(result: io::Result<i64>) -> io::Result<OwnedFd> {
    let number = i32::try_from(result?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
