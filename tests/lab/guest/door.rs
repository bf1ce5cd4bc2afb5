//! Claims about the ways in which a probe is attached.

use std::{fs, os::unix::process::CommandExt, process::Command, thread};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_setaffinity},
    sys::ptrace,
    unistd::Pid,
};
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

/// By fmod_ret the kernel asks no probe about an operation while another task is being asked on the same processor: what passes
/// so is counted, and the session says beforehand that it may.
pub fn passed_over() -> Outcome {
    const FILE: &str = "/tmp/passed-over";
    const PASSED: &str = "/tmp/passed";
    const THREADS: u32 = 8;
    const TIMES: u32 = 1000;
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let script = format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{comm: \"crowd\"}}).deny().name(\"t\").attach(); print(\"ready\");"
    );
    let shell = ready(Shell::start(&["--door", "fmod_ret", "-e", &script])?)?;
    let crowd = Identity { comm: Some("crowd"), ..ME };
    let deed = perform(&crowd, || {
        let mut processor = CpuSet::new();
        if processor.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(0), &processor)).is_err() {
            return 1;
        }
        let open = || (0..TIMES).filter(|_| fs::File::open(FILE).is_ok()).count();
        let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(open)).collect();
        let passed: Option<usize> = threads.into_iter().map(|thread| thread.join().ok()).sum();
        i32::from(passed.is_none_or(|passed| fs::write(PASSED, passed.to_string()).is_err()))
    })?;
    same("the crowd", deed.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let passed = fs::read_to_string(PASSED).map_err(|e| e.to_string())?;
    let passed: u64 = passed.parse().map_err(|e| format!("{passed}: {e}"))?;
    let books = ended.books("t")?;
    let count = |name: &str| books[name].as_u64().ok_or_else(|| format!("no `{name}` in {books}"));
    same("denied", count("deny")?, u64::from(THREADS * TIMES) - passed)?;
    holds(passed <= count("missed")?, format!("{passed} passed, and counted were {}", count("missed")?))?;
    let is_said = ended.stderr.contains("many threads can bring that about");
    holds(passed == 0 || is_said, format!("{passed} passed; {}", ended.stderr))?;
    ended.well()
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
