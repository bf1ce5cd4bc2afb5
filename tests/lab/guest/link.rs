//! Claims about the template `link`.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt, symlink},
    },
};

use nix::{fcntl::AtFlags, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{PLACE, file, free, named, perform, place, probe, stat, with},
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "link",
    params: "path_prefix: \"/tmp/entries/link\"",
    prepare: place,
    acts: &[
        Act::new("a hard link", "path_link", || {
            let target = file("target")?;
            let file = stat(&target)?;
            let tells = json!({
                "kind": "hard", "inode": file.ino(), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false,
                "links": file.nlink(), "target": target,
            });
            made("link-hard", tells, |path| fs::hard_link(format!("{PLACE}/target"), path))
        }),
        Act::new("a symbolic link", "path_symlink", || {
            let tells = json!({
                "kind": "symbolic", "inode": 0, "file_mode": 0, "file_uid": 0, "file_gid": 0, "file_upper": false, "links": 0, "target": TEXT,
            });
            made("link-symbolic", tells, |path| symlink(TEXT, path))
        }),
    ],
};

/// Leads nowhere.
const TEXT: &str = "../away/./no-such-file";

fn made(name: &str, special: Value, deed: fn(&str) -> io::Result<()>) -> Result<Performed, String> {
    let path = free(name)?;
    let tells = with(named(&path)?, special);
    let task = perform(&ACTOR, || deed(&path))?;
    same("whether it is there", stat(&path).is_ok(), task.deed == Deed::Done)?;
    Ok(Performed { task, tells })
}

/// Rules about what is linked, and about where to.
pub fn sides() -> Outcome {
    let (kept, other) = (file("kept")?, file("kept-other")?);
    let hard = |target: &str| {
        let path = free("made")?;
        perform(&ME, || fs::hard_link(target, path)).map(|t| t.deed)
    };
    let symbolic = |text: &str| {
        let path = free("made")?;
        perform(&ME, || symlink(text, path)).map(|t| t.deed)
    };
    let shell = probe("link", &format!("path: \"{kept}\", name: \"target\""), ".deny(\"EPERM\")")?;
    same("hard", hard(&kept)?, REFUSED)?;
    same("symbolic", symbolic(&kept)?, REFUSED)?;
    same("hard, another file", hard(&other)?, Deed::Done)?;
    same("symbolic, another text", symbolic("kept")?, Deed::Done)?;
    // The file itself, under a name it has got meanwhile.
    let moved = free("kept-moved")?;
    fs::rename(&kept, &moved).map_err(|e| e.to_string())?;
    same("hard, under another name", hard(&moved)?, REFUSED)?;
    shell.stop()?.well()?;
    let shell =
        probe("link", "path_suffix: \"/made\", name: \"target\", kind: \"symbolic\"", ".deny(\"EPERM\")")?;
    same("the new name is not asked about", symbolic("kept")?, Deed::Done)?;
    same("the text", symbolic("anything/made")?, REFUSED)?;
    shell.stop()?.well()
}

/// A file without a name gets one.
pub fn nameless() -> Outcome {
    let mut shell = probe("link", "path_suffix: \"/named\"", "")?;
    let path = free("named")?;
    let open = fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(PLACE)
        .map_err(|e| e.to_string())?;
    let from = format!("/proc/self/fd/{}", open.as_raw_fd());
    let link = || {
        let cwd = nix::fcntl::AT_FDCWD;
        Ok(nix::unistd::linkat(cwd, from.as_str(), cwd, path.as_str(), AtFlags::AT_SYMLINK_FOLLOW)?)
    };
    let task = perform(&ME, link)?;
    same("linked", task.deed, Deed::Done)?;
    let event = shell.event(task.pid, &path)?;
    let inode = stat(&path)?.ino();
    same("inode", &event["inode"], &json!(inode))?;
    same("links", &event["links"], &json!(0))?;
    same("target", &event["target"], &json!(format!("{PLACE}/#{inode}")))?;
    shell.stop()?.well()
}
