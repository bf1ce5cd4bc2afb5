//! Claims about the template `xattr`.

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::{MetadataExt, chown},
};

use nix::{
    libc,
    mount::{MsFlags, mount},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    entries::{is_since, named, perform, probe, stat, with},
    same,
    task::{Deed, ME, REFUSED},
};

/// Of its own, since not every file system keeps attributes.
const PLACE: &str = "/tmp/attributes";

fn place() -> Outcome {
    if fs::exists(format!("{PLACE}/there")).unwrap_or(false) {
        return Ok(());
    }
    fs::create_dir_all(PLACE).map_err(|e| e.to_string())?;
    mount(Some("attributes"), PLACE, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .map_err(|e| e.to_string())?;
    fs::write(format!("{PLACE}/there"), "").map_err(|e| e.to_string())
}

fn file(name: &str) -> Result<String, String> {
    place()?;
    let path = format!("{PLACE}/{name}");
    let _ = fs::remove_file(&path);
    fs::write(&path, "content")
        .and_then(|()| chown(&path, Some(5151), Some(6161)))
        .map_err(|e| e.to_string())?;
    Ok(path)
}

/// cap_setuid and cap_net_raw, permitted and effective; perfmon permitted.
const CAPABILITIES: &[u8] = b"\x01\0\0\x02\x80\x20\0\0\0\0\0\0\x40\0\0\0\0\0\0\0";
/// Version 2; owner, group, others: to read.
const LIST: &[u8] =
    b"\x02\0\0\0\x01\0\x04\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

pub const CASE: Case = Case {
    template: "xattr",
    params: "path_prefix: \"/tmp/attributes/xattr\"",
    prepare: place,
    acts: &[
        Act::new("setting", "inode_setxattr", || {
            let tells = json!({"action": "set", "name": "trusted.krsi", "size": 7, "flags": ["CREATE"]});
            changed("xattr-set", tells, |path| set(path, "trusted.krsi", b"content", libc::XATTR_CREATE))
        }),
        Act::new("capabilities of a program", "inode_setxattr", || {
            let tells = json!({
                "action": "set", "name": "security.capability", "size": 20,
                "capabilities": ["setuid", "net_raw", "perfmon"],
            });
            changed("xattr-capable", tells, |path| set(path, "security.capability", CAPABILITIES, 0))
        }),
        Act::new("removing", "inode_removexattr", || {
            let tells = json!({"action": "remove", "name": "trusted.removed", "size": 0});
            changed("xattr-removed", tells, |path| remove(path, "trusted.removed"))
        }),
    ],
};

fn set(path: &str, name: &str, value: &[u8], flags: i32) -> io::Result<()> {
    let (path, name) = (CString::new(path)?, CString::new(name)?);
    // SAFETY: two texts that end with a NUL, and bytes with their length.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn remove(path: &str, name: &str) -> io::Result<()> {
    let (path, name) = (CString::new(path)?, CString::new(name)?);
    // SAFETY: two texts that end with a NUL.
    let result = unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn changed(name: &str, special: Value, deed: fn(&str) -> io::Result<()>) -> Result<Performed, String> {
    let path = file(name)?;
    set(&path, "trusted.removed", b"here", 0).map_err(|e| e.to_string())?;
    let file = stat(&path)?;
    let usual = json!({
        "inode": file.ino(), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "flags": [], "capabilities": [],
    });
    let tells = with(with(usual, named(&path)?), special);
    Ok(Performed { task: perform(&ACTOR, || deed(&path))?, tells })
}

/// Which capabilities a program is given, is decided by them; removing them gives none.
pub fn capabilities() -> Outcome {
    let path = file("capable")?;
    let give = || perform(&ME, || set(&path, "security.capability", CAPABILITIES, 0)).map(|t| t.deed);
    let shell = probe("xattr", "capabilities: [\"sys_admin\", \"chown\"]", ".deny(\"EPERM\")")?;
    same("others", give()?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("xattr", "capabilities: [\"sys_admin\", \"perfmon\"]", ".deny(\"EPERM\")")?;
    same("one of these", give()?, REFUSED)?;
    same("removing", perform(&ME, || remove(&path, "security.capability"))?.deed, Deed::Done)?;
    // A value of this kind under another name is none.
    let other = perform(&ME, || set(&path, "security.capabilities", CAPABILITIES, 0))?;
    same("under another name", other.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// Access control lists have hooks of their own from Linux 6.2 on.
pub fn access_lists() -> Outcome {
    let hooks = if is_since(6, 2)? {
        ["inode_set_acl", "inode_remove_acl"]
    } else {
        ["inode_setxattr", "inode_removexattr"]
    };
    let (path, name) = (file("listed")?, "system.posix_acl_access");
    let mut shell = probe("xattr", "namespace: \"system\"", ".deny(\"EPERM\")")?;
    let user = perform(&ME, || set(&path, "security.other", b"", 0))?;
    same("another namespace", user.deed, Deed::Done)?;
    type Way<'w> = (&'w str, usize, &'w dyn Fn() -> io::Result<()>);
    let ways: [Way<'_>; 2] =
        [("set", LIST.len(), &|| set(&path, name, LIST, 0)), ("remove", 0, &|| remove(&path, name))];
    for ((action, size, way), hook) in ways.into_iter().zip(hooks) {
        let task = perform(&ME, way)?;
        same(action, task.deed, REFUSED)?;
        let event = shell.event(task.pid, &path)?;
        let told = json!([event["hook"], event["action"], event["name"], event["size"]]);
        same("told", told, json!([hook, action, name, size]))?;
    }
    shell.stop()?.well()
}
