//! What names are read from: a copy of a program's symbol tables, in memory of our own.
//!
//! Whose program it is may do to the file what they like while it is read. Mapped, it could be cut, and the SIGBUS would
//! end this process and with it what it enforces; opened, it could be a pipe that nobody writes to. So the file is
//! found out about before it is opened (`O_PATH`), only a regular one is, and it is read, not mapped: headers and
//! symbol tables, up to a limit, into a memory file of the same layout. That one is for the parser.
//!
//! A file system can still take for ever (a dead server, one in user space): reading is for a thread that may be left
//! behind ([`super::reader`]).

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    libc,
    sys::memfd::{MFdFlags, memfd_create},
};
use object::{
    Endianness, ReadCache, ReadRef,
    elf::{FileHeader32, FileHeader64, SHT_DYNSYM, SHT_STRTAB, SHT_SYMTAB},
    read::elf::{FileHeader, SectionHeader},
};

/// Bytes that are read of one file; the symbols of the largest programs that are not stripped are some tens of MiB.
const LIMIT: u64 = 32 << 20;
/// The largest file: its copy is as long, though mostly without memory behind it.
const LARGEST: u64 = 4 << 30;

/// Which file, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// A file's headers and symbol tables.
#[derive(Debug)]
pub struct Copy {
    pub file: File,
    pub bytes: u64,
}

impl Copy {
    /// For a parser that wants a path.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// A regular file, opened.
pub struct Opened {
    file: File,
    pub identity: Identity,
}

/// Opens a file for reading, if it is a regular one. Nothing else is opened: that alone may do something, or wait.
///
/// # Errors
/// If it is none, or cannot be opened.
pub fn open(path: &Path) -> io::Result<Opened> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let found = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !found.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    // The same file, whatever the name is by now. Where somebody holds a lease on it, that is not waited for.
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    let same = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = OpenOptions::new().read(true).custom_flags(flags).open(same)?;
    let meta = file.metadata()?;
    let identity = Identity {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.len(),
        changed: (meta.ctime(), meta.ctime_nsec()),
    };
    Ok(Opened { file, identity })
}

impl Opened {
    /// Copies what names are read from.
    ///
    /// # Errors
    /// If it is no ELF file, its symbols are too many, or it cannot be read.
    pub fn copy(self) -> io::Result<Copy> {
        let size = self.identity.size;
        if size > LARGEST {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        let parts = parts(&self.file).ok_or_else(|| io::Error::other("no ELF file that can be read"))?;
        let name = CString::from(c"krsi-sh-symbols");
        let memory = File::from(memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)?);
        memory.set_len(size)?;
        let mut bytes = 0;
        for part in parts {
            let part = part.start.min(size)..part.end.min(size);
            bytes += part.end.saturating_sub(part.start);
            if bytes > LIMIT {
                break;
            }
            copy_range(&self.file, &memory, part)?;
        }
        Ok(Copy { file: memory, bytes: bytes.min(LIMIT) })
    }
}

fn copy_range(from: &File, to: &File, range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).unwrap_or(buffer.len()).min(buffer.len());
        match from.read_at(&mut buffer[..most], at)? {
            // It was cut meanwhile; what is left of the copy is zero.
            0 => break,
            read => {
                to.write_all_at(&buffer[..read], at)?;
                at += read as u64;
            }
        }
    }
    Ok(())
}

/// Where in the file the headers are, and then the tables.
fn parts(file: &File) -> Option<Vec<Range<u64>>> {
    let cache = ReadCache::new(file.try_clone().ok()?);
    let bounded = Bounded(&cache);
    let class = bounded.read_bytes_at(0, 5).ok()?[4];
    match class {
        1 => parts_of::<FileHeader32<Endianness>>(bounded),
        2 => parts_of::<FileHeader64<Endianness>>(bounded),
        _ => None,
    }
}

fn parts_of<'d, H: FileHeader<Endian = Endianness>>(data: Bounded<'d>) -> Option<Vec<Range<u64>>> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.section_headers(endian, data).ok()?;
    let at = |offset: u64, count: u64, size: u16| -> Option<Range<u64>> {
        Some(offset..offset.checked_add(count.checked_mul(size.into())?)?)
    };
    let segments =
        at(header.e_phoff(endian).into(), header.e_phnum(endian).into(), header.e_phentsize(endian))?;
    let table = at(header.e_shoff(endian).into(), sections.len() as u64, header.e_shentsize(endian))?;
    let mut parts = vec![0..size_of::<H>() as u64, segments, table];
    // Those of the dynamic linker first: they are few, and always there.
    for wanted in [SHT_DYNSYM, SHT_STRTAB, SHT_SYMTAB] {
        let found = sections.iter().filter(|section| section.sh_type(endian) == wanted);
        for section in found {
            let (offset, size): (u64, u64) =
                (section.sh_offset(endian).into(), section.sh_size(endian).into());
            parts.push(offset..offset.checked_add(size)?);
        }
    }
    Some(parts)
}

/// A file of which no more than so much is read at once, whatever its headers say.
#[derive(Clone, Copy)]
struct Bounded<'f>(&'f ReadCache<File>);

/// 65 535 section headers.
const MOST_AT_ONCE: u64 = 4 << 20;

impl<'f> ReadRef<'f> for Bounded<'f> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'f [u8], ()> {
        if size > MOST_AT_ONCE { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'f [u8], ()> {
        if range.end.saturating_sub(range.start) > MOST_AT_ONCE {
            return Err(());
        }
        self.0.read_bytes_at_until(range, delimiter)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, time::Instant};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_not_opened_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("lib (deleted)");
        mkfifo(&pipe, Mode::S_IRUSR).unwrap();
        let link = directory.path().join("link");
        symlink("/bin/sh", &link).unwrap();
        let begun = Instant::now();
        for path in [&pipe, &link, &directory.path().to_owned()] {
            assert!(open(path).is_err(), "{}", path.display());
        }
        assert!(begun.elapsed().as_secs() < 1);
    }

    #[test]
    fn a_copy_has_the_symbols_and_no_code() {
        let own = std::env::current_exe().unwrap();
        let whole = std::fs::metadata(&own).unwrap().len();
        let copy = open(&own).unwrap().copy().unwrap();
        assert_eq!(copy.file.metadata().unwrap().len(), whole);
        assert!(copy.bytes < whole && copy.bytes > 0);
    }

    #[test]
    fn a_header_that_promises_too_much_takes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("huge");
        let mut header = vec![0_u8; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[40..48].copy_from_slice(&64_u64.to_le_bytes());
        header[58..60].copy_from_slice(&64_u16.to_le_bytes());
        std::fs::write(&path, &header).unwrap();
        // e_shnum is 0: the number of sections stands in the first one, which says 2^40.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(LARGEST).unwrap();
        file.write_all_at(&(1_u64 << 40).to_le_bytes(), 64 + 32).unwrap();
        assert!(open(&path).unwrap().copy().is_err());
    }
}
