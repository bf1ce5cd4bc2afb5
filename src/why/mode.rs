//! Which bits of a file's mode are in a task's way, and whose they are.

use std::path::Path;

use super::place::{Found, View};
use crate::{
    kernel::denials::{Denial, Inode},
    raw,
    system::accounts::Account,
};

// include/linux/fs.h
pub const MAY_EXEC: u32 = 1;
pub const MAY_WRITE: u32 = 2;
pub const MAY_READ: u32 = 4;

/// Whose bits count for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Owner,
    Group,
    Others,
}

impl Class {
    pub fn told(self) -> &'static str {
        match self {
            Class::Owner => "its owner",
            Class::Group => "its group",
            Class::Others => "others",
        }
    }

    /// The class's three bits.
    fn bits(self, mode: u32) -> u32 {
        let shift = match self {
            Class::Owner => 6,
            Class::Group => 3,
            Class::Others => 0,
        };
        mode >> shift & 7
    }
}

pub fn class(inode: &Inode, denial: &Denial) -> Class {
    class_of(inode.uid, inode.gid, denial)
}

fn class_of(uid: u32, gid: u32, denial: &Denial) -> Class {
    if denial.fsuid == uid {
        Class::Owner
    } else if denial.fsgid == gid || denial.groups.contains(&gid) {
        Class::Group
    } else {
        Class::Others
    }
}

const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;

/// What was asked for and is not permitted; all that was asked for, if the mode would permit it.
pub fn wanted(inode: &Inode, class: Class) -> String {
    let asked = inode.asked & 7;
    let missing = asked & !class.bits(inode.mode);
    verbs(if missing == 0 { asked } else { missing }, inode.mode & KIND == DIRECTORY)
}

fn verbs(bits: u32, is_directory: bool) -> String {
    let executing = if is_directory { "search" } else { "execute" };
    let all = [(MAY_READ, "read"), (MAY_WRITE, "write"), (MAY_EXEC, executing)];
    let verbs: Vec<&str> = all.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, verb)| *verb).collect();
    if verbs.is_empty() { "use it".to_owned() } else { verbs.join(" and ") }
}

/// `-rw-r----- root:shadow`.
pub fn shown(mode: u32, uid: u32, gid: u32) -> String {
    let kind = match mode & KIND {
        DIRECTORY => 'd',
        0o120_000 => 'l',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        let bits = mode >> shift & 7;
        // Set-user-id, set-group-id, sticky.
        let special = mode & 0o1000 << (shift / 3) != 0;
        let executing = match (shift, special, bits & 1 != 0) {
            (0, true, true) => 't',
            (0, true, false) => 'T',
            (_, true, true) => 's',
            (_, true, false) => 'S',
            (_, false, true) => 'x',
            _ => '-',
        };
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(executing);
    }
    let group = Account::Group.name(gid).unwrap_or_else(|| gid.to_string());
    format!("{text} {}:{group}", user(uid))
}

/// A user by name, or by number.
pub fn user(uid: u32) -> String {
    Account::User.name(uid).unwrap_or_else(|| uid.to_string())
}

/// What on the way to a file, or of the file itself, keeps the task out, as its modes are now.
pub fn barred(denial: &Denial, view: &View, object: &Path, call: &str) -> Option<String> {
    const DAC_OVERRIDE: u64 = 1 << 1;
    const ACCESS_MODE: u64 = 3;
    if denial.capabilities & DAC_OVERRIDE != 0 {
        // What nobody may execute, root may not either.
        let found =
            view.find(object).filter(|found| call.starts_with("execve") && found.mode & 0o111 == 0)?;
        return Some(sentence(&found, "nobody", MAY_EXEC));
    }
    let lacks = |found: &Found, asked: u32| {
        let class = class_of(found.uid, found.gid, denial);
        let missing = asked & !class.bits(found.mode);
        (missing != 0).then(|| sentence(found, class.told(), missing))
    };
    let mut above: Vec<&Path> =
        object.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    above.reverse();
    for directory in &above {
        if let Some(why) = view.find(directory).and_then(|found| lacks(&found, MAY_EXEC)) {
            return Some(why);
        }
    }
    let asked = match call {
        _ if call.starts_with("execve") => MAY_EXEC,
        "chdir" | "chroot" => MAY_EXEC,
        "open" => opened(denial.arguments[1] & ACCESS_MODE),
        "openat" => opened(denial.arguments[2] & ACCESS_MODE),
        "truncate" | "creat" => MAY_WRITE,
        _ => 0,
    };
    let own = view.find(object).and_then(|found| lacks(&found, asked));
    own.or_else(|| {
        let changes = ["mkdir", "rmdir", "unlink", "rename", "link", "symlink", "mknod", "creat", "open"];
        let directory = above.last().filter(|_| changes.iter().any(|word| call.starts_with(word)))?;
        lacks(&view.find(directory)?, MAY_WRITE)
    })
}

/// By open(2)'s access mode.
fn opened(mode: u64) -> u32 {
    match mode {
        0 => MAY_READ,
        1 => MAY_WRITE,
        _ => MAY_READ | MAY_WRITE,
    }
}

fn sentence(found: &Found, who: &str, missing: u32) -> String {
    let verbs = verbs(missing, found.mode & KIND == DIRECTORY);
    let shown = shown(found.mode, found.uid, found.gid);
    format!("{} is {shown}: {who} may not {verbs}", raw::from_os(&found.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_shown_as_ls_does() {
        let mode = |mode| shown(mode, 4_000_001, 4_000_002).split(' ').next().unwrap().to_owned();
        assert_eq!(mode(0o100_640), "-rw-r-----");
        assert_eq!(mode(0o041_777), "drwxrwxrwt");
        assert_eq!(mode(0o104_755), "-rwsr-xr-x");
    }

    #[test]
    fn the_class_is_the_first_that_fits() {
        let denial = Denial { fsuid: 1, fsgid: 2, groups: vec![3], ..Denial::default() };
        let class = |uid, gid| class_of(uid, gid, &denial);
        assert_eq!(
            [class(1, 2), class(0, 3), class(0, 2), class(0, 0)],
            [Class::Owner, Class::Group, Class::Group, Class::Others]
        );
        let inode = Inode { mode: 0o100_640, asked: MAY_READ | MAY_WRITE, gid: 3, ..Inode::default() };
        assert_eq!(wanted(&inode, Class::Group), "write");
    }
}
