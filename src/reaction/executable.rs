//! The file that a process executes.

use std::{fs::File, os::unix::fs::MetadataExt};

use rustix::fs::{FsWord, fstatfs};

use super::process::this_one;
use crate::{facts::root::open_regular, raw};

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h: stat tells another inode there than the kernel's own.
const OVERLAYFS: FsWord = 0x794c_7630;

/// What an event tells of a process's executable.
#[derive(Debug, Clone, Copy)]
pub struct Executed<'e> {
    pub pid: i32,
    /// When it started, in nanoseconds since boot on the kernel's clock.
    pub start_ns: u64,
    pub path: &'e str,
    pub inode: u64,
}

/// Opens what a process executed when an event happened: by the process, if it executes that still, and else by the path. A
/// file that has taken the other's place is none.
///
/// # Errors
/// A sentence that says why not.
pub fn open_executable(told: Executed<'_>) -> Result<File, String> {
    let Executed { pid, path, .. } = told;
    let link = format!("/proc/{pid}/exe");
    // It is the one of that process if the process is there afterwards.
    let by_process = File::open(&link).ok().filter(|_| this_one(pid, Some(told.start_ns)).is_some());
    let named = || std::fs::read_link(&link).is_ok_and(|name| raw::from_os(name) == path);
    if let Some(file) = by_process
        && is_the_same(&file, told.inode, named)
    {
        return Ok(file);
    }
    let gone = format!("process {pid} has ended, or executes another file by now");
    match open_regular(raw::os(path).as_ref()) {
        Ok(file) if is_the_same(&file, told.inode, || false) => Ok(file),
        Ok(_) => Err(format!("{gone}, and {path:?} is another file")),
        Err(error) => Err(format!("{gone}, and {path:?} cannot be read: {}", crate::facts::why(&error))),
    }
}

/// Whether this is the file of that inode. Where stat does not tell, its name has to do.
fn is_the_same(file: &File, inode: u64, named: impl FnOnce() -> bool) -> bool {
    let on_overlayfs = || fstatfs(file).is_ok_and(|on| on.f_type == OVERLAYFS);
    file.metadata().is_ok_and(|meta| meta.ino() == inode) || on_overlayfs() && named()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::system::clock::TICK_NS;

    fn running(path: &std::path::Path) -> Child {
        Command::new(path).arg("60").spawn().unwrap()
    }

    #[test]
    fn the_file_is_the_one_that_was_executed_and_no_other_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sleeper");
        std::fs::copy("/bin/sleep", &path).unwrap();
        let mut child = running(&path);
        let pid = child.id().cast_signed();
        let start = procfs::process::Process::new(pid).unwrap().stat().unwrap().starttime * TICK_NS;
        let inode = std::fs::metadata(&path).unwrap().ino();
        let text = path.to_str().unwrap().to_owned();
        let told = Executed { pid, start_ns: start, path: &text, inode };
        let opened = |told| open_executable(told).map(|file| file.metadata().unwrap().ino());
        assert_eq!(opened(told), Ok(inode));
        // Removed, the process has it still; of another process it would be another file.
        std::fs::rename(&path, directory.path().join("kept")).unwrap();
        assert_eq!(opened(told), Ok(inode));
        let why = opened(Executed { start_ns: start + 10 * TICK_NS, ..told }).unwrap_err();
        assert!(why.ends_with("there is no such file"), "{why}");
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::copy("/bin/sleep", &path).unwrap();
        let why = opened(told).unwrap_err();
        assert!(why.ends_with("is another file"), "{why}");
        // Its path is enough, if it is the same file.
        std::fs::rename(directory.path().join("kept"), &path).unwrap();
        assert_eq!(opened(told), Ok(inode));
    }
}
