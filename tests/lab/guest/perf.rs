//! Claims about the template `perf`.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::OnceLock,
};

use nix::{errno::Errno, libc, sys::utsname::uname};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, ME, REFUSED, exit_code},
};

const SOFTWARE: u32 = 1;
/// An event that never happens (PERF_COUNT_SW_DUMMY).
const DUMMY: u64 = 9;
const EXCLUDE_KERNEL: u64 = 1 << 5;

/// Opens it for this process.
fn open(flags: u64) -> Result<OwnedFd, Errno> {
    // struct perf_event_attr as it was first: type, size, config, period, samples, format, flags, 16 bytes more.
    let mut attributes = [0_u64; 8];
    attributes[0] = u64::from(SOFTWARE) | 64 << 32;
    attributes[1] = DUMMY;
    attributes[5] = flags;
    // SAFETY: the kernel reads the 64 bytes that there are.
    let opened = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0_u64) };
    // SAFETY: a descriptor that was just made, and is nobody else's.
    Errno::result(opened).map(|fd| unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// The suite's, which whoever acts inherits.
static OPENED: OnceLock<OwnedFd> = OnceLock::new();

fn opened() -> Result<i32, String> {
    if OPENED.get().is_none() {
        let _ = OPENED.set(open(EXCLUDE_KERNEL).map_err(|e| e.to_string())?);
    }
    OPENED.get().map(AsRawFd::as_raw_fd).ok_or_else(|| "nothing is open".into())
}

/// Whether this kernel tells the hook what is opened. The later ones of the matrix do not.
fn tells_attributes() -> bool {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    release.starts_with("5.10.") || release.starts_with("6.1.")
}

fn told(access: &str, is_told: bool) -> Value {
    let (kind, config) = if is_told { ("software", DUMMY) } else { ("not_told", 0) };
    json!({"access": access, "event_type": kind, "config": config})
}

pub const CASE: Case = Case {
    template: "perf",
    params: "access: [\"open\", \"read\", \"write\"]",
    prepare: || opened().map(drop),
    acts: &[
        Act::new("opening", "perf_event_open", || {
            let task = task::perform(&ACTOR, || exit_code(open(EXCLUDE_KERNEL).map(drop)))?;
            Ok(Performed { task, tells: told("open", tells_attributes()) })
        }),
        Act::new("reading", "perf_event_read", || {
            let event = opened()?;
            let task = task::perform(&ACTOR, || {
                let mut count = [0_u8; 8];
                // SAFETY: as many bytes as there are.
                exit_code(Errno::result(unsafe { libc::read(event, count.as_mut_ptr().cast(), 8) }).map(drop))
            })?;
            Ok(Performed { task, tells: told("read", true) })
        }),
        Act::new("controlling", "perf_event_write", || {
            const RESET: libc::c_ulong = 0x2403;
            let event = opened()?;
            let task = task::perform(&ACTOR, || {
                // SAFETY: a request that takes no pointer.
                exit_code(Errno::result(unsafe { libc::ioctl(event, RESET as _, 0) }).map(drop))
            })?;
            Ok(Performed { task, tells: told("write", true) })
        }),
    ],
};

/// What an event has in view is asked about by itself, and by default only once for each.
pub fn accesses() -> Outcome {
    let probe = |params: &str| {
        Shell::ready(&format!(
            "probe(\"perf\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
            std::process::id()
        ))
    };
    let opened = |flags| task::perform(&ME, move || exit_code(open(flags).map(drop))).map(|task| task.deed);
    let shell = probe("access: \"kernel\"")?;
    same("with the kernel in view", opened(0)?, REFUSED)?;
    same("without it", opened(EXCLUDE_KERNEL)?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("")?;
    same("by default", opened(EXCLUDE_KERNEL)?, REFUSED)?;
    let ended = shell.stop()?;
    same("asked", &ended.books("t")?["matched"], &json!(1))?;
    ended.well()
}
