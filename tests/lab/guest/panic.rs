//! `krsi-sh panic`: a deny-all of one session, a second one that is stopped, a third that does not go.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
};

use nix::{fcntl::OFlag, sys::signal::Signal};
use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{self, SHELL, Shell},
    task::{Deed, ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/panicked";
const REASON: &str = "to see that it ends all";

/// Every execution and every opening of a file, of everybody.
const DENY_ALL: &str = r#"
    probe("exec").everywhere().lease("5m").deny("EPERM").attach();
    probe("file_open").everywhere().lease("5m").deny("EPERM").attach();
    print("ready");
"#;

fn read() -> Result<Deed, String> {
    open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed)
}

fn denying(beside: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "{beside} probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// What it prints, and its exit code.
fn panic() -> Result<(String, Option<i32>), String> {
    let output =
        Command::new(SHELL).args(["panic", "--reason", REASON]).output().map_err(|e| e.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&text).into_owned(), output.status.code()))
}

/// The shell that has started the session is spared by its deny-all, and can become `krsi-sh panic`.
pub fn ends_a_deny_all() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let script = format!("{SHELL} -q --format text -e \"$1\" & read go; exec {SHELL} panic");
    let mut starter = Command::new("/bin/sh")
        .args(["-c", &script, "sh", DENY_ALL])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut lines = BufReader::new(starter.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    lines.read_line(&mut line).map_err(|e| e.to_string())?;
    same("the session", line.trim(), "ready")?;
    // By a child, which is not spared.
    holds(Command::new(SHELL).arg("--version").output().is_err(), "an execution was not denied")?;
    let mut go = starter.stdin.take().ok_or("no input")?;
    go.write_all(b"go\n").map_err(|e| e.to_string())?;
    let mut said = String::new();
    lines.read_to_string(&mut said).map_err(|e| e.to_string())?;
    let code = starter.wait().map_err(|e| e.to_string())?.code();
    holds(code == Some(0), format!("exit {code:?}: {said}"))?;
    holds(said.contains("2 probes made to observe"), said.clone())?;
    holds(said.ends_with("nothing is attached any more\n"), said)?;
    same("afterwards", read()?, Deed::Done)?;
    holds(Command::new(SHELL).arg("--version").output().is_ok(), "an execution is still denied")
}

/// Where bpf(2) is denied to all, no probe can be made to observe: the session is found by what it executes, and ends.
pub fn ends_a_denial_of_bpf() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let shell = denying("probe(\"bpf\").everywhere().lease(\"5m\").deny(\"EPERM\").attach();")?;
    same("denied", read()?, REFUSED)?;
    let (said, code) = panic()?;
    holds(code == Some(0), format!("exit {code:?}: {said}"))?;
    holds(said.contains("nothing is attached any more\n"), said)?;
    same("afterwards", read()?, Deed::Done)?;
    shell.end().map(drop)
}

/// A cgroup in which nothing runs, to the end of the step.
struct Frozen;

impl Frozen {
    const GROUP: &str = "/sys/fs/cgroup/frozen";

    fn new(shell: &Shell) -> Result<Self, String> {
        let write = |file: &str, text: &str| {
            let file = format!("{}/{file}", Self::GROUP);
            fs::write(&file, text).map_err(|e| format!("{file}: {e}"))
        };
        fs::create_dir_all(Self::GROUP).map_err(|e| e.to_string())?;
        let frozen = Frozen;
        write("cgroup.procs", &shell.pid().to_string())?;
        write("cgroup.freeze", "1")?;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = fs::write(format!("{}/cgroup.freeze", Self::GROUP), "0");
        let _ = fs::remove_dir(Self::GROUP);
    }
}

pub fn ends_every_session() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let stopped = denying("")?;
    stopped.signal(Signal::SIGSTOP)?;
    // What `on_exit` still has to do holds nobody up; a frozen one hears no signal but the last.
    let busy = denying("on_exit(|| { run([\"/bin/sleep\", \"60\"]); });")?;
    let stubborn = denying("")?;
    let frozen = Frozen::new(&stubborn)?;
    same("while they deny", read()?, REFUSED)?;
    let pids = [stopped.pid(), busy.pid(), stubborn.pid()];
    let (said, code) = panic()?;
    holds(code == Some(0), format!("exit {code:?}: {said}"))?;
    holds(said.contains("3 probes made to observe"), said.clone())?;
    let trail = fs::read_to_string("/var/lib/krsi-sh/panic.ndjson").map_err(|e| e.to_string())?;
    let last: Value =
        serde_json::from_str(trail.lines().last().unwrap_or_default()).map_err(|e| e.to_string())?;
    same("why", &last["reason"], &json!(REASON))?;
    let sessions = last["sessions"].as_array().cloned().unwrap_or_default();
    holds(sessions.len() == 3 && pids.iter().all(|pid| sessions.contains(&json!(pid))), trail.clone())?;
    let rule = format!("path \"{FILE}\", deny(EPERM)");
    holds(last["probes"].to_string().replace("\\\"", "\"").contains(&rule), trail)?;
    same("afterwards", read()?, Deed::Done)?;
    // Two have closed their books, the third has been killed.
    stopped.end()?.well()?;
    busy.end()?.well()?;
    same("the one that did not go", stubborn.end()?.code, None)?;
    drop(frozen);
    let (said, code) = panic()?;
    same("once more", (said.as_str(), code), ("nothing was attached\n", Some(0)))
}

/// Who may not look is told so, and ends nobody.
pub fn needs_privilege() -> Outcome {
    let other = shell::run_command_as(1000, &["panic"])?;
    holds(other.0 == Some(3) && other.2.contains("privilege"), format!("{other:?}"))
}
