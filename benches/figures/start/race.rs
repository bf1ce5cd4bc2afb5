//! From the start of the process to the first event, krsi-sh and bpftrace in turn.
//!
//! Both watch executions, execute one program themselves once they are attached, and
//! print the event about it; the clock stops when that line is read. So whatever
//! says it is attached has also been seen to work. Files are in memory for both.

use std::{path::Path, process::Command, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    figure::{Figure, Outcome},
    peers,
    stopwatch::{Timed, median},
};

const RUNS: usize = 5;
/// How much of bpftrace's time it may take.
#[derive(Clone, Copy)]
pub struct Goal {
    ratio: f64,
    pub words: &'static str,
}

/// On a host, where both observe by a tracepoint.
pub const ON_HOST: Goal = Goal { ratio: 0.8, words: "≤ 0.8× bpftrace" };
/// In a guest, where each instruction counts, and bpftrace's many.
pub const IN_GUEST: Goal = Goal { ratio: 0.35, words: "≤ 0.35× bpftrace" };

const SCRIPT: &str = r#"let p = probe("exec");
p.on_event(|e| { print(`first event: ${e.comm}`); exit(0) });
p.attach();
print("attached");
run(["/bin/true"]);"#;
const ONE_LINER: &str =
    r#"tracepoint:sched:sched_process_exec { printf("first event: %s\n", comm); exit(); }"#;

/// Milliseconds from the start, one for each run.
#[derive(Serialize, Deserialize)]
pub struct Race {
    attached: Vec<f64>,
    event: Vec<f64>,
    bpftrace: Result<Vec<f64>, String>,
}

/// # Errors
/// If the shell gets no event here.
pub fn run(shell: &str, peers: &Path) -> Result<Race, String> {
    let mut race = Race { attached: Vec::new(), event: Vec::new(), bpftrace: Ok(Vec::new()) };
    for _ in 0..RUNS {
        let (attached, event) = krsi_sh(shell)?;
        race.attached.push(milliseconds(attached));
        race.event.push(milliseconds(event));
        let Ok(times) = &mut race.bpftrace else { continue };
        match bpftrace(peers) {
            Ok(time) => times.push(milliseconds(time)),
            Err(reason) => race.bpftrace = Err(reason),
        }
    }
    Ok(race)
}

fn krsi_sh(shell: &str) -> Result<(Duration, Duration), String> {
    let mut command = Command::new(shell);
    command.args(["-q", "--format=text", "-e", SCRIPT]);
    let mut running = Timed::start(command)?;
    let times = (running.heard("attached")?, running.heard("first event: ")?);
    running.end()?;
    Ok(times)
}

fn bpftrace(peers: &Path) -> Result<Duration, String> {
    let mut command = peers::command(peers, "bpftrace", "bpftrace");
    // It holds back the program behind `-c` until its probes are attached.
    command.args(["-q", "-B", "line", "-e", ONE_LINER, "-c", "/bin/true"]);
    let mut running = Timed::start(command)?;
    let time = running.heard("first event: ")?;
    running.end()?;
    Ok(time)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `trouble` is what it means at this place that it could not be measured.
pub fn figures(
    at: &str,
    place: &str,
    goal: Goal,
    trouble: Outcome,
    race: Result<Race, String>,
) -> Vec<Figure> {
    let name = format!("first event, {at}");
    let failed =
        |reason: &str| vec![Figure { outcome: trouble, ..Figure::failed(&name, goal.words, reason) }];
    let race = match race {
        Ok(race) => race,
        Err(reason) => return failed(&format!("krsi-sh: {reason}")),
    };
    let (Some(attached), Some(event)) = (median(&race.attached), median(&race.event)) else {
        return failed("no run");
    };
    let method = format!(
        "start of the process to the first line about an execution, medians of {RUNS} runs by turns; {place}"
    );
    let compared = match race.bpftrace.map(|times| median(&times)) {
        Ok(Some(bpftrace)) => {
            let ratio = event / bpftrace;
            let measured = format!("{event:.0} ms; bpftrace {bpftrace:.0} ms: {ratio:.2}×");
            Figure::new(&name, goal.words, measured, Outcome::of(ratio <= goal.ratio), &method)
        }
        Ok(None) => return failed("no run of bpftrace"),
        Err(reason) => {
            let measured = format!("{event:.0} ms; bpftrace: {reason}");
            Figure { outcome: trouble, ..Figure::new(&name, goal.words, measured, trouble, &method) }
        }
    };
    let name = format!("attached, {at}");
    vec![
        compared,
        Figure::shown(&name, format!("{attached:.0} ms"), "of the same runs: `attach()` has come back"),
    ]
}
