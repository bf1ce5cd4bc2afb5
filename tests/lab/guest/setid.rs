//! Claims about the template `setid`.

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    credentials::call,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "setid",
    // The actor has become what it is by setresuid and setresgid.
    params: "syscall: [\"setuid\", \"setreuid\", \"setfsuid\", \"setgid\", \"setregid\", \"setfsgid\", \"setgroups\"]",
    prepare: || Ok(()),
    acts: &[
        Act::new("setuid", "task_fix_setuid", || {
            changed(
                "setuid",
                || set(libc::SYS_setuid, &[2001]),
                &[("uid", 2001), ("euid", 2001), ("suid", 2001), ("fsuid", 2001)],
            )
        }),
        Act::new("setreuid", "task_fix_setuid", || {
            changed(
                "setreuid",
                || set(libc::SYS_setreuid, &[2002, 2003]),
                &[("uid", 2002), ("euid", 2003), ("suid", 2003), ("fsuid", 2003)],
            )
        }),
        // It never fails: what is left of a refusal is that nothing has changed.
        Act {
            refusal: |_| Errno::EPERM,
            ..Act::new("setfsuid", "task_fix_setuid", || {
                changed("setfsuid", || set_for_files(libc::SYS_setfsuid, 2004), &[("fsuid", 2004)])
            })
        },
        Act::new("setgid", "task_fix_setgid", || {
            changed(
                "setgid",
                || set(libc::SYS_setgid, &[3001]),
                &[("gid", 3001), ("egid", 3001), ("sgid", 3001), ("fsgid", 3001)],
            )
        }),
        Act::new("setregid", "task_fix_setgid", || {
            changed(
                "setregid",
                || set(libc::SYS_setregid, &[3002, 3003]),
                &[("gid", 3002), ("egid", 3003), ("sgid", 3003), ("fsgid", 3003)],
            )
        }),
        Act {
            refusal: |_| Errno::EPERM,
            ..Act::new("setfsgid", "task_fix_setgid", || {
                changed("setfsgid", || set_for_files(libc::SYS_setfsgid, 3004), &[("fsgid", 3004)])
            })
        },
        Act::new("setgroups", "task_fix_setgroups", || {
            let mut performed = changed("setgroups", || set_groups(&[5003, 5001, 5002]), &[])?;
            performed.tells["group_count"] = json!(3);
            performed.tells["groups"] = json!([5001, 5002, 5003]);
            Ok(performed)
        }),
    ],
};

/// By the call itself: a C library makes it for each thread.
fn set(number: i64, ids: &[u64]) -> Result<(), Errno> {
    let mut arguments = [0; 5];
    arguments[..ids.len()].copy_from_slice(ids);
    call(number, arguments).map(drop)
}

fn set_for_files(number: i64, id: u64) -> Result<(), Errno> {
    set(number, &[id])?;
    // -1 is nobody's id, and the answer is what the id is now.
    let now = call(number, [u64::from(u32::MAX), 0, 0, 0, 0])?;
    if now == id.cast_signed() { Ok(()) } else { Err(Errno::EPERM) }
}

fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: the array lives to the end of the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Does it as the actor, whose real ids differ from the others; `after`: what becomes another id.
fn changed(name: &str, deed: fn() -> Result<(), Errno>, after: &[(&str, u32)]) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, || exit_code(deed()))?;
    let mut tells = json!({"syscall": name, "group_count": 0, "groups": []});
    let euid = ACTOR.euid.ok_or("an actor without an effective id of its own")?;
    let before = [
        ("uid", ACTOR.uid),
        ("euid", euid),
        ("suid", euid),
        ("fsuid", euid),
        ("gid", ACTOR.gid),
        ("egid", ACTOR.gid),
        ("sgid", ACTOR.gid),
        ("fsgid", ACTOR.gid),
    ];
    for (id, old) in before {
        let new = after.iter().find(|(other, _)| *other == id).map_or(old, |(_, new)| *new);
        tells[format!("old_{id}")] = json!(old);
        tells[format!("new_{id}")] = json!(new);
    }
    Ok(Performed { task, tells })
}

/// A user that comes back to root by its saved id, and root that goes down.
pub fn to_root() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let shell = Shell::with_probes(&[
        attaching_to("upwards", "setid", "to_root: true", ".deny(\"EACCES\")"),
        attaching_to("both", "setid", "syscall: [\"setuid\", \"setresuid\"]", ".deny(\"EPERM\")"),
    ])?;
    let down = |comm| task::perform(&named(comm), || exit_code(set(libc::SYS_setuid, &[4000])));
    // With the capability, but no user id of root's.
    let up = |comm, number, ids: &'static [u64]| {
        task::perform(&Identity { uid: 4000, privileged: true, comm: Some(comm), ..ME }, move || {
            exit_code(set(number, ids))
        })
    };
    same("down", down("upwards")?.deed, Deed::Done)?;
    for (number, ids) in [
        (libc::SYS_setuid, &[0][..]),
        (libc::SYS_setreuid, &[4000, 0]),
        (libc::SYS_setresuid, &[4000, 4000, 0]),
    ] {
        same(&format!("up by {number}"), up("upwards", number, ids)?.deed, Deed::Refused(Errno::EACCES))?;
    }
    same("to another user", up("upwards", libc::SYS_setuid, &[4001])?.deed, Deed::Done)?;
    same("down, where both ways are closed", down("both")?.deed, REFUSED)?;
    same(
        "becoming a user, which is by setresuid",
        up("both", libc::SYS_setreuid, &[0, 0]).map(|task| task.deed),
        Err(become_error()),
    )?;
    shell.stop()?.well()
}

/// What a task says that could not even become who it was to be: that is by setresuid.
fn become_error() -> String {
    Errno::EPERM.to_string()
}

/// More groups than an event has room for.
pub fn many_groups() -> Outcome {
    const MANY: u32 = 100;
    let mut shell = Shell::with_probes(&[attaching_to("groups", "setid", "syscall: \"setgroups\"", "")])?;
    let groups: Vec<u32> = (0..MANY).map(|n| 7000 + n).collect();
    let task =
        task::perform(&Identity { comm: Some("groups"), ..ME }, move || exit_code(set_groups(&groups)))?;
    same("setgroups", task.deed, Deed::Done)?;
    if !super::cases::has_hook("task_fix_setgroups") {
        // The other two hooks are there, and see nothing of it.
        let ended = shell.stop()?;
        same("events", ended.events().count(), 0)?;
        return ended.well();
    }
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    same("group_count", &event["group_count"], &json!(MANY))?;
    let first: Vec<Value> = (0..32).map(|n| json!(7000 + n)).collect();
    same("groups", &event["groups"], &Value::Array(first))?;
    shell.stop()?.well()
}
