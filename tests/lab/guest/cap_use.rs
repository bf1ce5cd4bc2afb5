//! Claims about the template `cap_use`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    credentials::{call, capset},
    holds, same,
    shell::{Shell, attaching_to, run},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "cap_use",
    params: "capability: [\"CAP_SYS_CHROOT\", \"CAP_NET_BIND_SERVICE\"]",
    prepare: || Ok(()),
    acts: &[
        Act {
            // The kernel only asks yes or no.
            refusal: |_| Errno::EPERM,
            ..Act::new("chroot", "capable", || used("CAP_SYS_CHROOT", chroot))
        },
        Act {
            refusal: |_| Errno::EACCES,
            ..Act::new("bind", "capable", || used("CAP_NET_BIND_SERVICE", bind))
        },
    ],
};

/// To the root that it has.
fn chroot() -> Result<(), Errno> {
    nix::unistd::chroot("/")
}

/// To a port that not everybody may have.
fn bind() -> Result<(), Errno> {
    let bound = std::net::TcpListener::bind("0.0.0.0:81");
    bound.map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))
}

fn used(capability: &str, deed: fn() -> Result<(), Errno>) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, move || exit_code(deed()))?;
    let tells = json!({
        "capability": capability, "in_user_ns": task.truth["user_ns"], "noaudit": false, "setid": false,
    });
    Ok(Performed { task, tells })
}

pub fn repeats() -> Outcome {
    const TIMES: u64 = 10;
    let params = "capability: \"CAP_SYS_CHROOT\"";
    let mut shell = Shell::with_probes(&[
        attaching_to("once", "cap_use", params, ""),
        attaching_to("refusing", "cap_use", params, ".deny(\"EPERM\")"),
        attaching_to("each", "cap_use", &format!("{params}, repeats: true"), ""),
    ])?;
    for (comm, expected) in [("once", Deed::Done), ("refusing", REFUSED), ("each", Deed::Done)] {
        let repeated = || {
            let results: Vec<_> = (0..TIMES).map(|_| chroot()).collect();
            // All of them alike.
            if results.iter().all(|result| *result == results[0]) { exit_code(results[0]) } else { 98 }
        };
        for _ in 0..2 {
            let task = task::perform(&Identity { comm: Some(comm), ..ME }, repeated)?;
            same(comm, task.deed, expected)?;
        }
    }
    shell.drain();
    let ended = shell.stop()?;
    for (probe, emitted) in [("once", 2), ("refusing", 2), ("each", 2 * TIMES)] {
        let books = ended.books(probe)?;
        same(&format!("{probe}: matched"), books["matched"].as_u64(), Some(2 * TIMES))?;
        same(&format!("{probe}: emitted"), books["emitted"].as_u64(), Some(emitted))?;
        same(&format!("{probe}: suppressed"), books["suppressed"].as_u64(), Some(2 * TIMES - emitted))?;
    }
    ended.well()
}

pub fn not_granted() -> Outcome {
    let mut shell =
        Shell::with_probes(&[attaching_to("without", "cap_use", "capability: \"CAP_SYS_CHROOT\"", "")])?;
    let without = Identity { comm: Some("without"), ..ME };
    let powerless = task::perform(&without, || exit_code(capset(0, 0, 0).and_then(|()| chroot())))?;
    same("without", powerless.deed, REFUSED)?;
    // Inside it has every capability, and outside none.
    let inside = task::perform(&without, || {
        let entered =
            capset(0, 0, 0).and_then(|()| call(libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0]));
        exit_code(entered.and_then(|_| chroot()))
    })?;
    same("inside", inside.deed, Deed::Done)?;
    shell.drain();
    let ended = shell.stop()?;
    let events: Vec<_> = ended.events().collect();
    same("events", events.len(), 1)?;
    same("pid", &events[0]["pid"], &json!(inside.pid))?;
    holds(events[0]["in_user_ns"] != inside.truth["user_ns"], "it is the new namespace")?;
    same("in_user_ns", &events[0]["in_user_ns"], &events[0]["user_ns"])?;
    ended.well()
}

pub fn scope_required() -> Outcome {
    let probe = "probe(\"cap_use\", #{capability: \"CAP_SYS_BOOT\"})";
    for scope in ["", ".scope(#{})", ".scope(#{not_uid: 0})"] {
        let refused = run(&format!("{probe}{scope}.attach(); exit(0)"))?;
        same(&format!("exit, with `{scope}`"), refused.code, Some(1))?;
        let said = "template `cap_use` needs a scope that names who is meant: its hooks are hot (capable:";
        holds(refused.stderr.contains(said), refused.stderr)?;
    }
    for scope in [".scope(#{uid: 0})", ".everywhere()"] {
        let attached = run(&format!("{probe}{scope}.attach(); exit(0)"))?;
        same(&format!("exit, with `{scope}`"), attached.code, Some(0))?;
    }
    Ok(())
}
