//! Claims about executions that are decided late: what `exec` keeps of each between its two hooks.

use std::{
    ffi::CString,
    fs,
    os::unix::fs::PermissionsExt,
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace,
        signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, execve, fork, gettid, pipe, read, write},
};
use serde_json::json;

use super::{
    Outcome,
    exec::program,
    holds, same,
    shell::{self, Shell},
    task::{self, Deed, KILLED, ME, REFUSED, refusal},
};

const BROKEN: &str = "/tmp/programs/no-program";

/// A shell with the probe `t` on what this suite executes.
fn probe(params: &str, rest: &str) -> Result<Shell, String> {
    Shell::with_probes(&[shell::attaching("t", "exec", params, rest)])
}

/// Executes it with one argument and one variable; comes back only if that fails.
fn execute(path: &str) -> Errno {
    let path = CString::new(path).unwrap_or_default();
    execve(&path, &[c"true"], &[c"V=1"]).unwrap_err()
}

/// A file that passes the first hook and is no program.
fn broken() -> Outcome {
    fs::create_dir_all("/tmp/programs").map_err(|e| e.to_string())?;
    fs::write(BROKEN, "garbage text").map_err(|e| e.to_string())?;
    fs::set_permissions(BROKEN, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

/// What becomes of an execution by a thread that is not its process's first.
fn by_a_thread_of_its_own(path: &str, before: fn()) -> Result<Deed, String> {
    let path = path.to_owned();
    let task = task::perform(&ME, move || {
        before();
        thread::spawn(move || refusal(execute(&path))).join().unwrap_or(97)
    })?;
    Ok(task.deed)
}

pub fn by_a_thread() -> Outcome {
    let (path, other) = (program("by-thread")?, program("by-thread-other")?);
    for params in ["args: true", "env: \"V\""] {
        let shell = probe(params, ".when(|e| e.path.ends_with(\"/by-thread\")).deny()")?;
        same("by the first thread", task::perform(&ME, || refusal(execute(&path)))?.deed, KILLED)?;
        same("by another", by_a_thread_of_its_own(&path, || ())?, KILLED)?;
        same("another program by another", by_a_thread_of_its_own(&other, || ())?, Deed::Done)?;
        let ended = shell.stop()?;
        let books = ended.books("t")?;
        same("killed", &books["kill"], &json!(2))?;
        same("not matched", &books["filtered"], &json!(1))?;
        ended.well()?;
    }
    Ok(())
}

pub fn after_a_failure() -> Outcome {
    broken()?;
    let other = program("after-failure")?;
    let shell = probe(&format!("path: \"{BROKEN}\", args: true"), ".deny()")?;
    // The first thread leaves a mark, and another one takes over its id.
    let fails = || {
        execute(BROKEN);
    };
    same("another program by another thread", by_a_thread_of_its_own(&other, fails)?, Deed::Done)?;
    let task = task::perform(&ME, || {
        fails();
        refusal(execute(&other))
    })?;
    same("by the same one", task.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("killed", &books["kill"], &json!(0))?;
    same("errors", &books["errors"], &json!(0))?;
    ended.well()
}

/// A process that is held between the two hooks: another of its threads does not end, since it is traced.
struct Held {
    process: Pid,
    thread: Pid,
}

impl Held {
    /// Comes back once the execution is past the first hook.
    fn new(path: &str) -> Result<Self, String> {
        let text = |e: Errno| e.to_string();
        let (from, to) = pipe().map_err(text)?;
        let (gate, open) = pipe().map_err(text)?;
        // SAFETY: as in `task::perform`; the child ends without the parent's destructors.
        let process = match unsafe { fork() }.map_err(text)? {
            ForkResult::Child => {
                let path = path.to_owned();
                thread::spawn(move || {
                    let _ = write(&to, &gettid().as_raw().to_ne_bytes());
                    loop {
                        thread::park();
                    }
                });
                drop(open);
                let _ = read(&gate, &mut [0]);
                let code = refusal(execute(&path));
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => child,
        };
        drop((to, gate));
        let mut id = [0; 4];
        read(&from, &mut id).map_err(text)?;
        let held = Held { process, thread: Pid::from_raw(i32::from_ne_bytes(id)) };
        ptrace::seize(held.thread, ptrace::Options::PTRACE_O_TRACEEXIT).map_err(text)?;
        drop(open);
        match waitpid(held.thread, Some(WaitPidFlag::__WALL)).map_err(text)? {
            WaitStatus::PtraceEvent(..) => Ok(held),
            other => Err(format!("the other thread: {other:?}")),
        }
    }

    /// What becomes of the execution once it may go on.
    fn let_go(self) -> Result<Deed, String> {
        ptrace::detach(self.thread, None).map_err(|e| e.to_string())?;
        match waitpid(self.process, Some(WaitPidFlag::__WALL)).map_err(|e| e.to_string())? {
            WaitStatus::Exited(_, 0) => Ok(Deed::Done),
            WaitStatus::Exited(_, code) => Ok(Deed::Other(code)),
            WaitStatus::Signaled(_, signal, _) => Ok(Deed::Killed(signal as i32)),
            other => Err(format!("{other:?}")),
        }
    }
}

/// Tasks that fail meanwhile. No map forgets the least recently used (tests/templates.rs), so thousands would show no more.
const FLOOD: u32 = 1500;

pub fn flood() -> Outcome {
    broken()?;
    let path = program("flooded")?;
    let shell = probe("path_prefix: \"/tmp/programs/\", args: true", ".deny().events(false)")?;
    let held = Held::new(&path)?;
    let flood = task::perform(&ME, || {
        for _ in 0..FLOOD {
            let fails = thread::Builder::new().stack_size(64 << 10).spawn(|| execute(BROKEN));
            if fails.ok().and_then(|thread| thread.join().ok()) != Some(Errno::ENOEXEC) {
                return 1;
            }
        }
        0
    })?;
    same("the flood", flood.deed, Deed::Done)?;
    same("who was held meanwhile", held.let_go()?, KILLED)?;
    let ended = shell.stop()?;
    same("killed", &ended.books("t")?["kill"], &json!(1))?;
    ended.well()
}

/// Where the script of a shell waits for `open_gate`.
const GATE: &str = "run([\"sh\", \"-c\", \"read go </tmp/marks.gate\"]);";

fn gate() -> Outcome {
    let _ = fs::remove_file("/tmp/marks.gate");
    nix::unistd::mkfifo("/tmp/marks.gate", nix::sys::stat::Mode::S_IRWXU).map_err(|e| e.to_string())
}

fn open_gate() -> Outcome {
    fs::write("/tmp/marks.gate", "go\n").map_err(|e| e.to_string())
}

pub fn changed_in_between() -> Outcome {
    const ASKED: &str = ".when(|e| e.argc > 0).deny()";
    // What becomes of it, and how often it was decided: once, unless nothing matches any more.
    let changes = [
        ("taken", "args: true", ASKED, "taken.set(\"args\", false);", KILLED, 1),
        ("another", "args: true", ASKED, "another.when(|e| e.argc == 1);", KILLED, 1),
        ("unlike", "args: true", ASKED, "unlike.when(|e| e.argc == 2);", Deed::Done, 0),
        ("observing", "args: true", ASKED, "observing.observe();", Deed::Done, 1),
        // The other way round: decided in time, and not a second time.
        ("set", "args: false", "", "set.set(\"args\", true);", Deed::Done, 1),
    ];
    gate()?;
    let mut script = String::new();
    for (name, params, rest, ..) in changes {
        let params = format!("path: \"{}\", {params}", program(&format!("in-between-{name}"))?);
        script.push_str(&shell::attaching(name, "exec", &params, rest));
    }
    script.push_str("print(\"ready\");");
    for (name, _, _, change, ..) in changes {
        script.push_str(&format!("{GATE} {change} print(\"changed {name}\");"));
    }
    let mut shell = Shell::ready(&script)?;
    for (name, _, _, _, expected, _) in changes {
        let held = Held::new(&format!("/tmp/programs/in-between-{name}"))?;
        open_gate()?;
        shell.wait_for(|line| line["text"] == format!("changed {name}"))?;
        same(name, held.let_go()?, expected)?;
    }
    let ended = shell.stop()?;
    for (name, .., times) in changes {
        same(name, &ended.books(name)?["matched"], &json!(times))?;
    }
    ended.well()
}

/// `kernel.threads-max` as a step wants it, until it ends.
pub struct ThreadsMax(String);

impl ThreadsMax {
    const FILE: &str = "/proc/sys/kernel/threads-max";

    pub fn set(most: u32) -> Result<Self, String> {
        let before = fs::read_to_string(Self::FILE).map_err(|e| e.to_string())?;
        fs::write(Self::FILE, most.to_string()).map_err(|e| format!("{}: {e}", Self::FILE))?;
        Ok(ThreadsMax(before))
    }
}

impl Drop for ThreadsMax {
    fn drop(&mut self) {
        let _ = fs::write(Self::FILE, self.0.trim());
    }
}

/// Tasks there may be when a probe is attached, and how many then are.
pub const FEW: u32 = 1024;
pub const MORE: u32 = 1060;

/// What a task ends with that cannot have enough threads.
const NO_THREAD: i32 = 97;

/// Fills the table of marks, which has room for as many tasks as there could be at the attach, and then executes `path`.
fn with_no_room(path: &str) -> Result<Deed, String> {
    let path = path.to_owned();
    let task = task::perform(&ME, move || {
        // Where one executes, no other can be started (fs->in_exec): they are all there before the first one does.
        let begin: &'static Barrier = Box::leak(Box::new(Barrier::new(MORE as usize + 1)));
        let failed: &'static AtomicU32 = Box::leak(Box::default());
        for _ in 0..MORE {
            let fails = move || {
                begin.wait();
                execute(BROKEN);
                failed.fetch_add(1, Ordering::SeqCst);
                loop {
                    thread::park();
                }
            };
            // Not an errno, which would pass for the execution's.
            if thread::Builder::new().stack_size(64 << 10).spawn(fails).is_err() {
                return NO_THREAD;
            }
        }
        begin.wait();
        while failed.load(Ordering::SeqCst) < MORE {
            thread::yield_now();
        }
        refusal(execute(&path))
    })?;
    Ok(task.deed)
}

pub fn no_room() -> Outcome {
    broken()?;
    let path = program("no-room")?;
    let params = "path_prefix: \"/tmp/programs/\", args: true";
    for (rest, expected) in [
        (".deny(\"EACCES\").on_error(\"deny\")", Deed::Refused(Errno::EACCES)),
        (".deny(\"EACCES\")", Deed::Done),
    ] {
        let few = ThreadsMax::set(FEW)?;
        let shell = probe(params, &format!("{rest}.events(false)"))?;
        drop(few);
        let raised = ThreadsMax::set(100_000)?;
        same(rest, with_no_room(&path)?, expected)?;
        drop(raised);
        let ended = shell.stop()?;
        let errors = ended.books("t")?["errors"].as_u64().unwrap_or_default();
        holds(errors > 0, format!("{rest}: no errors are counted"))?;
        ended.well()?;
    }
    Ok(())
}

/// Ways in which a program does not mind a signal.
fn not_minding(ignored: bool) {
    let term = SigSet::from(Signal::SIGTERM);
    // SAFETY: ignoring a signal runs no code of this process.
    let _ = if ignored {
        unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.map(drop)
    } else {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&term), None)
    };
}

pub fn kill_is_certain() -> Outcome {
    let by_filter =
        ".when(|e| if e.path.ends_with(\"-by_filter\") { kill(\"SIGTERM\") } else { allow() }).deny()";
    let cases = [
        ("by_mode", "args: true", ".kill(\"SIGTERM\")", ""),
        ("stopping", "args: true", ".kill(\"SIGSTOP\")", ""),
        ("by_filter", "args: true", by_filter, ""),
        ("mode_live", "args: true", ".deny()", "mode_live.kill(\"SIGTERM\");"),
        ("param_live", "args: false", ".kill(\"SIGTERM\")", "param_live.set(\"args\", true);"),
        ("in_time", "args: false", ".kill(\"SIGTERM\")", ""),
    ];
    let mut statements = Vec::new();
    for (name, params, rest, then) in cases {
        let params = format!("path: \"{}\", {params}", program(&format!("certain-{name}"))?);
        statements.push(shell::attaching(name, "exec", &params, rest) + then);
    }
    let mut shell = Shell::with_probes(&statements)?;
    for (name, ..) in cases {
        let path = format!("/tmp/programs/certain-{name}");
        // In time the signal may be ignored, and the execution is refused all the same.
        let expected = if name == "in_time" { REFUSED } else { KILLED };
        for ignored in [true, false] {
            let task = task::perform(&ME, || {
                not_minding(ignored);
                refusal(execute(&path))
            })?;
            same(name, task.deed, expected)?;
            let event = shell.event(task.pid, &path)?;
            same("verdict", &event["verdict"], &json!("kill"))?;
        }
    }
    let ended = shell.stop()?;
    for (name, ..) in cases {
        let mode = ended.books(name)?["mode"].as_str().unwrap_or_default();
        holds(
            mode.ends_with("by SIGKILL") == (name != "in_time"),
            format!("{name}: the mode is shown as {mode}"),
        )?;
    }
    ended.well()
}

pub fn kill_of_the_unkillable() -> Outcome {
    let path = program("unkillable")?;
    let shell = probe(&format!("path: \"{path}\", args: true"), ".deny()")?;
    // The first process of a pid namespace takes no signal that it has no handler for, but from outside.
    let task = task::perform(&ME, || {
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).is_err() {
            return 96;
        }
        // SAFETY: the child of a process that has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let code = refusal(execute(&path));
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(code) }
            }
            Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
                Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => 0,
                _ => 1,
            },
            Err(_) => 95,
        }
    })?;
    same("the first process of a pid namespace", task.deed, Deed::Done)?;
    // A traced one would stop at each other signal.
    let task = task::perform(&ME, || match ptrace::traceme() {
        Ok(()) => refusal(execute(&path)),
        Err(_) => 94,
    })?;
    same("a traced process", task.deed, KILLED)?;
    let ended = shell.stop()?;
    same("killed", &ended.books("t")?["kill"], &json!(2))?;
    ended.well()
}

/// That the probe says so at the attach, and how the mode is shown.
pub fn said() -> Outcome {
    let path = program("said-late")?;
    let ended = shell::run(&format!(
        r#"let p = probe("exec", #{{path: "{path}", args: true}}).scope(#{{pid: getpid()}}).kill("SIGTERM").name("t").attach();
           emit(#{{shown: p.to_string()}}); p.detach();"#
    ))?;
    let shown = ended.emitted()?["shown"].as_str().unwrap_or_default().to_owned();
    holds(shown.contains("kill(SIGTERM) by SIGKILL"), format!("the probe shown: {shown}"))?;
    holds(ended.stderr.contains("whatever the signal"), format!("at the attach: {}", ended.stderr))?;
    ended.well()
}
