//! What only an administrator may: modules, mounts, clocks, names, swap. Arguments are such that nothing comes of it.

use nix::{
    errno::Errno,
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
};

use super::Answer;
use crate::attempt::arguments::Arguments;

fn raw(result: libc::c_long) -> Answer {
    Errno::result(result)?;
    Ok(())
}

/// Loads a module of zeroes.
pub fn load_module(_: &Arguments) -> Answer {
    // Longer than an ELF header, or the kernel would see that first.
    let image = [0_u8; 4096];
    // SAFETY: the image lives over the call and is as long as is said; the parameters are an empty text.
    raw(unsafe { libc::syscall(libc::SYS_init_module, image.as_ptr(), image.len(), c"".as_ptr()) })
}

/// Removes a module that is not there.
pub fn remove_module(_: &Arguments) -> Answer {
    // SAFETY: a name that ends with NUL.
    raw(unsafe { libc::syscall(libc::SYS_delete_module, c"krsi_sh_no_such".as_ptr(), libc::O_NONBLOCK) })
}

/// Loads more segments of another kernel than there can be. (None at all would remove the one that is loaded.)
pub fn kexec(_: &Arguments) -> Answer {
    const TOO_MANY: libc::c_ulong = 0x7fff_ffff;
    // SAFETY: the segments are refused by their number, before they are looked at.
    raw(unsafe { libc::syscall(libc::SYS_kexec_load, 0_usize, TOO_MANY, std::ptr::null::<u8>(), 0_usize) })
}

/// Restarts the machine without the number by which the kernel knows that it is meant.
pub fn reboot(_: &Arguments) -> Answer {
    // SAFETY: with a first word that is none of the magic ones the kernel does nothing.
    raw(unsafe { libc::syscall(libc::SYS_reboot, 0, 0, 0, std::ptr::null::<u8>()) })
}

/// Sets the kernel's time zone to the one that it has; the time is left alone.
pub fn set_time(_: &Arguments) -> Answer {
    let mut zone = [0_i32; 2];
    // SAFETY: `struct timezone` is two numbers, and there is room for them.
    raw(unsafe { libc::syscall(libc::SYS_gettimeofday, std::ptr::null::<u8>(), zone.as_mut_ptr()) })?;
    // SAFETY: likewise.
    raw(unsafe { libc::syscall(libc::SYS_settimeofday, std::ptr::null::<u8>(), zone.as_ptr()) })
}

/// Gives the machine a name that is too long.
pub fn set_host_name(_: &Arguments) -> Answer {
    let name = [b'x'; 65];
    // SAFETY: the name lives over the call and is as long as is said.
    raw(unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.len()) })
}

/// Mounts a directory that has no name.
pub fn mount_nothing(_: &Arguments) -> Answer {
    Ok(mount(Some(""), ".", None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// Unmounts the scratch's directory, which is not a mount point.
pub fn unmount_nothing(_: &Arguments) -> Answer {
    Ok(umount2(".", MntFlags::empty())?)
}

/// Swaps to a file that has no name.
pub fn swap(_: &Arguments) -> Answer {
    // SAFETY: a text that ends with NUL.
    Errno::result(unsafe { libc::swapon(c"".as_ptr(), 0) })?;
    Ok(())
}

/// Has processes accounted in a file that has no name. (None at all would end it.)
pub fn account(_: &Arguments) -> Answer {
    // SAFETY: a text that ends with NUL.
    Errno::result(unsafe { libc::acct(c"".as_ptr()) })?;
    Ok(())
}

/// Reads a byte of the kernel's log.
pub fn read_log(_: &Arguments) -> Answer {
    const READ_ALL: libc::c_int = 3;
    let mut byte = [0_u8];
    // SAFETY: there is room for the one byte.
    raw(unsafe { libc::syscall(libc::SYS_syslog, READ_ALL, byte.as_mut_ptr(), 1) })
}
