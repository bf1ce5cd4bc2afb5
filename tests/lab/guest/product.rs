//! Claims about the product around the templates.

use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{sys::time::TimeSpec, time::ClockId};
use serde_json::{Value, json};

use super::{
    Outcome,
    exec::program,
    holds, same,
    shell::{Shell, run, run_as, run_with},
};

pub fn failed_attach() -> Outcome {
    let path = program("failed")?;
    // The first probe attaches and denies; the second cannot be attached.
    let ended = run(&format!(
        r#"
        probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).deny("EPERM").name("first").attach();
        emit(#{{errno: run(["{path}", "true"]).errno}});
        probe("exec").scope(#{{cgroup: "/sys/fs/cgroup/none"}}).deny("EPERM").name("second").attach();
        print("never");
        "#
    ))?;
    same("exit", ended.code, Some(3))?;
    same("before", &ended.emitted()?["errno"], &json!("EPERM"))?;
    holds(ended.stderr.contains("/sys/fs/cgroup/none"), format!("the cause is named: {}", ended.stderr))?;
    holds(!ended.lines.iter().any(|l| l["text"] == "never"), "the script went on")?;
    let after = std::process::Command::new(&path).arg("true").status().map_err(|e| e.to_string())?;
    holds(after.success() || after.code().is_some(), "the program is still refused")
}

/// Where `/etc/krsi-sh/observe-only` is, whatever would enforce is refused with what it says, and what observes goes on.
pub fn host_switch() -> Outcome {
    const FILE: &str = "/etc/krsi-sh/observe-only";
    const REASON: &str = "no changes before Monday";
    let script = r#"
        let p = probe("file_open", #{path: "/etc/hostname"}).scope(#{pid: getpid()}).name("t");
        let refused = [];
        for change in [|| p.deny("EPERM"), || p.kill("SIGKILL"), || p.ask(|e| deny()), || kill(2, "SIGCONT")] {
            try { change.call(); refused.push(()); } catch (error) { refused.push(error.to_string()); }
        }
        p.shadow().attach();
        let late = ();
        try { p.deny("EPERM"); } catch (error) { late = error.to_string(); }
        run(["cat", "/etc/hostname"]);
        emit(#{refused: refused, late: late, would_deny: p.stats().would_deny});
        p.detach();
    "#;
    fs::create_dir_all("/etc/krsi-sh").map_err(|e| e.to_string())?;
    fs::write(FILE, format!("{REASON}\n")).map_err(|e| e.to_string())?;
    let ended = run_with(&[], script);
    let denying = "probe(\"exec\").scope(#{uid: 4242}).deny().attach(); print(\"attached\"); exit(0);";
    let outright = run_with(&[], denying);
    let audited = run_with(&["--audit"], denying);
    fs::remove_file(FILE).map_err(|e| e.to_string())?;
    let (ended, outright) = (ended?, outright?);
    let emitted = ended.emitted()?;
    let refused = emitted["refused"].as_array().cloned().unwrap_or_default();
    let says =
        |value: &Value| value.as_str().is_some_and(|text| text.contains(FILE) && text.contains(REASON));
    holds(refused.len() == 4 && refused.iter().all(says) && says(&emitted["late"]), format!("{emitted}"))?;
    same("told", &emitted["would_deny"], &json!(1))?;
    same("a script that denies", outright.code, Some(3))?;
    holds(!outright.lines.iter().any(|line| line["text"] == "attached"), "it went on")?;
    audited?.well()?;
    run_with(&[], denying)?.well()?;
    ended.well()
}

pub fn audit() -> Outcome {
    // By this name it does what its first argument says.
    let path = program("busybox")?;
    let script = format!(
        r#"
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).deny("EPERM").name("t").attach();
        let first = run(["{path}", "true"]).errno;
        p.kill("SIGKILL");
        let second = run(["{path}", "true"]);
        p.when(|e| deny("EACCES"));
        let third = run(["{path}", "true"]).errno;
        p.when(|e| kill("SIGKILL"));
        p.deny("EACCES");
        let fourth = run(["{path}", "true"]).errno;
        run_for("200ms");
        p.on_event(|e| kill(e, "SIGKILL"));
        let fifth = run(["{path}", "sleep", "1"]);
        emit(#{{first: first, second: second.signal, third: third, fourth: fourth, fifth: fifth.code, would: p.stats().would_deny}});
        p.detach();
        "#
    );
    let ended = run_with(&["--audit"], &script)?;
    let emitted = ended.emitted()?;
    same("deny", &emitted["first"], &json!(null))?;
    same("kill", &emitted["second"], &json!(null))?;
    same("a filter's own denial", &emitted["third"], &json!(null))?;
    same("a filter's own kill, and a change of mode", &emitted["fourth"], &json!(null))?;
    same("kill(e)", &emitted["fifth"], &json!(0))?;
    let would = ended.lines.iter().filter(|l| l["type"] == "would-signal" && l["signal"] == "SIGKILL");
    same("signals that would have been sent", would.count(), 1)?;
    same("would have denied", &emitted["would"], &json!(5))?;
    ended.well()
}

pub fn unprivileged() -> Outcome {
    let (code, stdout, stderr) = run_as(1000, "probe(\"exec\").attach(); print(\"never\")")?;
    same("exit", code, Some(3))?;
    same("standard output", stdout.as_str(), "")?;
    for word in ["CAP_BPF", "fix"] {
        holds(stderr.contains(word), format!("`{word}` is missing: {stderr}"))?;
    }
    let (code, stdout, _) = run_as(1000, "print(1 + 2)")?;
    same("a script without probes", (code, stdout.as_str()), (Some(0), "3\n"))
}

pub fn exit_codes() -> Outcome {
    same("a script's error", run("probe(\"exce\")")?.code, Some(1))?;
    same("the kernel's refusal", run("probe(\"exec\").scope(#{pid: 4000000}).attach()")?.code, Some(3))?;
    same("exit(7)", run("exit(7)")?.code, Some(7))
}

pub fn ndjson() -> Outcome {
    let path = program("ndjson")?;
    let ended = run(&format!(
        r#"
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t").attach();
        run(["{path}", "true"]);
        print("text"); emit(#{{key: 1}});
        run_for("200ms");
        p.on_event(|e| alert("high", "seen", e));
        run(["{path}", "true"]);
        run_for("200ms");
        p.detach();
        "#
    ))?;
    holds(ended.lines.iter().all(|l| l.is_object() && l["type"].is_string()), format!("{:?}", ended.lines))?;
    let kinds: Vec<_> = ended.lines.iter().filter_map(|l| l["type"].as_str()).collect();
    for kind in ["event", "print", "emit", "alert", "books"] {
        holds(kinds.contains(&kind), format!("no `{kind}` among {kinds:?}"))?;
    }
    ended.well()
}

pub fn events_during_run() -> Outcome {
    let path = program("during")?;
    let ended = run(&format!(
        r#"
        let seen = 0;
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t");
        p.on_event(|e| seen += 1);
        p.attach();
        run(["/bin/sh", "-c", "{path} true; {path} true; sleep 1"]);
        emit(#{{seen: seen}});
        p.detach();
        "#
    ))?;
    same("events handled before run came back", &ended.emitted()?["seen"], &json!(2))?;
    ended.well()
}

pub fn failing_callback() -> Outcome {
    let path = program("failing")?;
    let ended = run(&format!(
        r#"
        let calls = 0;
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t");
        p.on_event(|e| {{ calls += 1; e.no_such_field }});
        p.attach();
        run(["{path}", "true"]); run(["{path}", "true"]);
        run_for("300ms");
        emit(#{{calls: calls}});
        p.detach();
        "#
    ))?;
    same("calls", &ended.emitted()?["calls"], &json!(2))?;
    holds(
        ended.stderr.contains("no_such_field"),
        format!("the callback's error is reported: {}", ended.stderr),
    )?;
    ended.well()
}

/// The processes in scope, as the kernel lists them before anything is attached; then the hook is asked.
pub fn preview() -> Outcome {
    let path = program("previewed")?;
    let ended = run(&format!(
        r#"
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t").shadow();
        let before = p.preview();
        let none = probe("exec").scope(#{{uid: 4242}}).preview().in_scope;
        p.attach();
        run(["{path}", "true"]);
        emit(#{{before: before, none: none, after: p.preview(), own: getpid()}});
        p.detach();
        "#
    ))?;
    let emitted = ended.emitted()?;
    let processes = emitted["before"]["processes"].as_array().ok_or("no processes")?;
    same("processes", processes.len(), 1)?;
    same("the shell itself", &processes[0]["pid"], &emitted["own"])?;
    same("its comm", &processes[0]["comm"], &json!("krsi-sh"))?;
    same("of another user", &emitted["none"], &json!(0))?;
    same("would have denied", &emitted["after"]["would_deny"], &json!(1))?;
    ended.well()
}

/// The wall clock of the guest, which goes on where it would be when this is dropped.
struct SetBack {
    was: Duration,
    since: Instant,
}

impl SetBack {
    fn to(seconds: i64) -> Result<Self, String> {
        let was = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?;
        let clock = SetBack { was, since: Instant::now() };
        set_clock(Duration::from_secs(seconds.unsigned_abs()))?;
        Ok(clock)
    }
}

impl Drop for SetBack {
    fn drop(&mut self) {
        let _ = set_clock(self.was + self.since.elapsed());
    }
}

fn set_clock(to: Duration) -> Outcome {
    let time = TimeSpec::from_duration(to);
    nix::time::clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|e| e.to_string())
}

/// As cron finds it when the battery of the clock is empty: results, reports and what is remembered are right, and what was accepted until a
/// day is not accepted again.
pub fn checks_with_the_clock_set_back() -> Outcome {
    const FIRST_OF_2001: i64 = 978_307_200;
    let directory = "/tmp/set-back";
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    let at = |name: &str| format!("{directory}/{name}");
    let script =
        "check(\"well\", \"w\", || expect(1, equals(1)));\ncheck(\"bad\", \"b\", || expect(1, equals(2)));\n";
    fs::write(at("a.rhai"), script).map_err(|e| e.to_string())?;
    // Accepted once, and no longer when this is written.
    fs::write(at("known"), "bad 2020-01-31 it was so\n").map_err(|e| e.to_string())?;
    let (known, report, script) = (at("known"), at("report.json"), at("a.rhai"));
    let check =
        || Shell::start(&["check", "--changed", "--baseline", &known, "--output", &report, &script])?.end();
    same("before", check()?.code, Some(4))?;
    let clock = SetBack::to(FIRST_OF_2001)?;
    let ended = check()?;
    let again = check()?;
    drop(clock);
    same("with the clock set back", ended.code, Some(4)).map_err(|why| format!("{why}: {}", ended.stderr))?;
    holds(ended.stderr.contains("the clock says 2001-01-01"), ended.stderr)?;
    same("nothing has changed by it", ended.lines.len(), 0)?;
    same("and once more", (again.code, again.lines.len()), (Some(4), 0))?;
    let report = fs::read(&report).map_err(|e| e.to_string())?;
    let report: Value = serde_json::from_slice(&report).map_err(|e| e.to_string())?;
    holds(report.is_object(), "no whole report")
}
