//! The start: how long until the first event, beside bpftrace; what stays in memory;
//! how large the binary is.
//!
//! The same measurement is taken in a guest, where the probe is an LSM program, and on the
//! host itself, with what loads there. That role runs in a mount namespace of its own, since
//! bpftrace wants to see tracefs.

mod memory;
mod race;

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use serde::{Deserialize, Serialize};

use self::{memory::Memory, race::Race};
use crate::{
    figure::{Figure, Outcome},
    peers,
    visit::{Found, KERNEL, Visit},
};

pub const ROLE: &str = "--start";
const TRACEFS: &str = "/sys/kernel/tracing";
const BINARY_GOAL_MIB: f64 = 12.0;

/// What was found at one place.
#[derive(Serialize, Deserialize)]
struct Findings {
    race: Result<Race, String>,
    memory: Result<Memory, String>,
}

/// Takes the measurements here; `shell` is the program to measure.
pub fn measure(shell: &str) -> ExitCode {
    let in_guest = shell.is_empty();
    let (shell, root) =
        if in_guest { ("/bin/krsi-sh", peers::IN_GUEST.into()) } else { (shell, peers::cache()) };
    // Whatever comes of it, bpftrace tells if it needed it.
    let _ = show_tracefs();
    let findings = Findings { race: race::run(shell, &root), memory: memory::measure(shell) };
    match serde_json::to_writer(std::io::stdout(), &findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Mounts tracefs where nobody else sees it, unless it is there.
fn show_tracefs() -> nix::Result<()> {
    if Path::new(TRACEFS).join("events").exists() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tracing"), TRACEFS, Some("tracefs"), MsFlags::empty(), none)
}

pub fn figures() -> Vec<Figure> {
    let mut figures = Vec::new();
    match guest() {
        Ok(found) => {
            let place = format!("guest, Linux {KERNEL}, {}", found.acceleration);
            figures.extend(race::figures(
                "guest",
                &place,
                race::IN_GUEST,
                Outcome::Failed,
                found.findings.race,
            ));
            figures.extend(memory::figures("guest", &place, Outcome::Failed, found.findings.memory));
        }
        Err(reason) => {
            figures.push(Figure::failed("first event, guest", race::IN_GUEST.words, &reason));
            figures.push(Figure::failed("memory, guest", &memory::goal(), &reason));
        }
    }
    let place = format!("this host, Linux {}", krsi_sh::kernel::facts().release);
    match host() {
        Ok(findings) => {
            figures.extend(race::figures("host", &place, race::ON_HOST, Outcome::Refused, findings.race));
            figures.extend(memory::figures("host", &place, Outcome::Refused, findings.memory));
        }
        Err(reason) => figures.push(Figure::failed("first event, host", race::ON_HOST.words, &reason)),
    }
    figures.push(binary());
    figures
}

fn guest() -> Result<Found<Findings>, String> {
    Visit { role: &[ROLE], files: peers::files("bpftrace")?, icount: false }.pay()
}

fn host() -> Result<Findings, String> {
    let own = std::env::current_exe().map_err(|e| format!("finding this program's file: {e}"))?;
    let output = Command::new(own)
        .args([ROLE, env!("CARGO_BIN_EXE_krsi-sh")])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot measure on the host: {e}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("the answer is unclear: {e}; {}", String::from_utf8_lossy(&output.stderr)))
}

fn binary() -> Figure {
    let goal = format!("≤ {BINARY_GOAL_MIB} MiB");
    match std::fs::metadata(env!("CARGO_BIN_EXE_krsi-sh")) {
        Ok(found) => {
            let mib = found.len() as f64 / f64::from(1 << 20);
            let outcome = Outcome::of(mib <= BINARY_GOAL_MIB);
            Figure::new("binary", &goal, format!("{mib:.1} MiB"), outcome, "size of the release build's file")
        }
        Err(error) => Figure::failed("binary", &goal, &error.to_string()),
    }
}
