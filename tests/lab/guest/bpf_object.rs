//! Claims about the template `bpf_object`.

use std::{os::fd::OwnedFd, sync::OnceLock};

use serde_json::json;

use super::{
    Outcome,
    bpf::{
        ARRAY, Attributes, MAP_CREATE, MAP_GET_FD_BY_ID, PROG_GET_FD_BY_ID, PROG_LOAD, SOCKET_FILTER, by_id,
        call, descriptor, id_of, map, program,
    },
    cases::{ACTOR, Act, Case, Performed},
    holds, same,
    shell::Shell,
    task::{self, Deed, ME, REFUSED, exit_code},
};

const NAME: &str = "krsi_object";

/// A map and a program that the suite keeps.
static KEPT: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

fn kept() -> Result<&'static (OwnedFd, OwnedFd), String> {
    if KEPT.get().is_none() {
        let make = |command, attributes: Attributes| {
            call(command, &attributes).map(descriptor).map_err(|e| format!("bpf({command}): {e}"))
        };
        let pair = (make(MAP_CREATE, map(ARRAY, NAME))?, make(PROG_LOAD, program(SOCKET_FILTER, NAME))?);
        let _ = KEPT.set(pair);
    }
    KEPT.get().ok_or_else(|| "nothing is kept".into())
}

pub const CASE: Case = Case {
    template: "bpf_object",
    params: "name: \"krsi_object\"",
    prepare: || kept().map(drop),
    acts: &[
        Act::new("a map by its id", "bpf_map", || {
            let id = id_of(&kept()?.0, true)?;
            let tells = json!({
                "object": "map", "id": id, "map_type": "array", "prog_type": "none", "access": ["read", "write"],
                "name": NAME, "function": "",
            });
            let task = task::perform(&ACTOR, || exit_code(call(MAP_GET_FD_BY_ID, &by_id(id)).map(drop)))?;
            Ok(Performed { task, tells })
        }),
        Act::new("a program by its id", "bpf_prog", || {
            let id = id_of(&kept()?.1, false)?;
            let tells = json!({
                "object": "prog", "id": id, "map_type": "none", "prog_type": "socket_filter", "access": [],
                "name": NAME, "function": "",
            });
            let task = task::perform(&ACTOR, || exit_code(call(PROG_GET_FD_BY_ID, &by_id(id)).map(drop)))?;
            Ok(Performed { task, tells })
        }),
    ],
};

/// What is new has its id by then, and one that is refused is gone. Programs of ours are told by the function they are for.
pub fn new_ones() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "probe(\"bpf_object\").scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let made = |command, attributes: Attributes| {
        task::perform(&ME, move || exit_code(call(command, &attributes).map(drop)))
    };
    let last = id_of(&kept()?.0, true)?;
    let task = made(MAP_CREATE, map(ARRAY, "krsi_new"))?;
    same("a new map", task.deed, REFUSED)?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    same("name", &event["name"], &json!("krsi_new"))?;
    let id = event["id"].as_u64().and_then(|id| u32::try_from(id).ok()).ok_or("no id")?;
    holds(id > last, format!("its id {id} is a new one, behind {last}"))?;
    same("it is gone", made(MAP_GET_FD_BY_ID, by_id(id))?.deed, Deed::Refused(nix::errno::Errno::ENOENT))?;
    shell.stop()?.well()?;
    // The shell's own, while it attaches another probe; it is spared.
    let script = "probe(\"bpf_object\").scope(#{comm: \"krsi-sh\"}).deny(\"EPERM\").lease(\"5m\").name(\"t\").attach(); \
                  probe(\"file_open\").attach(); print(\"ready\");";
    let mut shell = Shell::ready(script)?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["function"] == "bpf_lsm_file_open")?;
    same("spared", (&event["verdict"], &event["notes"]), (&json!("allow"), &json!(["guarded"])))?;
    shell.stop()?.well()
}
