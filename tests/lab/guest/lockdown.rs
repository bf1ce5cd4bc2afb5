//! Claims about the template `lockdown`.

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

/// The kernel's memory as a device (1, 1), which is opened and not read.
const MEMORY: &str = "/tmp/memory-device";

fn prepare() -> Outcome {
    let _ = fs::remove_file(MEMORY);
    mknod(MEMORY, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 1)).map_err(|e| e.to_string())
}

fn open_memory(identity: &Identity) -> Result<Task, String> {
    task::perform(identity, || {
        let opened = fs::File::open(MEMORY).map(drop);
        exit_code(opened.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))))
    })
}

/// The port that does nothing but take its time.
fn ask_for_port(identity: &Identity) -> Result<Task, String> {
    // SAFETY: a call without pointers; the permission goes with the process.
    task::perform(identity, || exit_code(Errno::result(unsafe { libc::ioperm(0x80, 1, 1) }).map(drop)))
}

pub const CASE: Case = Case {
    template: "lockdown",
    params: "reason: [\"dev_mem\", \"ioport\"]",
    prepare,
    acts: &[
        Act::new("the kernel's memory as a device", "locked_down", || {
            Ok(Performed { task: open_memory(&ACTOR)?, tells: json!({"reason": "dev_mem", "number": 2}) })
        }),
        Act {
            // The kernel only asks whether it may, and has an errno of its own.
            refusal: |_| Errno::EPERM,
            ..Act::new("ports", "locked_down", || {
                Ok(Performed { task: ask_for_port(&ACTOR)?, tells: json!({"reason": "ioport", "number": 7}) })
            })
        },
    ],
};

/// The numbers of both differ between kernels: module_parameters is 12 or 13, tracefs anything from 24 to 27.
pub fn by_reason() -> Outcome {
    prepare()?;
    let mut shell = Shell::ready(&format!(
        "probe(\"lockdown\", #{{reason: [\"tracefs\", \"module_signature\"]}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("another reason", open_memory(&ME)?.deed, Deed::Done)?;
    let unsigned = task::perform(&ME, || {
        let nothing = [0_u8; 4096];
        // SAFETY: the kernel reads as many bytes as there are, and a text that ends with a NUL.
        let loaded =
            unsafe { libc::syscall(libc::SYS_init_module, nothing.as_ptr(), nothing.len(), c"".as_ptr()) };
        exit_code(Errno::result(loaded).map(drop))
    })?;
    same("an unsigned module", unsigned.deed, REFUSED)?;
    let traced = "/tmp/tracefs";
    fs::create_dir_all(traced).map_err(|e| e.to_string())?;
    nix::mount::mount(Some("t"), traced, Some("tracefs"), nix::mount::MsFlags::empty(), None::<&str>)
        .map_err(|e| format!("tracefs: {e}"))?;
    let task = task::perform(&ME, || {
        let opened = fs::File::open("/tmp/tracefs/trace_clock").map(drop);
        exit_code(opened.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))))
    });
    nix::mount::umount(traced).map_err(|e| e.to_string())?;
    let task = task?;
    same("a file of tracefs", task.deed, REFUSED)?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    same("reason", &event["reason"], &json!("tracefs"))?;
    shell.stop()?.well()
}
