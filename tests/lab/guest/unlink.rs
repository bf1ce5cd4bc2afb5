//! Claims about the template `unlink`.

use std::{fs, os::unix::fs::MetadataExt};

use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{PLACE, bound, file, free, named, perform, place, probe, stat, type_of, with},
    file_open::with_overlay,
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "unlink",
    params: "path_prefix: \"/tmp/entries/unlink\"",
    prepare: place,
    acts: &[
        Act::new("a file", "path_unlink", || {
            let path = file("unlink-file")?;
            removed(&path, |path| fs::remove_file(path))
        }),
        Act::new("one of two names", "path_unlink", || {
            let (first, second) = (file("unlink-first")?, free("unlink-second")?);
            fs::hard_link(first, &second).map_err(|e| e.to_string())?;
            removed(&second, |path| fs::remove_file(path))
        }),
        Act::new("a directory", "path_rmdir", || {
            let path = free("unlink-directory")?;
            fs::create_dir(&path).map_err(|e| e.to_string())?;
            removed(&path, |path| fs::remove_dir(path))
        }),
    ],
};

fn removed(path: &str, deed: fn(&str) -> std::io::Result<()>) -> Result<Performed, String> {
    let before = stat(path)?;
    let tells = json!({
        "inode": before.ino(), "size": before.len(), "file_type": type_of(&before), "file_mode": before.mode(),
        "file_uid": before.uid(), "file_gid": before.gid(), "file_upper": false, "links": before.nlink(),
    });
    let tells = with(tells, named(path)?);
    let task = perform(&ACTOR, || deed(path))?;
    same("whether it is there", fs::exists(path).unwrap_or(false), task.deed != Deed::Done)?;
    Ok(Performed { task, tells })
}

pub fn every_name() -> Outcome {
    let (path, link) = (file("kept")?, free("kept-link")?);
    fs::hard_link(&path, &link).map_err(|e| e.to_string())?;
    let shell = probe("unlink", &format!("path: \"{path}\""), ".deny(\"EPERM\")")?;
    let remove = |path: &str| perform(&ME, || fs::remove_file(path)).map(|t| t.deed);
    same("by its name", remove(&path)?, REFUSED)?;
    same("by a hard link", remove(&link)?, REFUSED)?;
    bound(PLACE, "/tmp/entries-bound", || {
        same("by a bind mount", remove("/tmp/entries-bound/kept-link")?, REFUSED)
    })?;
    same("another file", remove(&file("kept-not")?)?, Deed::Done)?;
    shell.stop()?.well()
}

/// The path is told by the mount that the task goes through.
pub fn as_the_task_goes() -> Outcome {
    file("through")?;
    let mut shell = probe("unlink", "path_suffix: \"/through\"", "")?;
    bound(PLACE, "/tmp/entries-bound", || {
        let path = "/tmp/entries-bound/through";
        let task = perform(&ME, || fs::remove_file(path))?;
        shell.event(task.pid, path).map(drop)
    })?;
    // A failed attempt is one, too.
    let path = "/proc/self/status";
    let task = perform(&ME, || fs::remove_file(path))?;
    same("removing from /proc", task.deed, REFUSED)?;
    let ended = shell.stop()?;
    same("events", ended.events().count(), 1)?;
    ended.well()
}

pub fn overlayfs() -> Outcome {
    with_overlay(|| {
        let mut shell = probe("unlink", "", "")?;
        let path = "/tmp/merged/secret";
        let task = perform(&ME, || fs::remove_file(path))?;
        same("removed", task.deed, Deed::Done)?;
        shell.event(task.pid, path)?;
        let ended = shell.stop()?;
        same("events of one removal", ended.events().filter(|e| e["pid"] == task.pid).count(), 1)?;
        ended.well()
    })
}

pub fn types() -> Outcome {
    let (path, directory) = (file("typed")?, free("typed-directory")?);
    fs::create_dir(&directory).map_err(|e| e.to_string())?;
    let shell = probe("unlink", "file_type: [\"directory\", \"socket\"]", ".deny(\"EPERM\")")?;
    same("a file", perform(&ME, || fs::remove_file(&path))?.deed, Deed::Done)?;
    same("a directory", perform(&ME, || fs::remove_dir(&directory))?.deed, REFUSED)?;
    shell.stop()?.well()
}
