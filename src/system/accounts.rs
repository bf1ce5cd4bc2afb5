//! Names of users and groups, as this machine's files have them.
//!
//! In: an id of the initial user namespace, or a name. Out: the other, from `/etc/passwd` or `/etc/group`. The files
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

use crate::values::nearest;

/// How long an answer may be out of date.
const FRESH: Duration = Duration::from_secs(1);
/// More of a file is not read.
const LIMIT: u64 = 16 << 20;

static USERS: LazyLock<Mutex<Names>> = LazyLock::new(|| Mutex::new(Names::of("/etc/passwd")));
static GROUPS: LazyLock<Mutex<Names>> = LazyLock::new(|| Mutex::new(Names::of("/etc/group")));

/// Whom an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    User,
    Group,
}

/// A name that no user, or no group, has here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no {of} \"{given}\"{}; allowed: an id, or a name from {}", nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean \"{n}\"?)")), of.file())]
pub struct NoAccount {
    pub of: Account,
    pub given: String,
    pub nearest: Option<String>,
}

impl Account {
    /// What the ids in a field of this name are of, if they are of either.
    #[must_use]
    pub fn of_field(field: &str) -> Option<Self> {
        let ends = |what: &str| {
            field.strip_suffix(what).is_some_and(|front| front.is_empty() || front.ends_with('_'))
        };
        match field {
            "euid" | "loginuid" => Some(Account::User),
            _ if ends("uid") => Some(Account::User),
            _ if ends("gid") => Some(Account::Group),
            _ => None,
        }
    }

    /// The name of an id; `None` if it has none here.
    #[must_use]
    pub fn name(self, id: u32) -> Option<String> {
        self.with(|names| names.name(id, Instant::now()).map(str::to_owned))
    }

    /// The id of a name.
    ///
    /// # Errors
    /// If nobody is called so here, with the nearest name.
    pub fn id(self, given: &str) -> Result<u32, NoAccount> {
        self.with(|names| {
            names.id(given, Instant::now()).ok_or_else(|| {
                let known = names.ids.keys().map(String::as_str);
                let nearest = nearest(given, known).map(str::to_owned);
                NoAccount { of: self, given: given.to_owned(), nearest }
            })
        })
    }

    fn file(self) -> &'static str {
        match self {
            Account::User => "/etc/passwd",
            Account::Group => "/etc/group",
        }
    }

    fn with<T>(self, ask: impl FnOnce(&mut Names) -> T) -> T {
        let names = match self {
            Account::User => &USERS,
            Account::Group => &GROUPS,
        };
        // After a panic elsewhere the names are what they were.
        ask(&mut names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Account::User => "user",
            Account::Group => "group",
        })
    }
}

/// Returns the home directory of a user, from `/etc/passwd` (passwd(5)); `None` if it has none here.
#[must_use]
pub fn home(uid: u32) -> Option<PathBuf> {
    let mut text = String::new();
    File::open("/etc/passwd").ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.nth(2)?.parse() == Ok(uid);
        is_it.then(|| fields.nth(2).filter(|home| home.starts_with('/')).map(PathBuf::from)).flatten()
    })
}

/// Reads what there is to read, so that no event has to.
pub fn prepare() {
    for of in [Account::User, Account::Group] {
        let _: Option<String> = of.name(0);
    }
}

/// One of the files.
struct Names {
    path: PathBuf,
    names: HashMap<u32, String>,
    ids: HashMap<String, u32>,
    /// What the file was when it was read: inode, size, time of change.
    version: Option<(u64, u64, i64, i64)>,
    looked: Option<Instant>,
}

impl Names {
    fn of(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Names { path, names: HashMap::new(), ids: HashMap::new(), version: None, looked: None }
    }

    fn name(&mut self, id: u32, now: Instant) -> Option<&str> {
        self.look(now);
        self.names.get(&id).map(String::as_str)
    }

    fn id(&mut self, name: &str, now: Instant) -> Option<u32> {
        self.look(now);
        self.ids.get(name).copied()
    }

    fn look(&mut self, now: Instant) {
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= FRESH) {
            self.looked = Some(now);
            self.refresh();
        }
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
        (self.names, self.ids) = read(&String::from_utf8_lossy(&bytes));
    }
}

/// `name:password:id:…`; of several names of an id, and of several ids of a name, the first is the one, as for libc.
fn read(text: &str) -> (HashMap<u32, String>, HashMap<String, u32>) {
    let (mut names, mut ids) = (HashMap::new(), HashMap::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(':');
        let (Some(name), Some(_), Some(id)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if let Ok(id) = id.parse()
            && !name.is_empty()
        {
            names.entry(id).or_insert_with(|| name.to_owned());
            ids.entry(name.to_owned()).or_insert(id);
        }
    }
    (names, ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_an_id_counts_and_what_is_no_entry_does_not() {
        let (names, ids) = read(
            "root:x:0:0::/:/bin/sh\ntoor:x:0:0:::\n# a:x:7:\nb:x\n+::::::\nc:x:-1:\nd:x:7:7:::\n:x:8:8\n",
        );
        assert_eq!(names, HashMap::from([(0, "root".to_owned()), (7, "d".to_owned())]));
        let ids_of = |name: &str| ids.get(name).copied();
        assert_eq!(
            [ids_of("root"), ids_of("toor"), ids_of("d"), ids_of("a")],
            [Some(0), Some(0), Some(7), None]
        );
    }

    #[test]
    fn an_unknown_name_gives_the_nearest() {
        let error = Account::User.id("rooot").unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("root"));
        let text = error.to_string();
        assert!(
            text.contains("no user \"rooot\" (did you mean \"root\"?)") && text.contains("/etc/passwd"),
            "{text}"
        );
        assert_eq!(Account::Group.id("root"), Ok(0));
    }

    #[test]
    fn fields_whose_ids_have_names() {
        let of = Account::of_field;
        assert_eq!([of("uid"), of("file_uid"), of("loginuid")], [Some(Account::User); 3]);
        assert_eq!([of("gid"), of("file_gid")], [Some(Account::Group); 2]);
        assert_eq!([of("pid"), of("druid")], [None; 2]);
    }

    #[test]
    fn a_changed_file_is_read_anew_after_a_second_and_a_lost_one_has_no_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwd");
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
