//! What the callback is compared with: bpftrace prints each event as JSON, and a Python script asks the same of it.

use std::{
    fs::OpenOptions,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::offer::{Cores, PORTION, portions};
use crate::{filters::cases, peers};

/// Not every host has tracepoints of system calls by their names.
const OPENAT: libc::c_long = libc::SYS_openat;

/// Events a second that came through, and were hit; bpftrace and Python on one core.
///
/// # Errors
/// If there is no bpftrace, or this host refuses it.
pub fn rate() -> Result<f64, String> {
    peers::version("bpftrace")?;
    let cores = Cores::two()?;
    cores.read()?;
    let program = format!(
        "rawtracepoint:sys_enter {{ $r = (struct pt_regs *)arg0; if (arg1 == {OPENAT} && pid == {}) {{ \
         print((uid, comm, str(uptr($r->si)), (uint64)2097229, $r->dx)); }} }}",
        std::process::id()
    );
    let mut bpftrace = peers::command(&peers::cache(), "bpftrace", "bpftrace");
    let mut bpftrace = bpftrace
        .args(["-q", "-f", "json", "-e", &program])
        .env("BPFTRACE_MAX_STRLEN", "128")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("bpftrace does not start: {e}"))?;
    let lines = bpftrace.stdout.take().ok_or("no standard output")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/pipeline/reader.py");
    let python = Command::new("python3").arg(script).stdin(lines).stdout(Stdio::piped()).spawn();
    let made = cores.make().and_then(|()| portions(open_files));
    let _ = kill(Pid::from_raw(bpftrace.id().cast_signed()), Signal::SIGINT);
    let output = python.and_then(std::process::Child::wait_with_output).map_err(|e| format!("python3: {e}"));
    let _ = bpftrace.wait();
    let output = made.and(output)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [events, hits, nanoseconds] if events > 0.0 && hits >= events => Ok(events * 1e9 / nanoseconds),
        _ => Err(format!("bpftrace brings no events here: `{}`", text.trim())),
    }
}

fn open_files() -> Result<(), String> {
    for _ in 0..PORTION {
        // It is not there, which the tracepoint does not care for.
        let _ = OpenOptions::new().write(true).open(cases::PATH);
    }
    Ok(())
}
