//! Claims about the template `userns`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, has_hook},
    credentials::{call, names, own_capabilities},
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "userns",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("unshare", "userns_create", || made(unshare)),
        Act::new("clone", "userns_create", || made(clone)),
    ],
};

fn unshare() -> Result<(), Errno> {
    call(libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0]).map(drop)
}

fn clone() -> Result<(), Errno> {
    match call(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64, 0, 0, 0, 0])? {
        // SAFETY: ends the child at once.
        0 => unsafe { libc::_exit(0) },
        child => nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child as i32), None).map(drop),
    }
}

fn made(deed: fn() -> Result<(), Errno>) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, move || exit_code(deed()))?;
    let tells = json!({
        "effective": names(own_capabilities("CapEff")?), "level": 1, "owner_uid": ACTOR.euid, "owner_gid": ACTOR.gid,
    });
    Ok(Performed { task, tells })
}

/// Who has power already is let through; whoever is inside one has it there.
pub fn unprivileged() -> Outcome {
    if !has_hook("userns_create") {
        return Ok(());
    }
    let shell = Shell::with_probes(&[
        attaching_to("users", "userns", "unprivileged: true", ".deny(\"EPERM\")"),
        attaching_to("nested", "userns", "", ".when(|e| e.level > 1).deny(\"EPERM\")"),
    ])?;
    let user = |comm| Identity { uid: 1600, gid: 1600, comm: Some(comm), ..ME };
    let root = Identity { comm: Some("users"), ..ME };
    let perform = |who: &Identity, deed: fn() -> Result<(), Errno>| {
        task::perform(who, move || exit_code(deed())).map(|task| task.deed)
    };
    same("a user", perform(&user("users"), unshare)?, REFUSED)?;
    same("root", perform(&root, unshare)?, Deed::Done)?;
    same("one", perform(&user("nested"), unshare)?, Deed::Done)?;
    same("one in another", perform(&user("nested"), || unshare().and_then(|()| unshare()))?, REFUSED)?;
    shell.stop()?.well()
}
