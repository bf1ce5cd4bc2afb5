//! What a script remembers of keys, in a file of its own that outlives the session.
//!
//! A name is a file in a directory that belongs to this user alone. It is read once, written as a whole, and meanwhile
//! nobody else has it: two sessions that write it would forget each other's keys.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    libc,
    unistd::geteuid,
};
use serde::{Deserialize, Serialize};

use super::{Key, seen::Seen};
use crate::system::whole_file;

/// Characters of a name.
const LONGEST_NAME: usize = 64;
/// Bytes of a file: all that may be remembered, and what JSON needs for it, are less.
const LARGEST_FILE: u64 = 64 << 20;
/// How soon a new key is in the file, and how soon it is there that an old one was seen again.
const NEW_WITHIN: Duration = Duration::from_secs(5);
const AGAIN_WITHIN: Duration = Duration::from_secs(60);
const VERSION: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct Store {
    name: String,
    path: PathBuf,
    seen: Seen,
    /// When the file was last as the memory is.
    saved: Instant,
    unsaved: Unsaved,
    /// Held as long as this is. The kernel lets go of it however the process ends. Nothing of what is in memory alone.
    lock: Option<Flock<File>>,
}

/// What is in memory, and not in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unsaved {
    Nothing,
    /// That keys were seen again.
    Again,
    New,
}

/// What the file has.
#[derive(Debug, Serialize, Deserialize)]
struct Form {
    version: u32,
    /// Each key, and when it was seen last, in milliseconds since 1970.
    seen: Vec<(String, i64)>,
}

/// Why a store cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{0}` cannot be the name of a state; allowed: 1 to 64 letters, digits, `-` and `_`")]
    Name(String),
    #[error("state `{name}` is in use by {}; one session at a time can have it", holder(.by))]
    Held { name: String, by: Option<u32> },
    #[error("cannot use {}: {why}", .path.display())]
    File { path: PathBuf, why: String },
}

fn holder(by: &Option<u32>) -> String {
    by.map_or_else(|| "another session".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    fn file(path: &Path, why: impl ToString) -> Self {
        StoreError::File { path: path.to_owned(), why: why.to_string() }
    }
}

impl Store {
    /// Opens the store of this name in this directory; both are made if they are not there.
    ///
    /// # Errors
    /// If another user has it, could have written it, or it cannot be read.
    pub fn open(directory: &Path, name: &str) -> Result<Self, StoreError> {
        check_name(name)?;
        whole_file::private_directory(directory).map_err(|error| StoreError::file(directory, error))?;
        let lock = lock(&directory.join(format!("{name}.lock")), name)?;
        let path = directory.join(format!("{name}.json"));
        let seen = read(&path).map_err(|error| StoreError::file(&path, error))?;
        let (saved, unsaved) = (Instant::now(), Unsaved::Nothing);
        Ok(Store { name: name.to_owned(), path, seen, saved, unsaved, lock: Some(lock) })
    }

    /// Makes one that remembers nothing of before, and whose file is neither read nor written.
    ///
    /// # Errors
    /// If the name cannot be one.
    pub fn in_memory(directory: &Path, name: &str) -> Result<Self, StoreError> {
        check_name(name)?;
        let path = directory.join(format!("{name}.json"));
        let (seen, saved, unsaved) = (Seen::default(), Instant::now(), Unsaved::Nothing);
        Ok(Store { name: name.to_owned(), path, seen, saved, unsaved, lock: None })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what is remembered.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// See [`Seen::first`].
    pub fn first(&mut self, key: &Key, now: i64, within: i64) -> bool {
        let before = self.seen.see(key, now);
        let change = if before.is_some() { Unsaved::Again } else { Unsaved::New };
        self.unsaved = self.unsaved.max(change);
        before.is_none_or(|before| now.saturating_sub(before) > within)
    }

    /// See [`Seen::remembers`].
    #[must_use]
    pub fn remembers(&self, key: &str) -> bool {
        self.seen.remembers(key)
    }

    /// See [`Seen::forget`].
    pub fn forget(&mut self, key: &str) -> bool {
        let was = self.seen.forget(key);
        if was {
            self.unsaved = Unsaved::New;
        }
        was
    }

    /// Writes the file, if there is something new and that is due.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub fn save_if_due(&mut self, now: Instant) -> Result<(), StoreError> {
        let within = match self.unsaved {
            Unsaved::Nothing => return Ok(()),
            Unsaved::Again => AGAIN_WITHIN,
            Unsaved::New => NEW_WITHIN,
        };
        if now.saturating_duration_since(self.saved) < within { Ok(()) } else { self.save() }
    }

    /// Writes the file, if there is something new: as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written. Everything stays in memory, and the next attempt may do it.
    pub fn save(&mut self) -> Result<(), StoreError> {
        if self.unsaved == Unsaved::Nothing || self.lock.is_none() {
            return Ok(());
        }
        // What has failed is not tried again at once either.
        self.saved = Instant::now();
        let seen = self.seen.sights().map(|(key, time)| (key.to_owned(), time)).collect();
        let written = serde_json::to_vec(&Form { version: VERSION, seen })
            .map_err(io::Error::from)
            .and_then(|bytes| whole_file::write(&self.path, &bytes));
        written.map_err(|error| StoreError::file(&self.path, error))?;
        self.unsaved = Unsaved::Nothing;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_one = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain);
    if is_one { Ok(()) } else { Err(StoreError::Name(name.to_owned())) }
}

fn lock(path: &Path, name: &str) -> Result<Flock<File>, StoreError> {
    let failed = |error: io::Error| StoreError::file(path, error);
    let file = whole_file::open_own(path).map_err(failed)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            let told = held.set_len(0).and_then(|()| held.rewind());
            told.and_then(|()| write!(held, "{}", std::process::id())).map_err(failed)?;
            Ok(held)
        }
        Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            // A process id is short.
            let by = file.take(16).read_to_string(&mut text).ok().and_then(|_| text.parse().ok());
            Err(StoreError::Held { name: name.to_owned(), by })
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

/// What a file remembers; one that is not there nothing.
fn read(path: &Path) -> io::Result<Seen> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::default()),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.uid() != geteuid().as_raw() && found.uid() != 0 {
        return Err(io::Error::other(format!("it belongs to user {}", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "others may write to it (mode {:04o}); fix: remove it, or `chmod go-w` it if you trust it",
            found.mode() & 0o7777
        )));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    let broken = |why: String| io::Error::other(format!("it is not a state ({why}); fix: move it away"));
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(broken("it is larger than 64 MiB".into()));
    }
    // Nothing is begun anew in silence: all keys would be new again.
    let form: Form = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    if form.version != VERSION {
        return Err(broken(format!("its version is {}, and not {VERSION}", form.version)));
    }
    let mut seen = Seen::default();
    for (key, time) in form.seen {
        seen.see(&key.into(), time);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    const DAY: i64 = 86_400_000;

    fn key(text: &str) -> Key {
        text.into()
    }

    fn refused(directory: &Path, name: &str) -> String {
        Store::open(directory, name).unwrap_err().to_string()
    }

    #[test]
    fn what_was_seen_is_known_to_the_next_session() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("krsi-sh/state");
        let mut store = Store::open(&directory, "hunt").unwrap();
        assert!(store.first(&key("a"), DAY, DAY) && !store.first(&key("a"), DAY + 1, DAY));
        assert!(store.first(&key("\"\u{efff}\n"), DAY, DAY));
        store.save().unwrap();
        drop(store);
        let mut store = Store::open(&directory, "hunt").unwrap();
        assert!(!store.first(&key("a"), 2 * DAY + 1, DAY) && !store.first(&key("\"\u{efff}\n"), DAY, DAY));
        assert!(store.first(&key("a"), 4 * DAY, DAY));
        assert!(Store::open(&directory, "other").unwrap().seen().is_empty());
        assert_eq!(fs::metadata(store.path()).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn it_is_written_when_that_is_due_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&directory.path().join("s"), "hunt").unwrap();
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        store.save_if_due(later(1000)).unwrap();
        assert!(!store.path().exists());
        store.first(&key("a"), 1, DAY);
        store.save_if_due(later(4)).unwrap();
        assert!(!store.path().exists());
        store.save_if_due(later(6)).unwrap();
        let text = fs::read(store.path()).unwrap();
        store.first(&key("a"), 2, DAY);
        store.save_if_due(later(50)).unwrap();
        assert_eq!(fs::read(store.path()).unwrap(), text);
        store.save_if_due(later(70)).unwrap();
        assert_ne!(fs::read(store.path()).unwrap(), text);
    }

    #[test]
    fn one_session_at_a_time_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("s");
        let first = Store::open(&directory, "hunt").unwrap();
        let by = format!("process {}", std::process::id());
        assert!(refused(&directory, "hunt").contains(&by));
        drop(first);
        Store::open(&directory, "hunt").unwrap();
    }

    #[test]
    fn what_others_could_have_written_or_is_something_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("s");
        drop(Store::open(&directory, "hunt").unwrap());
        let file = |name: &str, text: &str, mode: u32| {
            let path = directory.join(format!("{name}.json"));
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("open", "{\"version\":1,\"seen\":[]}", 0o666);
        assert!(refused(&directory, "open").contains("mode 0666"));
        file("cut", "{\"version\":1,\"se", 0o600);
        assert!(refused(&directory, "cut").contains("not a state"));
        file("new", "{\"version\":2,\"seen\":[]}", 0o600);
        assert!(refused(&directory, "new").contains("version is 2"));
        symlink("/etc/passwd", directory.join("link.json")).unwrap();
        Store::open(&directory, "link").unwrap_err();
        fs::create_dir(directory.join("directory.json")).unwrap();
        assert!(refused(&directory, "directory").contains("regular"));
        for name in ["", "../x", "a/b", "a.b", "ä", &"x".repeat(65)] {
            assert!(refused(&directory, name).contains("allowed"), "{name}");
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(refused(&directory, "hunt").contains("others can write"));
    }
}
