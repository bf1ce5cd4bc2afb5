//! Claims about a session that is about one process: a command that it starts, a process that is there, a child of a script's.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    Outcome, holds,
    pace::until,
    same,
    shell::{self, Ended, Shell},
};

const WATCH: &str = "probe(\"exec\").scope(target).name(\"t\").attach();";

fn about(script: &str, command: &[&str]) -> Result<Ended, String> {
    let mut words = vec!["--format", "json", "-c", "-e", script, "--"];
    words.extend(command);
    Shell::start(&words)?.end()
}

fn paths(ended: &Ended) -> Vec<&str> {
    ended.events().filter_map(|event| event["filename"].as_str()).collect()
}

/// The command's own execution is the first that is seen, and can be refused; the session ends as the command does.
pub fn from_the_first_instruction() -> Outcome {
    let ended = about(WATCH, &["/bin/sh", "-c", "/bin/true; exit 7"])?;
    same("what is seen", paths(&ended), vec!["/bin/sh", "/bin/true"])?;
    same("the exit code", ended.code, Some(7))?;
    same("its accounting", &ended.books("t")?["matched"], &json!(2))?;

    let deny = "probe(\"exec\").scope(target).name(\"t\").deny(\"EACCES\").lease(\"10m\").attach();";
    let ended = about(deny, &["/bin/true"])?;
    same("what is refused", ended.events().filter(|event| event["verdict"] == "deny").count(), 1)?;
    same("the exit code of what is refused", ended.code, Some(126))?;
    holds(ended.stderr.contains("the command could not be executed: EACCES"), ended.stderr)
}

/// By a signal; by a script that ends first; by a session that is told to end; and where there is nothing to start.
pub fn each_end() -> Outcome {
    same("by SIGTERM", about("", &["/bin/sh", "-c", "kill -TERM $$"])?.code, Some(143))?;
    let ended = about("exit(9)", &["/bin/touch", "/tmp/never"])?;
    same("a script that ends first", ended.code, Some(9))?;
    holds(fs::metadata("/tmp/never").is_err(), "a command was started that should not have been")?;
    holds(ended.stderr.contains("before its command was started"), ended.stderr)?;
    same("a script that fails", about("throw 1", &["/bin/touch", "/tmp/never"])?.code, Some(1))?;
    holds(fs::metadata("/tmp/never").is_err(), "a command was started whose script had failed")?;
    let ended = Shell::start(&["-c", "no-such-command"])?.end()?;
    same("no such command", ended.code, Some(2))?;
    holds(ended.stderr.contains("cannot start `no-such-command`: ENOENT"), ended.stderr)?;

    let mut shell = Shell::start(&[
        "--format",
        "json",
        "-c",
        "-e",
        "after(\"1ms\", || print(target.pid));",
        "--",
        "/bin/sleep",
        "1000",
    ])?;
    let told = shell.wait_for(|line| line["type"] == "print")?;
    let pid = Pid::from_raw(told["text"].as_str().and_then(|text| text.parse().ok()).ok_or("no process id")?);
    until("it executes", Duration::from_secs(10), || {
        Ok(fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n"))
    })?;
    // As at a terminal: it is the command's.
    shell.signal(Signal::SIGINT)?;
    std::thread::sleep(Duration::from_millis(200));
    holds(kill(pid, None).is_ok(), "an interrupt has ended the session")?;
    shell.signal(Signal::SIGTERM)?;
    same("told to end", shell.end()?.code, Some(143))?;
    same("its command", kill(pid, None), Err(Errno::ESRCH))
}

/// A process that is there already, and a child that a script starts.
pub fn other_processes() -> Outcome {
    let mut command = Command::new("/bin/sh");
    let mut child =
        command.args(["-c", "read x; /bin/true"]).stdin(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let script = format!("{WATCH} print(\"ready\");");
    let mut shell = Shell::start(&["--format", "json", "-p", &child.id().to_string(), "-e", &script])?;
    shell.wait_for(|line| line["text"] == "ready")?;
    drop(child.stdin.take());
    child.wait().map_err(|e| e.to_string())?;
    let ended = shell.end()?;
    same("what the process executes", paths(&ended), vec!["/bin/true"])?;
    ended.well()?;
    holds(ended.stderr.contains("has ended"), ended.stderr)?;

    let ended = shell::run(
        r#"
        let c = start(["/bin/sh", "-c", "echo out; exit 3"]);
        let p = probe("exec").scope(c.scope).name("t").attach();
        let before = p.stats().matched;
        let r = c.wait();
        let denied = start(["/bin/true"]);
        let q = probe("exec").scope(denied.scope).name("q").deny("EPERM").attach();
        denied.release();
        let d = denied.wait();
        emit(#{ before: before, after: p.stats().matched, code: r.code, out: r.stdout, errno: d.errno });
        exit();
        "#,
    )?;
    let emitted = ended.emitted()?;
    let expected = json!({ "before": 0, "after": 1, "code": 3, "out": "out\n", "errno": "EPERM" });
    for (key, value) in expected.as_object().into_iter().flatten() {
        same(key, &emitted[key], value as &Value)?;
    }
    ended.well()
}
