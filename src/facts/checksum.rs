//! The SHA-256 of a file's contents, remembered by inode and time of change.

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::Sha256;

use super::{
    FactError, Reader,
    packages::digest,
    root::{Links, open_regular},
};
use crate::raw;

/// Bytes of the largest file that is read: seconds of work, and not minutes.
const LARGEST: u64 = 1 << 30;
/// Checksums that are remembered; the oldest make room.
const REMEMBERED: usize = 4096;
/// A file that was changed so short a time ago may be changed once more without its time telling.
const SETTLED: Duration = Duration::from_secs(2);

/// One state of one file: what is changed has another time, if it is read later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(meta: &Metadata) -> Self {
        let changed = (meta.ctime(), meta.ctime_nsec());
        Version { device: meta.dev(), inode: meta.ino(), size: meta.size(), changed }
    }

    /// Whether it has been like this for a while.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed =
            Duration::new(self.changed.0.try_into().unwrap_or(0), self.changed.1.try_into().unwrap_or(0));
        now.checked_sub(changed).is_some_and(|since| since > SETTLED)
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Cache {
    known: HashMap<Version, String>,
    order: VecDeque<Version>,
}

impl Cache {
    fn add(&mut self, version: Version, sum: &str) {
        if self.known.insert(version, sum.to_owned()).is_none() {
            self.order.push_back(version);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// Returns the SHA-256 of the regular file that a path leads to, in hexadecimal.
///
/// # Errors
/// If the path is not whole, or the file is not regular, too large, or cannot be read.
pub fn sha256(reader: Reader<'_>, path: &str) -> Result<String, FactError> {
    if !path.starts_with('/') || path.contains('\0') {
        let text = format!("`sha256`: {path:?} is not a whole path; allowed: one that begins with `/`");
        return Err(FactError::script(text, path));
    }
    let failed = |error: io::Error| FactError::read(raw::os(path), &error);
    let place = reader.root().locate(raw::os(path), Links::Followed).map_err(failed)?;
    sha256_of(reader, path, &mut open_regular(&place).map_err(failed)?)
}

/// Returns the SHA-256 of an open regular file, which messages call `path`.
///
/// # Errors
/// If it is too large, changes meanwhile, or cannot be read.
pub fn sha256_of(reader: Reader<'_>, path: &str, file: &mut File) -> Result<String, FactError> {
    let failed = |error: io::Error| FactError::read(raw::os(path), &error);
    let meta = file.metadata().map_err(failed)?;
    if meta.len() > LARGEST {
        return Err(FactError::system(format!("cannot read {path:?}: it is larger than 1 GiB")));
    }
    let version = Version::of(&meta);
    if let Some(sum) = reader.facts.checksums.borrow().known.get(&version) {
        return Ok(sum.clone());
    }
    let now = SystemTime::now();
    let sum = digest::<Sha256>(file, reader.go_on);
    reader.check()?;
    let sum = sum.map_err(failed)?;
    // Under /proc and the like every file has a size of 0, and no time that tells a change.
    let is_stored = meta.len() > 0;
    let after = Version::of(&file.metadata().map_err(failed)?);
    if is_stored && after != version {
        return Err(FactError::system(format!("cannot read {path:?}: it was changed meanwhile")));
    }
    if is_stored && version.is_settled(now) {
        reader.facts.checksums.borrow_mut().add(version, &sum);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    #[test]
    fn it_is_as_sha256sum_says() {
        let facts = Facts::default();
        let Some(said) = told("sha256sum", &["/bin/sh"]) else { return };
        // The second time it is remembered.
        for _ in 0..2 {
            assert_eq!(sha256(reader(&facts), "/bin/sh").unwrap(), said.split(' ').next().unwrap());
        }
        assert_eq!(facts.checksums.borrow().known.len(), 1);
    }

    #[test]
    fn a_file_that_has_just_changed_is_read_again() {
        let made = MadeUp::new(&[("/a", "one")]);
        let first = sha256(made.reader(), "/a").unwrap();
        assert_eq!(&first[..8], "7692c3ad");
        assert!(made.facts.checksums.borrow().known.is_empty());
        made.file("/a", "two");
        assert_ne!(sha256(made.reader(), "/a").unwrap(), first);
        let version = Version::of(&fs::metadata(made.at("/a")).unwrap());
        let changed = UNIX_EPOCH + Duration::new(version.changed.0 as u64, version.changed.1 as u32);
        assert!(!version.is_settled(changed + SETTLED) && version.is_settled(changed + 2 * SETTLED));
        // A clock that was set back tells nothing.
        assert!(!version.is_settled(changed - SETTLED));
    }

    #[test]
    fn errors_say_why() {
        let made = MadeUp::new(&[("/a", "one")]);
        made.link("/link", "/a");
        let of = |path: &str| sha256(made.reader(), path);
        assert_eq!(of("/link").unwrap(), of("/a").unwrap());
        let why = |path: &str| of(path).unwrap_err().to_string();
        assert!(why("a").contains("whole path"));
        assert!(why("/none").ends_with("there is no such file"), "{}", why("/none"));
        assert!(why("/").ends_with("it is a directory"));
        nix::unistd::mkfifo(&made.at("/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(why("/fifo").ends_with("not a regular file"));
        let large = File::create(made.at("/large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        assert!(why("/large").ends_with("larger than 1 GiB"));
        large.set_len(LARGEST).unwrap();
        let stopped = Reader { facts: &made.facts, go_on: &|| false };
        assert_eq!(sha256(stopped, "/large").unwrap_err(), FactError::stopped());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut cache = Cache::default();
        let version = |inode| Version { device: 1, inode, size: 1, changed: (0, 0) };
        for inode in 0..REMEMBERED as u64 + 10 {
            cache.add(version(inode), "");
            cache.add(version(inode), "");
        }
        assert_eq!((cache.known.len(), cache.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!cache.known.contains_key(&version(9)) && cache.known.contains_key(&version(10)));
    }
}
