//! Claims about attempts and scratches: what probes make of them, and that permission does no harm.

use std::{fs, path::Path, time::Duration};

use nix::sys::signal::Signal;
use serde_json::json;

use super::{
    Outcome, holds,
    pace::until,
    same,
    shell::{self, Shell},
};

const BASE: &str = "/run/krsi-sh-scratch";

/// A probe on the scratch's cgroup decides about what is attempted there, and about nothing else.
pub fn denied_in_its_cgroup() -> Outcome {
    let ended = shell::run(
        r#"
        let s = scratch(#{ cgroup: true });
        let p = probe("exec").scope(#{ cgroup: s.cgroup }).deny("EACCES").name("t").attach();
        let inside = s.attempt("exec", "/bin/busybox");
        let event = last(p);
        let ran = s.run(["/bin/true"]).errno;
        let outside = run(["/bin/true"]).code;
        p.kill("SIGKILL");
        let killed = s.attempt("exec", "/bin/busybox").signal;
        p.detach();
        emit(#{
            inside: inside.errno, ok: inside.ok, same: event.pid == inside.pid, path: event.path, verdict: event.verdict,
            uid: event.uid, ran: ran, outside: outside, killed: killed, after: s.attempt("exec", "/bin/busybox").ok,
        });
        "#,
    )?;
    let expected = json!({
        "inside": "EACCES", "ok": false, "same": true, "path": "/bin/busybox", "verdict": "deny", "uid": 65534,
        "ran": "EACCES", "outside": 0, "killed": "SIGKILL", "after": true,
    });
    let emitted = ended.emitted()?;
    for (key, value) in expected.as_object().into_iter().flatten() {
        same(key, &emitted[key], value)?;
    }
    ended.well()?;
    is_gone()
}

/// Everything that is permitted to root: the machine goes on as it was.
pub fn permitted_without_harm() -> Outcome {
    let before = state()?;
    let ended = shell::run(
        r#"
        let s = scratch(#{ user: "root" });
        let refused = [];
        for words in [["reboot"], ["module"], ["delete_module"], ["settime"], ["sethostname"], ["swapon"], ["acct"], ["mount"],
                      ["umount"], ["pivot_root"], ["chroot"], ["mknod"], ["mknod", "block"], ["chown"], ["setuid"], ["nice"],
                      ["dmesg"], ["bpf", "map"], ["bpf", "program"], ["unshare", "mount"], ["unshare", "net"], ["setns", 1],
                      ["ptrace", 1], ["kill", 1], ["process_vm_read", 1], ["sysctl", "kernel.panic"], ["open", "/etc/passwd", "rw"],
                      ["chmod", "/etc/passwd"], ["unlink", "/etc/passwd"], ["unlink", "/etc"], ["create", "/etc/new"],
                      ["link", "/etc/passwd", "/etc/new"], ["socket", "raw"], ["setgroups"], ["exec", "/bin/busybox"]] {
            let answer = switch words.len() {
                1 => s.attempt(words[0]), 2 => s.attempt(words[0], words[1]), _ => s.attempt(words[0], words[1], words[2]),
            };
            if !answer.ok { refused.push(`${words}: ${answer}`); }
        }
        // Not built in everywhere.
        let kexec = s.attempt("kexec");
        if !kexec.ok && kexec.errno != "ENOSYS" { refused.push(`${kexec}`); }
        // What is mounted in it is not emptied with it.
        s.run(["mkdir", "in"]);
        let mounted = s.run(["mount", "-o", "bind", "/etc", "in"]);
        if mounted.code != 0 { refused.push(`${mounted}`); }
        s.run(["sh", "-c", "(setsid /bin/sleep 86399 &)"]);
        s.close();
        emit(#{ refused: refused });
        "#,
    )?;
    same("what was refused", &ended.emitted()?["refused"], &json!([]))?;
    same("the exit code", ended.code, Some(0))?;
    same("the machine", state()?, before)?;
    is_gone()
}

/// What an operation with harm would have changed.
fn state() -> Result<Vec<String>, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let names = |path: &str| -> Result<String, String> {
        let entries = fs::read_dir(path).map_err(|e| format!("{path}: {e}"))?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        Ok(format!("{names:?}"))
    };
    let mut state: Vec<String> =
        ["/etc/passwd", "/proc/mounts", "/proc/modules", "/proc/swaps", "/proc/sys/kernel/hostname"]
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()?;
    state.extend([read("/proc/sys/kernel/panic")?, names("/etc")?]);
    Ok(state)
}

/// A session that is killed, and then its keeper before it could do anything.
pub fn killed() -> Outcome {
    const SCRIPT: &str = r#"
        let s = scratch(#{ cgroup: true });
        s.run(["sh", "-c", "(setsid /bin/sleep 86399 &)"]);
        print("ready");
        s.run(["/bin/sleep", "86399"]);
    "#;
    let shell = Shell::ready(SCRIPT)?;
    shell.signal(Signal::SIGKILL)?;
    shell.end()?;
    is_gone()?;

    let shell = Shell::ready(SCRIPT)?;
    let keeper = keeper_of(shell.pid())?;
    let send = |signal| {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper), signal).map_err(|e| e.to_string())
    };
    send(Signal::SIGSTOP)?;
    shell.signal(Signal::SIGKILL)?;
    send(Signal::SIGKILL)?;
    shell.end()?;
    holds(left()? == 1, "nothing is left to be removed")?;
    let ended = shell::run("emit(#{ code: scratch().run([\"true\"]).code })")?;
    same("the next one", &ended.emitted()?["code"], &json!(0))?;
    is_gone()
}

fn keeper_of(shell: u32) -> Result<i32, String> {
    let all = procfs::process::all_processes().map_err(|e| e.to_string())?;
    let mut stats = all.filter_map(|process| process.ok()?.stat().ok());
    stats
        .find(|stat| stat.ppid.unsigned_abs() == shell)
        .map(|stat| stat.pid)
        .ok_or_else(|| "no keeper".into())
}

fn left() -> Result<usize, String> {
    let entries = fs::read_dir(BASE).map_err(|e| e.to_string())?;
    Ok(entries.flatten().filter(|entry| entry.path().is_dir()).count())
}

fn is_gone() -> Outcome {
    until("no directory of a scratch is left", Duration::from_secs(2), || Ok(left()? == 0))?;
    let entries = fs::read_dir("/sys/fs/cgroup").map_err(|e| e.to_string())?;
    let cgroups =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("krsi-sh."));
    same("cgroups", cgroups.count(), 0)?;
    let all = procfs::process::all_processes().map_err(|e| e.to_string())?;
    // By its argument: other claims leave sleepers of their own.
    let sleepers: Vec<_> = all
        .filter_map(|process| process.ok()?.cmdline().ok())
        .filter(|words| words.iter().any(|word| word == "86399"))
        .collect();
    same("processes", sleepers, Vec::<Vec<String>>::new())?;
    holds(Path::new("/etc/passwd").exists(), "/etc/passwd is gone")
}
