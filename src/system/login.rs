//! A user as a login makes one: ids and all groups, from this machine's files.

use std::fs;

use serde::{Deserialize, Serialize};

use super::accounts::{Account, NoAccount};

/// Bytes of a file that are looked at.
const LIMIT: usize = 16 << 20;

/// What a process of a user's has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Its id, where it has no name.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Of which the user is a member, besides.
    pub groups: Vec<u32>,
}

impl Login {
    /// Returns a user's, by name.
    ///
    /// # Errors
    /// If nobody is called so here, with the nearest name.
    pub fn of_name(name: &str) -> Result<Self, NoAccount> {
        let uid = Account::User.id(name)?;
        Ok(Self::read(name.to_owned(), uid, &text("/etc/passwd"), &text("/etc/group")))
    }

    /// Returns a user's, by id. One that has no name has the group of the same number.
    #[must_use]
    pub fn of_id(uid: u32) -> Self {
        let name = Account::User.name(uid).unwrap_or_else(|| uid.to_string());
        Self::read(name, uid, &text("/etc/passwd"), &text("/etc/group"))
    }

    fn read(name: String, uid: u32, passwd: &str, group: &str) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let own = passwd.lines().map(fields).find(|fields| fields[0] == name);
        let gid = own.and_then(|fields| fields.get(3)?.parse().ok()).unwrap_or(uid);
        let of_group = |line: &str| {
            let fields = fields(line);
            let members = fields.get(3)?;
            members.split(',').any(|member| member == name).then(|| fields[2].parse().ok())?
        };
        let groups = group.lines().filter_map(of_group).filter(|id| *id != gid).collect();
        Login { name, uid, gid, groups }
    }
}

/// Returns who has logged in, whatever became of that since (`/proc/self/loginuid`); `None` for nobody.
#[must_use]
pub fn own_loginuid() -> Option<u32> {
    let text = fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|id| *id != u32::MAX)
}

fn text(path: &str) -> String {
    let mut bytes = fs::read(path).unwrap_or_default();
    bytes.truncate(LIMIT);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_its_own_group_and_those_it_is_a_member_of() {
        let passwd = "root:x:0:0::/:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n";
        let group = "adm:x:4:bob,alice\nalice:x:1001:alice\ntty:x:5:\nbroken\n";
        let login = Login::read("alice".into(), 1000, passwd, group);
        assert_eq!((login.gid, login.groups), (1001, vec![4]));
        let stranger = Login::read("7".into(), 7, passwd, group);
        assert_eq!((stranger.gid, stranger.groups), (7, vec![]));
    }
}
