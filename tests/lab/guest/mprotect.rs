//! Claims about the template `mprotect`.

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
    mmap_exec::file,
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const FILE: &str = "/tmp/mapped/protected.so";
const PAGE: usize = 4096;
const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;
const EXEC: i32 = libc::PROT_EXEC;

/// A page of memory between two that nobody may use, so that it is a mapping of its own. It stays as long as the suite runs.
#[derive(Clone, Copy)]
struct Page(usize);

impl Page {
    fn new(file: Option<&fs::File>, protection: i32) -> Result<Self, Errno> {
        let failed = |at| if at == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(at as usize) };
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let (number, flags) = file.map_or((-1, anonymous), |file| (file.as_raw_fd(), libc::MAP_PRIVATE));
        // SAFETY: memory that is reserved first, where the kernel likes, and of which the middle is then replaced.
        unsafe {
            let around =
                failed(libc::mmap(std::ptr::null_mut(), 3 * PAGE, libc::PROT_NONE, anonymous, -1, 0))?;
            let middle = std::ptr::without_provenance_mut(around + PAGE);
            failed(libc::mmap(middle, PAGE, protection, flags | libc::MAP_FIXED, number, 0)).map(Page)
        }
    }

    fn write(self) {
        // SAFETY: a page that was mapped to be written.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(self.0).write_volatile(1) };
    }

    fn protect(self, protection: i32) -> Result<(), Errno> {
        protect(self.0, protection)
    }
}

fn protect(at: usize, protection: i32) -> Result<(), Errno> {
    // SAFETY: a page of this process's that is not touched afterwards, unless it may be.
    Errno::result(unsafe { libc::mprotect(std::ptr::without_provenance_mut(at), PAGE, protection) }).map(drop)
}

fn by(identity: &Identity, deed: impl FnOnce() -> Result<(), Errno>) -> Result<Task, String> {
    task::perform(identity, || exit_code(deed()))
}

pub const CASE: Case = Case {
    template: "mprotect",
    params: "adds: \"exec\"",
    prepare: || file(FILE),
    acts: &[
        Act::new("written memory", "file_mprotect", || {
            let page = Page::new(None, READ | WRITE).map_err(|e| e.to_string())?;
            page.write();
            let tells = json!({
                "start": page.0, "end": page.0 + PAGE, "before": ["read", "write"], "after": ["read", "exec"],
                "region": "anonymous", "modified": "yes", "file_mode": 0, "file_uid": 0, "file_gid": 0, "file_upper": false, "inode": 0, "device": "0:0", "path": "", "path_length": 0,
            });
            Ok(Performed { task: by(&ACTOR, || page.protect(READ | EXEC))?, tells })
        }),
        Act::new("a file's", "file_mprotect", || {
            let (file, about) = open()?;
            let page = Page::new(Some(&file), READ).map_err(|e| e.to_string())?;
            let tells = json!({
                "start": page.0, "end": page.0 + PAGE, "before": ["read"], "after": ["read", "write", "exec"],
                "region": "file", "modified": "no", "file_mode": about.mode(), "file_uid": about.uid(), "file_gid": about.gid(), "file_upper": false, "inode": about.ino(), "device": device(about.dev()),
                "path": FILE, "path_length": FILE.len(),
            });
            Ok(Performed { task: by(&ACTOR, || page.protect(READ | WRITE | EXEC))?, tells })
        }),
    ],
};

fn open() -> Result<(fs::File, fs::Metadata), String> {
    let file = fs::File::open(FILE).map_err(|e| e.to_string())?;
    let about = file.metadata().map_err(|e| e.to_string())?;
    Ok((file, about))
}

fn probe(params: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"mprotect\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// From writable to readable, and from readable to executable: what was written is not executed.
pub fn in_two_steps() -> Outcome {
    file(FILE)?;
    let (file, _) = open()?;
    let pages = || Ok((Page::new(None, READ | WRITE)?, Page::new(Some(&file), READ)?));
    let (written, untouched) = pages().map_err(|e: Errno| e.to_string())?;
    let shell = probe("adds: \"exec\", written: true")?;
    let two_steps = || {
        written.write();
        // The first one is let through.
        match written.protect(READ) {
            Ok(()) => written.protect(READ | EXEC),
            Err(_) => Err(Errno::EXDEV),
        }
    };
    same("written, then made executable", by(&ME, two_steps)?.deed, REFUSED)?;
    same("of a file that nobody wrote to", by(&ME, || untouched.protect(READ | EXEC))?.deed, Deed::Done)?;
    same("to be both", by(&ME, || untouched.protect(READ | WRITE | EXEC))?.deed, REFUSED)?;
    shell.stop()?.well()
}

/// Where the heap ends, and where on the stack this is.
fn heap_and_stack() -> (usize, usize) {
    let local = 0_u8;
    // SAFETY: brk of 0 changes nothing, and gives its end.
    let heap = unsafe { libc::syscall(libc::SYS_brk, 0) };
    let heap = usize::try_from(heap).unwrap_or_default();
    // A page more, so that there is one.
    // SAFETY: more memory, which nobody uses.
    unsafe { libc::syscall(libc::SYS_brk, heap + 2 * PAGE) };
    ((heap + PAGE - 1) & !(PAGE - 1), (&raw const local).addr() & !(PAGE - 1))
}

pub fn regions() -> Outcome {
    let everything = READ | WRITE | EXEC;
    let heap = || by(&ME, || protect(heap_and_stack().0, everything));
    let stack = || by(&ME, || protect(heap_and_stack().1, everything));
    let mut shell = probe("adds: \"exec\", region: [\"heap\", \"stack\"]")?;
    for (name, task) in [("heap", heap()?), ("stack", stack()?)] {
        same(name, task.deed, REFUSED)?;
        let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
        same("region", &event["region"], &json!(name))?;
    }
    let page = Page::new(None, READ | WRITE).map_err(|e| e.to_string())?;
    same("neither", by(&ME, || page.protect(READ | EXEC))?.deed, Deed::Done)?;
    shell.stop()?.well()
}
