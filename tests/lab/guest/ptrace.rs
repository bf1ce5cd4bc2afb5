//! Claims about the template `ptrace`.

use std::fs;

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, actor},
    credentials::call,
    proc_mem::Target,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "ptrace",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("seizing", "ptrace_access_check", || accessed("attach", "call", seize)),
        Act {
            // The link has an errno of its own.
            refusal: |_| Errno::EACCES,
            ..Act::new("an executable's name", "ptrace_access_check", || accessed("read", "proc", executable))
        },
        Act::new("traceme", "ptrace_traceme", offered),
    ],
};

fn seize(pid: u64) -> Result<(), Errno> {
    call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as u64, pid, 0, 0, 0]).map(drop)
}

fn executable(pid: u64) -> Result<(), Errno> {
    let link = fs::read_link(format!("/proc/{pid}/exe"));
    link.map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))
}

fn environment(pid: u64) -> Result<(), Errno> {
    let opened = fs::File::open(format!("/proc/{pid}/environ"));
    opened.map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default()))
}

fn traceme(_: u64) -> Result<(), Errno> {
    call(libc::SYS_ptrace, [libc::PTRACE_TRACEME as u64, 0, 0, 0, 0]).map(drop)
}

fn pid_of(target: &Target) -> u64 {
    u64::from(target.pid().unsigned_abs())
}

fn accessed(access: &str, asked_by: &str, deed: fn(u64) -> Result<(), Errno>) -> Result<Performed, String> {
    let target = Target::new()?;
    let mut tells = target.truth()?;
    let pid = pid_of(&target);
    let task = task::perform(&ACTOR, move || exit_code(deed(pid)))?;
    for (field, value) in [
        ("access", json!(access)),
        ("asked_by", json!(asked_by)),
        ("tracer_pid", json!(task.pid)),
        ("silent", json!(false)),
    ] {
        tells[field] = value;
    }
    Ok(Performed { task, tells })
}

/// The target is the one that asks, and this suite would be its tracer.
fn offered() -> Result<Performed, String> {
    let task = task::perform(&ACTOR, || exit_code(traceme(0)))?;
    let tells = json!({
        "access": "traceme", "asked_by": "call", "silent": false, "tracer_pid": std::process::id(),
        "target_pid": task.pid, "target_tid": task.pid, "target_uid": ACTOR.uid, "target_comm": actor(),
        "target_exe": task.truth["exe"], "target_start_ticks": task.truth["start_ticks"],
    });
    Ok(Performed { task, tells })
}

pub fn narrowed() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let shell = Shell::with_probes(&[
        attaching_to("looking", "ptrace", "access: \"read\"", ".deny(\"EPERM\")"),
        attaching_to("sparing", "ptrace", "except_child: true", ".deny(\"EPERM\")"),
    ])?;
    let target = Target::new()?;
    let pid = pid_of(&target);
    let perform = |comm, deed: fn(u64) -> Result<(), Errno>| {
        task::perform(&named(comm), move || exit_code(deed(pid))).map(|task| task.deed)
    };
    let no_access = Deed::Refused(Errno::EACCES);
    same("looking: read", perform("looking", executable)?, no_access)?;
    // Its own user: on newer kernels whoever has CAP_PERFMON reads past every refusal.
    let user = Identity { uid: 4242, gid: 4242, comm: Some("looking"), ..ME };
    same("looking: read memory", task::perform(&user, move || exit_code(environment(pid)))?.deed, no_access)?;
    same("looking: attach", perform("looking", seize)?, Deed::Done)?;
    same("looking: traceme", perform("looking", traceme)?, Deed::Done)?;
    same("sparing: no child", perform("sparing", seize)?, REFUSED)?;
    same("sparing: its parent", perform("sparing", traceme)?, Deed::Done)?;
    shell.stop()?.well()
}

/// Where a file is there for everybody, and only less of it is shown.
pub fn silent() -> Outcome {
    let user = |comm| Identity { uid: 4300, gid: 4300, privileged: true, comm: Some(comm), ..ME };
    let mut shell = Shell::with_probes(&[
        attaching_to("quiet", "ptrace", "silent: true", ".deny(\"EPERM\")"),
        attaching_to("loud", "ptrace", "", ".deny(\"EPERM\")"),
    ])?;
    let target = Target::new()?;
    let path = format!("/proc/{}/stat", target.pid());
    // The address of its stack's beginning: 0 for whoever may not look.
    let start_of_stack = |comm| {
        let path = path.clone();
        task::perform(&user(comm), move || {
            let stat = fs::read_to_string(&path).unwrap_or_default();
            let field = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(25));
            match field {
                Some("0") => 10,
                Some(_) => 0,
                None => 98,
            }
        })
    };
    same("not asked about", start_of_stack("loud")?.deed, Deed::Done)?;
    let task = start_of_stack("quiet")?;
    same("refused", task.deed, Deed::Other(10))?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    for (field, value) in [
        ("silent", json!(true)),
        ("access", json!("read")),
        ("asked_by", json!("proc")),
        ("target_pid", json!(target.pid())),
    ] {
        same::<&Value>(field, &event[field], &value)?;
    }
    shell.stop()?.well()
}
