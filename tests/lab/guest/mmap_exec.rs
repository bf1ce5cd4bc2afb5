//! Claims about the template `mmap_exec`.

use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
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

const FILE: &str = "/tmp/mapped/case.so";
const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;
const EXEC: i32 = libc::PROT_EXEC;

pub fn file(path: &str) -> Outcome {
    fs::create_dir_all("/tmp/mapped").map_err(|e| e.to_string())?;
    fs::write(path, [0; 4096]).map_err(|e| format!("{path}: {e}"))
}

/// A page of the file, or of none.
fn map(path: Option<&str>, protection: i32) -> Result<(), Errno> {
    let open = |path| fs::File::open(path).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)));
    let file = path.map(open).transpose()?;
    let (number, flags) = match &file {
        Some(file) => (file.as_raw_fd(), libc::MAP_PRIVATE),
        None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
    };
    // SAFETY: a mapping where the kernel likes, which nobody touches.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, number, 0) };
    if mapped == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) }
}

fn map_as(identity: &Identity, path: Option<&str>, protection: i32) -> Result<Task, String> {
    let path = path.map(str::to_owned);
    task::perform(identity, move || exit_code(map(path.as_deref(), protection)))
}

pub const CASE: Case = Case {
    template: "mmap_exec",
    params: "",
    prepare: || file(FILE),
    acts: &[
        Act::new("code of a file", "mmap_file", || {
            let file = fs::metadata(FILE).map_err(|e| e.to_string())?;
            let tells = json!({
                "kind": "file", "protection": ["read", "exec"], "flags": ["MAP_PRIVATE"], "inode": file.ino(),
                "device": device(file.dev()), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "path": FILE, "path_length": FILE.len(),
            });
            Ok(Performed { task: map_as(&ACTOR, Some(FILE), READ | EXEC)?, tells })
        }),
        Act::new("code of none", "mmap_file", || {
            let tells = json!({
                "kind": "anonymous", "protection": ["read", "write", "exec"],
                "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"], "inode": 0, "device": "0:0", "file_mode": 0, "file_uid": 0, "file_gid": 0, "file_upper": false, "path": "",
                "path_length": 0,
            });
            Ok(Performed { task: map_as(&ACTOR, None, READ | WRITE | EXEC)?, tells })
        }),
    ],
};

fn probe(params: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"mmap_exec\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

pub fn narrowed() -> Outcome {
    let other = "/tmp/mapped/other.so";
    file(FILE)?;
    file(other)?;
    let mapped = |path: Option<&str>, protection| map_as(&ME, path, protection).map(|task| task.deed);
    let shell = probe(&format!("path: \"{FILE}\""))?;
    same("this file", mapped(Some(FILE), READ | EXEC)?, REFUSED)?;
    same("to be read only", mapped(Some(FILE), READ)?, Deed::Done)?;
    same("another file", mapped(Some(other), READ | EXEC)?, Deed::Done)?;
    same("no file", mapped(None, READ | EXEC)?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("kind: \"anonymous\", writable: true")?;
    same("writable, of no file", mapped(None, READ | WRITE | EXEC)?, REFUSED)?;
    same("not writable", mapped(None, READ | EXEC)?, Deed::Done)?;
    same("not executable", mapped(None, READ | WRITE)?, Deed::Done)?;
    same("of a file", mapped(Some(FILE), READ | WRITE | EXEC)?, Deed::Done)?;
    let ended = shell.stop()?;
    same("the rest is in no books", &ended.books("t")?["seen"], &json!(3))?;
    ended.well()
}

/// Where READ_IMPLIES_EXEC is set, what is to be read is to be executed.
pub fn implied() -> Outcome {
    let shell = probe("kind: \"anonymous\"")?;
    let task = task::perform(&ME, || {
        // SAFETY: a call without pointers.
        unsafe { libc::personality(0x0040_0000) };
        exit_code(map(None, READ))
    })?;
    same("read, and so executed", task.deed, REFUSED)?;
    shell.stop()?.well()
}

/// A program that is executed is mapped: refused that, it does not run.
pub fn programs() -> Outcome {
    let path = super::exec::program("mapped-program")?;
    let shell = probe(&format!("path: \"{path}\""))?;
    let deed = task::execute(&ME, &path)?.deed;
    let ran = deed == Deed::Done;
    super::holds(!ran, format!("it came to {deed:?}"))?;
    shell.stop()?.well()
}
