//! Claims about the template `chmod`.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{PLACE, bound, file, named, on_tmpfs, perform, place, probe, stat, with},
    same,
    task::{Deed, ME, REFUSED},
};

pub const CASE: Case = Case {
    template: "chmod",
    params: "path_prefix: \"/tmp/entries/chmod\"",
    prepare: place,
    acts: &[
        Act::new("permissions", "path_chmod", || {
            let gained = ["other_exec", "group_exec", "owner_exec", "setuid"];
            let tells = json!({"change": ["mode"], "file_mode": 0o10_4755, "gained": gained});
            changed("chmod-mode", 0o644, tells, |path| set_mode(path, 0o4755))
        }),
        Act::new("owner and group, which takes set-uid away", "inode_setattr", || {
            let tells = json!({
                "change": ["mode", "owner", "group"], "file_mode": 0o10_0755, "owner": 4242, "group": 2424,
            });
            changed("chmod-owner", 0o4755, tells, |path| chown(path, Some(4242), Some(2424)))
        }),
        Act::new("times", "inode_setattr", || {
            let tells = json!({
                "change": ["times"], "modified_ns": LONG_AGO.as_nanos() as u64, "backwards": true,
            });
            changed("chmod-times", 0o644, tells, |path| set_modified(path, LONG_AGO))
        }),
    ],
};

/// In 2001.
const LONG_AGO: Duration = Duration::new(1_000_000_000, 123_456_789);

fn set_mode(path: &str, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn set_modified(path: &str, since_1970: Duration) -> io::Result<()> {
    let time = nix::sys::time::TimeSpec::from_duration(since_1970);
    let unchanged = nix::sys::time::TimeSpec::UTIME_OMIT;
    let follow = nix::sys::stat::UtimensatFlags::FollowSymlink;
    Ok(nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &unchanged, &time, follow)?)
}

fn modified(file: &fs::Metadata) -> Result<u64, String> {
    let time =
        file.modified().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other));
    time.map_err(|e| e.to_string()).and_then(|t| u64::try_from(t.as_nanos()).map_err(|e| e.to_string()))
}

fn changed(
    name: &str,
    mode: u32,
    special: Value,
    deed: fn(&str) -> io::Result<()>,
) -> Result<Performed, String> {
    let path = file(name)?;
    set_mode(&path, mode).map_err(|e| e.to_string())?;
    let before = stat(&path)?;
    let usual = json!({
        "inode": before.ino(), "old_file_mode": before.mode(), "file_mode": before.mode(), "gained": [],
        "old_owner": before.uid(), "owner": before.uid(), "old_group": before.gid(), "group": before.gid(),
        "old_modified_ns": modified(&before)?, "modified_ns": modified(&before)?, "backwards": false, "file_upper": false,
    });
    let tells = with(with(usual, named(&path)?), special);
    let task = perform(&ACTOR, || deed(&path))?;
    let after = stat(&path)?;
    let is_done = [
        ("file_mode", u64::from(after.mode())),
        ("owner", after.uid().into()),
        ("group", after.gid().into()),
        ("modified_ns", modified(&after)?),
    ]
    .iter()
    .all(|(name, value)| tells[name] == *value);
    same("whether it is as told", is_done, task.deed == Deed::Done)?;
    Ok(Performed { task, tells })
}

pub fn gained() -> Outcome {
    let path = file("gained")?;
    set_mode(&path, 0o644).map_err(|e| e.to_string())?;
    let shell = probe("chmod", "gained: [\"setuid\", \"other_write\"]", ".deny(\"EPERM\")")?;
    let mode = |mode| perform(&ME, || set_mode(&path, mode)).map(|t| t.deed);
    same("755", mode(0o755)?, Deed::Done)?;
    same("4755", mode(0o4755)?, REFUSED)?;
    same("666", mode(0o666)?, REFUSED)?;
    shell.stop()?.well()?;
    set_mode(&path, 0o4755).map_err(|e| e.to_string())?;
    let shell = probe("chmod", "gained: \"setuid\"", ".deny(\"EPERM\")")?;
    same("what it has already", mode(0o4711)?, Deed::Done)?;
    same(
        "by an open file",
        perform(&ME, || {
            let open = fs::File::open(file("gained-too").unwrap_or_default())?;
            open.set_permissions(fs::Permissions::from_mode(0o4755))
        })?
        .deed,
        REFUSED,
    )?;
    shell.stop()?.well()
}

/// Only times that are given count, and only those before what was.
pub fn backwards() -> Outcome {
    let path = file("backwards")?;
    let shell = probe("chmod", "change: \"times\", backwards: true", ".deny(\"EPERM\")")?;
    let later = Duration::from_secs(4_000_000_000);
    same("back", perform(&ME, || set_modified(&path, LONG_AGO))?.deed, REFUSED)?;
    same("forth", perform(&ME, || set_modified(&path, later))?.deed, Deed::Done)?;
    let touch = || {
        let now = nix::sys::time::TimeSpec::UTIME_NOW;
        let follow = nix::sys::stat::UtimensatFlags::FollowSymlink;
        Ok(nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path.as_str(), &now, &now, follow)?)
    };
    same("to now, which is earlier by now", perform(&ME, touch)?.deed, Deed::Done)?;
    same("permissions", perform(&ME, || set_mode(&path, 0o600))?.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// A change of owner is told and decided under a path of the task's own, whatever mount it goes through.
pub fn without_a_mount() -> Outcome {
    let give = |path: &str| perform(&ME, || chown(path, Some(7), Some(8)));
    let path = file("mounted")?;
    let mut shell = probe("chmod", "change: \"owner\"", "")?;
    bound(PLACE, "/tmp/entries-bound", || {
        let task = give("/tmp/entries-bound/mounted")?;
        same("given", task.deed, Deed::Done)?;
        shell.event(task.pid, &path).map(drop)
    })?;
    on_tmpfs("/tmp/entries-other", || {
        let other = "/tmp/entries-other/of-its-own";
        fs::write(other, "").map_err(|e| e.to_string())?;
        let task = give(other)?;
        shell.event(task.pid, other).map(drop)?;
        // A part of the file system is mounted elsewhere, and the whole one is out of sight.
        fs::create_dir("/tmp/entries-other/part").map_err(|e| e.to_string())?;
        fs::write("/tmp/entries-other/part/file", "").map_err(|e| e.to_string())?;
        bound("/tmp/entries-other/part", "/tmp/entries-bound", || {
            let task = give("/tmp/entries-bound/file")?;
            shell.event(task.pid, "/tmp/entries-other/part/file").map(drop)
        })
    })?;
    shell.stop()?.well()?;
    let shell = probe("chmod", &format!("path: \"{path}\""), ".deny(\"EPERM\")")?;
    bound(PLACE, "/tmp/entries-bound", || {
        same("by a bind mount", give("/tmp/entries-bound/mounted")?.deed, REFUSED)
    })?;
    shell.stop()?.well()
}
