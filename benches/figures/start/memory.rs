//! What the shell keeps in memory while one probe is attached, as the kernel counts it.

use std::{process::Command, thread, time::Duration};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::{
    figure::{Figure, Outcome},
    stopwatch::Timed,
};

const GOAL_MIB: f64 = 30.0;
const SCRIPT: &str = r#"probe("exec").attach(); print("attached");"#;
/// What the attach has left to free is free by then.
const SETTLED: Duration = Duration::from_secs(1);

/// KiB, from /proc/PID/status.
#[derive(Serialize, Deserialize)]
pub struct Memory {
    resident: u64,
    anonymous: u64,
    peak: u64,
}

/// # Errors
/// If the probe does not attach.
pub fn measure(shell: &str) -> Result<Memory, String> {
    let mut command = Command::new(shell);
    command.args(["--format=text", "-e", SCRIPT]);
    let mut running = Timed::start(command)?;
    running.heard("attached")?;
    thread::sleep(SETTLED);
    let status = Process::new(running.pid().cast_signed())
        .and_then(|process| process.status())
        .map_err(|e| format!("reading the shell's status: {e}"))?;
    running.interrupt()?;
    let known = |value: Option<u64>| value.ok_or_else(|| "the kernel does not tell".to_owned());
    Ok(Memory {
        resident: known(status.vmrss)?,
        anonymous: known(status.rssanon)?,
        peak: known(status.vmhwm)?,
    })
}

pub fn goal() -> String {
    format!("≤ {GOAL_MIB} MiB")
}

/// `trouble` is what it means at this place that it could not be measured.
pub fn figures(at: &str, place: &str, trouble: Outcome, memory: Result<Memory, String>) -> Vec<Figure> {
    let name = format!("memory, {at}");
    let memory = match memory {
        Ok(memory) => memory,
        Err(reason) => return vec![Figure { outcome: trouble, ..Figure::failed(&name, &goal(), &reason) }],
    };
    let mib = |kib: u64| kib as f64 / 1024.0;
    let measured = format!("{:.1} MiB, {:.1} of them anonymous", mib(memory.resident), mib(memory.anonymous));
    let method = format!("VmRSS of krsi-sh with one `exec` probe attached; {place}");
    let met = Outcome::of(mib(memory.resident) <= GOAL_MIB);
    vec![
        Figure::new(&name, &goal(), measured, met, &method),
        Figure::shown(&format!("peak memory, {at}"), format!("{:.1} MiB", mib(memory.peak)), "its VmHWM"),
    ]
}
