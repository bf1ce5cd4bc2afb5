//! Claims about the template `fork`.

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
    template: "fork",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("fork", "task_alloc", || made("process", &[], || child(libc::SYS_fork, 0))),
        Act::new("clone with a namespace", "task_alloc", || {
            made("process", &["newns"], || child(libc::SYS_clone, (libc::CLONE_NEWNS | libc::SIGCHLD) as u64))
        }),
        Act::new("a thread", "task_alloc", || made("thread", THREAD, thread)),
    ],
};

/// As the C library makes one.
const THREAD: &[&str] =
    &["vm", "fs", "files", "sighand", "thread", "sysvsem", "settls", "parent_settid", "child_cleartid"];

/// Makes a child that ends at once, and waits for it.
fn child(number: i64, flags: u64) -> Result<(), Errno> {
    match call(number, [flags, 0, 0, 0, 0])? {
        // SAFETY: ends the child at once.
        0 => unsafe { libc::_exit(0) },
        child => nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child as i32), None).map(drop),
    }
}

fn thread() -> Result<(), Errno> {
    match std::thread::Builder::new().spawn(|| ()) {
        Ok(thread) => thread.join().map_err(|_| Errno::UnknownErrno),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or_default())),
    }
}

fn made(kind: &str, flags: &[&str], deed: fn() -> Result<(), Errno>) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, || exit_code(deed()))?;
    Ok(Performed { task, tells: json!({"kind": kind, "flags": flags, "threads": 1}) })
}

pub fn narrowed() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let shell = Shell::with_probes(&[
        attaching_to("threads", "fork", "kind: \"thread\"", ".deny(\"EPERM\")"),
        attaching_to("spaces", "fork", "flags: [\"newns\", \"newpid\"]", ".deny(\"EPERM\")"),
    ])?;
    let fork = || child(libc::SYS_fork, 0);
    let space = |flag: i32| move || child(libc::SYS_clone, (flag | libc::SIGCHLD) as u64);
    let perform = |comm, deed: &dyn Fn() -> Result<(), Errno>| {
        task::perform(&named(comm), || exit_code(deed())).map(|task| task.deed)
    };
    same("threads: a process", perform("threads", &fork)?, Deed::Done)?;
    same("threads: a thread", perform("threads", &thread)?, REFUSED)?;
    same("spaces: a process", perform("spaces", &fork)?, Deed::Done)?;
    same("spaces: a thread", perform("spaces", &thread)?, Deed::Done)?;
    same("spaces: of mounts", perform("spaces", &space(libc::CLONE_NEWNS))?, REFUSED)?;
    same("spaces: of processes", perform("spaces", &space(libc::CLONE_NEWPID))?, REFUSED)?;
    same("spaces: of host names", perform("spaces", &space(libc::CLONE_NEWUTS))?, Deed::Done)?;
    shell.stop()?.well()
}
