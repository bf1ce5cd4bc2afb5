//! Events that no hook sends: a program that is run by hand writes a template's records into a ring buffer, as
//! many as one likes, and they take the way that a probe's take. For tests and figures: the real ring buffer, and
//! the real reader. From Linux 6.9 on.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, atomic::Ordering},
};

use aya::maps::{Map, MapData};
use aya_obj::generated::{bpf_cmd, bpf_map_type};
use tokio::runtime::Runtime;

use crate::{
    event::{Source, Told, queue::Sender},
    kernel::{
        KernelError,
        bench::test_run::{self, EXIT, MAY_GOTO, Program, TestRunError},
        errno::chain,
        maps::{
            counters::Delivery,
            ring::{Outlet, Reader},
        },
        running::reading_thread,
    },
    template::Template,
};

/// `KRSI_RING_SIZE` of `krsi_event.bpf.h`.
pub const RING_SIZE: u32 = 1 << 20;

/// Writes one record, again and again, each with the next number.
pub struct Producer {
    ring: OwnedFd,
    /// The record, and behind it what the program is told and tells ([`Notes`]).
    value: OwnedFd,
    notes: Notes,
    program: OwnedFd,
}

/// What became of the records of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Produced {
    pub emitted: u64,
    pub lost_ring: u64,
}

/// When the kernel wakes a process that waits for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waking {
    /// If the reader has caught up, or the buffer fills: what templates ask for (`krsi_waking` of `krsi_event.bpf.h`).
    Adaptive,
    Never,
}

/// Where things stand behind the record.
struct Notes {
    times: i16,
    lost: i16,
    flags: i16,
    size: usize,
}

impl Notes {
    fn behind(record: usize) -> Self {
        let at = record.next_multiple_of(8);
        let offset = |offset| i16::try_from(offset).unwrap_or(i16::MAX);
        Notes { times: offset(at), lost: offset(at + 8), flags: offset(at + 16), size: at + 24 }
    }
}

impl Producer {
    /// For records of this template. `record` is one as the kernel would write it where nothing of the origin is told,
    /// `ring_size` a power of two.
    ///
    /// # Errors
    /// If the host runs no such program.
    pub fn new(template: &Template, record: &[u8], ring_size: u32) -> Result<Self, TestRunError> {
        let host = TestRunError::Host;
        let ring = test_run::map(bpf_map_type::BPF_MAP_TYPE_RINGBUF, (0, 0), ring_size).map_err(host)?;
        let notes = Notes::behind(record.len());
        let value = test_run::one_value(notes.size).map_err(host)?;
        let number = template
            .field("seq")
            .and_then(|field| i16::try_from(field.offset - template.layout.origin_size).ok());
        let number =
            number.ok_or_else(|| host(io::Error::other("events of this template have no number")))?;
        let code = code(&value, &ring, ring_size, record.len(), &notes, number);
        let program = test_run::load(&code, 0, &mut vec![0; 1 << 20])?;
        let mut first = record.to_vec();
        first.resize(notes.size, 0);
        test_run::exchange(&value, bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut first).map_err(host)?;
        Ok(Producer { ring, value, notes, program })
    }

    /// Writes so many records, whether anybody reads them or not; the next run's numbers go on.
    ///
    /// # Errors
    /// If the kernel does not run it to its end.
    pub fn produce(&self, times: u32, waking: Waking) -> Result<Produced, TestRunError> {
        const NO_WAKEUP: u64 = 1;
        let Notes { times: times_at, lost: lost_at, flags: flags_at, size } = self.notes;
        let mut value = vec![0; size];
        self.exchange(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut value)?;
        put(&mut value, times_at, times.into());
        put(&mut value, lost_at, 0);
        put(&mut value, flags_at, if waking == Waking::Never { NO_WAKEUP } else { 0 });
        self.exchange(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut value)?;
        test_run::run(&self.program).map_err(TestRunError::Host)?;
        self.exchange(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut value)?;
        match word(&value, times_at) {
            0 => {
                let lost_ring = word(&value, lost_at);
                Ok(Produced { emitted: u64::from(times) - lost_ring, lost_ring })
            }
            left => Err(TestRunError::Host(io::Error::other(format!("{left} records were not written")))),
        }
    }

    fn exchange(&self, command: bpf_cmd, value: &mut [u8]) -> Result<(), TestRunError> {
        test_run::exchange(&self.value, command, value).map_err(TestRunError::Host)
    }

    /// The ring buffer, for another reader.
    #[must_use]
    pub fn ring(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Reads it as a probe's is read.
    ///
    /// # Errors
    /// If it cannot be mapped, or this process has no thread left.
    pub fn follow(
        &self,
        template: &Arc<Template>,
        probe: &str,
        events: Sender,
    ) -> Result<Following, KernelError> {
        let unreadable = |reason: String| KernelError::Table { table: "krsi_events", reason };
        let runtime = reading_thread()?;
        let ring = self.ring.try_clone().map_err(|e| unreadable(e.to_string()))?;
        let map = Map::RingBuf(MapData::from_fd(ring).map_err(|e| unreadable(chain(&e)))?);
        let delivery = Arc::new(Delivery::default());
        let outlet = Outlet {
            source: Source::new(Arc::clone(template), probe.into(), Told::All(Vec::new().into())).into(),
            events,
            stacks: None,
            delivery: Arc::clone(&delivery),
        };
        Ok(Following { reader: Reader::start(map, outlet, &runtime)?, delivery, _runtime: runtime })
    }
}

fn word(value: &[u8], at: i16) -> u64 {
    let bytes = value.get(at.unsigned_abs().into()..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn put(value: &mut [u8], at: i16, word: u64) {
    let at = usize::from(at.unsigned_abs());
    if let Some(bytes) = value.get_mut(at..at + size_of::<u64>()) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

/// A ring buffer being read. The reader goes before its thread.
pub struct Following {
    reader: Reader,
    delivery: Arc<Delivery>,
    _runtime: Runtime,
}

impl Following {
    /// Waits until every record written so far is in the queue, or counted as lost.
    pub fn flush(&self) {
        self.reader.flush();
    }

    /// Records that are in the queue or beyond, and those it had no room for.
    #[must_use]
    pub fn books(&self) -> (u64, u64) {
        let Delivery { delivered, lost_queue, .. } = &*self.delivery;
        (delivered.load(Ordering::Acquire), lost_queue.load(Ordering::Acquire))
    }
}

/// How often is where the verifier does not know it, and no register keeps it: so every turn looks the same, and the
/// loop is followed once.
fn code(value: &OwnedFd, ring: &OwnedFd, ring_size: u32, size: usize, notes: &Notes, number: i16) -> Vec<u8> {
    const OUTPUT: i32 = 130;
    const QUERY: i32 = 134;
    const AVAILABLE_DATA: i32 = 0;
    const FORCE_WAKEUP: i32 = 2;
    let filling = i32::try_from(ring_size / 4).unwrap_or(i32::MAX);
    const PSEUDO_MAP_FD: u8 = 1;
    let mut program = Program::begin(value);
    program.put(0xbf, 7, 0, 0, 0); // r7 = r0
    program.put(MAY_GOTO, 0, 0, 26, 0);
    program.put(0x79, 6, 7, notes.times, 0); // r6 = *(u64 *)(r7 + times)
    program.put(0x15, 6, 0, 24, 0); // if r6 == 0 goto end
    program.put(0x07, 6, 0, 0, -1); // r6 -= 1
    program.put(0x7b, 7, 6, notes.times, 0); // *(u64 *)(r7 + times) = r6
    program.put(0x79, 6, 7, number, 0); // r6 = *(u64 *)(r7 + number)
    program.put(0x07, 6, 0, 0, 1); // r6 += 1
    program.put(0x7b, 7, 6, number, 0); // *(u64 *)(r7 + number) = r6
    program.put(0x18, 1, PSEUDO_MAP_FD, 0, ring.as_raw_fd()); // r1 = ring
    program.put(0, 0, 0, 0, 0);
    program.put(0xb7, 2, 0, 0, AVAILABLE_DATA); // r2 = what
    program.put(0x85, 0, 0, 0, QUERY);
    program.put(0x79, 6, 7, notes.flags, 0); // r6 = *(u64 *)(r7 + flags)
    program.put(0x55, 6, 0, 2, 0); // if r6 != 0 goto + 2
    program.put(0xb5, 0, 0, 1, filling); // if r0 <= filling goto + 1
    program.put(0xb7, 6, 0, 0, FORCE_WAKEUP); // r6 = flags
    program.put(0x18, 1, PSEUDO_MAP_FD, 0, ring.as_raw_fd()); // r1 = ring
    program.put(0, 0, 0, 0, 0);
    program.put(0xbf, 2, 7, 0, 0); // r2 = r7
    program.put(0xb7, 3, 0, 0, i32::try_from(size).unwrap_or(i32::MAX)); // r3 = size
    program.put(0xbf, 4, 6, 0, 0); // r4 = r6
    program.put(0x85, 0, 0, 0, OUTPUT);
    program.put(0x15, 0, 0, -23, 0); // if r0 == 0 goto may_goto
    program.put(0x79, 6, 7, notes.lost, 0); // r6 = *(u64 *)(r7 + lost)
    program.put(0x07, 6, 0, 0, 1); // r6 += 1
    program.put(0x7b, 7, 6, notes.lost, 0); // *(u64 *)(r7 + lost) = r6
    program.put(0x05, 0, 0, -27, 0); // goto may_goto
    program.put(0xb7, 0, 0, 0, 0); // r0 = 0
    program.put(EXIT, 0, 0, 0, 0);
    program.0
}
