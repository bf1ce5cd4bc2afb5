//! Whether anybody else can have written what a privileged process is about to run.
//!
//! In: an opened file. Out: nothing, or who could have. As sshd (StrictModes) and sudo do, each directory on the way to the
//! file is looked at, too: whoever may write to one can put another file in its place. Modes do not tell everything:
//! with an access control list the group's bits are only a mask, so the list itself is read.

use std::{
    ffi::CStr,
    fs::{File, Metadata},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::libc;

use crate::kernel::is_privileged;

const ROOT: u32 = 0;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whose files a privileged process may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    Root,
    /// A user whose process has capabilities without being root, and root.
    RootAnd(u32),
}

/// Who can have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    Owner(u32),
    Writer { who: String, mode: u32 },
}

/// What is not to be trusted: the file itself, or a directory on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub directory: Option<PathBuf>,
    pub why: Distrust,
}

impl Owners {
    /// Returns whom this process trusts; `None` if it has no privilege that others could be after.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let user = nix::unistd::geteuid();
        match user.is_root() {
            true => Some(Owners::Root),
            false => is_privileged().then_some(Owners::RootAnd(user.as_raw())),
        }
    }

    fn include(self, user: u32) -> bool {
        user == ROOT || self == Owners::RootAnd(user)
    }
}

/// Checks an opened file and each directory that its path goes through.
///
/// # Errors
/// If a directory cannot be looked at.
pub fn check(file: &File, owners: Owners) -> io::Result<Option<Verdict>> {
    let meta = file.metadata()?;
    if let Some(why) = judge(file, &meta, owners, Kind::File) {
        return Ok(Some(Verdict { directory: None, why }));
    }
    // What has no path (a pipe of `<(…)`, a memory file) has no directory in which another could be put in its place.
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    if !path.is_absolute() || path.starts_with("/memfd:") {
        return Ok(None);
    }
    for directory in path.ancestors().skip(1) {
        let opened = open_directory(directory)?;
        let meta = opened.metadata()?;
        if let Some(why) = judge(&opened, &meta, owners, Kind::Directory) {
            return Ok(Some(Verdict { directory: Some(directory.to_owned()), why }));
        }
    }
    Ok(None)
}

fn open_directory(directory: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(directory)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

fn judge(file: &File, meta: &Metadata, owners: Owners, kind: Kind) -> Option<Distrust> {
    if !owners.include(meta.uid()) {
        return Some(Distrust::Owner(meta.uid()));
    }
    // In /tmp others may make files, and cannot replace what is not theirs.
    if kind == Kind::Directory && meta.mode() & STICKY != 0 {
        return None;
    }
    let who = if meta.mode() & OTHERS_WRITE != 0 {
        Some("every user".to_owned())
    } else if meta.mode() & GROUP_WRITES == 0 {
        // With a list these bits are its mask: it lets nobody write either.
        None
    } else {
        match access_list(file) {
            Ok(Some(list)) => list.writer(meta.gid(), owners),
            // Without one, or where it cannot be read, the bits are all there is to go by.
            Ok(None) | Err(_) => group(meta.gid()),
        }
    };
    who.map(|who| Distrust::Writer { who, mode: meta.mode() & 0o7777 })
}

fn group(id: u32) -> Option<String> {
    (id != ROOT).then(|| format!("group id {id}"))
}

/// `struct posix_acl_xattr_entry` (include/uapi/linux/posix_acl_xattr.h).
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

struct AccessList(Vec<Entry>);

impl AccessList {
    const USER: u16 = 0x02;
    const OWNING_GROUP: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const WRITE: u16 = 2;
    const VERSION: u32 = 2;
    const HEADER: usize = 4;
    const ENTRY: usize = 8;

    /// `None` if it is none of the kernel's.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<{ Self::HEADER }>()?;
        if u32::from_le_bytes(*version) != Self::VERSION || !entries.len().is_multiple_of(Self::ENTRY) {
            return None;
        }
        let short = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let entry = |bytes: &[u8]| Entry {
            tag: short(bytes, 0),
            permissions: short(bytes, 2),
            id: u32::from(short(bytes, 4)) | u32::from(short(bytes, 6)) << 16,
        };
        Some(AccessList(entries.chunks_exact(Self::ENTRY).map(entry).collect()))
    }

    /// Who may write, of those that are not trusted; the mask lets them.
    fn writer(&self, owning_group: u32, owners: Owners) -> Option<String> {
        let writes = self.0.iter().filter(|entry| entry.permissions & Self::WRITE != 0);
        writes
            .filter_map(|entry| match entry.tag {
                Self::USER if !owners.include(entry.id) => Some(format!("user id {}", entry.id)),
                Self::GROUP => group(entry.id),
                Self::OWNING_GROUP => group(owning_group),
                _ => None,
            })
            .map(|who| format!("{who} (by its access control list)"))
            .next()
    }
}

/// The access control list of an opened file, if it has one.
fn access_list(file: &File) -> io::Result<Option<AccessList>> {
    const NAME: &CStr = c"system.posix_acl_access";
    let mut bytes = vec![0_u8; 64 << 10];
    // SAFETY: fgetxattr(2) writes at most as many bytes as the buffer has, which it is told.
    let length =
        unsafe { libc::fgetxattr(file.as_raw_fd(), NAME.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    match usize::try_from(length) {
        Ok(length) => Ok(AccessList::parse(&bytes[..length.min(bytes.len())])),
        Err(_) => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP)) => Ok(None),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> AccessList {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        AccessList::parse(&bytes).unwrap()
    }

    #[test]
    fn whoever_an_access_list_lets_write_is_found() {
        let with =
            |tag, permissions, id| list(&[(1, 6, u32::MAX), (tag, permissions, id), (0x10, 6, u32::MAX)]);
        let who = |list: AccessList| list.writer(0, Owners::Root);
        assert_eq!(who(with(2, 6, 1000)).as_deref(), Some("user id 1000 (by its access control list)"));
        assert_eq!(who(with(8, 2, 50)).as_deref(), Some("group id 50 (by its access control list)"));
        assert_eq!(who(with(2, 4, 1000)), None, "who only reads");
        assert_eq!(who(with(2, 6, 0)), None, "root itself");
        assert_eq!(who(with(4, 6, u32::MAX)), None, "root's own group");
        assert!(with(4, 6, u32::MAX).writer(50, Owners::Root).is_some());
        assert_eq!(with(2, 6, 1000).writer(0, Owners::RootAnd(1000)), None);
    }

    #[test]
    fn what_is_no_access_list_is_none() {
        assert!(AccessList::parse(&[1, 0, 0, 0]).is_none());
        assert!(AccessList::parse(&[2, 0, 0, 0, 1]).is_none());
        assert!(AccessList::parse(&[2, 0]).is_none());
    }
}
