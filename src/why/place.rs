//! Places as a process sees them: what is at a path, how it is mounted, and what of it is in the way.
//!
//! It is looked up after the fact, so it may have changed meanwhile; a process that has ended is taken to have seen what
//! this one sees.

use std::{
    ffi::{CString, OsString},
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Component, Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use crate::raw;

/// How a process sees the file systems.
#[derive(Debug)]
pub struct View {
    pid: u32,
    /// Its root directory, held open: the process may end at any moment. `None` if it has ended already.
    root: Option<OwnedFd>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As the process names it.
    pub path: PathBuf,
    pub inode: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub is_immutable: bool,
    pub is_append_only: bool,
}

/// A mount, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    pub target: String,
    pub options: Vec<String>,
    pub system_options: Vec<String>,
}

impl View {
    pub fn of(pid: u32) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty()).ok();
        View { pid, root }
    }

    /// The label that a security module gives the process; `None` if that cannot be told, or it has ended.
    pub fn label(&self, module: &str) -> Option<String> {
        let own = format!("/proc/{}/attr/{}/current", self.pid, module.to_lowercase());
        let text = fs::read(own).or_else(|_| fs::read(format!("/proc/{}/attr/current", self.pid))).ok()?;
        let text = raw::text(text.trim_ascii().strip_suffix(b"\0").unwrap_or(text.trim_ascii()));
        (!text.is_empty()).then_some(text)
    }

    /// The label of a file, which a security module keeps in this extended attribute (xattr(7)); `None` if it has none, or that cannot
    /// be told.
    pub fn file_label(&self, path: &Path, attribute: &str) -> Option<String> {
        /// Labels are a page long at the most.
        const LONGEST: usize = 4096;
        let mut label = vec![0; LONGEST];
        let length = rustix::fs::getxattr(self.reached(path), attribute, &mut label[..]).ok()?;
        let label = label.get(..length)?;
        let text = raw::text(label.strip_suffix(b"\0").unwrap_or(label));
        (!text.is_empty()).then_some(text)
    }

    /// The path by which this process reaches it.
    fn reached(&self, path: &Path) -> PathBuf {
        // A path that stands alone would take the place of the root.
        let below: PathBuf = path.components().filter(|c| !matches!(c, Component::RootDir)).collect();
        match &self.root {
            Some(root) => PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd())).join(below),
            None => Path::new("/").join(below),
        }
    }

    /// What is there, behind symbolic links.
    pub fn find(&self, path: &Path) -> Option<Found> {
        let (inode, mode, uid, gid) = {
            let metadata = fs::metadata(self.reached(path)).ok()?;
            (metadata.ino(), metadata.mode(), metadata.uid(), metadata.gid())
        };
        let attributes = attributes(&self.reached(path)).unwrap_or_default();
        let (immutable, append) = (nix::libc::STATX_ATTR_IMMUTABLE, nix::libc::STATX_ATTR_APPEND);
        Some(Found {
            path: path.to_owned(),
            inode,
            mode,
            uid,
            gid,
            is_immutable: attributes & immutable as u64 != 0,
            is_append_only: attributes & append as u64 != 0,
        })
    }

    /// The file or one of the directories above it that has this inode.
    pub fn find_inode(&self, path: &Path, inode: u64) -> Option<Found> {
        path.ancestors().filter_map(|place| self.find(place)).find(|found| found.inode == inode)
    }

    /// How the place is mounted.
    pub fn mounted(&self, path: &Path) -> Option<Mounted> {
        let table = fs::read(format!("/proc/{}/mountinfo", self.pid))
            .or_else(|_| fs::read("/proc/self/mountinfo"))
            .unwrap_or_default();
        // Behind links, as far as there is something.
        let real = |path: &Path| -> io::Result<PathBuf> {
            let root = fs::canonicalize(self.reached(Path::new("/")))?;
            let real = fs::canonicalize(self.reached(path))?;
            Ok(real.strip_prefix(&root).map_or(real.clone(), |below| Path::new("/").join(below)))
        };
        let path =
            real(path).or_else(|_| real(path.parent().unwrap_or(path))).unwrap_or_else(|_| path.to_owned());
        let mounts = table.split(|byte| *byte == b'\n').filter_map(mount);
        // Of several at one place the last is on top.
        let mut best: Option<Mounted> = None;
        for mount in mounts.filter(|mount| path.starts_with(raw::os(&mount.target))) {
            if best.as_ref().is_none_or(|best| mount.target.len() >= best.target.len()) {
                best = Some(mount);
            }
        }
        best
    }
}

/// A line of mountinfo.
fn mount(line: &[u8]) -> Option<Mounted> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = words.iter().position(|word| *word == b"-")?;
    let list = |word: &[u8]| raw::text(word).split(',').map(str::to_owned).collect();
    Some(Mounted {
        target: raw::text(&unescaped(words.get(4)?)),
        options: list(words.get(5)?),
        system_options: list(words.get(dash + 3)?),
    })
}

/// Blanks and the like are written as `\040` there.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match (first, digits) {
            (b'\\', Some(digits)) => {
                out.push(
                    digits.iter().fold(0_u8, |byte, digit| byte.wrapping_mul(8).wrapping_add(digit - b'0')),
                );
                rest = &behind[3..];
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// The attributes of a file that statx(2) tells.
fn attributes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zero is a valid value of this struct of plain numbers.
    let mut found = unsafe { std::mem::zeroed::<nix::libc::statx>() };
    // SAFETY: statx(2) reads a text that ends with a NUL, and writes one struct.
    let result = unsafe {
        nix::libc::statx(nix::libc::AT_FDCWD, path.as_ptr(), 0, nix::libc::STATX_MODE, &raw mut found)
    };
    (result == 0).then_some(found.stx_attributes)
}

/// A path as one system call names it: relative to a directory, unless it stands alone; `.` and `..` are as they are.
pub fn joined(directory: &[u8], text: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    if text.is_empty() { path(directory) } else { path(directory).join(path(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_its_options() {
        let line =
            br"36 35 98:0 /mnt1 /mnt\040two ro,noexec master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        let told = mount(line).unwrap();
        assert_eq!(told.target, "/mnt two");
        assert_eq!(
            (told.options, told.system_options[0].as_str()),
            (vec!["ro".into(), "noexec".into()], "rw")
        );
    }

    #[test]
    fn a_path_stands_alone_or_in_its_directory() {
        assert_eq!(joined(b"/a", b"b"), Path::new("/a/b"));
        assert_eq!(joined(b"/a", b"/b"), Path::new("/b"));
        assert_eq!(joined(b"/a", b""), Path::new("/a"));
    }

    #[test]
    fn what_a_process_saw_is_found_after_it_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let view = View::of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(view.root.is_some());
        assert_eq!(view.find(directory.path()).unwrap().path, directory.path());
        assert!(View::of(child.id()).find(directory.path()).is_some());
    }

    #[test]
    fn a_file_is_found_by_its_inode_among_those_above() {
        let directory = tempfile::tempdir().unwrap();
        let inode = fs::metadata(directory.path()).unwrap().ino();
        let view = View::of(std::process::id());
        let found = view.find_inode(&directory.path().join("x/y"), inode).unwrap();
        assert_eq!(found.path, directory.path());
    }
}
