//! Claims about the template `module`. Nothing is ever loaded: what is given to the kernel is no module.

use std::{
    ffi::CString,
    fs,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
};

use nix::{
    errno::Errno,
    libc,
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    exec::device,
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const DIRECTORY: &str = "/tmp/modules";
/// Written by what the kernel starts in modprobe's place.
const REQUESTED: &str = "/tmp/modules/requested";
/// A device that no driver has, of a major number for local use.
const NO_DEVICE: &str = "/tmp/modules/device";
const NO_DEVICES_MODULE: &str = "char-major-60-7";
const FILE: &str = "/tmp/modules/case.ko";

pub const CASE: Case = Case {
    template: "module",
    params: "from: [\"request\", \"file\", \"memory\"], name: \"char-major-60-7\", path_prefix: \"/tmp/modules/\"",
    prepare,
    acts: &[
        // Whoever opens the device learns that there is none, either way: what tells is whether modprobe ran.
        Act {
            refusal: |_| Errno::ENXIO,
            ..Act::new("requesting a module", "kernel_module_request", || {
                let task = request(&ACTOR)?;
                told(task, json!({"kind": "module", "from": "request", "name": NO_DEVICES_MODULE}))
            })
        },
        Act::new("loading a file", "kernel_read_file", || {
            let task = load_file(&ACTOR, FILE)?;
            let file = fs::metadata(FILE).map_err(|e| e.to_string())?;
            let tells = json!({
                "kind": "module", "from": "file", "path": FILE, "path_length": FILE.len(), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "inode": file.ino(),
                "size": file.len(), "device": device(file.dev()),
            });
            told(task, tells)
        }),
        Act::new("loading what is in memory", "kernel_load_data", || {
            told(load_memory(&ACTOR)?, json!({"kind": "module", "from": "memory"}))
        }),
    ],
};

/// What is said, and that the rest is empty.
fn told(task: Task, said: Value) -> Result<Performed, String> {
    let mut tells = json!({
        "kind": "", "from": "", "name": "", "path": "", "path_length": 0, "file_mode": 0, "file_uid": 0, "file_gid": 0, "file_upper": false, "inode": 0, "size": 0, "device": "0:0",
    });
    for (field, value) in said.as_object().ok_or("nothing is said")? {
        tells[field] = value.clone();
    }
    Ok(Performed { task, tells })
}

fn prepare() -> Outcome {
    let text = |e: std::io::Error| e.to_string();
    fs::create_dir_all(DIRECTORY).map_err(text)?;
    let modprobe = format!("{DIRECTORY}/modprobe");
    // The kernel calls it with: -q -- NAME.
    fs::write(&modprobe, format!("#!/bin/busybox sh\necho \"$3\" >> {REQUESTED}\n")).map_err(text)?;
    fs::set_permissions(&modprobe, fs::Permissions::from_mode(0o755)).map_err(text)?;
    fs::write("/proc/sys/kernel/modprobe", &modprobe).map_err(text)?;
    fs::write(FILE, [0; 4096]).map_err(text)?;
    let _ = fs::remove_file(NO_DEVICE);
    mknod(NO_DEVICE, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(60, 7))
        .map_err(|e| e.to_string())
}

/// Opens the device: done means that modprobe was started, and by then has ended.
fn request(identity: &Identity) -> Result<Task, String> {
    let _ = fs::remove_file(REQUESTED);
    task::perform(identity, || {
        let opened = fs::File::open(NO_DEVICE).map(drop).map_err(|e| errno(&e));
        exit_code(if opened == Err(Errno::ENXIO) && Path::new(REQUESTED).exists() { Ok(()) } else { opened })
    })
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// That it is no module the kernel finds out once it may have it.
fn unless_no_module(result: libc::c_long) -> i32 {
    exit_code(match Errno::result(result) {
        Ok(_) | Err(Errno::ENOEXEC) => Ok(()),
        Err(error) => Err(error),
    })
}

fn load_file(identity: &Identity, path: &str) -> Result<Task, String> {
    let path = path.to_owned();
    task::perform(identity, move || match fs::File::open(&path) {
        // SAFETY: the descriptor is open, and the text ends with a NUL.
        Ok(file) => unless_no_module(unsafe {
            libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0)
        }),
        Err(error) => task::refusal(errno(&error)),
    })
}

fn load_memory(identity: &Identity) -> Result<Task, String> {
    task::perform(identity, || {
        let nothing = [0_u8; 4096];
        // SAFETY: the kernel reads as many bytes as there are, and a text that ends with a NUL.
        unless_no_module(unsafe {
            libc::syscall(libc::SYS_init_module, nothing.as_ptr(), nothing.len(), c"".as_ptr())
        })
    })
}

/// kexec_load of no segments: what was loaded for it is dropped, and nothing was.
fn kexec() -> Result<Task, String> {
    task::perform(&ME, || {
        // SAFETY: a call without pointers.
        exit_code(Errno::result(unsafe { libc::syscall(libc::SYS_kexec_load, 0, 0, 0, 0) }).map(drop))
    })
}

/// A socket of a family that nobody has registered: whether it was asked for by its name.
fn asks_for_family(family: i32) -> Result<bool, String> {
    let _ = fs::remove_file(REQUESTED);
    // Any user's.
    let user = Identity { uid: 1000, gid: 1000, ..ME };
    task::perform(&user, move || {
        // SAFETY: a call without pointers; the descriptor goes with the process.
        exit_code(Errno::result(unsafe { libc::socket(family, libc::SOCK_RAW, 0) }).map(drop))
    })?;
    let asked = fs::read_to_string(REQUESTED).unwrap_or_default();
    Ok(asked.lines().any(|name| name.starts_with(&format!("net-pf-{family}"))))
}

fn probe(params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"module\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// Families whose modules the guest does not have: nfc, rds, and ieee802154 beside them.
pub fn families() -> Outcome {
    prepare()?;
    let mut shell = probe("name: \"net-pf-39\", name_prefix: \"net-pf-2\"", ".deny(\"EPERM\")")?;
    same("named whole", asks_for_family(39)?, false)?;
    same("named by its beginning", asks_for_family(21)?, false)?;
    same("named neither way", asks_for_family(36)?, true)?;
    let event = shell.wait_for(|line| line["type"] == "event")?;
    same("name", &event["name"], &json!("net-pf-39"))?;
    same("a file", load_file(&ME, FILE)?.deed, Deed::Done)?;
    same("memory", load_memory(&ME)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

pub fn kinds() -> Outcome {
    prepare()?;
    let other = CString::new(format!("{DIRECTORY}/other.ko")).map_err(|e| e.to_string())?;
    let other = other.to_str().map_err(|e| e.to_string())?;
    fs::write(other, [0; 4096]).map_err(|e| e.to_string())?;
    let shell = probe("kind: \"kexec_image\"", ".deny(\"EPERM\")")?;
    same("a kernel", kexec()?.deed, REFUSED)?;
    same("a module in memory", load_memory(&ME)?.deed, Deed::Done)?;
    same("a module in a file", load_file(&ME, FILE)?.deed, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe(&format!("path: \"{FILE}\""), ".deny(\"EPERM\")")?;
    same("this file", load_file(&ME, FILE)?.deed, REFUSED)?;
    same("another file", load_file(&ME, other)?.deed, Deed::Done)?;
    same("memory, beside a path", load_memory(&ME)?.deed, Deed::Done)?;
    same("a request, beside a path", request(&ME)?.deed, Deed::Done)?;
    shell.stop()?.well()
}
