//! Claims about the template `prctl`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    credentials::call,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "prctl",
    // The actor has become what it is by another one.
    params: "option: [\"get_dumpable\", \"set_no_new_privs\"]",
    prepare: || Ok(()),
    acts: &[
        // Arguments that it does not look at.
        Act::new("get_dumpable", "task_prctl", || {
            changed("get_dumpable", libc::PR_GET_DUMPABLE, [1 << 40, 22, 33, u64::MAX])
        }),
        Act::new("set_no_new_privs", "task_prctl", || {
            changed("set_no_new_privs", libc::PR_SET_NO_NEW_PRIVS, [1, 0, 0, 0])
        }),
    ],
};

fn prctl(option: i32, [a, b, c, d]: [u64; 4]) -> Result<(), Errno> {
    call(libc::SYS_prctl, [option as u64, a, b, c, d]).map(drop)
}

fn changed(name: &str, option: i32, arguments: [u64; 4]) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, move || exit_code(prctl(option, arguments)))?;
    let [arg2, arg3, arg4, arg5] = arguments;
    let tells =
        json!({"option": name, "number": option, "arg2": arg2, "arg3": arg3, "arg4": arg4, "arg5": arg5});
    Ok(Performed { task, tells })
}

/// ENOSYS is what a hook says that does not mind; an option without a name is asked for by its number.
pub fn no_mind() -> Outcome {
    const PR_GET_TIMERSLACK: i32 = 30;
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let shell = Shell::with_probes(&[
        attaching_to("nosys", "prctl", "option: \"get_dumpable\"", ".deny(\"ENOSYS\")"),
        attaching_to("number", "prctl", "", ".when(|e| e.number == 30).deny(\"EACCES\")"),
    ])?;
    let perform = |comm, option| {
        task::perform(&named(comm), move || exit_code(prctl(option, [0; 4]))).map(|task| task.deed)
    };
    same("denied with ENOSYS", perform("nosys", libc::PR_GET_DUMPABLE)?, REFUSED)?;
    same("another option", perform("nosys", libc::PR_GET_KEEPCAPS)?, Deed::Done)?;
    same(
        "by its number",
        task::perform(&named("number"), || match prctl(PR_GET_TIMERSLACK, [0; 4]) {
            Err(Errno::EACCES) => 0,
            _ => 1,
        })?
        .deed,
        Deed::Done,
    )?;
    same("by another number", perform("number", libc::PR_GET_KEEPCAPS)?, Deed::Done)?;
    shell.stop()?.well()
}
