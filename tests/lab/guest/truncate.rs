//! Claims about the template `truncate`.

use std::{fs, io, os::unix::fs::MetadataExt};

use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{file, is_since, named, perform, place, probe, stat, with},
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "truncate",
    params: "path_prefix: \"/tmp/entries/truncate\"",
    prepare: place,
    acts: &[
        Act::new("cutting", "path_truncate", || cut("truncate-short", 3)),
        Act::new("making longer", "path_truncate", || cut("truncate-long", 300)),
    ],
};

fn cut(name: &str, size: i64) -> Result<Performed, String> {
    let path = file(name)?;
    let before = stat(&path)?;
    let tells = json!({
        "inode": before.ino(), "size": before.len(), "file_mode": before.mode(), "file_uid": before.uid(), "file_gid": before.gid(), "file_upper": false,
    });
    let tells = with(tells, named(&path)?);
    let task = perform(&ACTOR, || Ok(nix::unistd::truncate(path.as_str(), size)?))?;
    same("whether it has the size", stat(&path)?.size() == size.unsigned_abs(), task.deed == Deed::Done)?;
    Ok(Performed { task, tells })
}

/// By an open file, and by an open.
pub fn open_files() -> Outcome {
    let hook = if is_since(6, 2)? { "file_truncate" } else { "path_truncate" };
    let path = file("emptied")?;
    let by_open = || fs::OpenOptions::new().write(true).truncate(true).open(&path).map(drop);
    let by_file = || fs::OpenOptions::new().write(true).open(&path)?.set_len(5);
    let ways: [(&str, &dyn Fn() -> io::Result<()>); 2] = [("open", &by_open), ("ftruncate", &by_file)];
    for (name, way) in ways {
        let mut shell = probe("truncate", &format!("path: \"{path}\""), ".deny(\"EPERM\")")?;
        let task = perform(&ME, way)?;
        same(name, task.deed, REFUSED)?;
        same("hook", &shell.event(task.pid, &path)?["hook"], &json!(hook))?;
        let ended = shell.stop()?;
        same("events", ended.events().count(), 1)?;
        ended.well()?;
        same("size", stat(&path)?.len(), 17)?;
    }
    Ok(())
}

/// What an open makes new has nothing to lose.
pub fn new_files() -> Outcome {
    let shell = probe("truncate", "path_prefix: \"/tmp/entries/\"", ".deny(\"EPERM\")")?;
    let path = super::entries::free("new")?;
    same("a new file", perform(&ME, || fs::write(&path, "content"))?.deed, Deed::Done)?;
    let append = || fs::OpenOptions::new().append(true).open(&path).map(drop);
    same("appending", perform(&ME, append)?.deed, Deed::Done)?;
    same("writing it again", perform(&ME, || fs::write(&path, "content"))?.deed, REFUSED)?;
    shell.stop()?.well()
}
