//! Which inode a path is, as an LSM hook will see it.
//!
//! `stat(2)` is not the one to ask: on overlayfs and btrfs it tells another device than the
//! inode's own, and a denial keyed on that misses in silence. So the file is
//! opened (`O_PATH`: no permission is used up, no hook is run), and an iterator
//! program tells what the kernel has behind the descriptor. The descriptor stays open
//! as long as the param holds: an inode that is open cannot be freed, and
//! its number cannot be given to another file.
//!
//! The same object lists who the shell is, which in a namespace of its own it cannot know otherwise.

use std::{
    cell::{RefCell, RefMut},
    collections::HashMap,
    fs::{File, Metadata, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::PathBuf,
};

use aya::{
    Ebpf,
    programs::{Iter, Program},
};

use crate::{
    kernel::{
        KernelError,
        attach::{exempt::Process, follow::stamp},
        errno::chain,
        load::{
            iter,
            loader::{self, KernelTypes},
        },
    },
    raw,
    system::{clock, limits},
};

pub static OBJECT: &[u8] = include_bytes!("../../../ebpf-templates/objects/_identity.bpf.o");
const PROGRAM: &str = "krsi_identity";
const LINEAGE: &str = "krsi_lineage";

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

/// Asks the kernel; the iterator is loaded at the first question.
#[derive(Default)]
pub struct Identities {
    loaded: RefCell<Option<Ebpf>>,
}

impl Identities {
    /// The identities of those of `paths` (in the form of [`raw`]) that exist now; the others are left out.
    ///
    /// # Errors
    /// If a file exists but cannot be opened, or the kernel does not answer.
    pub fn of(&self, btf: &'static KernelTypes, paths: &[String]) -> Result<Vec<Identity>, KernelError> {
        Ok(self.of_each(btf, paths)?.into_iter().flatten().collect())
    }

    /// The identity of each of `paths`; `None` where there is no file now.
    ///
    /// # Errors
    /// If a file exists but cannot be opened, or the kernel does not answer.
    pub fn of_each(
        &self,
        btf: &'static KernelTypes,
        paths: &[String],
    ) -> Result<Vec<Option<Identity>>, KernelError> {
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
            self.ask(btf).map_err(failed)?.into_iter().map(|r| (i64::from(r.fd), r)).collect();
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

    /// Lists the shell and its ancestors as the kernel knows them, the shell first; and learns its clocks.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub fn lineage(&self, btf: &'static KernelTypes) -> Result<Vec<Process>, KernelError> {
        let failed = |error: String| KernelError::Program { what: "learn who this shell is".into(), error };
        // Loading it takes a while, in which the clocks go on.
        self.prepare(btf, LINEAGE, "task").map_err(failed)?;
        let before = clock::read();
        let bytes = self.run(btf, LINEAGE, "task").map_err(failed)?;
        let after = clock::read();
        let mut pairs = bytes.chunks_exact(16).map(|pair| (word(pair, 0, 8), word(pair, 8, 8))).peekable();
        let empty = || failed("the kernel's list of tasks is empty".into());
        let (monotonic, boottime) = pairs.next().ok_or_else(empty)?;
        let (_, start_ns) = *pairs.peek().ok_or_else(empty)?;
        clock::learn(before, monotonic, boottime, after, start_ns);
        Ok(pairs.map(|(pid, start_ns)| Process { pid: pid as u32, start_ns }).collect())
    }

    fn ask(&self, btf: &'static KernelTypes) -> Result<Vec<Record>, String> {
        let bytes = self.run(btf, PROGRAM, "task_file")?;
        Ok(bytes.chunks_exact(Record::SIZE).map(Record::read).collect())
    }

    /// What one of the iterators writes; it is loaded at the first time.
    fn run(&self, btf: &'static KernelTypes, name: &str, iterator: &str) -> Result<Vec<u8>, String> {
        let mut program = self.prepare(btf, name, iterator)?;
        iter::output(&mut program)
    }

    /// One of the iterators, loaded at the first time.
    fn prepare(
        &self,
        btf: &'static KernelTypes,
        name: &str,
        iterator: &str,
    ) -> Result<RefMut<'_, Iter>, String> {
        let mut loaded = self.loaded.borrow_mut();
        if loaded.is_none() {
            *loaded = Some(loader::load(OBJECT, btf, &[]).map_err(|e| chain(&e))?);
        }
        let found = RefMut::filter_map(loaded, |loaded| match loaded.as_mut()?.program_mut(name)? {
            Program::Iter(program) => Some(program),
            _ => None,
        });
        let mut program = found.map_err(|_| format!("`{name}` is no iterator"))?;
        if program.fd().is_err() {
            program.load(iterator, btf.numbered()).map_err(|e| chain(&e))?;
        }
        Ok(program)
    }
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
        let number = |at, width| word(bytes, at, width);
        Record { fd: number(0, 4) as u32, device: number(4, 4) as u32, inode: number(8, 8) }
    }
}

fn word(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |acc, byte| acc << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::kernel::load::types::Wanted;

    /// The kernel's list of this process and its ancestors is that of /proc, where both are of the same namespaces.
    #[test]
    fn the_kernel_tells_who_this_process_is() {
        let Some(btf) = types() else { return };
        let lineage = Identities::default().lineage(btf).unwrap();
        let mut pid = std::process::id().cast_signed();
        for process in &lineage {
            let stat = procfs::process::Process::new(pid).unwrap().stat().unwrap();
            assert_eq!((process.pid, process.start_ns / 10_000_000), (stat.pid as u32, stat.starttime));
            pid = stat.ppid;
        }
        assert!(lineage.len() > 1 && lineage[1].pid == std::os::unix::process::parent_id());
        let here = clock::read();
        let nearly = |kernel: i64, here: i64| (kernel - here).abs() < 1_000_000_000;
        assert!(nearly(clock::monotonic_ns(), here.monotonic()));
        assert_eq!(clock::start_offset_ns(), 0);
    }

    fn types() -> Option<&'static KernelTypes> {
        let mut wanted = Wanted::default();
        wanted.add(OBJECT);
        let btf = loader::types(wanted).ok();
        let found = btf.filter(|_| crate::kernel::host::check().is_ok());
        if found.is_none() {
            eprintln!("skipped: no kernel BTF, or no privilege here");
        }
        found
    }

    /// Iterators load where LSM programs are refused too, so this runs wherever there is privilege.
    #[test]
    fn the_kernel_tells_the_inode_behind_a_path() {
        let Some(btf) = types() else { return };
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = raw::from_os(file.path());
        let found = Identities::default().of(btf, &[path, "/no/such/file".into()]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].inode, file.as_file().metadata().unwrap().ino());
        assert_eq!(found[0].resolved, file.path());
    }
}
