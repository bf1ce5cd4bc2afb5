//! Which inode a path is, as an LSM hook will see it.
//!
//! `stat(2)` cannot answer that: on overlayfs and btrfs it shows another device than the
//! inode's own, and a denial keyed on that misses in silence. So the file is
//! opened (`O_PATH`: no permission is used up, no hook is run), and an iterator
//! program lists what the kernel has behind the descriptor. The descriptor stays open
//! as long as the param holds: an inode that is open cannot be freed, and
//! its number cannot be given to another file.

use std::{
    collections::HashMap,
    fs::{File, Metadata, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::PathBuf,
};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        names::iterators::{Iterator, Iterators, number},
    },
    raw,
    system::limits,
};

const IDENTITY: Iterator = Iterator { program: "krsi_identity", kind: "task_file" };

/// A file as the kernel knows it, kept from being freed.
#[derive(Debug)]
pub struct Identity {
    pub inode: u64,
    /// Device of the file system, in the kernel's own form (`MKDEV`).
    pub device: u32,
    /// The path the descriptor has: symbolic links followed.
    pub resolved: PathBuf,
    open: File,
}

impl Identity {
    /// Whether `stat(2)` has found this file: true of no other, since it is open.
    pub fn is(&self, found: &Metadata) -> bool {
        self.open.metadata().is_ok_and(|own| stamp(&own) == stamp(found))
    }

    /// Device and inode as `stat(2)` has them, which need not be what the kernel's hooks see.
    pub fn stamp(&self) -> Option<(u64, u64)> {
        self.open.metadata().ok().as_ref().map(stamp)
    }

    /// Whether it can be reached by a name still.
    pub fn has_a_name(&self) -> bool {
        self.open.metadata().is_ok_and(|own| own.nlink() > 0)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.open.metadata().is_ok_and(|own| own.is_dir())
    }
}

/// What tells a file from every other as long as it is open.
pub fn stamp(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

/// The identities of `paths` (in the form of [`raw`]); `None` where there is no file now.
///
/// # Errors
/// If a file exists but cannot be opened, or the kernel does not answer.
pub fn of_each(iterators: &Iterators, paths: &[String]) -> Result<Vec<Option<Identity>>, KernelError> {
    let mut open = Vec::new();
    for path in paths {
        match open_path(path, paths.len()) {
            Ok(file) => open.push((path, Some(file))),
            Err(error) if is_absent(&error) => open.push((path, None)),
            Err(error) => {
                return Err(KernelError::Identity { path: raw::os(path).into(), error: chain(&error) });
            }
        }
    }
    let Some((first, _)) = open.iter().find(|(_, file)| file.is_some()) else {
        return Ok(paths.iter().map(|_| None).collect());
    };
    let failed = |error: String| KernelError::Identity { path: raw::os(first).into(), error };
    let records: HashMap<_, _> =
        records(iterators).map_err(failed)?.into_iter().map(|r| (i64::from(r.fd), r)).collect();
    open.into_iter()
        .map(|(path, file)| {
            let Some(file) = file else { return Ok(None) };
            let found = records.get(&i64::from(file.as_raw_fd()));
            let record = found.ok_or_else(|| KernelError::Identity {
                path: raw::os(path).into(),
                error: "the kernel's list of open files does not have it".into(),
            })?;
            let resolved = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
                .unwrap_or_else(|_| raw::os(path).into());
            Ok(Some(Identity { inode: record.inode, device: record.device, resolved, open: file }))
        })
        .collect()
}

fn open_path(path: &str, more: usize) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).custom_flags(nix::libc::O_PATH).open(raw::os(path));
    match open() {
        // A set of thousands needs as many descriptors, and the usual limit is 1024.
        Err(error) if error.raw_os_error() == Some(nix::libc::EMFILE) => {
            limits::lift_files(more);
            open()
        }
        result => result,
    }
}

/// A name that is not there is no error: the path is then matched as text.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENOTDIR))
}

/// `struct identity` of `_identity.bpf.c`.
struct Record {
    fd: u32,
    device: u32,
    inode: u64,
}

impl Record {
    const SIZE: usize = 16;

    fn read(bytes: &[u8]) -> Self {
        let half = |at: usize| number(&bytes[at..at + 4]) as u32;
        Record { fd: half(0), device: half(4), inode: number(&bytes[8..Self::SIZE]) }
    }
}

/// This process's open files.
fn records(iterators: &Iterators) -> Result<Vec<Record>, String> {
    let bytes = iterators.output(IDENTITY)?;
    Ok(bytes.chunks_exact(Record::SIZE).map(Record::read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::names::iterators::tests::iterators;

    /// Iterators load where LSM programs are refused too, so this runs wherever there is privilege.
    #[test]
    fn the_kernel_lists_the_inode_behind_a_path() {
        let Some(iterators) = iterators() else { return };
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = raw::from_os(file.path());
        let found = of_each(&iterators, &[path, "/no/such/file".into()]).unwrap();
        let [Some(found), None] = &found[..] else { panic!("{found:?}") };
        assert_eq!(found.inode, file.as_file().metadata().unwrap().ino());
        assert_eq!(found.resolved, file.path());
    }
}
