//! Ways to a file: by another name, by another call, by a descriptor.

use std::{
    ffi::CStr,
    fs,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::{
            fs::{PermissionsExt, symlink},
            net::UnixStream,
        },
    },
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        stat::Mode,
        uio::{pread, pwrite},
    },
};

use super::{Deed, Scene, c_text, cannot, plain};
use crate::{
    raw,
    redteam::{
        child::{self, Answer, Trouble},
        deed::Access,
        gates::{self, Low},
        ring,
    },
};

fn path(deed: &Deed) -> Result<&str, Trouble> {
    deed.path().ok_or_else(|| Trouble::Cannot("it is about no file".into()))
}

fn access(deed: &Deed) -> Access {
    if let Deed::Open { access, .. } = deed { *access } else { Access::Read }
}

/// Flags of an open that waits for nobody and changes nothing.
fn flags(access: Access) -> OFlag {
    let how = match access {
        Access::Read => OFlag::O_RDONLY,
        Access::Write => OFlag::O_WRONLY,
        Access::Both => OFlag::O_RDWR,
    };
    how | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

/// What is opened, or was permitted to be.
fn opened<T>(answer: Result<T, Errno>) -> Answer {
    match answer {
        // A FIFO without a reader, a device without a driver: the kernel asks before that.
        Ok(_) | Err(Errno::ENXIO) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens as programs do.
///
/// # Errors
/// What the kernel says.
pub fn open_plainly(path: &CStr, access: Access) -> Answer {
    opened(open(path, flags(access), Mode::empty()))
}

/// Its directory and its last name.
fn parts(path: &str) -> Result<(String, String), Trouble> {
    match path.rsplit_once('/') {
        Some(("", name)) => Ok(("/".into(), name.into())),
        Some((directory, name)) => Ok((directory.into(), name.into())),
        None => Err(Trouble::Cannot("its path has no directory".into())),
    }
}

pub fn hard_link(deed: &Deed, scene: &Scene) -> Answer {
    let name = scene.name("hard-link");
    fs::hard_link(raw::os(path(deed)?), raw::os(&name))?;
    plain(&deed.at(&name))
}

pub fn symbolic_link(deed: &Deed, scene: &Scene) -> Answer {
    let name = scene.far("symbolic-link");
    symlink(raw::os(path(deed)?), raw::os(&name))?;
    plain(&deed.at(&name))
}

/// Mounts are private from here on.
fn own_mounts(flags: CloneFlags) -> Result<(), Errno> {
    unshare(flags | CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

fn bind(from: &Path, to: &Path) -> Result<(), Errno> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
}

/// Mounted on another file.
pub fn bind_mount(deed: &Deed, scene: &Scene) -> Answer {
    own_mounts(CloneFlags::empty())?;
    let name = scene.far("mounted");
    fs::write(raw::os(&name), "")?;
    bind(Path::new(&raw::os(path(deed)?)), Path::new(&raw::os(&name)))?;
    plain(&deed.at(&name))
}

/// Moved, and moved back.
pub fn rename(deed: &Deed, scene: &Scene) -> Answer {
    let (from, to) = (path(deed)?, scene.name("renamed"));
    fs::rename(raw::os(from), raw::os(&to))?;
    let answer = child::run(|| plain(&deed.at(&to)));
    fs::rename(raw::os(&to), raw::os(from))?;
    answer
}

pub fn copy(deed: &Deed, scene: &Scene) -> Answer {
    let name = scene.far("copy");
    fs::copy(raw::os(path(deed)?), raw::os(&name))?;
    plain(&deed.at(&name))
}

pub fn own_root(deed: &Deed, _: &Scene) -> Answer {
    plain(&deed.at(&format!("/proc/self/root{}", path(deed)?)))
}

/// By the root of the system's first process.
pub fn other_root(deed: &Deed, _: &Scene) -> Answer {
    plain(&deed.at(&format!("/proc/1/root{}", path(deed)?)))
}

pub fn change_root(deed: &Deed, _: &Scene) -> Answer {
    let (directory, name) = parts(path(deed)?)?;
    nix::unistd::chroot(Path::new(&raw::os(&directory)))?;
    nix::unistd::chdir("/")?;
    plain(&deed.at(&format!("/{name}")))
}

/// As root of a user namespace of one's own, where the file has another name.
pub fn own_namespaces(deed: &Deed, scene: &Scene) -> Answer {
    let (directory, name) = parts(path(deed)?)?;
    let elsewhere = scene.far("elsewhere");
    fs::create_dir(raw::os(&elsewhere))?;
    in_own_namespaces(Path::new(&raw::os(&directory)), Path::new(&raw::os(&elsewhere)))?;
    plain(&deed.at(&format!("{elsewhere}/{name}")))
}

/// Enters a user and a mount namespace, and mounts a directory in another place there.
///
/// # Errors
/// What the kernel says.
pub fn in_own_namespaces(directory: &Path, elsewhere: &Path) -> Result<(), Errno> {
    own_mounts(CloneFlags::CLONE_NEWUSER)?;
    bind(directory, elsewhere)
}

pub fn openat2(deed: &Deed, _: &Scene) -> Answer {
    opened(gates::openat2(&c_text(path(deed)?)?, flags(access(deed))))
}

pub fn handle(deed: &Deed, _: &Scene) -> Answer {
    let (directory, _) = parts(path(deed)?)?;
    opened(gates::by_handle(&c_text(path(deed)?)?, &c_text(&directory)?, flags(access(deed))))
}

pub fn ring(deed: &Deed, _: &Scene) -> Answer {
    opened(ring::open(&c_text(path(deed)?)?, flags(access(deed)).bits()))
}

pub fn call_32(deed: &Deed, _: &Scene) -> Answer {
    opened(open_by_32_bits(&c_text(path(deed)?)?, flags(access(deed))))
}

/// Opens by the call of 32-bit programs; SIGSEGV where there is no such gate.
///
/// # Errors
/// What the kernel says.
pub fn open_by_32_bits(path: &CStr, flags: OFlag) -> Result<(), Errno> {
    let at = Low::new()?.put(path.to_bytes_with_nul())?;
    gates::call_32(gates::OPEN_32, [at, flags.bits().cast_unsigned(), 0]).map(drop)
}

pub fn call_x32(deed: &Deed, _: &Scene) -> Answer {
    opened(open_by_x32(&c_text(path(deed)?)?, flags(access(deed))))
}

/// Opens as x32 programs do.
///
/// # Errors
/// What the kernel says.
pub fn open_by_x32(path: &CStr, flags: OFlag) -> Result<(), Errno> {
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let address = path.as_ptr().expose_provenance() as u64;
    gates::call_x32(libc::SYS_openat, [here, address, u64::from(flags.bits().cast_unsigned())]).map(drop)
}

pub fn two_steps(deed: &Deed, _: &Scene) -> Answer {
    opened(in_two_steps(&c_text(path(deed)?)?, flags(access(deed))))
}

/// First without reading, which asks nobody, and then by the descriptor's name.
///
/// # Errors
/// What the kernel says.
pub fn in_two_steps(path: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    let named = open(path, OFlag::O_PATH, Mode::empty())?;
    open(format!("/proc/self/fd/{}", named.as_raw_fd()).as_str(), flags, Mode::empty())
}

/// Executes what cannot be executed: the kernel opens it first.
pub fn execute(deed: &Deed, _: &Scene) -> Answer {
    if access(deed) == Access::Write {
        return cannot("what is executed is read, and not written");
    }
    let file = raw::os(path(deed)?);
    let mode = fs::metadata(&file)?.permissions().mode();
    if mode & 0o111 != 0o111 {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode | 0o111))?;
    }
    child::execute(&c_text(path(deed)?)?)
}

/// Reads a byte, or writes none, by a descriptor.
fn use_of(descriptor: RawFd, access: Access) -> Answer {
    // SAFETY: it is open as long as this process runs.
    let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let mut byte = [0];
    if access != Access::Write {
        pread(file, &mut byte, 0)?;
    }
    if access != Access::Read {
        pwrite(file, &[], 0)?;
    }
    Ok(())
}

fn held_by(scene: &Scene) -> Result<RawFd, Trouble> {
    scene.held.ok_or_else(|| Trouble::Cannot("it could not be opened before".into()))
}

pub fn held(deed: &Deed, scene: &Scene) -> Answer {
    use_of(held_by(scene)?, access(deed))
}

/// A control message with one descriptor: struct cmsghdr, and what it carries.
#[repr(C)]
struct Rights {
    length: usize,
    level: i32,
    kind: i32,
    descriptor: i32,
    padding: i32,
}

/// Sends or receives a byte and what comes with it.
fn with_rights(rights: &mut Rights, call: impl FnOnce(*mut libc::msghdr) -> isize) -> Result<(), Errno> {
    let mut byte = [0_u8];
    let mut buffer = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: zeroes are a value of it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut buffer;
    message.msg_iovlen = 1;
    message.msg_control = std::ptr::from_mut(rights).cast();
    message.msg_controllen = size_of::<Rights>();
    Errno::result(call(&raw mut message)).map(drop)
}

/// Sent through a socket, by whoever has it, and received.
pub fn received(deed: &Deed, scene: &Scene) -> Answer {
    let (to, from) = UnixStream::pair()?;
    let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    let length = std::mem::offset_of!(Rights, descriptor) + size_of::<RawFd>();
    let mut rights = Rights { length, level, kind, descriptor: held_by(scene)?, padding: 0 };
    // SAFETY: a socket, and a message whose parts live over the call.
    with_rights(&mut rights, |message| unsafe { libc::sendmsg(to.as_raw_fd(), message, 0) })?;
    let mut rights = Rights { length: 0, level: 0, kind: 0, descriptor: -1, padding: 0 };
    // SAFETY: likewise.
    with_rights(&mut rights, |message| unsafe { libc::recvmsg(from.as_raw_fd(), message, 0) })?;
    if (rights.level, rights.kind, rights.length) != (level, kind, length) {
        // Where it may not be received, the message comes without it.
        return Err(Errno::EPERM.into());
    }
    use_of(rights.descriptor, access(deed))
}

/// Taken out of the process that has it (pidfd_getfd(2)).
pub fn taken(deed: &Deed, scene: &Scene) -> Answer {
    let held = held_by(scene)?;
    // SAFETY: calls that take numbers.
    let parent = gates::made(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getppid(), 0) })?;
    // SAFETY: likewise.
    let taken = gates::made(unsafe { libc::syscall(libc::SYS_pidfd_getfd, parent.as_raw_fd(), held, 0) })?;
    use_of(taken.as_raw_fd(), access(deed))
}

/// Shortened to the length that it has.
pub fn truncate(deed: &Deed, _: &Scene) -> Answer {
    let file = c_text(path(deed)?)?;
    let length = nix::sys::stat::stat(file.as_c_str())?.st_size;
    Ok(nix::unistd::truncate(file.as_c_str(), length)?)
}

pub fn look(deed: &Deed, _: &Scene) -> Answer {
    nix::sys::stat::stat(c_text(path(deed)?)?.as_c_str())?;
    Ok(())
}

/// Moved, and moved back, and not opened.
pub fn move_away(deed: &Deed, scene: &Scene) -> Answer {
    let (from, to) = (raw::os(path(deed)?), raw::os(&scene.name("renamed")));
    fs::rename(&from, &to)?;
    Ok(fs::rename(&to, &from)?)
}
