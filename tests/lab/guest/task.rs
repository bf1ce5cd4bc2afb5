//! Tasks of the test's own: a forked process of which everything is known, and
//! which does one thing a probe should see.

use std::{
    ffi::CString,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::{
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Gid, Uid, execv, fork, pipe, read, write},
};
use serde_json::{Value, json};

use super::{
    Outcome, cases,
    pace::{stretched, until},
    same,
};

/// What became of a task's deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It worked (an execution: the program ran and said 0).
    Done,
    Refused(Errno),
    Killed(i32),
    Other(i32),
}

/// A task that has ended, and what was true of it.
#[derive(Debug, Clone)]
pub struct Task {
    pub pid: u32,
    pub deed: Deed,
    /// `CLOCK_MONOTONIC` before and after, in nanoseconds.
    pub span: (u64, u64),
    /// Header fields and their values, as the task itself found them in /proc.
    pub truth: Value,
}

/// Who the task is.
#[derive(Debug, Clone, Default)]
pub struct Identity<'a> {
    pub uid: u32,
    pub euid: Option<u32>,
    pub gid: u32,
    pub comm: Option<&'a str>,
    pub cgroup: Option<&'a str>,
    pub loginuid: Option<u32>,
    pub new_namespaces: bool,
    /// It keeps root's capabilities, whatever its ids are.
    pub privileged: bool,
}

/// Root, as this suite is.
pub const ME: Identity = Identity {
    uid: 0,
    euid: None,
    gid: 0,
    comm: None,
    cgroup: None,
    loginuid: None,
    new_namespaces: false,
    privileged: false,
};
/// What most denials here come to.
pub const REFUSED: Deed = Deed::Refused(Errno::EPERM);
pub const KILLED: Deed = Deed::Killed(9);

/// Exit codes of refused tasks begin behind this.
const CODES: i32 = 100;

/// The exit code by which a task reports that it was refused with this.
pub fn refusal(error: Errno) -> i32 {
    CODES + error as i32
}

/// The exit code by which a task reports what became of its deed.
pub fn exit_code(result: Result<(), Errno>) -> i32 {
    result.map_or_else(refusal, |()| 0)
}

/// Executes `program` (a copy of busybox, asked to be `true`), and tells what became of it.
pub fn execute(identity: &Identity, program: &str) -> Result<Task, String> {
    let path = CString::new(program).map_err(|e| e.to_string())?;
    let truth_of = move || {
        let error = execv(&path, &[c"true"]).unwrap_err();
        refusal(error)
    };
    perform(identity, truth_of)
}

/// Starts a program, and waits until the process has its name: the kernel gives that a moment after it has told
/// us that the execution succeeded.
pub fn start(command: &mut Command) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let name: String = program.rsplit('/').next().unwrap_or_default().chars().take(15).collect();
    let comm = format!("/proc/{}/comm", child.id());
    let is_named =
        || fs::read_to_string(&comm).map(|comm| comm.trim_end() == name).map_err(|e| e.to_string());
    until(&format!("{program} has its name"), Duration::from_secs(5), is_named)?;
    Ok(child)
}

/// Opens `path` with these flags.
pub fn open_file(identity: &Identity, path: &str, flags: OFlag) -> Result<Task, String> {
    let path = path.to_owned();
    perform(identity, move || {
        exit_code(open(path.as_str(), flags, Mode::from_bits_truncate(0o640)).map(drop))
    })
}

/// Forks, becomes `identity`, tells the truth about itself, waits for nothing, does the deed.
pub fn perform(identity: &Identity, deed: impl FnOnce() -> i32) -> Result<Task, String> {
    let (from, to) = pipe().map_err(|e| e.to_string())?;
    // SAFETY: the suite's guest role has a single thread at this point besides blocked
    // readers of pipes, which hold no lock the child needs.
    match unsafe { fork() }.map_err(|e| e.to_string())? {
        ForkResult::Child => {
            drop(from);
            let code = match become_and_tell(identity) {
                Ok(truth) => {
                    let bytes = format!("{}\n{truth}", now());
                    let _ = write(&to, bytes.as_bytes());
                    drop(to);
                    deed()
                }
                Err(error) => {
                    let _ = write(&to, error.as_bytes());
                    99
                }
            };
            // SAFETY: ends the child at once; no destructor of the parent's may run here.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            drop(to);
            let mut told = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = read(&from, &mut buffer) {
                told.extend_from_slice(&buffer[..n]);
            }
            let deed = match waitpid(child, None).map_err(|e| e.to_string())? {
                WaitStatus::Exited(_, 0) => Deed::Done,
                WaitStatus::Exited(_, code) if code > CODES => Deed::Refused(Errno::from_raw(code - CODES)),
                WaitStatus::Exited(_, code) => Deed::Other(code),
                WaitStatus::Signaled(_, signal, _) => Deed::Killed(signal as i32),
                other => return Err(format!("{other:?}")),
            };
            let told = String::from_utf8_lossy(&told).into_owned();
            let (before, truth) = told.split_once('\n').ok_or_else(|| told.clone())?;
            Ok(Task {
                pid: child.as_raw().unsigned_abs(),
                deed,
                span: (before.parse().map_err(|_| told.clone())?, now()),
                truth: serde_json::from_str(truth).map_err(|e| format!("{e}: {told}"))?,
            })
        }
    }
}

fn become_and_tell(identity: &Identity) -> Result<Value, String> {
    let text = |e: Errno| e.to_string();
    if let Some(directory) = identity.cgroup {
        fs::write(Path::new(directory).join("cgroup.procs"), "0").map_err(|e| format!("cgroup: {e}"))?;
    }
    if let Some(uid) = identity.loginuid {
        fs::write("/proc/self/loginuid", uid.to_string()).map_err(|e| format!("loginuid: {e}"))?;
    }
    if identity.new_namespaces {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_NEWUSER)
            .map_err(text)?;
    }
    if let Some(comm) = identity.comm.map(cases::name_for) {
        nix::sys::prctl::set_name(&CString::new(comm).map_err(|e| e.to_string())?).map_err(text)?;
    }
    let truth = truth(identity)?;
    if identity.gid != 0 {
        let gid = Gid::from_raw(identity.gid);
        nix::unistd::setresgid(gid, gid, gid).map_err(text)?;
    }
    if identity.privileged {
        keep_capabilities().map_err(text)?;
    }
    let (uid, euid) = (identity.uid, identity.euid.unwrap_or(identity.uid));
    if (uid, euid) != (0, 0) {
        nix::unistd::setresuid(Uid::from_raw(uid), Uid::from_raw(euid), Uid::from_raw(euid)).map_err(text)?;
    }
    Ok(truth)
}

/// From here on a change of user ids takes no capabilities away.
fn keep_capabilities() -> nix::Result<()> {
    const SECBIT_NO_SETUID_FIXUP: i32 = 4;
    // SAFETY: a call that takes a number.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) }).map(drop)
}

/// The header as /proc has it: another part of the kernel than the one under test.
fn truth(identity: &Identity) -> Result<Value, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let namespace = |name: &str| {
        fs::metadata(format!("/proc/self/ns/{name}")).map(|m| m.ino()).map_err(|e| format!("ns {name}: {e}"))
    };
    let stat = read("/proc/self/stat")?;
    let after_comm: Vec<_> =
        stat[stat.rfind(')').ok_or("stat")? + 2..].split(' ').map(str::to_owned).collect();
    let ppid: u32 = after_comm[1].parse().map_err(|_| "ppid")?;
    let ticks: u64 = after_comm[19].parse().map_err(|_| "starttime")?;
    let group = read("/proc/self/cgroup")?;
    let group = group.lines().find_map(|l| l.strip_prefix("0::")).ok_or("no cgroup v2")?.to_owned();
    let cgroup = fs::metadata(format!("/sys/fs/cgroup{group}")).map_err(|e| e.to_string())?.ino();
    let number = |path| read(path).and_then(|t| t.trim().parse::<u32>().map_err(|e| e.to_string()));
    Ok(json!({
        "pid": std::process::id(),
        "tid": std::process::id(),
        "ppid": ppid,
        "uid": identity.uid,
        "euid": identity.euid.unwrap_or(identity.uid),
        "gid": identity.gid,
        "loginuid": number("/proc/self/loginuid")?,
        "session": number("/proc/self/sessionid")?,
        "cgroup": cgroup,
        "pid_ns": namespace("pid")?,
        "mnt_ns": namespace("mnt")?,
        "user_ns": namespace("user")?,
        "start_ticks": ticks,
        "comm": read("/proc/self/comm")?.trim_end(),
        "parent_comm": read(&format!("/proc/{ppid}/comm"))?.trim_end(),
        "exe": fs::read_link("/proc/self/exe").map_err(|e| e.to_string())?,
        "exe_inode": fs::metadata("/proc/self/exe").map_err(|e| e.to_string())?.ino(),
    }))
}

pub fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs()
}

/// A time is known in ticks and told in nanoseconds: the field `X_ns` has to be `X_ticks`. What is not known exactly is between
/// `at_least` and `at_most`.
fn is_told(event: &Value, name: &str, value: &Value) -> Outcome {
    match name.strip_suffix("_ticks") {
        Some(time) => {
            let told = event[format!("{time}_ns")].as_u64().map(|ns| ns / 10_000_000);
            same(name, told, value.as_u64())
        }
        None => match (value["at_least"].as_u64(), value["at_most"].as_u64()) {
            (Some(least), Some(most)) => {
                let told = event[name].as_u64();
                let within = told.is_some_and(|told| (least..=most).contains(&told));
                super::holds(within, format!("{name}: found {told:?}, expected {least} to {most}"))
            }
            _ => same(name, &event[name], value),
        },
    }
}

/// Compares every header field of an event with what is known of the task.
pub fn compare_header(event: &Value, task: &Task, decision: &Value) -> Outcome {
    let truth = task.truth.as_object().ok_or("no truth")?;
    for (name, value) in truth.iter().chain(decision.as_object().ok_or("no decision")?) {
        is_told(event, name, value)?;
    }
    let number = |name: &str| event[name].as_u64().ok_or_else(|| format!("no {name}: {event}"));
    let mono = number("mono_ns")?;
    super::holds(
        task.span.0 <= mono && mono <= task.span.1,
        format!("mono_ns {mono} is not within {:?}", task.span),
    )?;
    let wall = number("wall_ns")?;
    let real = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).unwrap();
    let expected =
        real.tv_sec().unsigned_abs() * 1_000_000_000 + real.tv_nsec().unsigned_abs() - (now() - mono);
    let apart = Duration::from_nanos(wall.abs_diff(expected));
    super::holds(
        apart < stretched(Duration::from_millis(50)),
        format!("wall_ns {wall}, expected about {expected}"),
    )
}
