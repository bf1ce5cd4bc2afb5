//! Claims about the ways in which a probe is attached.

use std::{fs, os::unix::process::CommandExt, process::Command};

use nix::{errno::Errno, sys::ptrace, unistd::Pid};
use serde_json::json;

use super::{
    Outcome, holds, same,
    shell::Shell,
    task::{Deed, Identity, ME, exit_code, perform, start},
};

/// What a task whose attach nobody refuses leaves its target in is nobody's business here.
fn attach_to(pid: u32) -> Result<Deed, String> {
    let user = Identity { uid: 1000, gid: 1000, ..ME };
    let deed = perform(&user, || exit_code(ptrace::attach(Pid::from_raw(pid.cast_signed()))))?;
    Ok(deed.deed)
}

/// Yama keeps a process from being traced by one that is not its ancestor. A probe that refuses nothing leaves that to it,
/// and one that does refuses first.
pub fn other_lsms_are_asked() -> Outcome {
    const SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";
    let before = fs::read_to_string(SCOPE).map_err(|e| format!("{SCOPE}: {e}"))?;
    let set = |value: &str| fs::write(SCOPE, value).map_err(|e| format!("{SCOPE}: {e}"));
    let mut target = start(Command::new("/bin/sleep").arg("86398").uid(1000).gid(1000))?;
    let outcome = (|| {
        set("0")?;
        same("without Yama", attach_to(target.id())?, Deed::Done)?;
        set("1")?;
        let refused = Deed::Refused(Errno::EPERM);
        same("by Yama", attach_to(target.id())?, refused)?;
        let script = |mode: &str| {
            format!("probe(\"proc_mem\").scope(#{{uid: 1000}}){mode}.name(\"t\").attach(); print(\"ready\");")
        };
        let observing = Shell::start(&["--door", "fmod_ret", "-e", &script("")])?;
        let observing = ready(observing)?;
        same("by Yama, under a probe that observes", attach_to(target.id())?, refused)?;
        let books = observing.stop()?;
        same("allowed by the probe", &books.books("t")?["allow"], &json!(1))?;
        same("the door", &books.books("t")?["door"], &json!("fmod_ret"))?;
        books.well()?;
        let denying = Shell::start(&["--door", "fmod_ret", "-e", &script(".deny(\"EIO\")")])?;
        let denying = ready(denying)?;
        same("before Yama", attach_to(target.id())?, Deed::Refused(Errno::EIO))?;
        denying.stop()?.well()
    })();
    set(before.trim())?;
    let _ = target.kill();
    let _ = target.wait();
    outcome
}

fn ready(mut shell: Shell) -> Result<Shell, String> {
    shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready")?;
    Ok(shell)
}

/// By a door that refuses nothing, a mode that enforces is refused, before anything is attached.
pub fn an_observing_door_refuses_to_enforce() -> Outcome {
    let script = "probe(\"exec\").scope(#{uid: 1000}).deny().attach(); print(\"attached\");";
    let shell = Shell::start(&["--door", "observe", "-e", script])?;
    let ended = shell.end()?;
    same("exit", ended.code, Some(3))?;
    holds(ended.stderr.contains("can only observe here"), ended.stderr.clone())?;
    holds(!ended.lines.iter().any(|line| line["text"] == "attached"), "it went on")
}
