//! The root directory that facts are read from: `/`, or a directory that is laid out like one.
//!
//! Every path of a fact goes through here, so what a script finds in a made-up root is what it would find on a system
//! like that. Absolute links lead to places inside of the root, and `..` stops at it. It is a view and no prison: who
//! can change the tree meanwhile can lead out of it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use nix::libc;

use crate::raw;

/// More of a file is not read: what is longer is an error.
pub const LIMIT: u64 = 16 << 20;
/// As the kernel's own (MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

/// What becomes of a link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Followed,
    /// The link itself is meant.
    Kept,
}

impl Default for Root {
    fn default() -> Self {
        Root(PathBuf::from("/"))
    }
}

impl Root {
    /// Takes this directory for `/`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Root(path.into())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is the running system's own.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Returns where a path of this root is on the running system.
    ///
    /// # Errors
    /// If links lead in a circle, or a directory on the way cannot be read. What is not there has a place all the same.
    pub fn locate(&self, path: impl AsRef<Path>, links: Links) -> io::Result<PathBuf> {
        let path = path.as_ref();
        if self.is_system() {
            return Ok(path.to_owned());
        }
        let mut left: Vec<OsString> = components(path);
        let mut inside: Vec<OsString> = Vec::new();
        let mut followed = 0;
        while let Some(next) = left.pop() {
            if next == ".." {
                inside.pop();
                continue;
            }
            let place = self.place(&inside).join(&next);
            let keep = left.is_empty() && links == Links::Kept;
            match fs::read_link(&place) {
                Ok(target) if !keep => {
                    followed += 1;
                    if followed > MOST_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    if target.is_absolute() {
                        inside.clear();
                    }
                    left.extend(components(&target));
                }
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => return Err(error),
                // Not a link, or not there.
                _ => inside.push(next),
            }
        }
        Ok(self.place(&inside))
    }

    fn place(&self, inside: &[OsString]) -> PathBuf {
        let mut place = self.0.clone();
        place.extend(inside);
        place
    }

    /// Opens a regular file to be read. What is none (a FIFO, a device) could hold the session up.
    ///
    /// # Errors
    /// If it cannot be opened, or is not a regular file.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        open_regular(&self.locate(path, Links::Followed)?)
    }

    /// Returns a whole file of up to [`LIMIT`].
    ///
    /// # Errors
    /// If it cannot be read, or is longer.
    pub fn bytes(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // The size that a file says means nothing under /proc.
        self.open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LIMIT {
            true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
            false => Ok(bytes),
        }
    }

    /// Returns a whole file as text, no byte lost ([`raw`]).
    ///
    /// # Errors
    /// As [`Root::bytes`].
    pub fn text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.bytes(path).map(|bytes| raw::text(&bytes))
    }

    /// Returns the first line of a file, without spaces around it.
    ///
    /// # Errors
    /// As [`Root::bytes`].
    pub fn line(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.text(path).map(|text| text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Returns the names in a directory, sorted.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn names(&self, path: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(self.locate(path, Links::Followed)?)?;
        let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Returns what a link says.
    ///
    /// # Errors
    /// If it is not a link, or cannot be read.
    pub fn link(&self, path: impl AsRef<Path>) -> io::Result<OsString> {
        fs::read_link(self.locate(path, Links::Kept)?).map(PathBuf::into_os_string)
    }

    /// Whether there is something at this path, links followed.
    #[must_use]
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.locate(path, Links::Followed).is_ok_and(|place| fs::metadata(place).is_ok())
    }
}

/// Opens a regular file; opening waits for nothing.
///
/// # Errors
/// As [`Root::open`].
pub fn open_regular(place: &Path) -> io::Result<File> {
    if place.as_os_str().as_bytes().contains(&0) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(place)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() {
        true => Ok(file),
        false if kind.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// The parts of a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.rev().map(|part| AsRef::<OsStr>::as_ref(&part).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_a_made_up_root_stay_inside_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::create_dir_all(at.join("usr/bin")).unwrap();
        fs::create_dir_all(at.join("etc")).unwrap();
        fs::write(at.join("usr/bin/sh"), "shell").unwrap();
        fs::write(at.join("etc/passwd"), "made up").unwrap();
        symlink("/usr/bin", at.join("bin")).unwrap();
        symlink("/etc/passwd", at.join("etc/absolute")).unwrap();
        symlink("../../../../etc/passwd", at.join("etc/above")).unwrap();
        symlink("circle", at.join("circle")).unwrap();
        let root = Root::new(at);
        assert_eq!(root.text("/bin/sh").unwrap(), "shell");
        assert_eq!(root.text("/etc/absolute").unwrap(), "made up");
        assert_eq!(root.text("/etc/above").unwrap(), "made up");
        assert_eq!(root.text("/../../etc/passwd").unwrap(), "made up");
        assert_eq!(root.text("/circle").unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert_eq!(root.link("/etc/absolute").unwrap(), "/etc/passwd");
        assert_eq!(root.names("/bin").unwrap(), ["sh"]);
        assert!(root.has("/bin/sh") && !root.has("/bin/bash"));
    }

    #[test]
    fn what_is_no_regular_file_or_too_long_is_refused_and_nothing_waits() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let long = File::create(directory.path().join("long")).unwrap();
        long.set_len(LIMIT + 1).unwrap();
        let root = Root::new(directory.path());
        assert!(root.bytes("/fifo").unwrap_err().to_string().contains("regular"));
        assert_eq!(root.bytes("/").unwrap_err().raw_os_error(), Some(libc::EISDIR));
        assert_eq!(root.bytes("/long").unwrap_err().raw_os_error(), Some(libc::EFBIG));
        assert!(root.bytes("/nul\0").is_err());
        long.set_len(LIMIT).unwrap();
        assert_eq!(root.bytes("/long").unwrap().len() as u64, LIMIT);
    }
}
