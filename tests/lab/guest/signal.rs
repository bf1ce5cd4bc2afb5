//! Claims about the template `signal`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    credentials::call,
    proc_mem::Target,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

pub const CASE: Case = Case {
    template: "signal",
    params: "",
    prepare: || Ok(()),
    acts: &[
        // What its target takes no notice of, if it comes.
        Act::new("kill", "task_kill", || sent("SIGWINCH", "kill", |pid| kill(pid, libc::SIGWINCH))),
        Act::new("whether it is there", "task_kill", || sent("none", "kill", |pid| kill(pid, 0))),
        Act::new("tgkill", "task_kill", || {
            sent("SIGURG", "tkill", |pid| {
                call(libc::SYS_tgkill, [pid, pid, libc::SIGURG as u64, 0, 0]).map(drop)
            })
        }),
        Act::new("sigqueue", "task_kill", || sent("SIGCONT", "sigqueue", |pid| queue(pid, libc::SIGCONT))),
        Act::new("by a descriptor", "task_kill", || sent("SIGCHLD", "kill", by_descriptor)),
    ],
};

fn kill(pid: u64, signal: i32) -> Result<(), Errno> {
    call(libc::SYS_kill, [pid, signal as u64, 0, 0, 0]).map(drop)
}

fn queue(pid: u64, signal: i32) -> Result<(), Errno> {
    let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
    // SAFETY: a call that takes numbers.
    Errno::result(unsafe { libc::sigqueue(pid as i32, signal, value) }).map(drop)
}

fn by_descriptor(pid: u64) -> Result<(), Errno> {
    let descriptor = call(libc::SYS_pidfd_open, [pid, 0, 0, 0, 0])?;
    call(libc::SYS_pidfd_send_signal, [descriptor as u64, libc::SIGCHLD as u64, 0, 0, 0]).map(drop)
}

fn sent(signal: &str, origin: &str, deed: fn(u64) -> Result<(), Errno>) -> Result<Performed, String> {
    let target = Target::new()?;
    let mut tells = target.truth()?;
    let pid = u64::from(target.pid().unsigned_abs());
    let task = task::perform(&ACTOR, move || exit_code(deed(pid)))?;
    tells["signal"] = json!(signal);
    tells["origin"] = json!(origin);
    Ok(Performed { task, tells })
}

pub fn narrowed() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let shell = Shell::with_probes(&[
        attaching_to("deadly", "signal", "signal: [\"SIGKILL\", \"realtime\"]", ".deny(\"EPERM\")"),
        attaching_to("others", "signal", "to_others: true", ".deny(\"EPERM\")"),
    ])?;
    let target = Target::new()?;
    let pid = u64::from(target.pid().unsigned_abs());
    let perform = |comm, pid: Option<u64>, signal| {
        let deed = move || exit_code(kill(pid.unwrap_or(u64::from(std::process::id())), signal));
        task::perform(&named(comm), deed).map(|task| task.deed)
    };
    for (signal, expected) in [
        (libc::SIGKILL, REFUSED),
        (libc::SIGWINCH, Deed::Done),
        (34, REFUSED),
        (64, REFUSED),
        (0, Deed::Done),
    ] {
        same(&format!("deadly: {signal}"), perform("deadly", Some(pid), signal)?, expected)?;
    }
    same("others: another", perform("others", Some(pid), 0)?, REFUSED)?;
    same("others: itself", perform("others", None, 0)?, Deed::Done)?;
    same("others: itself, deadly", perform("others", None, libc::SIGKILL)?, Deed::Killed(9))?;
    shell.stop()?.well()
}

/// One call that reaches several processes is decided for each.
pub fn group() -> Outcome {
    let mut shell = Shell::with_probes(&[attaching_to("group", "signal", "", "")])?;
    let task = task::perform(&Identity { comm: Some("group"), ..ME }, || {
        let own = nix::unistd::setsid().is_ok();
        let children = [fork(), fork()];
        // 0: everybody in the sender's group, it included.
        let result = call(libc::SYS_kill, [0, libc::SIGWINCH as u64, 0, 0, 0]);
        for child in children.into_iter().flatten() {
            let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(child, None);
        }
        if own { exit_code(result.map(drop)) } else { 98 }
    })?;
    same("kill of a group", task.deed, Deed::Done)?;
    shell.drain();
    let ended = shell.stop()?;
    let of = |signal: &str| {
        let about = ended.events().filter(|e| e["pid"] == task.pid && e["signal"] == signal);
        let mut targets: Vec<_> = about.filter_map(|e| e["target_pid"].as_u64()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets.len()
    };
    same("targets of SIGWINCH", of("SIGWINCH"), 3)?;
    same("targets of SIGKILL", of("SIGKILL"), 2)?;
    ended.well()
}

/// A child that waits to be killed.
fn fork() -> Option<nix::unistd::Pid> {
    // SAFETY: the child does nothing but wait.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Parent { child }) => Some(child),
        Ok(nix::unistd::ForkResult::Child) => loop {
            nix::unistd::pause();
        },
        Err(_) => None,
    }
}
