//! Claims about the template `capset`.

use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    credentials::{CHOWN, KILL, NET_RAW, capset, names, own_capabilities},
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "capset",
    params: "",
    prepare: || Ok(()),
    acts: &[Act::new("each set another", "capset", || {
        let task = task::perform(&ACTOR, || exit_code(capset(CHOWN, CHOWN | NET_RAW, KILL)))?;
        let before = |line| own_capabilities(line).map(names);
        let tells = json!({
            "effective_before": before("CapEff")?, "permitted_before": before("CapPrm")?,
            "inheritable_before": before("CapInh")?, "effective_after": names(CHOWN),
            "permitted_after": names(CHOWN | NET_RAW), "inheritable_after": names(KILL), "raised": names(KILL),
        });
        Ok(Performed { task, tells })
    })],
};

/// A capability can be laid down and not taken up again.
pub fn raising() -> Outcome {
    let shell = Shell::with_probes(&[attaching_to(
        "raising",
        "capset",
        "raises: [\"CAP_NET_RAW\", \"CAP_SYS_ADMIN\"]",
        ".deny(\"EPERM\")",
    )])?;
    let perform = |second: fn() -> i32| {
        let task = task::perform(&Identity { comm: Some("raising"), ..ME }, move || {
            if capset(0, CHOWN | NET_RAW, 0).is_ok() { second() } else { 98 }
        });
        task.map(|task| task.deed)
    };
    same("one that is named", perform(|| exit_code(capset(NET_RAW, CHOWN | NET_RAW, 0)))?, REFUSED)?;
    same("to be handed on", perform(|| exit_code(capset(0, CHOWN | NET_RAW, NET_RAW)))?, REFUSED)?;
    same("another one", perform(|| exit_code(capset(CHOWN, CHOWN | NET_RAW, 0)))?, Deed::Done)?;
    same("down", perform(|| exit_code(capset(0, 0, 0)))?, Deed::Done)?;
    shell.stop()?.well()
}
