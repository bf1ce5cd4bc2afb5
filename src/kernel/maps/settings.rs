//! The settings of an attached probe, mapped into this process: the kernel side reads a
//! whole word, this side stores a whole word, and a change costs no system call.

use std::{
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::{Map, MapData};
use nix::{
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};

use crate::kernel::{KernelError, errno};

/// A word that another process has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlteredWord {
    /// In bytes.
    pub offset: usize,
    /// What this process has left there.
    pub left: u64,
    pub found: u64,
}

/// The one value of the settings map.
pub struct Settings {
    address: NonNull<u8>,
    mapped: NonZeroUsize,
    size: usize,
    /// What this process has left in each of its words.
    left: Vec<AtomicU64>,
    /// Keeps the map's descriptor, and so the map, alive.
    _map: MapData,
}

// SAFETY: the mapping belongs to the process and not to a thread, and is only read and written by whole words, atomically.
unsafe impl Send for Settings {}

impl Settings {
    /// # Errors
    /// If the map is not one that can be mapped.
    pub fn new(map: Map, size: usize) -> Result<Self, KernelError> {
        let refuse = |reason: String| KernelError::Table { table: "krsi_settings", reason };
        let Map::Array(map) = map else { return Err(refuse("it is no array".into())) };
        let page = sysconf(SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|p| usize::try_from(p).ok())
            .unwrap_or(4096);
        let mapped =
            NonZeroUsize::new(size.next_multiple_of(page)).ok_or_else(|| refuse("it is empty".into()))?;
        // SAFETY: a fresh mapping at an address of the kernel's choice; nothing else of
        // this process lies there, and it is unmapped only in `drop`.
        let address = unsafe {
            mmap(
                None,
                mapped,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                map.fd().as_fd(),
                0,
            )
        }
        .map_err(|e| refuse(format!("it cannot be mapped: {}", errno::chain(&e))))?;
        let mut settings = Settings { address: address.cast(), mapped, size, left: Vec::new(), _map: map };
        let now = (0..size / 8).map(|word| settings.load(word * 8).map(AtomicU64::new));
        settings.left = now.collect::<Result<_, _>>()?;
        Ok(settings)
    }

    /// Stores the word at a byte offset taken from the object's own layout.
    ///
    /// # Errors
    /// If the layout lies about the size of the map.
    pub fn store(&self, offset: usize, word: u64) -> Result<(), KernelError> {
        self.cell(offset)?.store(word, Ordering::Release);
        if let Some(left) = self.left.get(offset / 8) {
            left.store(word, Ordering::Release);
        }
        Ok(())
    }

    /// The words that are not as this process has left them.
    #[must_use]
    pub fn altered(&self) -> Vec<AlteredWord> {
        let word = |(index, left): (usize, &AtomicU64)| {
            let (offset, left) = (index * 8, left.load(Ordering::Acquire));
            let found = self.load(offset).ok()?;
            (found != left).then_some(AlteredWord { offset, left, found })
        };
        self.left.iter().enumerate().filter_map(word).collect()
    }

    /// Takes what is there now for what this process has left there.
    ///
    /// # Errors
    /// If the layout lies about the size of the map.
    pub fn accept(&self, offset: usize) -> Result<(), KernelError> {
        let found = self.load(offset)?;
        if let Some(left) = self.left.get(offset / 8) {
            left.store(found, Ordering::Release);
        }
        Ok(())
    }

    /// The word there now.
    ///
    /// # Errors
    /// If the layout lies about the size of the map.
    pub fn load(&self, offset: usize) -> Result<u64, KernelError> {
        Ok(self.cell(offset)?.load(Ordering::Acquire))
    }

    fn cell(&self, offset: usize) -> Result<&AtomicU64, KernelError> {
        if !offset.is_multiple_of(8) || offset + 8 > self.size {
            let reason = format!("no word at offset {offset} of {}", self.size);
            return Err(KernelError::Table { table: "krsi_settings", reason });
        }
        // SAFETY: in bounds and aligned (checked above; the mapping is page aligned), and
        // what else writes there does so through this same cell.
        Ok(unsafe { AtomicU64::from_ptr(self.address.as_ptr().add(offset).cast()) })
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, of the same length; no reference to it is left.
        let _ = unsafe { munmap(self.address.cast(), self.mapped.get()) };
    }
}
