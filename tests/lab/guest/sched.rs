//! Claims about the template `sched`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, actor},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

/// Of this process, as of any other by its id.
fn set_nice(pid: u32, nice: i32) -> Result<(), Errno> {
    // SAFETY: calls without pointers, here and below but for one.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, pid, nice) }).map(drop)
}

fn set_batch() -> Result<(), Errno> {
    let priority = 0_i32;
    // SAFETY: the kernel reads the priority.
    let set =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_BATCH, &raw const priority) };
    Errno::result(set).map(drop)
}

const BEST_EFFORT_4: u32 = 2 << 13 | 4;

fn set_ioprio() -> Result<(), Errno> {
    const PROCESS: i32 = 1;
    Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, 0, BEST_EFFORT_4) }).map(drop)
}

fn by(identity: &Identity, deed: impl FnOnce() -> Result<(), Errno>) -> Result<Task, String> {
    task::perform(identity, || exit_code(deed()))
}

/// The actor changes itself.
fn own(task: Task, action: &str, nice: i32, ioprio: u32) -> Result<Performed, String> {
    let tells = json!({
        "action": action, "nice": nice, "ioprio": ioprio, "target_pid": task.pid, "target_tid": task.pid,
        "target_uid": ACTOR.uid, "target_comm": actor(),
    });
    Ok(Performed { task, tells })
}

pub const CASE: Case = Case {
    template: "sched",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("another policy", "task_setscheduler", || own(by(&ACTOR, set_batch)?, "scheduler", 0, 0)),
        Act::new("a lower nice value", "task_setnice", || {
            own(by(&ACTOR, || set_nice(0, -5))?, "nice", -5, 0)
        }),
        Act::new("another class of input and output", "task_setioprio", || {
            own(by(&ACTOR, set_ioprio)?, "ioprio", 0, BEST_EFFORT_4)
        }),
    ],
};

pub fn except_own() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "probe(\"sched\", #{{except_own: true}}).scope(#{{pid: {}}}).deny(\"EACCES\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("itself", by(&ME, || set_nice(0, 5))?.deed, Deed::Done)?;
    let suite = std::process::id();
    let task = by(&ME, || set_nice(suite, 0))?;
    same("another process", task.deed, Deed::Refused(Errno::EACCES))?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    same("whose", &event["target_pid"], &json!(suite))?;
    shell.stop()?.well()?;
    let shell = Shell::ready(&format!(
        "probe(\"sched\", #{{action: \"ioprio\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("this action", by(&ME, set_ioprio)?.deed, REFUSED)?;
    same("another action", by(&ME, set_batch)?.deed, Deed::Done)?;
    shell.stop()?.well()
}
