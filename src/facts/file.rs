//! One file: what the file system says of it at once, and what is read when it is asked for (attributes, capabilities, ACL,
//! checksum).

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::PathBuf,
};

use nix::libc;
use rustix::fs::{IFlags, lgetxattr};
use sha2::Sha256;

use super::{
    FactError, Reader, accounts,
    error::if_there,
    packages::digest,
    processes::capability_names,
    record::record,
    root::{Links, open_regular},
};
use crate::raw;

record! {
    /// What executing a file gives.
    FileCapabilities {
        /// What the process gets in any case.
        permitted: Vec<&'static str>,
        /// What the process keeps of what it has.
        inheritable: Vec<&'static str>,
        /// Whether they are in effect at once.
        effective: bool,
        /// User id of the root of the user namespace that they are for; `()` for the initial one.
        root_uid: Option<u32>,
    }
}

/// A file as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct File {
    /// As the script knows it: a path of the root.
    path: String,
    /// Where it is on the running system, if that is elsewhere.
    place: Option<PathBuf>,
    meta: Metadata,
}

/// Looks at a file; at a link, and not at what it leads to. `None` if there is none.
///
/// # Errors
/// If that cannot be told.
pub fn look(reader: Reader<'_>, path: &str) -> Result<Option<File>, FactError> {
    if !path.starts_with('/') || path.contains('\0') {
        let text = format!("`file`: {path:?} is not a whole path; allowed: one that begins with `/`");
        return Err(FactError::script(text, path));
    }
    let root = reader.root();
    let place = match if_there(raw::os(path), root.locate(raw::os(path), Links::Kept))? {
        Some(place) => place,
        None => return Ok(None),
    };
    let meta = if_there(raw::os(path), fs::symlink_metadata(&place))?;
    let place = (!root.is_system()).then_some(place);
    Ok(meta.map(|meta| File { path: path.to_owned(), place, meta }))
}

impl File {
    #[must_use]
    pub fn new(path: String, place: Option<PathBuf>, meta: Metadata) -> Self {
        File { path, place, meta }
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub fn meta(&self) -> &Metadata {
        &self.meta
    }

    pub(super) fn place(&self) -> PathBuf {
        self.place.clone().unwrap_or_else(|| raw::os(&self.path).into())
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("/")
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        let kind = self.meta.file_type();
        match () {
            () if kind.is_file() => "file",
            () if kind.is_dir() => "directory",
            () if kind.is_symlink() => "symlink",
            () if kind.is_fifo() => "fifo",
            () if kind.is_socket() => "socket",
            () if kind.is_char_device() => "char-device",
            () => "block-device",
        }
    }

    /// Permissions with the bits for set-uid, set-gid and sticky.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.meta.mode() & 0o7777
    }

    /// Permissions as `ls` and `stat -c %A` write them.
    #[must_use]
    pub fn permissions(&self) -> String {
        let mode = self.mode();
        let first = match self.kind() {
            "file" => '-',
            "directory" => 'd',
            "symlink" => 'l',
            "fifo" => 'p',
            "socket" => 's',
            "char-device" => 'c',
            _ => 'b',
        };
        let mut text = String::from(first);
        for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
            let bits = mode >> shift;
            text.push(if bits & 4 != 0 { 'r' } else { '-' });
            text.push(if bits & 2 != 0 { 'w' } else { '-' });
            text.push(match (mode & special != 0, bits & 1 != 0) {
                (true, true) => letter,
                (true, false) => letter.to_ascii_uppercase(),
                (false, true) => 'x',
                (false, false) => '-',
            });
        }
        text
    }

    /// What a link says; `None` for what is no link.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn target(&self) -> Result<Option<String>, FactError> {
        if !self.meta.file_type().is_symlink() {
            return Ok(None);
        }
        Ok(if_there(self.place(), fs::read_link(self.place()))?.map(raw::from_os))
    }

    /// What is at the end of its links: itself if it is none, `None` if they lead nowhere.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn resolved(&self, reader: Reader<'_>) -> Result<Option<File>, FactError> {
        if !self.meta.file_type().is_symlink() {
            return Ok(Some(self.clone()));
        }
        let (path, root) = (raw::os(&self.path), reader.root());
        let end = match root.is_system() {
            true => fs::canonicalize(&path),
            false => root.locate(&path, Links::Followed),
        };
        let Some(end) = if_there(&path, end)? else { return Ok(None) };
        let Some(meta) = if_there(&path, fs::symlink_metadata(&end))? else { return Ok(None) };
        let shown = match end.strip_prefix(root.path()) {
            Ok(inside) if !root.is_system() => format!("/{}", raw::from_os(inside)),
            _ => raw::from_os(&end),
        };
        let place = (!root.is_system()).then_some(end);
        Ok(Some(File { path: shown, place, meta }))
    }

    fn xattr(&self, name: &str) -> Result<Option<Vec<u8>>, FactError> {
        const ROOM: usize = 64 << 10;
        let place = self.place();
        let mut value = vec![0; ROOM];
        match lgetxattr(&place, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP | rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(FactError::read(&self.path, &error.into())),
        }
    }

    /// What executing it gives; `None` for nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn capabilities(&self) -> Result<Option<FileCapabilities>, FactError> {
        if !self.meta.is_file() {
            return Ok(None);
        }
        let Some(value) = self.xattr("security.capability")? else { return Ok(None) };
        capabilities(&value).map(Some).ok_or_else(|| {
            FactError::system(format!("{:?} has capabilities of a form that is not known", self.path))
        })
    }

    /// Its access control list as getfacl(1) writes it, a text for each entry; `None` if its mode is all there is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn acl(&self, reader: Reader<'_>) -> Result<Option<Vec<String>>, FactError> {
        Ok(self.xattr("system.posix_acl_access")?.map(|value| acl(reader, &value)))
    }

    /// The list that new files in a directory get; `None` without one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn default_acl(&self, reader: Reader<'_>) -> Result<Option<Vec<String>>, FactError> {
        if !self.meta.is_dir() {
            return Ok(None);
        }
        Ok(self.xattr("system.posix_acl_default")?.map(|value| acl(reader, &value)))
    }

    /// Attributes that chattr(1) sets; `None` where there are none: other file systems, links, devices.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn attributes(&self) -> Result<Option<Vec<&'static str>>, FactError> {
        if !self.meta.is_file() && !self.meta.is_dir() {
            return Ok(None);
        }
        let place = self.place();
        let opened = match self.meta.is_dir() {
            true => fs::File::open(&place),
            false => open_regular(&place),
        };
        let Some(file) = if_there(&self.path, opened)? else { return Ok(None) };
        match rustix::fs::ioctl_getflags(&file) {
            Ok(flags) => Ok(Some(
                ATTRIBUTES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect(),
            )),
            Err(rustix::io::Errno::NOTTY | rustix::io::Errno::NOTSUP | rustix::io::Errno::INVAL) => Ok(None),
            Err(error) => Err(FactError::read(&self.path, &error.into())),
        }
    }

    /// Its SHA-256; `None` for what is not a regular file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn sha256(&self, reader: Reader<'_>) -> Result<Option<String>, FactError> {
        if !self.meta.is_file() {
            return Ok(None);
        }
        let read = open_regular(&self.place()).and_then(|mut file| digest::<Sha256>(&mut file, reader.go_on));
        reader.check()?;
        read.map(Some).map_err(|error: io::Error| FactError::read(raw::os(&self.path), &error))
    }

    /// Name of its owner; `None` if nobody has that id.
    #[must_use]
    pub fn owner(&self, reader: Reader<'_>) -> Option<std::rc::Rc<str>> {
        accounts::refresh_names(reader);
        accounts::user_name(reader, self.meta.uid())
    }

    /// Name of its group; `None` if no group has that id.
    #[must_use]
    pub fn group(&self, reader: Reader<'_>) -> Option<std::rc::Rc<str>> {
        accounts::refresh_names(reader);
        accounts::group_name(reader, self.meta.gid())
    }

    /// Device of the file system it is on.
    #[must_use]
    pub fn device(&self) -> String {
        let device = self.meta.dev();
        format!("{}:{}", libc::major(device), libc::minor(device))
    }

    /// Whether anybody may write it; never of a link, whose mode means nothing.
    #[must_use]
    pub fn world_writable(&self) -> bool {
        !self.meta.file_type().is_symlink() && self.meta.mode() & 0o002 != 0
    }
}

/// FS_IOC_GETFLAGS; what only the file system's own tools care about is left out.
const ATTRIBUTES: &[(IFlags, &str)] = &[
    (IFlags::IMMUTABLE, "immutable"),
    (IFlags::APPEND, "append"),
    (IFlags::NODUMP, "nodump"),
    (IFlags::NOATIME, "noatime"),
    (IFlags::SYNC, "sync"),
    (IFlags::DIRSYNC, "dirsync"),
    (IFlags::SECURE_REMOVAL, "secure-deletion"),
    (IFlags::UNRM, "undeletable"),
    (IFlags::COMPRESSED, "compressed"),
    (IFlags::JOURNALING, "data-journaling"),
    (IFlags::NOTAIL, "no-tail-merging"),
    (IFlags::TOPDIR, "top-of-hierarchy"),
    (IFlags::NOCOW, "no-copy-on-write"),
    (IFlags::PROJECT_INHERIT, "project-hierarchy"),
];

/// `struct vfs_cap_data` and `vfs_ns_cap_data`, capabilities(7); revisions 1 to 3.
fn capabilities(value: &[u8]) -> Option<FileCapabilities> {
    let word = |at: usize| Some(u32::from_le_bytes(value.get(at * 4..at * 4 + 4)?.try_into().ok()?));
    let magic = word(0)?;
    let pairs = match magic >> 24 {
        1 => 1,
        2 | 3 => 2,
        _ => return None,
    };
    let set = |from: usize| -> Option<u64> {
        (0..pairs).try_fold(0, |set, pair| Some(set | u64::from(word(1 + from + pair * 2)?) << (32 * pair)))
    };
    Some(FileCapabilities {
        permitted: capability_names(set(0)?),
        inheritable: capability_names(set(1)?),
        effective: magic & 1 != 0,
        root_uid: if magic >> 24 == 3 { word(5) } else { None },
    })
}

/// `struct posix_acl_xattr_entry`, after four bytes of version.
fn acl(reader: Reader<'_>, value: &[u8]) -> Vec<String> {
    accounts::refresh_names(reader);
    let entry = |entry: &[u8]| {
        let half = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let named =
            |name: Option<std::rc::Rc<str>>| name.map_or_else(|| id.to_string(), |name| (*name).to_owned());
        let (kind, who) = match half(0) {
            0x01 => ("user", String::new()),
            0x02 => ("user", named(accounts::user_name(reader, id))),
            0x04 => ("group", String::new()),
            0x08 => ("group", named(accounts::group_name(reader, id))),
            0x10 => ("mask", String::new()),
            _ => ("other", String::new()),
        };
        let letter = |bit: u16, letter: char| if half(2) & bit != 0 { letter } else { '-' };
        format!("{kind}:{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x'))
    };
    value.get(4..).unwrap_or_default().chunks_exact(8).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    fn of(facts: &Facts, path: &str) -> File {
        look(reader(facts), path).unwrap().unwrap()
    }

    #[test]
    fn files_are_as_stat_says() {
        let facts = Facts::default();
        for path in [
            "/etc/passwd",
            "/etc/shadow",
            "/tmp",
            "/dev/null",
            "/usr/bin/passwd",
            "/proc/self/exe",
            "/dev",
            "/run",
            "/",
        ] {
            let Some(file) = look(reader(&facts), path).unwrap() else { continue };
            let Some(said) = told("stat", &["-c", "%a %A %u %g %U %G %h %i %s %Y", path]) else { return };
            let meta = file.meta();
            let owner = file.owner(reader(&facts)).unwrap();
            let group = file.group(reader(&facts)).unwrap();
            let found = format!(
                "{:o} {} {} {} {owner} {group} {} {} {} {}",
                file.mode(),
                file.permissions(),
                meta.uid(),
                meta.gid(),
                meta.nlink(),
                meta.ino(),
                meta.size(),
                meta.mtime()
            );
            // /proc gives each look a new inode, and directories change meanwhile.
            if path.starts_with("/proc") || ["/tmp", "/run", "/dev"].contains(&path) {
                assert_eq!(found[..20], said[..20], "{path}");
            } else {
                assert_eq!(found, said.trim(), "{path}");
            }
        }
    }

    #[test]
    fn the_checksum_is_as_sha256sum_says() {
        let facts = Facts::default();
        let Some(said) = told("sha256sum", &["/bin/sh"]) else { return };
        let resolved = of(&facts, "/bin/sh").resolved(reader(&facts)).unwrap().unwrap();
        assert_eq!(resolved.sha256(reader(&facts)).unwrap().as_deref(), said.split(' ').next());
        assert_eq!(of(&facts, "/dev/null").sha256(reader(&facts)).unwrap(), None);
        assert_eq!(of(&facts, "/tmp").sha256(reader(&facts)).unwrap(), None);
    }

    #[test]
    fn links_are_kept_until_they_are_followed() {
        let made = MadeUp::new(&[("/usr/real", "x")]);
        made.link("/etc/link", "/usr/real");
        made.link("/etc/lost", "/nowhere");
        let at = |path| look(made.reader(), path).unwrap().unwrap();
        assert_eq!(
            (at("/etc/link").kind(), at("/etc/link").target().unwrap().as_deref()),
            ("symlink", Some("/usr/real"))
        );
        let end = at("/etc/link").resolved(made.reader()).unwrap().unwrap();
        assert_eq!((end.path(), end.kind(), end.meta().len()), ("/usr/real", "file", 1));
        assert!(at("/etc/lost").resolved(made.reader()).unwrap().is_none());
        assert!(look(made.reader(), "/etc/none").unwrap().is_none());
        assert!(look(made.reader(), "/usr/real/below").unwrap().is_none());
        assert!(look(made.reader(), "etc").is_err());
    }

    #[test]
    fn names_that_are_no_utf_8_are_found_and_special_bits_shown() {
        let made = MadeUp::new(&[]);
        let place = made.directory.path().join(raw::os("a\n\u{efff}"));
        fs::write(&place, "").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o6754)).unwrap();
        let file = look(made.reader(), "/a\n\u{efff}").unwrap().unwrap();
        assert_eq!(
            (file.name(), file.permissions().as_str(), file.mode()),
            ("a\n\u{efff}", "-rwsr-sr--", 0o6754)
        );
        symlink("x", made.directory.path().join("l")).unwrap();
        assert!(!look(made.reader(), "/l").unwrap().unwrap().world_writable());
    }

    #[test]
    fn capabilities_are_as_getcap_says() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("tool");
        fs::write(&place, "").unwrap();
        let path = place.to_str().unwrap();
        let facts = Facts::default();
        assert_eq!(of(&facts, path).capabilities().unwrap(), None);
        if told("setcap", &["cap_net_raw,cap_sys_admin=ep", path]).is_none() {
            return;
        }
        let Some(said) = told("getcap", &[path]).filter(|text| !text.is_empty()) else {
            eprintln!("skipped: this file system, or user, cannot set capabilities");
            return;
        };
        let found = of(&facts, path).capabilities().unwrap().unwrap();
        assert_eq!(found.permitted, ["CAP_NET_RAW", "CAP_SYS_ADMIN"]);
        assert!(found.effective && found.inheritable.is_empty());
        assert!(said.contains("cap_net_raw,cap_sys_admin=ep"), "{said}");
        assert_eq!(capabilities(b"\x01\0\0\x09"), None);
        assert_eq!(capabilities(b"\x01\0\0\x02\0\0"), None);
    }

    #[test]
    fn attributes_are_as_lsattr_says() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR").to_owned() + "/target").unwrap();
        let place = directory.path().join("log");
        fs::write(&place, "").unwrap();
        let path = place.to_str().unwrap();
        let _ = told("chattr", &["+ad", path]);
        let said = told("lsattr", &[path]);
        let found = of(&Facts::default(), path).attributes();
        let _ = told("chattr", &["-ad", path]);
        let Some(said) = said.filter(|text| !text.is_empty()) else {
            eprintln!("skipped: this file system has no attributes");
            return;
        };
        let letters = said.split(' ').next().unwrap();
        let found = found.unwrap().unwrap();
        for (letter, name) in [('a', "append"), ('d', "nodump"), ('i', "immutable"), ('A', "noatime")] {
            assert_eq!(letters.contains(letter), found.contains(&name), "{said} {found:?}");
        }
    }

    #[test]
    fn an_acl_is_as_the_kernel_was_given_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("shared");
        fs::write(&place, "").unwrap();
        let path = place.to_str().unwrap();
        let facts = Facts::default();
        assert_eq!(of(&facts, path).acl(reader(&facts)).unwrap(), None);
        let entry = |tag: u16, bits: u16, id: u32| {
            [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let nobody = u32::MAX;
        let value = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 6, nobody),
            entry(2, 4, 0),
            entry(2, 7, 54321),
            entry(4, 4, nobody),
            entry(0x10, 7, nobody),
            entry(0x20, 0, nobody),
        ]
        .concat();
        if let Err(error) =
            rustix::fs::setxattr(path, "system.posix_acl_access", &value, rustix::fs::XattrFlags::empty())
        {
            eprintln!("skipped: this file system has no ACLs: {error}");
            return;
        }
        let found = of(&facts, path).acl(reader(&facts)).unwrap().unwrap();
        assert_eq!(
            found,
            ["user::rw-", "user:root:r--", "user:54321:rwx", "group::r--", "mask::rwx", "other::---"]
        );
        if let Some(said) = told("getfacl", &["-cE", path]) {
            assert_eq!(said.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(), found);
        }
    }
}
