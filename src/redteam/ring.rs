//! io_uring: a ring that does one thing at a time. What it does is no system call of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use nix::{errno::Errno, libc};

pub const NOP: u8 = 0;
pub const CONNECT: u8 = 16;
pub const OPENAT: u8 = 18;
pub const SOCKET: u8 = 45;

/// struct io_uring_params, as words.
pub type Params = [u32; 30];

/// Makes a ring of one entry; gives its descriptor and what the kernel says of it.
///
/// # Errors
/// If there can be none.
pub fn setup(flags: u32) -> Result<(i32, Params), Errno> {
    let mut params: Params = [0; 30];
    params[2] = flags;
    // SAFETY: the kernel reads and writes the params, all of which there are.
    let ring = Errno::result(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) })?;
    Ok((i32::try_from(ring).unwrap_or(-1), params))
}

/// A ring of one entry, which a child inherits with its memory. It stays as long as the process runs.
#[derive(Clone, Copy)]
pub struct Ring {
    number: i32,
    params: Params,
    shared: usize,
    entry: usize,
}

/// What is to be done: struct io_uring_sqe, as far as it is used.
#[derive(Default)]
pub struct Entry {
    pub operation: u8,
    pub file: i32,
    /// What some operations call `off`, others a command.
    pub offset: u64,
    pub address: u64,
    pub length: u32,
    pub flags: u32,
    pub personality: u16,
}

impl Ring {
    /// # Errors
    /// If there can be none.
    pub fn new() -> Result<Self, Errno> {
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

    /// Gives the credentials of this process a number, by which operations take them.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn personality(&self) -> Result<u16, Errno> {
        const REGISTER: i32 = 9;
        // SAFETY: a call without pointers.
        let id = unsafe { libc::syscall(libc::SYS_io_uring_register, self.number, REGISTER, 0, 0) };
        Errno::result(id).map(|id| u16::try_from(id).unwrap_or_default())
    }

    /// Does it, and waits for what it came to.
    ///
    /// # Errors
    /// What the ring says.
    pub fn perform(&self, entry: &Entry) -> Result<i32, Errno> {
        const GET_EVENTS: i32 = 1;
        let (sq_tail, sq_array, cq_head, cq_mask, cqes) = (11, 16, 20, 22, 25);
        let mut bytes = [0_u8; 64];
        bytes[0] = entry.operation;
        bytes[4..8].copy_from_slice(&entry.file.to_ne_bytes());
        bytes[8..16].copy_from_slice(&entry.offset.to_ne_bytes());
        bytes[16..24].copy_from_slice(&entry.address.to_ne_bytes());
        bytes[24..28].copy_from_slice(&entry.length.to_ne_bytes());
        bytes[28..32].copy_from_slice(&entry.flags.to_ne_bytes());
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
        if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
    }
}

/// Opens a file, by a ring.
///
/// # Errors
/// What the ring says that it came to.
pub fn open(path: &std::ffi::CStr, flags: i32) -> Result<(), Errno> {
    let address = path.as_ptr().expose_provenance() as u64;
    let flags = flags.cast_unsigned();
    let entry = Entry { operation: OPENAT, file: libc::AT_FDCWD, address, flags, ..Entry::default() };
    Ring::new()?.perform(&entry).map(drop)
}
