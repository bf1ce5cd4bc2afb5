//! Claims about the template `fd_receive`.

use std::{
    fs,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::MetadataExt,
    },
};

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    exec::device,
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const FILE: &str = "/tmp/received/case";

fn prepare() -> Outcome {
    fs::create_dir_all("/tmp/received").map_err(|e| e.to_string())?;
    fs::write(FILE, "content").map_err(|e| e.to_string())
}

/// Another descriptor for one that the task has, by way of itself as a process.
fn get_own(descriptor: RawFd) -> Result<(), Errno> {
    // SAFETY: calls without pointers; the descriptors go with the process.
    unsafe {
        let own = Errno::result(libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0))?;
        Errno::result(libc::syscall(libc::SYS_pidfd_getfd, own, descriptor, 0)).map(drop)
    }
}

fn get_as(identity: &Identity, file: &fs::File) -> Result<Task, String> {
    let descriptor = file.as_raw_fd();
    task::perform(identity, move || exit_code(get_own(descriptor)))
}

pub const CASE: Case = Case {
    template: "fd_receive",
    params: "",
    prepare,
    acts: &[Act::new("getting a file", "file_receive", || {
        let file = fs::File::open(FILE).map_err(|e| e.to_string())?;
        let about = file.metadata().map_err(|e| e.to_string())?;
        let tells = json!({
            "inode": about.ino(), "device": device(about.dev()), "access": ["read"], "file_mode": about.mode(), "file_uid": about.uid(), "file_gid": about.gid(), "file_upper": false,
            "path": FILE, "path_length": FILE.len(),
        });
        Ok(Performed { task: get_as(&ACTOR, &file)?, tells })
    })],
};

/// Sends the file to itself over a socket. Gives whether it came.
fn send_to_itself(file: RawFd) -> Result<bool, Errno> {
    let mut ends = [0; 2];
    let mut byte = *b"x";
    let mut room = [0_u64; 8];
    // SAFETY: a message of one byte and of room for one descriptor, all of which live to the end of the calls.
    unsafe {
        Errno::result(libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, ends.as_mut_ptr()))?;
        let mut bytes = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut bytes;
        message.msg_iovlen = 1;
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(head).cast::<RawFd>().write_unaligned(file);
        Errno::result(libc::sendmsg(ends[0], &raw const message, 0))?;
        Errno::result(libc::recvmsg(ends[1], &raw mut message, 0))?;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        Ok(!head.is_null() && (*head).cmsg_len as usize >= libc::CMSG_LEN(4) as usize)
    }
}

/// Of a message the file is missing, and the rest arrives.
pub fn over_a_socket() -> Outcome {
    prepare()?;
    let open = |path: &str| fs::File::open(path).map_err(|e| e.to_string());
    let other = "/tmp/received/other";
    fs::write(other, "content").map_err(|e| e.to_string())?;
    let (file, other) = (open(FILE)?, open(other)?);
    let writable =
        fs::OpenOptions::new().append(true).open("/tmp/received/other").map_err(|e| e.to_string())?;
    let shell = Shell::ready(&format!(
        "probe(\"fd_receive\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let came = |file: &fs::File| {
        let descriptor = file.as_raw_fd();
        // 42: the message came without it.
        task::perform(&ME, move || {
            send_to_itself(descriptor).map_or_else(task::refusal, |came| if came { 0 } else { 42 })
        })
        .map(|task| task.deed)
    };
    same("this file", came(&file)?, Deed::Other(42))?;
    same("another file", came(&other)?, Deed::Done)?;
    same("by pidfd_getfd", get_as(&ME, &file)?.deed, REFUSED)?;
    shell.stop()?.well()?;
    let shell = Shell::ready(&format!(
        "probe(\"fd_receive\", #{{access: \"write\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("open for reading", get_as(&ME, &file)?.deed, Deed::Done)?;
    same("open for writing", get_as(&ME, &writable)?.deed, REFUSED)?;
    shell.stop()?.well()
}
