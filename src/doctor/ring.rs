//! A ring of io_uring that does one thing, and goes.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{errno::Errno, libc};

/// struct io_uring_params, as words.
type Params = [u32; 30];
/// Where the params say that something lies in the memory that is shared: the tail of what is submitted, and its array.
const TAIL: usize = 11;
const ARRAY: usize = 16;
const PAGE: usize = 4096;

/// A ring with room for one entry.
pub fn make(flags: u32) -> io::Result<(OwnedFd, Params)> {
    let mut params: Params = [0; 30];
    params[2] = flags;
    // SAFETY: the kernel reads and writes the params, all of which there are.
    let ring = Errno::result(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) })?;
    let ring = i32::try_from(ring).map_err(io::Error::other)?;
    // SAFETY: a descriptor that was just made, and is nobody else's.
    Ok((unsafe { OwnedFd::from_raw_fd(ring) }, params))
}

/// A page of the ring's memory.
struct Page(*mut u8);

impl Page {
    fn of(ring: &OwnedFd, offset: libc::off_t) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, where the kernel likes, and of the ring's own memory.
        let at = unsafe {
            libc::mmap(ptr::null_mut(), PAGE, protection, libc::MAP_SHARED, ring.as_raw_fd(), offset)
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Page(at.cast())) }
    }

    /// The word at this offset, if it is one of the page's.
    fn word(&self, offset: u32) -> io::Result<&AtomicU32> {
        let offset = offset as usize;
        if offset + 4 > PAGE || !offset.is_multiple_of(4) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        // SAFETY: a word of the page, which is mapped for as long as this is.
        Ok(unsafe { &*self.0.add(offset).cast::<AtomicU32>() })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the page that was mapped.
        unsafe { libc::munmap(self.0.cast(), PAGE) };
    }
}

/// Submits one operation, and does not ask what it came to.
pub fn submit(operation: u8, file: i32, with_own_credentials: bool) -> io::Result<()> {
    const ENTRIES: libc::off_t = 0x1000_0000;
    const REGISTER_PERSONALITY: i32 = 9;
    const GET_EVENTS: i32 = 1;
    let (ring, params) = make(0)?;
    let (shared, entries) = (Page::of(&ring, 0)?, Page::of(&ring, ENTRIES)?);
    let mut entry = [0_u8; 64];
    entry[0] = operation;
    entry[4..8].copy_from_slice(&file.to_ne_bytes());
    if with_own_credentials {
        // SAFETY: a call without pointers.
        let own = unsafe {
            libc::syscall(libc::SYS_io_uring_register, ring.as_raw_fd(), REGISTER_PERSONALITY, 0, 0)
        };
        let own = u16::try_from(Errno::result(own)?).map_err(io::Error::other)?;
        entry[42..44].copy_from_slice(&own.to_ne_bytes());
    }
    // SAFETY: the one entry that the page begins with.
    unsafe { entries.0.cast::<[u8; 64]>().write(entry) };
    shared.word(params[ARRAY])?.store(0, Ordering::Release);
    shared.word(params[TAIL])?.fetch_add(1, Ordering::Release);
    // SAFETY: a call without pointers.
    let done = unsafe { libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, GET_EVENTS, 0, 0) };
    Ok(Errno::result(done).map(drop)?)
}
