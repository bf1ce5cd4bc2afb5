//! What happens when things go wrong: a stalled reader, a dead or stopped shell.

use std::{fs, time::Duration};

use nix::{fcntl::OFlag, sys::signal::Signal};
use serde_json::json;

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{self, Ended, Shell},
    task::{self, Deed, ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/flooded";

/// More events than the ring buffer holds (1 MiB, over 400 bytes each).
const FLOOD: usize = 4000;

/// Opens a denied file FLOOD times while the shell is stopped: done means that every
/// one was refused. Gives that, and what the shell says in the end.
fn flood() -> Result<(Deed, Ended), String> {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    shell.signal(Signal::SIGSTOP)?;
    // In a child: the suite is an ancestor of the shell, and so is spared.
    let task = task::perform(&ME, || i32::from((0..FLOOD).any(|_| fs::File::open(FILE).is_ok())))?;
    shell.signal(Signal::SIGCONT)?;
    Ok((task.deed, shell.stop()?))
}

pub fn stalled_reader() -> Outcome {
    let (every_open, ended) = flood()?;
    same("every open refused", every_open, Deed::Done)?;
    let books = ended.books("t")?;
    same("denied", &books["deny"], &json!(FLOOD))?;
    holds(books["lost_ring"].as_u64() > Some(0), format!("the ring was not full: {books}"))?;
    same("events shown", Some(ended.events().count() as u64), books["delivered"].as_u64())?;
    ended.well()
}

/// The first event after a loss has the number it would have had without it.
pub fn gap_in_numbers() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    shell.signal(Signal::SIGSTOP)?;
    for _ in 0..FLOOD {
        let _ = fs::File::open(FILE);
    }
    shell.signal(Signal::SIGCONT)?;
    // Once the reader has begun there is room again; until then this event may be lost too.
    shell.wait_for(|line| line["type"] == "event")?;
    shell.drain();
    let task = open_file(&ME, FILE, OFlag::O_RDONLY)?;
    let event = shell.event(task.pid, FILE)?;
    let ended = shell.stop()?;
    holds(ended.books("t")?["lost_ring"].as_u64() > Some(0), "the ring was not full")?;
    same("its number", event["seq"].as_u64(), Some(FLOOD as u64 + 1))?;
    ended.well()
}

pub fn guard() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    // The suite is the shell's parent: an ancestor, and so spared like the shell.
    let ended = shell::run(&format!(
        r#"
        let p = probe("file_open", #{{path: "{FILE}"}}).everywhere().lease("1m").deny("EPERM").name("t").attach();
        let child = run(["/bin/cat", "{FILE}"]);
        emit(#{{child: child.code, guarded: p.stats().guarded}});
        print("ready");
        p.detach();
        "#
    ))?;
    same("a child of the shell", &ended.emitted()?["child"], &json!(1))?;
    ended.well()?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).everywhere().lease(\"1m\").deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");"
    ))?;
    holds(fs::File::open(FILE).is_ok(), "the shell's parent was refused")?;
    same("another process", open_file(&ME, FILE, OFlag::O_RDONLY)?.deed, REFUSED)?;
    let ended = shell.stop()?;
    same("guarded", &ended.books("t")?["guarded"], &json!(1))?;
    ended.well()
}

pub fn killed_shell() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let read = || open_file(&ME, FILE, OFlag::O_RDONLY).map(|t| t.deed);
    same("while it lives", read()?, REFUSED)?;
    shell.signal(Signal::SIGKILL)?;
    shell.end()?;
    // The kernel frees a link after its last descriptor is closed, a moment after the exit.
    until("nothing is refused after the shell's death", Duration::from_secs(2), || Ok(read()? == Deed::Done))
}

pub fn stopped_shell() -> Outcome {
    const LEASE: Duration = Duration::from_secs(2);
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").lease(\"{}ms\").attach(); print(\"ready\");",
        std::process::id(),
        stretched(LEASE).as_millis()
    ))?;
    shell.signal(Signal::SIGSTOP)?;
    let read = || open_file(&ME, FILE, OFlag::O_RDONLY).map(|t| t.deed);
    same("within the lease", read()?, REFUSED)?;
    until("the lease is over", 2 * LEASE, || Ok(read()? == Deed::Done))?;
    shell.signal(Signal::SIGCONT)?;
    shell.stop()?.well()
}
