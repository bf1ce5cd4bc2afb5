//! Claims about what several events come to together: sequences and thresholds, over the real probes of several templates.

use std::fs;

use serde_json::json;

use super::{Outcome, exec::program, same, shell::run};

/// By one process or by a parent and its child; two that do one half each are none.
pub fn sequences() -> Outcome {
    let path = program("busybox")?;
    let ended = run(&format!(
        r#"
        let ran = probe("exec").scope(#{{pid: getpid()}}).name("ran").attach();
        let connected = probe("connect").scope(#{{pid: getpid()}}).name("connected").attach();
        let own = [];
        let child = [];
        let s = sequence("1m").by(|e| e.process_key())
            .step(ran, |e| e.path == "{path}")
            .step(connected, |e, before| e.port == 9 && e.pid == before[0].pid)
            .on_match(|events| own.push(#{{pid: events[0].pid, port: events[1].port, sum: events[1].exe_sha256()}}));
        sequence("1m").by(|e| e.pid).step(ran, |e| e.path == "{path}")
            .by(|e| e.ppid).step(ran, |e| e.path == "/bin/busybox")
            .on_match(|events| child.push([events[0].pid, events[1].ppid]));
        let fetch = |program, port| run([program, "wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${{port}}/`]);
        // One executes it, and another connects; one connects elsewhere.
        run(["{path}", "true"]);
        fetch.call("/bin/busybox", 9);
        fetch.call("{path}", 8);
        run_for("100ms");
        let before = [own.len(), child.len()];
        fetch.call("{path}", 9);
        run(["{path}", "sh", "-c", "/bin/busybox true; :"]);
        run_for("100ms");
        emit(#{{
            before: before, own: own.len(), port: own[0].port, same: own[0].sum == sha256("{path}"),
            child: child.len(), parent: child[0][0] == child[0][1],
            late: s.stats().late, dropped: s.stats().dropped, matched: s.stats().matched,
        }});
        connected.detach();
        print(s);
        ran.detach();
        "#
    ))?;
    same(
        "what was found",
        ended.emitted()?,
        &json!({
            "type": "emit", "time": ended.emitted()?["time"],
            "before": [0, 0], "own": 1, "port": 9, "same": true, "child": 1, "parent": true,
            "late": 0, "dropped": 0, "matched": 1,
        }),
    )?;
    let told = |text: &str| {
        ended
            .lines
            .iter()
            .any(|l| l["type"] == "print" && l["text"].as_str().is_some_and(|t| t.contains(text)))
    };
    same("it says which probe is gone", told("ran, then connected (detached), within 1m"), true)?;
    same("events that were taken are not told besides", ended.events().count(), 0)?;
    ended.well()
}

/// As many opens by one process; as many by several are none, and one that goes on is told once.
pub fn thresholds() -> Outcome {
    fs::create_dir_all("/tmp/counted").map_err(|e| e.to_string())?;
    fs::write("/tmp/counted/file", "").map_err(|e| e.to_string())?;
    let ended = run(r#"
        let opened = probe("file_open", #{path_prefix: "/tmp/counted/"}).scope(#{pid: getpid()}).name("opened").attach();
        let found = [];
        let t = threshold(4, "1m").of(opened, |e| e.path == "/tmp/counted/file").by(|e| e.process_key())
            .on_match(|events| found.push([events.len(), events[0].pid == events[3].pid]));
        let opens = |times| run(["/bin/sh", "-c", `i=0; while [ $i -lt ${times} ]; do : < /tmp/counted/file; i=$((i+1)); done`]);
        for n in 0..3 { opens.call(3); }
        run_for("100ms");
        let before = found.len();
        opens.call(9);
        run_for("100ms");
        emit(#{before: before, found: found, resting: t.stats().resting, keys: t.stats().keys, late: t.stats().late});
        t.stop();
        opens.call(9);
        run_for("100ms");
        print(`${found.len()}`);
        opened.detach();
        "#)?;
    let emitted = ended.emitted()?;
    same("by several processes", &emitted["before"], &json!(0))?;
    same("by one", &emitted["found"], &json!([[4, true]]))?;
    same("at rest", &emitted["resting"], &json!(5))?;
    same("processes", &emitted["keys"], &json!(4))?;
    same("late", &emitted["late"], &json!(0))?;
    same("once it is stopped", ended.lines.iter().any(|l| l["text"] == "1"), true)?;
    // Then its probe tells them again.
    same("events", ended.events().count(), 9)?;
    ended.well()
}
