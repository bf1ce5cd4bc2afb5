//! Claims about the template `privileged_exec`.

use std::{
    ffi::CString,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use nix::{
    libc,
    mount::{MsFlags, mount},
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, by_function},
    credentials::{NET_RAW, capset, names, own_capabilities},
    exec::device,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, execute, refusal},
};

/// A file system that keeps capabilities, which the guest's own need not.
const PLACE: &str = "/tmp/privileged";

pub const CASE: Case = Case {
    template: "privileged_exec",
    params: "path_prefix: \"/tmp/privileged/\"",
    prepare: || prepare().map(drop),
    acts: &[
        Act::new("a set-uid program", "bprm_creds_from_file", || {
            let all = own_capabilities("CapPrm")?;
            executed("setuid", false, &["setuid"], (0, ACTOR.gid), [all, all, all])
        }),
        Act::new("a set-gid program", "bprm_creds_from_file", || {
            let all = own_capabilities("CapPrm")?;
            // Without root's id nothing is kept; by the second door that is not known yet.
            let after = if by_function() { all } else { 0 };
            executed("setgid", false, &["setgid"], (euid(), 77), [all, after, after])
        }),
        Act {
            possible: || !by_function(),
            ..Act::new("a program with a capability", "bprm_creds_from_file", || {
                executed("capable", true, &["capabilities"], (euid(), ACTOR.gid), [0, NET_RAW, NET_RAW])
            })
        },
    ],
};

fn euid() -> u32 {
    ACTOR.euid.unwrap_or(ACTOR.uid)
}

fn prepare() -> Result<(), String> {
    let text = |e: nix::errno::Errno| e.to_string();
    fs::create_dir_all(PLACE).map_err(|e| e.to_string())?;
    if fs::metadata(PLACE).map_err(|e| e.to_string())?.dev()
        == fs::metadata("/tmp").map_err(|e| e.to_string())?.dev()
    {
        mount(Some("none"), PLACE, Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(text)?;
    }
    for (name, mode, group) in
        [("setuid", 0o4755, 0), ("setgid", 0o2755, 77), ("capable", 0o755, 0), ("plain", 0o755, 0)]
    {
        let path = format!("{PLACE}/{name}");
        fs::copy("/bin/busybox", &path).map_err(|e| format!("{path}: {e}"))?;
        chown(&path, Some(0), Some(group)).map_err(|e| e.to_string())?;
        // Behind the owner, whose change takes the bits away.
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|e| e.to_string())?;
    }
    give_capability(&format!("{PLACE}/capable"), NET_RAW)
}

/// Writes the attribute that the kernel reads at an execution (struct vfs_cap_data): permitted, and effective at once.
fn give_capability(path: &str, set: u64) -> Result<(), String> {
    const REVISION_2_EFFECTIVE: u32 = 0x0200_0001;
    let words = [REVISION_2_EFFECTIVE, set as u32, 0, (set >> 32) as u32, 0];
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let path = CString::new(path).map_err(|e| e.to_string())?;
    // SAFETY: path, name and bytes live to the end of the call.
    let result = unsafe {
        libc::setxattr(path.as_ptr(), c"security.capability".as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0)
    };
    nix::errno::Errno::result(result).map(drop).map_err(|e| format!("security.capability: {e}"))
}

fn executed(
    name: &str,
    powerless: bool,
    gains: &[&str],
    (new_euid, new_egid): (u32, u32),
    [permitted_before, permitted_after, effective_after]: [u64; 3],
) -> Result<Performed, String> {
    let path = format!("{PLACE}/{name}");
    let task = if powerless { powerless_execute(&ACTOR, &path)? } else { execute(&ACTOR, &path)? };
    let file = fs::metadata(&path).map_err(|e| e.to_string())?;
    let tells = json!({
        "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "inode": file.ino(), "device": device(file.dev()), "gains": gains, "permitted_before": names(permitted_before),
        "permitted_after": names(permitted_after), "effective_after": names(effective_after),
        "new_euid": new_euid, "old_egid": ACTOR.gid, "new_egid": new_egid, "path": path, "path_length": path.len(),
    });
    Ok(Performed { task, tells })
}

/// Executes it once it has laid every capability down.
fn powerless_execute(identity: &Identity, path: &str) -> Result<task::Task, String> {
    let path = CString::new(path).map_err(|e| e.to_string())?;
    task::perform(identity, move || {
        if capset(0, 0, 0).is_err() {
            return 98;
        }
        refusal(nix::unistd::execv(&path, &[c"true"]).unwrap_err())
    })
}

/// What the mode of a file promises and the kernel does not keep is no event, nor is what gains nothing.
pub fn nothing_gained() -> Outcome {
    prepare()?;
    let user = Identity { uid: 1500, gid: 1500, comm: Some("user"), ..ME };
    let shell = Shell::with_probes(&[attaching_to("user", "privileged_exec", "", ".deny(\"EPERM\")")])?;
    let path = |name: &str| format!("{PLACE}/{name}");
    same("a set-uid program", execute(&user, &path("setuid"))?.deed, REFUSED)?;
    same("a plain one", execute(&user, &path("plain"))?.deed, Deed::Done)?;
    let set_uid = CString::new(path("setuid")).map_err(|e| e.to_string())?;
    let without_new = task::perform(&user, move || {
        if nix::sys::prctl::set_no_new_privs().is_err() {
            return 98;
        }
        refusal(nix::unistd::execv(&set_uid, &[c"true"]).unwrap_err())
    })?;
    same("a set-uid program after no_new_privs", without_new.deed, Deed::Done)?;
    let root = Identity { comm: Some("user"), ..ME };
    same("one by root", execute(&root, &path("setuid"))?.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// Each kind of gain can be asked for; root that takes its power back is one.
pub fn kinds_of_gain() -> Outcome {
    prepare()?;
    let shell = Shell::with_probes(&[
        attaching_to("uids", "privileged_exec", "gains: \"setuid\"", ".deny(\"EPERM\")"),
        attaching_to("caps", "privileged_exec", "gains: \"capabilities\"", ".deny(\"EPERM\")"),
    ])?;
    let path = |name: &str| format!("{PLACE}/{name}");
    let user = |comm| Identity { uid: 1500, gid: 1500, comm: Some(comm), ..ME };
    same("setuid, set-uid", execute(&user("uids"), &path("setuid"))?.deed, REFUSED)?;
    same("setuid, set-gid", execute(&user("uids"), &path("setgid"))?.deed, Deed::Done)?;
    same("setuid, capable", execute(&user("uids"), &path("capable"))?.deed, Deed::Done)?;
    same("capabilities, set-gid", execute(&user("caps"), &path("setgid"))?.deed, Deed::Done)?;
    let root = Identity { comm: Some("caps"), ..ME };
    same("capabilities, root", execute(&root, &path("plain"))?.deed, Deed::Done)?;
    // By the second door they are not known yet.
    let known = if by_function() { Deed::Done } else { REFUSED };
    same("capabilities, set-uid", execute(&user("caps"), &path("setuid"))?.deed, known)?;
    same("capabilities, capable", execute(&user("caps"), &path("capable"))?.deed, known)?;
    same("capabilities, root without any", powerless_execute(&root, &path("plain"))?.deed, known)?;
    shell.stop()?.well()
}
