//! `krsi-sh redteam`: ways round a rule, tried against a script's own probes in the lab.
//!
//! In: a script, and what a person says that it refuses. Out: a table or a report of what came of each way, and an exit code. The
//! command boots a guest as `lab` does; there it is called again (`--inside`), has the script attach what it attaches, and starts a
//! process that tries (`--attacker`). What came of it comes out as NDJSON, of which this side makes the report.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, after};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    answer, catalogue, complain,
    guest::{self, GuestArgs, GuestScript},
    only_log::OnlyLog,
    reports::{self, Output, output},
    script_args::path_of,
};
use crate::{
    check::{Finished, Run},
    exit,
    globals::Globals,
    kernel::Live,
    lab::{self, Command, LabError, Request, Streams},
    redteam::{Alive, Attacker, Deed, Reply, Trial, Watch, attack, nothing_to_go_round, sum, table},
    report::{Document, Look, Writer},
    script::{Served, Session, Source},
    source,
};

/// Try the known ways round what a script refuses, in a throwaway virtual machine
///
/// The guest is that of `lab`. There the script runs until it has attached its probes. What each probe that denies or kills refuses is taken
/// from its params and its filter, or from --deed. Each way of docs/bypasses.md to such a deed is then tried twice: while the probes
/// observe, and while they enforce. What is told of each: stopped; HOLE, if it went round the rule, with what would stop it; gap, if no
/// rule of the template sees it; not possible, if it fails without the rule, too; not tried, and why. Exit codes: 0 nothing went round
/// but known gaps, 4 something did, 5 that could not be decided, or the script refuses nothing. Arguments of the script stand behind `--`.
#[derive(Debug, Clone, clap::Args)]
pub struct RedteamArgs {
    #[command(flatten)]
    pub guest: GuestArgs,

    /// Something that the script refuses: `open PATH [r|w|rw]`, `exec PATH`, `connect ADDRESS PORT`, `socket FAMILY`; may be repeated
    #[arg(long = "deed", value_name = "DEED", value_parser = deed)]
    pub deeds: Vec<Deed>,

    /// Write a report to this file too, as `check` does: its end says in which format (.xml: JUnit), or FORMAT:FILE does; may be repeated
    #[arg(long, value_name = "FILE", value_parser = output, value_hint = clap::ValueHint::FilePath)]
    pub output: Vec<Output>,

    /// Do it here, which is in the guest
    #[arg(long, hide = true)]
    pub inside: bool,

    /// Be the process that tries
    #[arg(long, hide = true)]
    pub attacker: bool,

    /// Take this code instead of a script
    #[arg(short = 'e', value_name = "CODE", conflicts_with = "script", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// Script whose probes are to hold, `-` for standard input
    #[arg(value_name = "SCRIPT", required_unless_present_any = ["code", "attacker"], value_hint = clap::ValueHint::FilePath)]
    pub script: Option<PathBuf>,

    /// Arguments of the script
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

fn deed(text: &str) -> Result<Deed, String> {
    Deed::parse(text).map_err(|error| error.to_string())
}

/// What a guest may take: a boot in emulation, an attach, and a hundred attempts.
const TIMEOUT: Duration = Duration::from_secs(600);
/// What there is of a lab's guest, and of no other machine.
const MARK: &str = "/etc/lab/command";
/// How long the script's last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &RedteamArgs, globals: &Globals) -> i32 {
    if args.attacker {
        return match attack() {
            Ok(()) => exit::FINE,
            Err(error) => {
                complain(format_args!("redteam: {error}"));
                exit::USAGE
            }
        };
    }
    if args.inside {
        return inside(args, globals);
    }
    let began = (Timestamp::now(), Instant::now());
    let (mut told, mut stderr, mut log) = (Vec::new(), io::stderr(), io::stderr());
    let outcome = request(args, globals).and_then(|request| {
        let console: Option<&mut (dyn Write + Send)> =
            if globals.verbose > 0 { Some(&mut log) } else { None };
        lab::run(&request, Streams { stdout: &mut told, stderr: &mut stderr, console })
    });
    match outcome {
        Ok(verdict) => report(args, globals, &told, verdict.exit_code, began),
        Err(error) => {
            complain(format_args!("redteam: {error}"));
            if matches!(error, LabError::Interrupted) { exit::INTERRUPTED } else { exit::ENVIRONMENT }
        }
    }
}

fn request(args: &RedteamArgs, globals: &Globals) -> Result<Request, LabError> {
    let mut files = args.guest.files()?;
    let mut argv = vec!["krsi-sh".to_owned()];
    argv.extend(guest::flags(globals, &mut files)?);
    argv.extend(["redteam", "--inside"].map(str::to_owned));
    argv.extend(args.deeds.iter().map(|deed| format!("--deed={deed}")));
    let script = GuestScript::read(args.code.as_deref(), args.script.as_deref())?;
    files.extend(script.files);
    argv.extend(script.words);
    if !args.args.is_empty() {
        argv.push("--".to_owned());
        argv.extend(args.args.iter().cloned());
    }
    Ok(args.guest.request(Command::Run { argv, stdin: script.stdin }, files, TIMEOUT, globals))
}

/// The last line of what the guest tells, as far as it matters here.
#[derive(Deserialize)]
struct Guest {
    host: String,
    kernel: String,
}

/// What kind of record a line is.
#[derive(Deserialize)]
struct Line {
    r#type: String,
}

/// Makes a report of what the guest has told.
fn report(
    args: &RedteamArgs,
    globals: &Globals,
    told: &[u8],
    guests_code: i32,
    (began, start): (Timestamp, Instant),
) -> i32 {
    let (mut finished, mut guest) = (Vec::<Finished>::new(), None::<Guest>);
    for line in told.split(|byte| *byte == b'\n') {
        match serde_json::from_slice::<Line>(line).map(|line| line.r#type).as_deref() {
            Ok("check") => finished.extend(serde_json::from_slice::<Finished>(line)),
            Ok("checks") => guest = serde_json::from_slice(line).ok(),
            _ => {}
        }
    }
    let Some(guest) = guest.filter(|_| !finished.is_empty()) else {
        complain(format_args!("redteam: the guest has told nothing (exit code {guests_code})"));
        return if guests_code == exit::FINE { exit::UNDECIDED } else { guests_code };
    };
    let run = run_of(guest.host, guest.kernel, finished, began, start);
    let code = exit::of_checks(&run.tally()).max(reports::write_all(&args.output, &run, "redteam"));
    code.max(tell(&run, globals))
}

fn run_of(host: String, kernel: String, finished: Vec<Finished>, began: Timestamp, start: Instant) -> Run {
    Run {
        host,
        kernel,
        program: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        began,
        took: start.elapsed(),
        finished,
    }
}

/// Writes it on standard output; gives the exit code of that.
fn tell(run: &Run, globals: &Globals) -> i32 {
    match globals.format.for_report() {
        Document::Text => {
            let sum = format!("{} ({}, {:.1} s)\n", sum(&run.finished), run.kernel, run.took.as_secs_f64());
            answer(&format!("{}\n{sum}", table(&run.finished)))
        }
        document => written(document, run),
    }
}

fn written(document: Document, run: &Run) -> i32 {
    let mut out = io::stdout().lock();
    let look = Look { all: true, ..Look::default() };
    match document.write(run, look, &mut out).and_then(|()| out.flush()) {
        Ok(()) => exit::FINE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
        Err(error) => super::cannot_write(&error),
    }
}

/// Does it here.
fn inside(args: &RedteamArgs, globals: &Globals) -> i32 {
    if !Path::new(MARK).exists() {
        complain(
            "redteam: what is tried is tried in the lab's guest alone\nfix: krsi-sh redteam SCRIPT, without --inside",
        );
        return exit::USAGE;
    }
    let (began, start) = (Timestamp::now(), Instant::now());
    let source = match source_of(args) {
        Ok(source) => source,
        Err(why) => {
            complain(why);
            return exit::USAGE;
        }
    };
    // Before any rule: it has to be executed.
    let attacker = match Attacker::start(&["redteam", "--attacker"]) {
        Ok(attacker) => attacker,
        Err(error) => {
            complain(format_args!("redteam: the process that tries cannot be started: {error}"));
            return exit::ENVIRONMENT;
        }
    };
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let watch = Watch::default();
    let backend = watch.of(Box::new(Live::new(catalogue.clone(), globals.door)));
    let mut options = globals.options(args.args.clone());
    options.quiet = globals.verbose == 0;
    let mut session = Session::new(catalogue, options, backend, Box::new(OnlyLog));
    let finished = tried(args, globals, &source, &watch, &attacker, &mut session);
    Writer::get().wait_until_written(LAST_WORDS);
    let name =
        nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into());
    let kernel =
        nix::sys::utsname::uname().map_or_else(|_| String::new(), |u| u.release().to_string_lossy().into());
    let run = run_of(name, kernel, finished, began, start);
    exit::of_checks(&run.tally()).max(written(Document::Ndjson, &run))
}

fn tried(
    args: &RedteamArgs,
    globals: &Globals,
    source: &Source,
    watch: &Watch,
    attacker: &Attacker,
    session: &mut Session,
) -> Vec<Finished> {
    if let Err(ended) = session.stay(source) {
        let why = format!("the script ended, with exit code {}, and nothing is attached", ended.code);
        return vec![nothing_to_go_round(&source.name, why)];
    }
    let mut living = Living { session, ended: false };
    let mut note = |text: &str| {
        if !globals.quiet {
            complain(format_args!("redteam: {text}"));
        }
    };
    let mut trial = Trial {
        script: &source.name,
        watch,
        attacker,
        alive: &mut living,
        deeds: args.deeds.clone(),
        note: &mut note,
    };
    let mut finished = Vec::new();
    if let Err(why) = trial.run(&mut finished) {
        finished.push(nothing_to_go_round(&source.name, why));
    }
    if !living.ended {
        let _ = session.finish();
    }
    finished
}

fn source_of(args: &RedteamArgs) -> Result<Source, String> {
    match (&args.code, &args.script) {
        (Some(code), _) => Ok(Source { name: "-e".to_owned(), text: code.clone() }),
        (None, Some(script)) if script.as_os_str() == "-" => {
            source::standard_input().map_err(|error| error.to_string())
        }
        (None, Some(script)) => source::file(&path_of(script)).map_err(|error| error.to_string()),
        (None, None) => Err("redteam: no script is named".to_owned()),
    }
}

/// The session meanwhile: its callbacks are called, its leases renewed.
struct Living<'s> {
    session: &'s mut Session,
    ended: bool,
}

impl Living<'_> {
    fn serve<T>(&mut self, until: &Receiver<T>) -> Result<T, String> {
        match self.session.serve_until(until) {
            Served::Received(received) => Ok(received),
            Served::Disconnected => Err("the process that tries was killed".to_owned()),
            Served::Ended(outcome) => {
                self.ended = true;
                Err(format!("the script ended, with exit code {}, before everything was tried", outcome.code))
            }
        }
    }
}

impl Alive for Living<'_> {
    fn wait(&mut self, replies: &Receiver<Reply>) -> Result<Reply, String> {
        self.serve(replies)
    }

    fn pause(&mut self, time: Duration) -> Result<(), String> {
        self.serve(&after(time)).map(drop)
    }
}
