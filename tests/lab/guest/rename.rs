//! Claims about the template `rename`.

use std::{ffi::CString, fs, io, os::unix::fs::MetadataExt};

use nix::libc;
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{file, free, named, on_tmpfs, perform, place, probe, stat, type_of, with},
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "rename",
    params: "path_prefix: \"/tmp/entries/rename\"",
    prepare: place,
    acts: &[
        Act::new("to a new name", "path_rename", || {
            renamed(&file("rename-old")?, &free("elsewhere")?, 0, &[])
        }),
        Act::new("over another file", "path_rename", || {
            renamed(&file("usurper")?, &file("rename-replaced")?, 0, &[])
        }),
        Act::new("of a directory, to no file's name", "path_rename", || {
            let path = free("rename-directory")?;
            fs::create_dir(&path).map_err(|e| e.to_string())?;
            renamed(&path, &free("rename-moved")?, libc::RENAME_NOREPLACE, &["NOREPLACE"])
        }),
    ],
};

fn renameat2(old: &str, new: &str, flags: u32) -> io::Result<()> {
    let (old, new) = (CString::new(old)?, CString::new(new)?);
    // SAFETY: two texts that end with a NUL, and numbers.
    let result = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, old.as_ptr(), libc::AT_FDCWD, new.as_ptr(), flags)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What is told of a rename, before it.
fn truth(old: &str, new: &str, flags: &[&str]) -> Result<Value, String> {
    let (file, replaced) = (stat(old)?, stat(new).ok());
    let of_replaced = |field: fn(&fs::Metadata) -> u64| replaced.as_ref().map_or(0, field);
    let tells = json!({
        "inode": file.ino(), "file_type": type_of(&file), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "flags": flags, "new_path": new,
        "replaced_inode": of_replaced(|f| f.ino()), "replaced_mode": of_replaced(|f| f.mode().into()),
        "replaced_links": of_replaced(|f| f.nlink()),
    });
    Ok(with(tells, named(old)?))
}

fn renamed(old: &str, new: &str, number: u32, flags: &[&str]) -> Result<Performed, String> {
    let tells = truth(old, new, flags)?;
    let inode = stat(old)?.ino();
    let task = perform(&ACTOR, || renameat2(old, new, number))?;
    let moved = stat(new).is_ok_and(|file| file.ino() == inode);
    same("whether it has the new name", moved, task.deed == Deed::Done)?;
    Ok(Performed { task, tells })
}

/// A rule about a file holds for what would replace it as well.
pub fn either_name() -> Outcome {
    let (kept, other) = (file("kept")?, file("kept-other")?);
    let rename = |old: &str, new: &str| perform(&ME, || fs::rename(old, new)).map(|t| t.deed);
    let shell = probe("rename", &format!("path: \"{kept}\""), ".deny(\"EPERM\")")?;
    same("away", rename(&kept, &free("kept-away")?)?, REFUSED)?;
    same("replaced", rename(&other, &kept)?, REFUSED)?;
    same("another", rename(&other, &free("kept-moved")?)?, Deed::Done)?;
    // By its inode, when it has another name.
    let link = free("kept-link")?;
    fs::hard_link(&kept, &link).map_err(|e| e.to_string())?;
    same("a hard link replaced", rename(&file("kept-other")?, &link)?, REFUSED)?;
    shell.stop()?.well()
}

pub fn one_name() -> Outcome {
    let rename = |old: &str, new: &str| perform(&ME, || fs::rename(old, new)).map(|t| t.deed);
    let prefix = "path_prefix: \"/tmp/entries/guarded-\"";
    let shell = probe("rename", &format!("{prefix}, name: \"new\""), ".deny(\"EPERM\")")?;
    same("into", rename(&file("plain")?, &free("guarded-new")?)?, REFUSED)?;
    same("out of", rename(&file("guarded-old")?, &free("plain")?)?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("rename", &format!("{prefix}, name: \"old\", replaces: true"), ".deny(\"EPERM\")")?;
    same("into", rename(&file("plain")?, &file("guarded-new")?)?, Deed::Done)?;
    same("out of, to a new name", rename(&file("guarded-old")?, &free("plain")?)?, Deed::Done)?;
    same("out of, replacing", rename(&file("guarded-old")?, &file("plain")?)?, REFUSED)?;
    shell.stop()?.well()
}

/// An exchange is one event, and refused as a whole.
pub fn exchange() -> Outcome {
    on_tmpfs("/tmp/exchange", || {
        let (one, other) = ("/tmp/exchange/one", "/tmp/exchange/other");
        for path in [one, other] {
            fs::write(path, path).map_err(|e| e.to_string())?;
        }
        let exchange = || perform(&ME, || renameat2(one, other, libc::RENAME_EXCHANGE));
        let mut shell = probe("rename", &format!("path: \"{other}\", name: \"new\""), "")?;
        let (there, back) = (truth(one, other, &["EXCHANGE"])?, truth(other, one, &["EXCHANGE"])?);
        let task = exchange()?;
        same("exchanged", task.deed, Deed::Done)?;
        let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
        // Before Linux 5.19 it is one of both.
        let expected = if event["path"] == one { there } else { back };
        for (name, value) in expected.as_object().into_iter().flatten() {
            same(name, &event[name], value)?;
        }
        let ended = shell.stop()?;
        same("events of one exchange", ended.events().filter(|e| e["pid"] == task.pid).count(), 1)?;
        ended.well()?;
        for path in [one, other] {
            let shell = probe("rename", &format!("path: \"{path}\""), ".deny(\"EPERM\")")?;
            same(path, exchange()?.deed, REFUSED)?;
            shell.stop()?.well()?;
        }
        Ok(())
    })
}
