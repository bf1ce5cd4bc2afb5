//! Claims about the template `syslog`.

use std::fs;

use nix::{
    errno::Errno,
    libc,
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

/// The log as a device (1, 11).
const DEVICE: &str = "/tmp/log-device";
const READ_ALL: i32 = 3;
const SIZE_BUFFER: i32 = 10;

fn prepare() -> Outcome {
    let _ = fs::remove_file(DEVICE);
    mknod(DEVICE, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 11)).map_err(|e| e.to_string())
}

/// syslog(2), by what it is asked for.
fn ask(identity: &Identity, action: i32) -> Result<Task, String> {
    task::perform(identity, move || {
        let mut bytes = [0_u8; 64];
        // SAFETY: as many bytes as there are.
        let said = unsafe { libc::klogctl(action, bytes.as_mut_ptr().cast(), 64) };
        exit_code(Errno::result(said).map(drop))
    })
}

fn open(identity: &Identity) -> Result<Task, String> {
    task::perform(identity, || {
        let opened = fs::File::open(DEVICE).map(drop);
        exit_code(opened.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))))
    })
}

pub const CASE: Case = Case {
    template: "syslog",
    params: "",
    prepare,
    acts: &[
        Act::new("asking how long it is", "syslog", || {
            Ok(Performed { task: ask(&ACTOR, SIZE_BUFFER)?, tells: json!({"action": "size_buffer"}) })
        }),
        Act::new("opening it", "syslog", || {
            Ok(Performed { task: open(&ACTOR)?, tells: json!({"action": "read_all"}) })
        }),
    ],
};

pub fn actions() -> Outcome {
    prepare()?;
    let shell = Shell::ready(&format!(
        "probe(\"syslog\", #{{action: \"read_all\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("by syslog", ask(&ME, READ_ALL)?.deed, REFUSED)?;
    same("by the device", open(&ME)?.deed, REFUSED)?;
    same("another action", ask(&ME, SIZE_BUFFER)?.deed, Deed::Done)?;
    shell.stop()?.well()
}
