//! Claims about the template `exit`.

use std::time::Duration;

use nix::libc;
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    exec::program,
    holds, same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, execute},
};

pub const CASE: Case = Case {
    template: "exit",
    params: "",
    prepare: || Ok(()),
    acts: &[Act::new("an end", "taskstats_exit", || {
        // Long enough for a clock of ten milliseconds to tell it from nothing.
        const LIFE: Duration = Duration::from_millis(60);
        let begun = task::now();
        let task = task::perform(&ACTOR, || {
            std::thread::sleep(LIFE);
            0
        })?;
        let whole = task.span.1 - begun;
        let tells = json!({
            "code": 0, "signal": "none", "how": "clean", "core": false,
            "run_ns": {"at_least": LIFE.as_nanos() as u64, "at_most": whole}, "cpu_ns": {"at_least": 1, "at_most": whole},
        });
        Ok(Performed { task, tells })
    })],
};

/// Of ends by code and by signal those are told that are asked for; the executable is still known.
pub fn narrowed() -> Outcome {
    let path = program("exiting")?;
    let mut shell = Shell::with_probes(&[
        attaching_to("failing", "exit", "how: \"failure\"", ""),
        attaching_to("killed", "exit", "signal: [\"SIGTERM\", \"SIGSEGV\"]", ""),
        format!("probe(\"exit\").scope(#{{exe: \"{path}\"}}).name(\"exe\").attach();\n"),
    ])?;
    let ending = |comm, end: fn() -> i32| task::perform(&Identity { comm: Some(comm), ..ME }, end);
    let die = |signal| {
        // SAFETY: nobody else's process.
        unsafe { libc::kill(libc::getpid(), signal) };
        98
    };
    ending("failing", || 0)?;
    let failed = ending("failing", || 42)?;
    ending("failing", || 0)?;
    ending("killed", || 1)?;
    let killed = task::perform(&Identity { comm: Some("killed"), ..ME }, move || die(libc::SIGTERM))?;
    same("killed", killed.deed, Deed::Killed(libc::SIGTERM))?;
    task::perform(&Identity { comm: Some("killed"), ..ME }, move || die(libc::SIGKILL))?;
    let executed = execute(&ME, &path)?;
    shell.drain();
    let ended = shell.stop()?;
    // Each probe has a ring buffer of its own.
    let told = |probe: &str| -> Vec<Value> {
        let events = ended.events().filter(|e| e["probe"] == probe);
        events.map(|e| json!([e["pid"], e["code"], e["signal"], e["how"]])).collect()
    };
    same("failing", told("failing"), vec![json!([failed.pid, 42, "none", "failure"])])?;
    same("killed", told("killed"), vec![json!([killed.pid, 0, "SIGTERM", "signal"])])?;
    same("exe", told("exe"), vec![json!([executed.pid, 0, "none", "clean"])])?;
    let exe = ended.events().find(|e| e["probe"] == "exe").map(|e| e["exe"].clone());
    same("exe", exe, Some(json!(path)))?;
    ended.well()
}

/// Threads that end at once are one end, with what the process ends with. Where tasks are interrupted in the middle of being looked
/// at, an end may be passed over: then it is counted.
pub fn threads() -> Outcome {
    const TIMES: usize = 20;
    const THREADS: usize = 8;
    let mut shell = Shell::with_probes(&[attaching_to("threads", "exit", "", "")])?;
    let mut pids = Vec::new();
    for _ in 0..TIMES {
        let task = task::perform(&Identity { comm: Some("threads"), ..ME }, || {
            for _ in 0..THREADS {
                std::thread::spawn(|| {
                    loop {
                        std::thread::yield_now();
                    }
                });
            }
            7
        })?;
        same("its end", task.deed, Deed::Other(7))?;
        pids.push(json!([task.pid, 7]));
    }
    shell.drain();
    let ended = shell.stop()?;
    let told: Vec<_> = ended.events().map(|e| json!([e["pid"], e["code"]])).collect();
    let missed = ended.books("threads")?["missed"].as_u64().unwrap_or_default();
    let untold = pids.iter().filter(|pid| !told.contains(pid)).count() as u64;
    holds(untold <= missed, format!("{untold} ends are not told, and {missed} were counted as missed"))?;
    same("events", told.clone(), pids.into_iter().filter(|pid| told.contains(pid)).collect())?;
    ended.well()
}
