//! A BPF file system that one pin has to itself.
//!
//! The kernel keeps what is pinned in a BPF file system as long as that is mounted somewhere, or this process holds it. So a pin is
//! filled while nobody sees it, and shown by one system call; another one takes it away. Whenever a process is killed meanwhile, all of
//! the pin is there, or nothing of it.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use aya_obj::generated::{bpf_attr, bpf_cmd};
use nix::{
    errno::Errno,
    libc,
    mount::{MntFlags, umount2},
    sys::statfs::{FsType, statfs},
};

use crate::kernel::call::{bpf, descriptor};

/// `BPF_FS_MAGIC` of the kernel (include/uapi/linux/magic.h).
const MAGIC: FsType = FsType(0xcafe_4a11);

/// A file system that nothing shows yet. Dropped, it is gone with all that is in it.
pub struct Hidden {
    root: OwnedFd,
}

impl Hidden {
    /// # Errors
    /// If the kernel makes none.
    pub fn new() -> io::Result<Self> {
        const SET_STRING: libc::c_int = 1;
        const CREATE: libc::c_int = 6;
        // SAFETY: fsopen(2) reads a text that is there to the end of the call.
        let context = made(unsafe { libc::syscall(libc::SYS_fsopen, c"bpf".as_ptr(), 1) })?;
        let fd = context.as_raw_fd();
        let null = std::ptr::null::<libc::c_char>();
        // SAFETY: fsconfig(2) reads two texts, likewise.
        done(unsafe {
            libc::syscall(libc::SYS_fsconfig, fd, SET_STRING, c"mode".as_ptr(), c"0700".as_ptr(), 0)
        })?;
        // SAFETY: this command reads none.
        done(unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, null, null, 0) })?;
        // `MOUNT_ATTR_NOSUID`, `_NODEV` and `_NOEXEC`.
        // SAFETY: fsmount(2) reads no memory of this process.
        let root = made(unsafe { libc::syscall(libc::SYS_fsmount, fd, 1, 2 | 4 | 8) })?;
        Ok(Hidden { root })
    }

    /// Where a file of it is found by this process.
    fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{file}", self.root.as_raw_fd()))
    }

    /// Has the kernel keep a map, program or link under this name.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn pin(&self, object: BorrowedFd<'_>, file: &str) -> io::Result<()> {
        let path = text(&self.path(file))?;
        // SAFETY: all zero is a valid value of this union of plain numbers.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        attributes.__bindgen_anon_4.pathname = path.as_ptr() as u64;
        attributes.__bindgen_anon_4.bpf_fd = object.as_raw_fd().cast_unsigned();
        bpf(bpf_cmd::BPF_OBJ_PIN, &mut attributes).map(drop)
    }

    /// Mounts it on a directory: from here on it outlives this process. Gives the number of its device, by which it is known again.
    ///
    /// # Errors
    /// If the kernel does not; then nothing is there.
    pub fn show(self, directory: &Path) -> io::Result<u64> {
        const EMPTY_PATH: libc::c_uint = 4;
        use std::os::unix::fs::MetadataExt;
        let device = std::fs::metadata(self.path("."))?.dev();
        let to = text(directory)?;
        // SAFETY: move_mount(2) reads two texts that are there to the end of the call.
        done(unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                self.root.as_fd().as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                to.as_ptr(),
                EMPTY_PATH,
            )
        })?;
        Ok(device)
    }
}

/// Opens what is pinned there.
///
/// # Errors
/// If nothing is, or it may not be opened.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = text(path)?;
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    descriptor(bpf(bpf_cmd::BPF_OBJ_GET, &mut attributes))
}

/// Whether a BPF file system is mounted on this directory.
pub fn is_shown(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|found| found.filesystem_type() == MAGIC)
}

/// Takes away whatever is mounted on this directory, and the directory. Other mount namespaces that have a copy of the mount lose it with
/// the directory.
///
/// # Errors
/// If the kernel does not.
pub fn take_away(directory: &Path) -> io::Result<()> {
    loop {
        match umount2(directory, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => {}
            // Nothing is mounted there, or not any more.
            Err(Errno::EINVAL | Errno::ENOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    match std::fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn done(result: libc::c_long) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn made(result: libc::c_long) -> io::Result<OwnedFd> {
    descriptor(done(result))
}
