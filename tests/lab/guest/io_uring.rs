//! Claims about the template `io_uring`, with a ring that does one thing at a time.

use std::{
    fs,
    os::fd::AsRawFd,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const SQPOLL: u32 = 2;
const NOP: u8 = 0;
const OPENAT: u8 = 18;
const URING_CMD: u8 = 46;

/// struct io_uring_params, as words.
type Params = [u32; 30];

fn setup(flags: u32) -> Result<(i32, Params), Errno> {
    let mut params: Params = [0; 30];
    params[2] = flags;
    // SAFETY: the kernel reads and writes the params, all of which there are.
    let ring = Errno::result(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) })?;
    Ok((i32::try_from(ring).unwrap_or(-1), params))
}

/// A ring of one entry, which a child inherits with its memory. It stays as long as the suite runs.
#[derive(Clone, Copy)]
struct Ring {
    number: i32,
    params: Params,
    shared: usize,
    entry: usize,
}

/// What is to be done: struct io_uring_sqe, as far as it is used.
#[derive(Default)]
struct Entry {
    operation: u8,
    file: i32,
    command: u32,
    address: u64,
    personality: u16,
}

/// Opens a file, for reading, by a ring.
///
/// # Errors
/// What the ring says that it came to.
pub fn open(path: &str) -> Result<(), Errno> {
    let path = std::ffi::CString::new(path).map_err(|_| Errno::EINVAL)?;
    let address = path.as_ptr().expose_provenance() as u64;
    Ring::new()?.perform(&Entry { operation: OPENAT, file: libc::AT_FDCWD, address, ..Entry::default() })
}

impl Ring {
    fn new() -> Result<Self, Errno> {
        const ENTRIES: libc::off_t = 0x1000_0000;
        let (number, params) = setup(0)?;
        let map = |offset| {
            // SAFETY: memory of the ring's, where the kernel likes.
            let at = unsafe {
                let protection = libc::PROT_READ | libc::PROT_WRITE;
                libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_SHARED, number, offset)
            };
            if at == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(at.expose_provenance()) }
        };
        Ok(Ring { number, params, shared: map(0)?, entry: map(ENTRIES)? })
    }

    /// A word of the memory that is shared with the kernel, by where the params say it is.
    fn word(&self, offset: usize) -> &AtomicU32 {
        let at = self.shared + self.params[offset] as usize;
        // SAFETY: a word of a mapping that is never undone.
        unsafe { &*std::ptr::with_exposed_provenance::<AtomicU32>(at) }
    }

    /// The credentials of this process, to be taken by operations.
    fn personality(&self) -> Result<u16, Errno> {
        const REGISTER: i32 = 9;
        // SAFETY: a call without pointers.
        let id = unsafe { libc::syscall(libc::SYS_io_uring_register, self.number, REGISTER, 0, 0) };
        Errno::result(id).map(|id| u16::try_from(id).unwrap_or_default())
    }

    /// Does it, and gives what it came to.
    fn perform(&self, entry: &Entry) -> Result<(), Errno> {
        const GET_EVENTS: i32 = 1;
        let (sq_tail, sq_array, cq_head, cq_mask, cqes) = (11, 16, 20, 22, 25);
        let mut bytes = [0_u8; 64];
        bytes[0] = entry.operation;
        bytes[4..8].copy_from_slice(&entry.file.to_ne_bytes());
        bytes[8..12].copy_from_slice(&entry.command.to_ne_bytes());
        bytes[16..24].copy_from_slice(&entry.address.to_ne_bytes());
        bytes[42..44].copy_from_slice(&entry.personality.to_ne_bytes());
        // SAFETY: the one entry, in a mapping that is never undone.
        unsafe { std::ptr::with_exposed_provenance_mut::<[u8; 64]>(self.entry).write(bytes) };
        self.word(sq_array).store(0, Ordering::Release);
        self.word(sq_tail).fetch_add(1, Ordering::Release);
        // SAFETY: a call without pointers.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_io_uring_enter, self.number, 1, 1, GET_EVENTS, 0, 0)
        })?;
        let head =
            self.word(cq_head).fetch_add(1, Ordering::AcqRel) & self.word(cq_mask).load(Ordering::Acquire);
        // struct io_uring_cqe: the result is its third word.
        let at = self.shared + self.params[cqes] as usize + head as usize * 16 + 8;
        // SAFETY: a word of the same mapping.
        let result = unsafe { std::ptr::with_exposed_provenance::<i32>(at).read_volatile() };
        if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(()) }
    }
}

pub const CASE: Case = Case {
    template: "io_uring",
    params: "action: [\"sqpoll\", \"override_creds\", \"cmd\"]",
    prepare: || Ok(()),
    acts: &[
        Act::new("a ring with a thread", "uring_sqpoll", || {
            let tells = json!({
                "action": "sqpoll", "new_uid": 0, "new_euid": 0, "command": 0, "path": "", "path_length": 0,
            });
            Ok(Performed { task: ring_as(&ACTOR, SQPOLL)?, tells })
        }),
        Act::new("other credentials", "uring_override_creds", || {
            let ring = Ring::new().map_err(|e| e.to_string())?;
            let personality = ring.personality().map_err(|e| e.to_string())?;
            let tells = json!({
                "action": "override_creds", "new_uid": 0, "new_euid": 0, "command": 0, "path": "", "path_length": 0,
            });
            let entry = Entry { operation: NOP, file: -1, command: 0, personality, ..Entry::default() };
            Ok(Performed { task: task::perform(&ACTOR, || exit_code(ring.perform(&entry)))?, tells })
        }),
        Act::new("a driver's command", "uring_cmd", || {
            const NULL: &str = "/tmp/null-device";
            let _ = fs::remove_file(NULL);
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
            let device = nix::sys::stat::makedev(1, 3);
            nix::sys::stat::mknod(NULL, nix::sys::stat::SFlag::S_IFCHR, mode, device)
                .map_err(|e| e.to_string())?;
            let file = fs::File::open(NULL).map_err(|e| e.to_string())?;
            let ring = Ring::new().map_err(|e| e.to_string())?;
            let tells = json!({
                "action": "cmd", "new_uid": 0, "new_euid": 0, "command": 4711, "path": NULL,
                "path_length": NULL.len(),
            });
            let entry = Entry {
                operation: URING_CMD,
                file: file.as_raw_fd(),
                command: 4711,
                personality: 0,
                ..Entry::default()
            };
            Ok(Performed { task: task::perform(&ACTOR, || exit_code(ring.perform(&entry)))?, tells })
        }),
    ],
};

fn ring_as(identity: &Identity, flags: u32) -> Result<Task, String> {
    task::perform(identity, move || exit_code(setup(flags).map(drop)))
}

/// The making of a ring, where the kernel asks about it (from 6.16 on); before, a probe about it sees none.
pub fn setup_is_refused() -> Outcome {
    let symbols = fs::read_to_string("/proc/kallsyms").map_err(|e| e.to_string())?;
    let is_asked = symbols.lines().any(|line| line.ends_with(" bpf_lsm_uring_allowed"));
    let shell = Shell::ready(&format!(
        "probe(\"io_uring\", #{{action: \"setup\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let ring = Ring::new().map_err(|e| e.to_string())?;
    same("a ring", ring_as(&ME, 0)?.deed, if is_asked { REFUSED } else { Deed::Done })?;
    let entry = Entry { operation: NOP, file: -1, command: 0, personality: 0, ..Entry::default() };
    let used = task::perform(&ME, || exit_code(ring.perform(&entry)))?;
    same("one that is there", used.deed, Deed::Done)?;
    shell.stop()?.well()
}
