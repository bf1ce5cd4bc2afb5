//! How long an operation is held that a function of a script decides about at once.
//!
//! In a guest of one processor whose time counts instructions, so that all that happens in between counts: the stop, the event's way to the
//! shell, the function, the answer's way back, and the call that is made again. A process opens one file again and again, and takes the time.

use std::{
    fs::{self, File},
    process::{Command, ExitCode},
    time::Instant,
};

use crate::{
    figure::{Figure, Outcome},
    stopwatch::Timed,
    visit::{Found, KERNEL, Visit},
};

pub const ROLE: &str = "--asks";
pub const WORKER: &str = "--asked";

const FILE: &str = "/tmp/asked";
const SCRIPT: &str = r#"probe("file_open", #{ path: "/tmp/asked" }).scope(#{ uid: 0 }).ask(|e| allow()).name("t").attach(); print("attached");"#;
/// Opens, of which each is asked about.
const OPENS: usize = 300;
/// 2 ms, at an instruction a nanosecond.
const MOST: f64 = 2e6;
const LEAST_IN_A_SECOND: f64 = 500.0;

/// Instructions for each open.
type Findings = Result<Vec<f64>, String>;

pub fn figures() -> Vec<Figure> {
    let visit = Visit { role: &[ROLE], files: vec![], icount: true };
    let found: Result<Found<Findings>, String> = visit.pay();
    let found = found.and_then(|found| found.findings);
    let names = ["ask, an open that a function allows", "asks in a second, one after the other"];
    let goals = [format!("≤ {MOST:.0} instructions"), format!("≥ {LEAST_IN_A_SECOND:.0}")];
    let mut taken = match found {
        Ok(taken) if !taken.is_empty() => taken,
        Ok(_) => return vec![Figure::failed(names[0], &goals[0], "no open was timed")],
        Err(reason) => {
            return names
                .iter()
                .zip(&goals)
                .map(|(name, goal)| Figure::failed(name, goal, &reason))
                .collect();
        }
    };
    taken.sort_by(f64::total_cmp);
    let mean = taken.iter().sum::<f64>() / taken.len() as f64;
    let late = taken[taken.len() * 95 / 100];
    let method = format!(
        "`.ask(|e| allow())` on file_open, {OPENS} opens, from before the call to its end, the shell's own work included; instructions under -icount, Linux {KERNEL}; an instruction is taken for a nanosecond"
    );
    let rate = 1e9 / mean;
    vec![
        Figure::new(
            names[0],
            &goals[0],
            format!("{mean:.0}; 95 % within {late:.0}"),
            Outcome::of(mean <= MOST),
            &method,
        ),
        Figure::new(
            names[1],
            &goals[1],
            format!("{rate:.0}"),
            Outcome::of(rate >= LEAST_IN_A_SECOND),
            "of the same opens",
        ),
    ]
}

/// The guest's part.
pub fn measure() -> ExitCode {
    match serde_json::to_writer(std::io::stdout(), &taken()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn taken() -> Findings {
    fs::write(FILE, "content").map_err(|e| format!("{FILE}: {e}"))?;
    let mut command = Command::new("/bin/krsi-sh");
    command.args(["--format=json", "-e", SCRIPT]);
    let mut shell = Timed::start(command)?;
    shell.heard(r#"{"type":"print""#)?;
    // This process is the shell's parent, and so is never asked about.
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let worker = Command::new(own).arg(WORKER).output().map_err(|e| e.to_string())?;
    let taken: Findings =
        serde_json::from_slice(&worker.stdout).map_err(|e| format!("the worker's answer: {e}"))?;
    let books =
        shell.interrupt()?.into_iter().find(|line| line.contains(r#""type":"books""#)).unwrap_or_default();
    // What was not held has cost nothing.
    if books.contains(&format!("\"answered\":{OPENS},")) {
        taken
    } else {
        Err(format!("not each open was asked about: {books}"))
    }
}

/// The process that opens the file.
pub fn work() -> ExitCode {
    let open = || {
        let begun = Instant::now();
        File::open(FILE).map_err(|e| format!("{FILE}: {e}"))?;
        Ok(begun.elapsed().as_nanos() as f64)
    };
    let taken: Findings = (0..OPENS).map(|_| open()).collect();
    match serde_json::to_writer(std::io::stdout(), &taken) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
