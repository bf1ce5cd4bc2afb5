//! Users, groups, and the state of passwords: /etc/passwd, /etc/group, /etc/shadow.
//!
//! A hash is never part of what is returned, nor of an error: only what it says about itself. The files are read here and
//! not by libc, as in `system::accounts`; what a directory server knows is not seen.

use std::{collections::HashMap, os::unix::fs::MetadataExt, rc::Rc};

use super::{FactError, Reader, error::if_there, record::record, root::Links};

record! {
    /// One user.
    User {
        /// Login name.
        name: String,
        /// User id.
        uid: u32,
        /// Id of the first group.
        gid: u32,
        /// Name of the first group; `()` if there is none of that id.
        group: Option<String>,
        /// Names of the other groups.
        groups: Vec<String>,
        /// Full name and the like.
        comment: String,
        /// Home directory.
        home: String,
        /// Login shell; empty for /bin/sh.
        shell: String,
        /// Where the password is: `shadow`, `empty` (none is needed), `locked`, or `here` (a hash that everybody may read).
        password: String,
    }
}

record! {
    /// One group.
    Group {
        /// Its name.
        name: String,
        /// Group id.
        gid: u32,
        /// Users that are in it besides those whose first group it is.
        members: Vec<String>,
        /// Where the password is: `shadow`, `empty`, `locked` or `here`.
        password: String,
    }
}

record! {
    /// The state of one password.
    Password {
        /// Login name.
        name: String,
        /// `set`, `locked` (there is one, not accepted), `none` (no password fits) or `empty` (none is needed).
        status: String,
        /// How it is hashed: `yescrypt`, `sha512`, `sha256`, `bcrypt`, `md5`, `des` …; `()` without a hash.
        algorithm: Option<String>,
        /// Day of the last change, counted from 1970; 0: must be changed at the next login.
        last_change: Option<i64>,
        /// Days before it may be changed.
        min_days: Option<i64>,
        /// Days before it must be changed.
        max_days: Option<i64>,
        /// Days of warning before that.
        warn_days: Option<i64>,
        /// Days after that in which it still is accepted.
        inactive_days: Option<i64>,
        /// Day on which the account ends, counted from 1970.
        expires: Option<i64>,
    }
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SHADOW: &str = "/etc/shadow";

/// What a file was when it was read.
type Version = (u64, u64, i64, i64);

/// Names by id, as long as their files are the same.
#[derive(Debug, Default)]
pub struct Cache {
    users: Named,
    groups: Named,
}

#[derive(Debug, Default)]
struct Named {
    version: Option<Version>,
    names: HashMap<u32, Rc<str>>,
}

/// # Errors
/// If a file cannot be read.
pub fn users(reader: Reader<'_>) -> Result<Vec<User>, FactError> {
    let groups = groups(reader)?;
    let text = reader.root().text(PASSWD).map_err(|error| FactError::read(PASSWD, &error))?;
    let names: HashMap<u32, &str> =
        groups.iter().rev().map(|group| (group.gid, group.name.as_str())).collect();
    let mut of_user: HashMap<&str, Vec<String>> = HashMap::new();
    for group in &groups {
        group.members.iter().for_each(|member| of_user.entry(member).or_default().push(group.name.clone()));
    }
    let user = |line: &str| {
        let parts: Vec<&str> = line.split(':').collect();
        let &[name, password, uid, gid, comment, home, shell] = parts.as_slice() else { return None };
        let gid = gid.parse().ok()?;
        Some(User {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid,
            group: names.get(&gid).map(|name| (*name).to_owned()),
            groups: of_user.get(name).cloned().unwrap_or_default(),
            comment: comment.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
            password: place(password),
        })
    };
    Ok(entries(&text).filter_map(user).collect())
}

/// # Errors
/// If the file is there and cannot be read.
pub fn groups(reader: Reader<'_>) -> Result<Vec<Group>, FactError> {
    let text = if_there(GROUP, reader.root().text(GROUP))?.unwrap_or_default();
    let group = |line: &str| {
        let parts: Vec<&str> = line.split(':').collect();
        let &[name, password, gid, members] = parts.as_slice() else { return None };
        let members = members.split(',').filter(|name| !name.is_empty());
        Some(Group {
            name: name.to_owned(),
            gid: gid.parse().ok()?,
            members: members.map(str::to_owned).collect(),
            password: place(password),
        })
    };
    Ok(entries(&text).filter_map(group).collect())
}

/// # Errors
/// If the file cannot be read.
pub fn shadow(reader: Reader<'_>) -> Result<Vec<Password>, FactError> {
    let text = reader.root().text(SHADOW).map_err(|error| FactError::read(SHADOW, &error))?;
    let password = |line: &str| {
        let mut parts = line.split(':');
        let (name, hash) = (parts.next()?, parts.next()?);
        let mut days = || parts.next().and_then(|text| text.trim().parse().ok());
        Some(Password {
            name: name.to_owned(),
            status: status(hash).to_owned(),
            algorithm: algorithm(hash),
            last_change: days(),
            min_days: days(),
            max_days: days(),
            warn_days: days(),
            inactive_days: days(),
            expires: days(),
        })
    };
    Ok(entries(&text).filter_map(password).collect())
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.is_empty() && !line.starts_with(['#', '+', '-']))
}

fn place(password: &str) -> String {
    let place = match password {
        "x" => "shadow",
        "" => "empty",
        locked if locked.starts_with(['!', '*']) => "locked",
        _ => "here",
    };
    place.to_owned()
}

/// As `passwd -S` tells, but what no password fits is told from what is locked.
fn status(hash: &str) -> &'static str {
    match hash.strip_prefix('!') {
        _ if hash.is_empty() => "empty",
        Some(rest) if algorithm(rest.trim_start_matches('!')).is_some() => "locked",
        None if algorithm(hash).is_some() => "set",
        _ => "none",
    }
}

/// What a hash says of itself, crypt(5).
fn algorithm(hash: &str) -> Option<String> {
    let hash = hash.trim_start_matches('!');
    if let Some(rest) = hash.strip_prefix('$') {
        let (id, _) = rest.split_once('$')?;
        let known = match id {
            "y" => "yescrypt",
            "gy" => "gost-yescrypt",
            "7" => "scrypt",
            "6" => "sha512",
            "5" => "sha256",
            "1" => "md5",
            "2" | "2a" | "2b" | "2x" | "2y" => "bcrypt",
            "3" => "nthash",
            "sha1" => "sha1",
            // What stands there instead may be anything, part of a hash as well.
            _ => "unknown",
        };
        return Some(known.to_owned());
    }
    let of_des = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/');
    let des = hash.len() == 13 && hash.chars().all(of_des) || hash.starts_with('_') && hash.len() == 20;
    des.then(|| "des".to_owned())
}

impl Named {
    fn refresh(&mut self, reader: Reader<'_>, path: &str) {
        let place = reader.root().locate(path, Links::Followed);
        let version =
            place.and_then(std::fs::metadata).ok().map(|m| (m.ino(), m.size(), m.ctime(), m.ctime_nsec()));
        if version == self.version {
            return;
        }
        self.version = version;
        self.names.clear();
        let text = reader.root().text(path).unwrap_or_default();
        for line in entries(&text) {
            let mut parts = line.split(':');
            if let (Some(name), Some(_), Some(Ok(id))) =
                (parts.next(), parts.next(), parts.next().map(str::parse))
            {
                self.names.entry(id).or_insert_with(|| name.into());
            }
        }
    }
}

/// Looks whether the names are still those of the files.
pub fn refresh_names(reader: Reader<'_>) {
    let mut cache = reader.facts.accounts.borrow_mut();
    cache.users.refresh(reader, PASSWD);
    cache.groups.refresh(reader, GROUP);
}

/// Returns the name of a user id, as of the last [`refresh_names`].
#[must_use]
pub fn user_name(reader: Reader<'_>, uid: u32) -> Option<Rc<str>> {
    reader.facts.accounts.borrow().users.names.get(&uid).cloned()
}

/// Returns the name of a group id, as of the last [`refresh_names`].
#[must_use]
pub fn group_name(reader: Reader<'_>, gid: u32) -> Option<Rc<str>> {
    reader.facts.accounts.borrow().groups.names.get(&gid).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    const HASH: &str = "$6$saltsalt$ZmFrZWhhc2hmYWtlaGFzaA";

    #[test]
    fn no_hash_is_ever_told() {
        let made = MadeUp::new(&[]);
        let lines = [
            format!("set:{HASH}:19000:0:99999:7:::"),
            format!("locked:!{HASH}:19000:0:99999:7:30:20000:"),
            "none:*:19000:0:99999:7:::".into(),
            "never:!:1::::::".into(),
            "empty::1::::::".into(),
            "des:abcdefghijklm:1::::::".into(),
            format!("odd:$secretpart{HASH}:1"),
            format!("short:{HASH}"),
            HASH.to_owned(),
            format!("y:$y$j9T${HASH}:::::::"),
        ];
        made.file("/etc/shadow", lines.join("\n"));
        made.file("/etc/passwd", format!("bad:{HASH}:1:1:::\nroot:x:0:0:root:/root:/bin/sh\n{HASH}\n"));
        let reader = made.reader();
        let found = shadow(reader).unwrap();
        let text = format!(
            "{found:?} {:?} {:?}",
            users(reader).unwrap(),
            super::super::table::value(&found).unwrap()
        );
        for part in ["saltsalt", "ZmFr", "secretpart", "abcdefghijklm"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
        let of = |name: &str| {
            let found = found.iter().find(|p| p.name == name).unwrap();
            (&*found.status, found.algorithm.as_deref())
        };
        assert_eq!(of("set"), ("set", Some("sha512")));
        assert_eq!(of("locked"), ("locked", Some("sha512")));
        assert_eq!([of("none"), of("never"), of("empty")], [("none", None), ("none", None), ("empty", None)]);
        assert_eq!(
            (of("des"), of("y"), of("odd")),
            (("set", Some("des")), ("set", Some("yescrypt")), ("set", Some("unknown")))
        );
        assert_eq!(
            (found[1].inactive_days, found[1].expires, found[0].expires),
            (Some(30), Some(20000), None)
        );
        assert_eq!(found[6].last_change, Some(1));
    }

    #[test]
    fn a_shadow_file_that_cannot_be_read_says_so() {
        let error = shadow(MadeUp::new(&[]).reader()).unwrap_err();
        assert!(error.text.contains("/etc/shadow") && error.text.contains("no such file"), "{error}");
    }

    #[test]
    fn users_have_their_groups() {
        let made = MadeUp::new(&[
            (
                "/etc/passwd",
                "root:x:0:0:root:/root:/bin/bash\n# x\na:!:7:9:A,,,:/home/a:\nopen::8:8:::/bin/sh\nbad:x:y:1:::\n",
            ),
            ("/etc/group", "root:x:0:\nsudo:x:27:a,root\nwheel:*:9:a\n"),
        ]);
        let found = users(made.reader()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(
            (&*found[1].name, found[1].group.as_deref(), &*found[1].password),
            ("a", Some("wheel"), "locked")
        );
        assert_eq!(found[1].groups, ["sudo", "wheel"]);
        assert_eq!((found[2].group.as_deref(), &*found[2].password), (None, "empty"));
    }

    #[test]
    fn users_and_groups_are_as_getent_says() {
        let facts = Facts::default();
        let (Some(passwd), Some(group)) = (told("getent", &["passwd"]), told("getent", &["group"])) else {
            return;
        };
        let found: Vec<_> = users(reader(&facts))
            .unwrap()
            .into_iter()
            .map(|u| format!("{}:{}:{}:{}:{}:{}", u.name, u.uid, u.gid, u.comment, u.home, u.shell))
            .collect();
        let without_password = |line: &str| {
            let mut parts: Vec<_> = line.split(':').collect();
            parts.remove(1);
            parts.join(":")
        };
        assert_eq!(found, passwd.lines().map(without_password).collect::<Vec<_>>());
        let found: Vec<_> = groups(reader(&facts))
            .unwrap()
            .into_iter()
            .map(|g| format!("{}:{}:{}", g.name, g.gid, g.members.join(",")))
            .collect();
        assert_eq!(found, group.lines().map(without_password).collect::<Vec<_>>());
    }
}
