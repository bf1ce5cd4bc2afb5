//! Claims about the template `create`.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        net::UnixListener,
    },
};

use nix::{
    libc,
    sys::stat::{Mode, SFlag, makedev, mknod, umask},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{PLACE, free, named, perform, place, probe, stat, with},
    file_open::with_overlay,
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "create",
    params: "path_prefix: \"/tmp/entries/create\"",
    prepare: place,
    acts: &[
        Act::new("an open with O_CREAT", "path_mknod", || {
            // The name was not looked for.
            let tells = json!({"file_type": "regular", "permissions": 0o640, "certain": false});
            made("create-opened", tells, |path| create(path, 0o640))
        }),
        Act::new("a set-uid file without a type", "path_mknod", || {
            let tells = json!({"file_type": "regular", "permissions": 0o4711, "special": ["setuid"]});
            made("create-mknod", tells, |path| node(path, SFlag::empty(), 0o4711, 0))
        }),
        Act::new("a device", "path_mknod", || {
            let tells = json!({"file_type": "char", "permissions": 0o600, "node": "300:70000"});
            made("create-device", tells, |path| node(path, SFlag::S_IFCHR, 0o600, makedev(300, 70000)))
        }),
        Act::new("a fifo", "path_mknod", || {
            let tells = json!({"file_type": "fifo", "permissions": 0o604});
            made("create-fifo", tells, |path| node(path, SFlag::S_IFIFO, 0o604, 0))
        }),
        Act::new("a socket", "path_mknod", || {
            let tells = json!({"file_type": "socket", "permissions": 0o777});
            made("create-socket", tells, |path| UnixListener::bind(path).map(drop))
        }),
        Act::new("a directory", "path_mkdir", || {
            let tells = json!({"file_type": "directory", "permissions": 0o1751, "special": ["sticky"]});
            made("create-directory", tells, |path| fs::DirBuilder::new().mode(0o1751).create(path))
        }),
    ],
};

fn create(path: &str, mode: u32) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(mode).open(path).map(drop)
}

fn node(path: &str, kind: SFlag, mode: u32, device: libc::dev_t) -> io::Result<()> {
    Ok(mknod(path, kind, Mode::from_bits_retain(mode), device)?)
}

fn made(name: &str, special: Value, deed: fn(&str) -> io::Result<()>) -> Result<Performed, String> {
    let path = free(name)?;
    let usual = json!({"node": "0:0", "special": [], "certain": true, "directory_inode": stat(PLACE)?.ino()});
    let tells = with(with(usual, named(&path)?), special);
    let task = perform(&ACTOR, || {
        umask(Mode::empty());
        deed(&path)
    })?;
    same("whether it is there", stat(&path).is_ok(), task.deed == Deed::Done)?;
    Ok(Performed { task, tells })
}

/// A file that is there, and that the kernel has to look for, is asked about and opened all the same.
pub fn not_certain() -> Outcome {
    with_overlay(|| {
        let path = "/tmp/merged/secret";
        let mut shell = probe("create", "path_prefix: \"/tmp/merged/\"", ".deny(\"EPERM\")")?;
        let task = perform(&ME, || create(path, 0o600))?;
        same("an open of what is there", task.deed, Deed::Done)?;
        same("certain", &shell.event(task.pid, path)?["certain"], &json!(false))?;
        same(
            "an open of what is not there",
            perform(&ME, || create("/tmp/merged/new", 0o600))?.deed,
            REFUSED,
        )?;
        // Now it is known to be there, so nobody asks.
        same("once more", perform(&ME, || create(path, 0o600))?.deed, Deed::Done)?;
        let ended = shell.stop()?;
        same("events", ended.events().count(), 2)?;
        ended.well()
    })
}

/// Where no file can be made, an open with O_CREAT makes none.
pub fn nothing_to_make() -> Outcome {
    let shell = probe("create", "", "")?;
    let path = "/proc/sys/kernel/domainname";
    same("an open below /proc", perform(&ME, || create(path, 0o600))?.deed, Deed::Done)?;
    let made = perform(&ME, || create("/proc/sys/kernel/no-such-name", 0o600))?;
    same("no file of /proc is made", made.deed == Deed::Done, false)?;
    let ended = shell.stop()?;
    same("events", ended.events().count(), 0)?;
    ended.well()
}

pub fn types() -> Outcome {
    let shell = probe("create", "file_type: [\"char\", \"block\"]", ".deny(\"EPERM\")")?;
    let (device, fifo) = (free("typed-device")?, free("typed-fifo")?);
    let make = |path: &str, kind| perform(&ME, || node(path, kind, 0o600, makedev(1, 3))).map(|t| t.deed);
    same("a device", make(&device, SFlag::S_IFBLK)?, REFUSED)?;
    same("a fifo", make(&fifo, SFlag::S_IFIFO)?, Deed::Done)?;
    same(
        "a file",
        perform(&ME, || create(&free("typed-file").unwrap_or_default(), 0o600))?.deed,
        Deed::Done,
    )?;
    shell.stop()?.well()
}
