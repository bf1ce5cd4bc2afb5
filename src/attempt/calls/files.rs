//! Files: executing, opening, making, removing and giving them away.

use std::{
    ffi::CStr,
    fs,
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, open},
    libc,
    sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, lstat, mknod},
    unistd::{Gid, Uid, UnlinkatFlags, chown, linkat, unlinkat},
};

use super::{Answer, OWN_FILE};
use crate::attempt::arguments::{Arguments, Failure};

/// Parameters of the kernel that do something when they are written, whatever the value.
const ACTING: [&str; 4] = ["drop_caches", "compact_memory", "stat_refresh", "flush"];

/// Executes a program without arguments. It is killed as soon as it has begun.
pub fn exec(arguments: &Arguments) -> Answer {
    let path = arguments.path(0);
    let environment = [c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    match nix::unistd::execve(&path, &[path.as_c_str()], &environment)? {}
}

/// Opens what is there, without waiting, and changes nothing of it.
pub fn open_file(arguments: &Arguments) -> Answer {
    let access = match arguments.text(1) {
        "w" => OFlag::O_WRONLY,
        "rw" => OFlag::O_RDWR,
        _ => OFlag::O_RDONLY,
    };
    opened(&arguments.path(0), access | OFlag::O_NONBLOCK)
}

fn opened(path: &CStr, flags: OFlag) -> Answer {
    let _: OwnedFd = open(path, flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::S_IRUSR | Mode::S_IWUSR)?;
    Ok(())
}

/// Makes a file that is not there yet, and removes it again.
pub fn create(arguments: &Arguments) -> Answer {
    let path = arguments.path(0);
    opened(&path, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY)?;
    remove(&path);
    Ok(())
}

/// Takes back what this process has just made.
fn remove(path: &CStr) {
    // Who may make a name in a directory may remove it; if not, the directory of the scratch goes as a whole.
    let _ = unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir);
}

/// Removes a name in the wrong way: a file as a directory, a directory as a file. The kernel asks for permission first, and
/// sees the kind after that.
pub fn unlink(arguments: &Arguments) -> Answer {
    let path = arguments.path(0);
    let is_directory =
        SFlag::from_bits_truncate(lstat(path.as_c_str())?.st_mode & libc::S_IFMT) == SFlag::S_IFDIR;
    let wrong = if is_directory { UnlinkatFlags::NoRemoveDir } else { UnlinkatFlags::RemoveDir };
    Ok(unlinkat(AT_FDCWD, path.as_c_str(), wrong)?)
}

/// Gives a file another name, and removes that.
pub fn link(arguments: &Arguments) -> Answer {
    let (from, to) = (arguments.path(0), arguments.path(1));
    linkat(AT_FDCWD, from.as_c_str(), AT_FDCWD, to.as_c_str(), AtFlags::empty())?;
    remove(&to);
    Ok(())
}

/// Follows a symbolic link, and opens nothing.
pub fn follow(arguments: &Arguments) -> Answer {
    let path = arguments.path(0);
    let kind = SFlag::from_bits_truncate(lstat(path.as_c_str())?.st_mode & libc::S_IFMT);
    if kind != SFlag::S_IFLNK {
        return Err(Failure::NotAttempted("this is not a symbolic link".into()));
    }
    opened(&path, OFlag::O_PATH)
}

/// Opens a FIFO or a file with O_CREAT, as programs do that mean to make it.
pub fn reopen(arguments: &Arguments) -> Answer {
    let path = arguments.path(0);
    let found = fs::symlink_metadata(crate::raw::os(arguments.text(0)))?;
    if !found.is_file() && !found.file_type().is_fifo() {
        return Err(Failure::NotAttempted("this is neither a FIFO nor a regular file".into()));
    }
    opened(&path, OFlag::O_CREAT | OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)
}

/// Sets the mode that a file has.
pub fn chmod(arguments: &Arguments) -> Answer {
    let mode = fs::metadata(crate::raw::os(arguments.text(0)))?.mode() & 0o7777;
    if mode & 0o6000 != 0 {
        return Err(Failure::NotAttempted(
            "it is set-user-id or set-group-id, which setting its mode could take away".into(),
        ));
    }
    let mode = Mode::from_bits_truncate(mode);
    Ok(fchmodat(AT_FDCWD, arguments.path(0).as_c_str(), mode, FchmodatFlags::FollowSymlink)?)
}

/// Gives a file of its own away.
pub fn give_away(arguments: &Arguments) -> Answer {
    own_file()?;
    let uid = u32::try_from(arguments.number(0)).unwrap_or_default();
    let given = chown(OWN_FILE, Some(Uid::from_raw(uid)), None::<Gid>);
    remove(OWN_FILE);
    Ok(given?)
}

fn own_file() -> Answer {
    remove(OWN_FILE);
    opened(OWN_FILE, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY).map_err(|error| {
        Failure::NotAttempted(format!("no file can be made in the scratch's directory: {error:?}"))
    })
}

/// Makes a device node of /dev/null (or of no block device), and removes it.
pub fn make_node(arguments: &Arguments) -> Answer {
    let (kind, device) = match arguments.text(0) {
        "block" => (SFlag::S_IFBLK, libc::makedev(0, 0)),
        _ => (SFlag::S_IFCHR, libc::makedev(1, 3)),
    };
    mknod(OWN_FILE, kind, Mode::S_IRUSR, device)?;
    remove(OWN_FILE);
    Ok(())
}

/// Gives a file of its own a capability, in an attribute that goes with the file.
pub fn set_file_capability(_: &Arguments) -> Answer {
    own_file()?;
    // VFS_CAP_REVISION_2, CAP_CHOWN permitted.
    let value: [u32; 5] = [0x0200_0000_u32.to_le(), 1_u32.to_le(), 0, 0, 0];
    // SAFETY: both names end with NUL, and the value is as long as is said.
    let set = Errno::result(unsafe {
        libc::setxattr(
            OWN_FILE.as_ptr(),
            c"security.capability".as_ptr(),
            value.as_ptr().cast(),
            size_of_val(&value),
            0,
        )
    });
    remove(OWN_FILE);
    set?;
    Ok(())
}

/// Writes to a parameter of the kernel what it holds.
pub fn sysctl(arguments: &Arguments) -> Answer {
    let name = arguments.text(0);
    let relative = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
    let last = relative.rsplit('/').next().unwrap_or_default();
    if relative.starts_with('/') || relative.split('/').any(|part| part == ".." || part.is_empty()) {
        let why = "a parameter of the kernel is named as sysctl(8) does: kernel.kptr_restrict";
        return Err(Failure::NotAttempted(why.into()));
    }
    if ACTING.contains(&last) {
        return Err(Failure::NotAttempted("it does something whatever is written to it".into()));
    }
    let path = crate::raw::os(&format!("/proc/sys/{relative}"));
    let mut held = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(4096).read_to_end(&mut held));
    let mut file = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&path)?;
    // What cannot be read is not written either: that it may be opened to writing has to do.
    if read.is_ok() && !held.is_empty() {
        file.write_all(&held)?;
    }
    Ok(())
}

/// Makes a file of its own set-user-id, which goes with the file.
pub fn make_setuid(_: &Arguments) -> Answer {
    own_file()?;
    let path = OWN_FILE.to_str().unwrap_or_default();
    let set = fs::set_permissions(path, fs::Permissions::from_mode(0o4700));
    remove(OWN_FILE);
    Ok(set?)
}
