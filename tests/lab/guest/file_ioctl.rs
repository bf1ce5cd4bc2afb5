//! Claims about the template `file_ioctl`.

use std::{
    fs,
    io::{self, Error},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
};

use nix::{
    errno::Errno,
    libc,
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{self, file, free, named, perform, place, probe, type_of, with},
    same,
    task::{Deed, ME, REFUSED},
};

/// An argument to commands that look at none.
const ARGUMENT: u64 = 0x1234_5678_9abc;

pub const CASE: Case = Case {
    template: "file_ioctl",
    params: "path_prefix: \"/tmp/entries/ioctl\"",
    prepare: place,
    acts: &[
        Act::new("to a file", "file_ioctl", || {
            let number: &'static mut u32 = Box::leak(Box::new(0));
            let argument = std::ptr::from_mut(number) as u64;
            let tells = json!({"command": "FIONREAD", "group": 0x54, "number": 0x1b});
            told(&file("ioctl-file")?, libc::FIONREAD, argument, &tells)
        }),
        Act::new("to a device", "file_ioctl", || {
            let path = free("ioctl-null")?;
            mknod(path.as_str(), SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(1, 3))
                .map_err(|e| e.to_string())?;
            let tells = json!({"command": "21585", "group": 0x54, "number": 0x51, "node": "1:3"});
            told(&path, libc::FIOCLEX, ARGUMENT, &tells)
        }),
    ],
};

fn ioctl(path: &str, command: libc::Ioctl, argument: u64) -> io::Result<()> {
    let file = fs::File::open(path)?;
    // SAFETY: what the argument leads to, if to anything, is a number that nothing else refers to.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), command, argument) };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn told(
    path: &str,
    command: libc::Ioctl,
    argument: u64,
    special: &serde_json::Value,
) -> Result<Performed, String> {
    let file = entries::stat(path)?;
    let usual = json!({
        "argument": argument, "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "inode": file.ino(), "direction": "none", "node": "0:0", "file_type": type_of(&file),
    });
    let tells = with(with(usual, named(path)?), special.clone());
    Ok(Performed { task: perform(&ACTOR, || ioctl(path, command, argument))?, tells })
}

pub fn commands() -> Outcome {
    let path = file("commanded")?;
    let shell = probe("file_ioctl", "command: [\"FIONREAD\", \"TIOCSTI\"]", ".deny(\"EPERM\")")?;
    let number: &'static mut u32 = Box::leak(Box::new(0));
    let argument = std::ptr::from_mut(number) as u64;
    let read = || perform(&ME, || ioctl(&path, libc::FIONREAD, argument)).map(|t| t.deed);
    same("one of these", read()?, REFUSED)?;
    same("another", perform(&ME, || ioctl(&path, libc::FIOCLEX, 0))?.deed, Deed::Done)?;
    // The kernel looks at the lower half of the number alone.
    let typed = perform(&ME, || ioctl(&path, libc::FIONREAD | 0xdead << 32, argument))?;
    same("with more bits than the kernel looks at", typed.deed, REFUSED)?;
    shell.stop()?.well()?;
    let shell = probe("file_ioctl", "command: \"FIONREAD\", file_type: \"char\"", ".deny(\"EPERM\")")?;
    same("to another kind of file", read()?, Deed::Done)?;
    shell.stop()?.well()
}

/// FIOCLEX by the gate of 32-bit programs: the error as the kernel gives it. SIGSEGV where there is no such gate.
#[cfg(target_arch = "x86_64")]
fn close_on_exec_compat(file: &fs::File) -> i64 {
    let result: i32;
    // SAFETY: a command without an argument; the kernel changes the result's register only.
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {file:e}", "int 0x80", "pop rbx",
            file = in(reg) file.as_raw_fd(),
            inlateout("eax") 54 => result, in("ecx") 0x5451, in("edx") 0, in("esi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result.into()
}

#[cfg(target_arch = "x86_64")]
pub fn by_32_bits() -> Outcome {
    let path = file("narrow")?;
    let call = || {
        perform(&ME, || match close_on_exec_compat(&fs::File::open(&path)?) {
            0 => Ok(()),
            error => Err(Errno::from_raw(i32::try_from(-error).unwrap_or(0)).into()),
        })
    };
    let before = call()?.deed;
    if before == Deed::Killed(libc::SIGSEGV) {
        return Ok(()); // no such gate
    }
    same("before", before, Deed::Done)?;
    let mut shell = probe("file_ioctl", &format!("path: \"{path}\""), ".deny(\"EPERM\")")?;
    let task = call()?;
    same("by 32 bits", task.deed, REFUSED)?;
    same("number", &shell.event(task.pid, &path)?["number"], &json!(0x51))?;
    let ended = shell.stop()?;
    same("events", ended.events().count(), 1)?;
    ended.well()
}

#[cfg(not(target_arch = "x86_64"))]
pub fn by_32_bits() -> Outcome {
    Ok(())
}
