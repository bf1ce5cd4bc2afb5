//! Claims about the template `stat`.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, symlink},
};

use nix::errno::Errno;
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{self, file, free, named, perform, place, probe, type_of, with},
    same,
    task::{Deed, ME},
};

pub const CASE: Case = Case {
    template: "stat",
    params: "path_prefix: \"/tmp/entries/stat\"",
    prepare: place,
    acts: &[
        Act::new("a file", "inode_getattr", || {
            looked(&file("stat-file")?, |path| fs::metadata(path).map(drop))
        }),
        Act::new("a symbolic link itself", "inode_getattr", || {
            let path = free("stat-link")?;
            symlink("nowhere", &path).map_err(|e| e.to_string())?;
            looked(&path, |path| fs::symlink_metadata(path).map(drop))
        }),
        Act::new("a directory", "inode_getattr", || {
            let path = free("stat-directory")?;
            fs::create_dir(&path).map_err(|e| e.to_string())?;
            looked(&path, |path| fs::metadata(path).map(drop))
        }),
    ],
};

fn looked(path: &str, deed: fn(&str) -> io::Result<()>) -> Result<Performed, String> {
    let file = entries::stat(path)?;
    let tells = json!({
        "inode": file.ino(), "size": file.len(), "file_type": type_of(&file), "file_mode": file.mode(),
        "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false,
    });
    let tells = with(tells, named(path)?);
    Ok(Performed { task: perform(&ACTOR, || deed(path))?, tells })
}

/// A file can be made to look as if it were not there, until somebody opens it.
pub fn hidden() -> Outcome {
    let path = file("hidden")?;
    let shell = probe("stat", &format!("path: \"{path}\", file_type: \"regular\""), ".deny(\"ENOENT\")")?;
    let refused = Deed::Refused(Errno::ENOENT);
    same("by its name", perform(&ME, || fs::metadata(&path).map(drop))?.deed, refused)?;
    same("once open", perform(&ME, || fs::File::open(&path)?.metadata().map(drop))?.deed, refused)?;
    same("being opened", perform(&ME, || fs::File::open(&path).map(drop))?.deed, Deed::Done)?;
    same("its directory", perform(&ME, || fs::metadata(entries::PLACE).map(drop))?.deed, Deed::Done)?;
    shell.stop()?.well()
}
