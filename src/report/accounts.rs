//! Names of users and groups, as this machine's files have them.
//!
//! In: an id of the initial user namespace. Out: its name in `/etc/passwd` or `/etc/group`, if it has one. The files
//! are read here and not by libc: the program is linked statically, and glibc would then load the shared libraries of
//! exactly its own version to answer. Nor may an event wait for a directory server, which that could mean.
//!
//! A file is read once, and anew when it has changed, which is looked for once a second at most: reading it is an
//! operation that a probe may be observing. It is read before a probe can be ([`prepare`]), for the same reason.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long an answer may be out of date.
const FRESH: Duration = Duration::from_secs(1);
/// More of a file is not read.
const LIMIT: u64 = 16 << 20;

static USERS: LazyLock<Mutex<Names>> = LazyLock::new(|| Mutex::new(Names::of("/etc/passwd")));
static GROUPS: LazyLock<Mutex<Names>> = LazyLock::new(|| Mutex::new(Names::of("/etc/group")));

/// The name of a user; `None` if it has none here.
pub(super) fn user(uid: u32) -> Option<String> {
    name(&USERS, uid)
}

/// The name of a group; `None` if it has none here.
pub(super) fn group(gid: u32) -> Option<String> {
    name(&GROUPS, gid)
}

/// Reads what there is to read, so that no event has to.
pub(super) fn prepare() {
    for names in [&USERS, &GROUPS] {
        let _: Option<String> = name(names, 0);
    }
}

fn name(names: &Mutex<Names>, id: u32) -> Option<String> {
    // After a panic elsewhere the names are what they were.
    names.lock().unwrap_or_else(PoisonError::into_inner).name(id, Instant::now()).map(str::to_owned)
}

/// One of the files.
struct Names {
    path: PathBuf,
    names: HashMap<u32, String>,
    /// What the file was when it was read: inode, size, time of change.
    version: Option<(u64, u64, i64, i64)>,
    looked: Option<Instant>,
}

impl Names {
    fn of(path: impl AsRef<Path>) -> Self {
        Names { path: path.as_ref().to_owned(), names: HashMap::new(), version: None, looked: None }
    }

    fn name(&mut self, id: u32, now: Instant) -> Option<&str> {
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= FRESH) {
            self.looked = Some(now);
            self.refresh();
        }
        self.names.get(&id).map(String::as_str)
    }

    /// A file that is not there, as in a small guest, has no names.
    fn refresh(&mut self) {
        let version = fs::metadata(&self.path)
            .ok()
            .map(|meta| (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()));
        if version == self.version {
            return;
        }
        self.version = version;
        let mut bytes = Vec::new();
        // What could be read of a file that cannot be read to its end is as good.
        let _ = File::open(&self.path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
        self.names = read(&String::from_utf8_lossy(&bytes));
    }
}

/// `name:password:id:…`; of several names of an id the first is the one, as for libc.
fn read(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(':');
        let (Some(name), Some(_), Some(id)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if let Ok(id) = id.parse()
            && !name.is_empty()
        {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_an_id_counts_and_what_is_no_entry_does_not() {
        let names = read(
            "root:x:0:0::/:/bin/sh\ntoor:x:0:0:::\n# a:x:7:\nb:x\n+::::::\nc:x:-1:\nd:x:7:7:::\n:x:8:8\n",
        );
        assert_eq!(names, HashMap::from([(0, "root".to_owned()), (7, "d".to_owned())]));
    }

    #[test]
    fn a_changed_file_is_read_anew_after_a_second_and_a_lost_one_has_no_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        let (begin, later) = (Instant::now(), |seconds| Instant::now() + Duration::from_secs(seconds));
        let mut names = Names::of(&path);
        assert_eq!(names.name(1000, begin), None);
        fs::write(&path, "alice:x:1000:1000:::\n").unwrap();
        assert_eq!(names.name(1000, begin), None);
        assert_eq!(names.name(1000, later(2)), Some("alice"));
        fs::remove_file(&path).unwrap();
        assert_eq!(names.name(1000, later(4)), None);
    }
}
