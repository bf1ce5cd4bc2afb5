//! Claims about the template `mount`.

use std::{
    ffi::{CStr, CString},
    fs,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use nix::{
    errno::Errno,
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
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

const DIRECTORY: &str = "/tmp/mounts";

/// A directory of this act's own, on which nothing is mounted.
fn place(name: &str) -> Result<String, String> {
    let path = format!("{DIRECTORY}/{name}");
    fs::create_dir_all(&path).map_err(|e| format!("{path}: {e}"))?;
    clear(&path);
    Ok(path)
}

fn clear(path: &str) {
    while umount2(path, MntFlags::MNT_DETACH).is_ok() {}
}

/// The same with a file system on it.
fn mounted(name: &str) -> Result<String, String> {
    let path = place(name)?;
    mount(Some("krsi"), path.as_str(), Some("tmpfs"), MsFlags::empty(), Some("size=64k"))
        .map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// A call of the mount API of 5.2, by number: libc has no words for all of them.
fn call(number: libc::c_long, arguments: [libc::c_long; 5]) -> Result<i64, Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: each caller passes numbers, and pointers to texts that live to the end of the call.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e) })
}

const HERE: libc::c_long = libc::AT_FDCWD as libc::c_long;

fn pointer(text: &CStr) -> libc::c_long {
    text.as_ptr() as libc::c_long
}

fn fsconfig(context: i64, command: libc::c_long, key: &CStr, value: &CStr) -> Result<(), Errno> {
    let texts = if command == SET_STRING { [pointer(key), pointer(value)] } else { [0, 0] };
    call(libc::SYS_fsconfig, [context, command, texts[0], texts[1], 0]).map(drop)
}

const SET_STRING: libc::c_long = 1;
const CREATE: libc::c_long = 6;
const RECONFIGURE: libc::c_long = 7;
const NOSUID_NODEV: libc::c_long = 2 | 4;
const FROM_DESCRIPTOR: libc::c_long = 4;

/// A mount without a place.
fn fsmount(source: &str) -> Result<OwnedFd, String> {
    let make = || {
        let context = call(libc::SYS_fsopen, [pointer(c"tmpfs"), 0, 0, 0, 0])?;
        fsconfig(context, SET_STRING, c"source", &text(source))?;
        fsconfig(context, CREATE, c"", c"")?;
        call(libc::SYS_fsmount, [context, 0, NOSUID_NODEV, 0, 0])
    };
    let made = make().map_err(|e| format!("fsmount: {e}"))?;
    // SAFETY: a descriptor that was just made, and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(made).map_err(|e| e.to_string())?) })
}

fn move_mount(from: libc::c_long, source: &str, to: &str, flags: libc::c_long) -> Result<(), Errno> {
    let (source, to) = (text(source), text(to));
    call(libc::SYS_move_mount, [from, pointer(&source), HERE, pointer(&to), flags]).map(drop)
}

fn by(identity: &Identity, deed: impl FnOnce() -> Result<(), Errno>) -> Result<Task, String> {
    task::perform(identity, || exit_code(deed()))
}

fn mount_as(
    identity: &Identity,
    source: Option<&str>,
    place: &str,
    fs_type: Option<&str>,
    flags: MsFlags,
) -> Result<Task, String> {
    by(identity, || mount(source, place, fs_type, flags, None::<&str>))
}

pub const CASE: Case = Case {
    template: "mount",
    params: "",
    prepare: || place("").map(drop),
    acts: &[
        Act::new("mounting", "sb_mount", || {
            let place = place("new")?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            let tells = about(
                &place,
                "mount",
                json!({
                    "flags": ["nosuid", "nodev", "noexec"], "fs_type": "tmpfs", "source": "krsi-source",
                }),
            )?;
            done(mount_as(&ACTOR, Some("krsi-source"), &place, Some("tmpfs"), flags)?, tells)
        }),
        Act::new("binding", "sb_mount", || {
            let (from, place) = (place("from")?, place("bound")?);
            let tells = about(&place, "bind", json!({"flags": ["bind", "rec"], "source": from}))?;
            done(mount_as(&ACTOR, Some(&from), &place, None, MsFlags::MS_BIND | MsFlags::MS_REC)?, tells)
        }),
        Act::new("remounting by mount", "sb_mount", || {
            let place = mounted("again")?;
            let tells = about(&place, "remount", json!({"flags": ["ro", "remount"], "fs_type": "tmpfs"}))?;
            done(mount_as(&ACTOR, Some("x"), &place, None, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY)?, tells)
        }),
        Act::new("moving by mount", "sb_mount", || {
            let (from, place) = (mounted("mover")?, place("moved")?);
            let tells = about(&place, "move", json!({"flags": ["move"], "source": from}))?;
            let task = mount_as(&ACTOR, Some(&from), &place, None, MsFlags::MS_MOVE)?;
            clear(&from);
            done(task, tells)
        }),
        Act::new("changing propagation", "sb_mount", || {
            let place = mounted("private")?;
            let tells = about(&place, "propagation", json!({"flags": ["private"], "fs_type": "tmpfs"}))?;
            done(mount_as(&ACTOR, None, &place, None, MsFlags::MS_PRIVATE)?, tells)
        }),
        Act::new("remounting by fsconfig", "sb_remount", || {
            let place = mounted("reconfigured")?;
            let mut tells = about(&place, "remount", json!({"fs_type": "tmpfs"}))?;
            (tells["path"], tells["path_length"]) = (json!(""), json!(0));
            let path = text(&place);
            let task = by(&ACTOR, || {
                let context = call(libc::SYS_fspick, [HERE, pointer(&path), 0, 0, 0])?;
                fsconfig(context, RECONFIGURE, c"", c"")
            })?;
            done(task, tells)
        }),
        Act::new("giving a new mount its place", "move_mount", || {
            let (made, place) = (fsmount("krsi-made")?, place("attached")?);
            let flags = ["nosuid", "nodev", "relatime"];
            let tells =
                about(&place, "attach", json!({"flags": flags, "fs_type": "tmpfs", "source": "krsi-made"}))?;
            let from = libc::c_long::from(made.as_raw_fd());
            done(by(&ACTOR, || move_mount(from, "", &place, FROM_DESCRIPTOR))?, tells)
        }),
        Act::new("moving by move_mount", "move_mount", || {
            let (from, place) = (mounted("walker")?, place("walked")?);
            let tells = about(&place, "move", json!({"fs_type": "tmpfs", "source": from}))?;
            let task = by(&ACTOR, || move_mount(HERE, &from, &place, 0))?;
            clear(&from);
            done(task, tells)
        }),
        Act::new("unmounting", "sb_umount", || {
            let place = mounted("gone")?;
            let tells = about(&place, "umount", json!({"umount_flags": ["detach"], "fs_type": "tmpfs"}))?;
            done(by(&ACTOR, || umount2(place.as_str(), MntFlags::MNT_DETACH))?, tells)
        }),
        Act::new("changing the root mount", "sb_pivotroot", || {
            // Nothing is mounted there: that it cannot become the root is found out once the task may.
            let root = place("root")?;
            let old = format!("{root}/old");
            fs::create_dir_all(&old).map_err(|e| e.to_string())?;
            let tells = about(&root, "pivot_root", json!({"source": old}))?;
            let task = by(&ACTOR, || match nix::unistd::pivot_root(root.as_str(), old.as_str()) {
                Ok(()) | Err(Errno::EINVAL) => Ok(()),
                Err(error) => Err(error),
            })?;
            done(task, tells)
        }),
        Act::new("changing the root directory", "path_chroot", || {
            let place = place("jail")?;
            let tells = about(&place, "chroot", json!({}))?;
            done(by(&ACTOR, || nix::unistd::chroot(place.as_str()))?, tells)
        }),
    ],
};

/// What an event about this place says: what is given, and that the rest is empty.
fn about(place: &str, action: &str, said: Value) -> Result<Value, String> {
    let file = fs::metadata(place).map_err(|e| e.to_string())?;
    let mut tells = json!({
        "action": action, "flags": [], "umount_flags": [], "fs_type": "", "source": "", "path": place,
        "path_length": place.len(), "inode": file.ino(), "device": device(file.dev()),
    });
    for (field, value) in said.as_object().ok_or("nothing is said")? {
        tells[field] = value.clone();
    }
    Ok(tells)
}

/// Takes away what the act has mounted.
fn done(task: Task, tells: Value) -> Result<Performed, String> {
    clear(tells["path"].as_str().unwrap_or_default());
    Ok(Performed { task, tells })
}

fn probe(params: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"mount\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

fn tmpfs(source: &str, place: &str) -> Result<Deed, String> {
    let deed = mount_as(&ME, Some(source), place, Some("tmpfs"), MsFlags::empty())?.deed;
    clear(place);
    Ok(deed)
}

pub fn narrowed() -> Outcome {
    let (here, there) = (place("narrow-here")?, place("narrow-there")?);
    let shell = probe("fs_type: \"ramfs\"")?;
    same("another type", tmpfs("a", &here)?, Deed::Done)?;
    let ramfs = mount_as(&ME, Some("a"), &here, Some("ramfs"), MsFlags::empty())?.deed;
    same("this type", ramfs, REFUSED)?;
    shell.stop()?.well()?;
    let shell = probe("source: \"/dev/one\", source_prefix: \"/dev/loop\"")?;
    same("this source", tmpfs("/dev/one", &here)?, REFUSED)?;
    same("one that begins so", tmpfs("/dev/loop7", &here)?, REFUSED)?;
    same("another one", tmpfs("/dev/ones", &here)?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe(&format!("action: \"mount\", path: \"{here}\""))?;
    same("this place", tmpfs("a", &here)?, REFUSED)?;
    same("another place", tmpfs("a", &there)?, Deed::Done)?;
    let bind = mount_as(&ME, Some(&there), &here, None, MsFlags::MS_BIND)?.deed;
    clear(&here);
    same("another action", bind, Deed::Done)?;
    shell.stop()?.well()
}

/// A remount by fsconfig is about a file system: the place is known by its root, and otherwise cannot be told.
pub fn remounted_file_system() -> Outcome {
    let place = mounted("narrow-remount")?;
    let path = text(&place);
    let remount = || {
        by(&ME, || {
            let context = call(libc::SYS_fspick, [HERE, pointer(&path), 0, 0, 0])?;
            fsconfig(context, RECONFIGURE, c"", c"")
        })
        .map(|task| task.deed)
    };
    let shell = probe(&format!("action: \"remount\", path: \"{place}\""))?;
    same("known by its root", remount()?, REFUSED)?;
    shell.stop()?.well()?;
    let shell = probe(&format!("path_prefix: \"{DIRECTORY}/\""))?;
    same("by a beginning: cannot be told", remount()?, Deed::Done)?;
    let ended = shell.stop()?;
    same("errors", &ended.books("t")?["errors"], &json!(1))?;
    clear(&place);
    ended.well()
}
