//! The shell with a probe attached, its records going to a file as they would to a log.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{
    Cost,
    cases::Booked,
    records::{Readers, wait_until},
    worker::{COMM, Work},
};

const OUTPUT: &str = "/tmp/figures/records";
const COMPLAINTS: &str = "/tmp/figures/complaints";

/// What one operation costs while the probe is attached.
///
/// # Errors
/// If it does not attach, or its books do not show every operation.
pub fn cost(probe: &str, booked: Booked, work: Work) -> Result<Cost, String> {
    let shell = Shell::start(probe)?;
    let (own, readers) = shell.readers()?.during(|| work.run())?;
    let lines = shell.stop()?;
    let lost = check(&lines, booked, work)?;
    Ok(Cost { own, readers: readers as f64 / work.done() as f64, lost: lost as f64 / work.done() as f64 })
}

/// A running shell; killed if dropped before its end.
struct Shell(Child);

impl Shell {
    fn start(probe: &str) -> Result<Self, String> {
        let file = |path: &str| File::create(path).map_err(|e| format!("making {path}: {e}"));
        let script = format!("{probe}.attach(); print(\"attached\");");
        let child = Command::new("/bin/krsi-sh")
            .args(["--format", "json", "-e", &script])
            .stdin(Stdio::null())
            .stdout(file(OUTPUT)?)
            .stderr(file(COMPLAINTS)?)
            .spawn()
            .map_err(|e| format!("cannot start the shell: {e}"))?;
        let shell = Shell(child);
        let attached = || lines().iter().any(|line| line["type"] == "print" && line["text"] == "attached");
        wait_until("the shell says it is attached", attached)
            .map_err(|e| format!("{e}; {}", complaints()))?;
        Ok(shell)
    }

    fn readers(&self) -> Result<Readers, String> {
        Readers::of(&[self.0.id().cast_signed()])
    }

    /// Everything it wrote.
    fn stop(mut self) -> Result<Vec<Value>, String> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT)
            .map_err(|e| format!("stopping the shell: {e}"))?;
        let status = self.0.wait().map_err(|e| format!("waiting for the shell: {e}"))?;
        if status.success() {
            Ok(lines())
        } else {
            Err(format!("the shell ended with {status}: {}", complaints()))
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines() -> Vec<Value> {
    let text = fs::read_to_string(OUTPUT).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn complaints() -> String {
    fs::read_to_string(COMPLAINTS).unwrap_or_default().trim().to_owned()
}

/// How many of the operations' events were lost; all else has to be in the books.
fn check(lines: &[Value], booked: Booked, work: Work) -> Result<u64, String> {
    let of = |kind: &'static str| lines.iter().filter(move |line| line["type"] == kind);
    let books = of("books").next().ok_or("no closing books")?;
    let count = |name: &str| books[name].as_u64().ok_or_else(|| format!("no `{name}` in {books}"));
    let wrong = |why: &str| Err(format!("{why}: {books}"));
    if books["balanced"] != true {
        return wrong("the books do not balance");
    }
    if count("errors")? > 0 {
        return wrong("there were errors, so less was done than should have been measured");
    }
    let lost = count("lost_ring")? + count("lost_queue")?;
    let place = match booked {
        Booked::OutOfScope => "out_of_scope",
        Booked::Filtered => "filtered",
        Booked::Counted => "suppressed",
        Booked::Delivered => {
            let arrived = of("event").filter(|event| event["path"] == work.file()).count() as u64;
            return match work.done().checked_sub(arrived) {
                Some(missing) if missing <= lost => Ok(missing),
                _ => wrong(&format!("{arrived} of {} events arrived", work.done())),
            };
        }
    };
    if lost > 0 || count(place)? < work.done() {
        return wrong("the books do not show every operation");
    }
    if booked == Booked::Counted {
        let summary = of("summary").next().ok_or("no closing summary")?;
        let rows = summary["rows"].as_array().ok_or("a summary without rows")?;
        let by_worker = rows.iter().filter(|row| row["comm"] == COMM);
        let by_worker: u64 = by_worker.filter_map(|row| row["count"].as_u64()).sum();
        if by_worker != work.done() {
            return wrong(&format!("the summary has {by_worker} of {}", work.done()));
        }
    }
    Ok(0)
}
