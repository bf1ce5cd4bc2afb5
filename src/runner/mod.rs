//! Runs scripts of checks, each in a process of its own, some of them at the same time.
//!
//! In: scripts, a selection, a time. Out: what every check came to, in the order of the scripts. A script that hangs, crashes or eats
//! memory takes nothing with it but its own checks, and those are told as errors: nothing is left out in silence.
//!
//! ```text
//! scripts   files and directories ─▶ the scripts in them
//! worker    one script's process: started, read, ended
//! outcome   what a process that is over came to
//! ```

mod outcome;
pub mod scripts;
mod worker;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvTimeoutError, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub use self::worker::tie_to;
use self::worker::{Message, Worker};
use crate::check::{Finished, Selection};

/// How long a script that was told to end has for what it tears down; then it is killed.
const GRACE: Duration = Duration::from_secs(8);
/// How often signals and the time are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Request {
    pub scripts: Vec<PathBuf>,
    pub selection: Selection,
    /// Flags of every command for each script's process.
    pub words: Vec<String>,
    /// The directory that scripts read facts from; `/` without one.
    pub root: Option<PathBuf>,
    /// The checks are told of, and none is run.
    pub listed: bool,
    /// How many scripts at the same time.
    pub jobs: usize,
    /// All of them together.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// What was run, in the order of the scripts.
    pub finished: Vec<Finished>,
    /// What the scripts have that was not run.
    pub listed: Vec<Finished>,
    /// The signal that ended the run before its time.
    pub signal: Option<i32>,
}

/// What is told while it goes on.
pub trait Watch {
    /// A check is over.
    fn finished(&mut self, finished: &Finished);
    /// So many of the scripts are over.
    fn progress(&mut self, done: usize, running: &[&Path]);
    /// A script has said something beside its checks.
    fn said(&mut self, script: &Path, line: &str);
}

/// Runs the scripts.
///
/// # Errors
/// If no process can be started at all, or signals cannot be watched.
pub fn run(request: &Request, watch: &mut dyn Watch) -> io::Result<Report> {
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(number, Arc::clone(&signal), usize::try_from(number).unwrap_or(1))?;
    }
    let ends = Instant::now() + request.timeout;
    let (tell, told) = unbounded();
    let mut waiting = request.scripts.iter().enumerate();
    let mut running: BTreeMap<usize, Worker> = BTreeMap::new();
    let mut over: BTreeMap<usize, Vec<Finished>> = BTreeMap::new();
    let mut stop: Option<Stopped> = None;
    loop {
        while stop.is_none() && running.len() < request.jobs.max(1) {
            let Some((number, script)) = waiting.next() else { break };
            let left = ends.saturating_duration_since(Instant::now());
            match Worker::start(number, script, request, left, tell.clone()) {
                Ok(worker) => _ = running.insert(number, worker),
                Err(error) => _ = over.insert(number, vec![outcome::not_started(script, &error)]),
            }
        }
        let names: Vec<&Path> = running.values().map(|worker| worker.script.as_path()).collect();
        watch.progress(over.len(), &names);
        if running.is_empty() {
            break;
        }
        let message = told.recv_timeout(LOOK);
        // Before what it ends is looked at.
        if stop.is_none() {
            stop = Stopped::now(&signal, ends);
            // Whose time is up ends by itself.
            if let Some(Stopped { signal: Some(signal), .. }) = stop {
                running.values().for_each(|worker| worker.end(signal));
            }
        } else if stop.as_ref().is_some_and(|stopped| stopped.since.elapsed() > GRACE) {
            running.values_mut().for_each(Worker::kill);
        }
        match message {
            Ok(Message::Finished(number, finished)) => {
                if let Some(worker) = running.get_mut(&number) {
                    if !finished.listed {
                        watch.finished(&finished);
                    }
                    worker.finished.push(*finished);
                }
            }
            Ok(Message::Said(number, line)) => {
                if let Some(worker) = running.get_mut(&number) {
                    watch.said(&worker.script, &line);
                }
            }
            Ok(Message::Over(number)) => {
                if let Some(worker) = running.remove(&number) {
                    let finished = outcome::of(worker, stop.as_ref(), watch);
                    over.insert(number, finished);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
    for (number, script) in waiting {
        let why = stop.as_ref().map_or_else(String::new, |stopped| stopped.why(request.timeout));
        over.insert(number, vec![outcome::not_run(script, &why)]);
    }
    let (listed, finished) = over.into_values().flatten().partition(|finished: &Finished| finished.listed);
    Ok(Report { finished, listed, signal: stop.and_then(|stopped| stopped.signal) })
}

/// Why a run ends before all is done.
struct Stopped {
    since: Instant,
    /// `None`: the time is up.
    signal: Option<i32>,
}

impl Stopped {
    fn now(signal: &AtomicUsize, ends: Instant) -> Option<Self> {
        let since = Instant::now();
        match signal.load(Ordering::Relaxed) {
            0 => (since >= ends).then_some(Stopped { since, signal: None }),
            number => Some(Stopped { since, signal: i32::try_from(number).ok() }),
        }
    }

    fn why(&self, timeout: Duration) -> String {
        match self.signal {
            Some(signal) => format!("the run was ended by signal {signal}"),
            None => format!("the run took more than {}", humantime::format_duration(timeout)),
        }
    }
}
