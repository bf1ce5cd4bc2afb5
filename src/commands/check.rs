//! `krsi-sh check`: runs scripts of checks and reports what they came to.
//!
//! In: paths, what is selected, where reports go. Out: the reports, and an exit code that cron can rely on. How scripts are run is
//! `runner/`'s, how a report is written `report/document/`'s.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    catalogue, complain,
    progress::Progress,
    reports::{self, Output, output},
};
use crate::{
    check::{
        CheckResult, Finished, Run, Selection,
        baseline::Baseline,
        history::{Change, History},
        lock::Lock,
    },
    exit,
    facts::Root,
    globals::Globals,
    kernel::Live,
    report::{Document, Look, Streams, printable},
    runner::{self, Report, Request, scripts},
    script::{CheckOptions, Session},
    source,
    system::places::Places,
    values::{self, Severity},
};

/// Run scripts of checks, and report what passes and what fails
///
/// A script's checks are made by `check("id", "title", || …)`: help("check") at the prompt, and docs/compliance.md.
/// Without a terminal, and if all is well, nothing is written: cron has nothing to mail. Exit codes: 0 all pass, 4 a check
/// failed, 5 one could not be decided or is at fault.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CheckArgs {
    /// Scripts, and directories in which all files that end in .rhai are
    #[arg(value_name = "PATH", required = true, value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Run only this check; `*` stands for anything; may be repeated
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,

    /// Leave out this check, likewise
    #[arg(long, value_name = "ID")]
    pub skip: Vec<String>,

    /// Run only checks with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,

    /// Run only checks up to this level
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub level: Option<u8>,

    /// List the checks instead of running them
    #[arg(long, conflicts_with_all = ["explain", "changed", "output", "baseline"])]
    pub list: bool,

    /// Tell what a check does, why, and what to do if it fails, instead of running it
    #[arg(long, value_name = "ID", conflicts_with_all = ["changed", "output", "baseline"])]
    pub explain: Option<String>,

    /// Write a report to this file too; its end says in which format (.txt .json .ndjson .xml .tap .sarif .html), or
    /// FORMAT:FILE does; may be repeated
    #[arg(long, value_name = "FILE", value_parser = output, value_hint = clap::ValueHint::FilePath)]
    pub output: Vec<Output>,

    /// Read facts below this directory, laid out like `/`: a mounted image, a made-up root; probes and programs are the
    /// running system's all the same
    #[arg(long, value_name = "DIR", value_parser = root, value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,

    /// Accept the failures that this file lists: a line each, ID DAY REASON
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,

    /// Say only what is different from the last run with the same paths
    #[arg(long)]
    pub changed: bool,

    /// End after this time; what was not run by then is inconclusive
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration::parse)]
    pub timeout: Duration,

    /// Number of scripts to run at the same time (default: one for each processor)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,

    /// Failures below this severity do not change the exit code: info, low, medium, high, critical or never
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = threshold)]
    pub fail_on: Threshold,

    /// Run one script in this process, for the process of this number
    #[arg(long, hide = true, value_name = "PID")]
    pub worker: Option<u32>,
}

/// From which severity on a failure counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Threshold(Option<Severity>);

/// Makes it a whole path, which a script's process can be given: it has to be a directory.
fn root(word: &str) -> Result<PathBuf, String> {
    let path = Path::new(word).canonicalize().map_err(|error| error.to_string())?;
    if path.is_dir() { Ok(path) } else { Err("it is not a directory".to_owned()) }
}

fn threshold(word: &str) -> Result<Threshold, String> {
    match word {
        "never" => Ok(Threshold(None)),
        _ => Severity::from_name(word)
            .map(|severity| Threshold(Some(severity)))
            .map_err(|error| format!("{error}, or never")),
    }
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &CheckArgs, globals: &Globals) -> i32 {
    if let Some(parent) = args.worker {
        return work(args, parent, globals);
    }
    checked(args, globals).unwrap_or_else(|stop| {
        complain(stop.text);
        stop.code
    })
}

/// Why a run ends without its report.
struct Stopped {
    code: i32,
    text: String,
}

impl Stopped {
    fn new(code: i32, text: impl ToString) -> Self {
        Stopped { code, text: text.to_string() }
    }
}

fn checked(args: &CheckArgs, globals: &Globals) -> Result<i32, Stopped> {
    let usage = |error: &dyn std::fmt::Display| Stopped::new(exit::USAGE, format!("check: {error}"));
    let found = scripts::find(&args.paths).map_err(|error| usage(&error))?;
    // Before anything is run: each is read again, and judged again, by the process that runs it.
    for script in &found {
        source::file(script).map_err(|error| usage(&error))?;
    }
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let places = Places::of_this_user();
    let listed = args.list || args.explain.is_some();
    let _lock = if listed { None } else { Some(lock(&places)?) };
    let request = Request {
        scripts: found,
        selection: selection(args),
        words: passed_on(globals),
        root: args.root.clone(),
        listed,
        jobs: args.jobs.map_or_else(processors, usize::from),
        // `--for` ends every command.
        timeout: globals.lasts.map_or(args.timeout, |lasts| lasts.min(args.timeout)),
    };
    let (began, start) = (Timestamp::now(), Instant::now());
    let mut progress = Progress::new(request.scripts.len(), globals, listed);
    let report = runner::run(&request, &mut progress)
        .map_err(|error| Stopped::new(exit::ENVIRONMENT, format!("check: cannot run scripts: {error}")))?;
    progress.done();
    let Report { mut finished, listed: others, signal } = report;
    note_doubles(&mut finished);
    let of = |all: &[Finished]| all.iter().map(|one| one.check.clone()).collect::<Vec<_>>();
    let known: Vec<_> = of(&finished).into_iter().chain(of(&others)).collect();
    let ids: Vec<_> = known.iter().map(|check| check.id.clone()).collect();
    let tags: BTreeSet<_> = known.iter().flat_map(|check| check.tags.clone()).collect();
    let tags: Vec<_> = tags.into_iter().collect();
    // A script that could not be read to its end may have what was asked for.
    if !finished.iter().any(|one| one.check.line == 0) {
        request.selection.meets(&ids, &tags).map_err(|error| usage(&error))?;
    }
    if let Some(id) = &args.explain {
        return explain(id, &others, &finished);
    }
    if args.list {
        return Ok(list(&others, &finished, &request.selection));
    }
    if let Some((path, baseline)) = &baseline {
        let (today, behind) = today(&[path, &places.history], Timestamp::now());
        behind.into_iter().for_each(|behind| complain(format_args!("check: {behind}")));
        for remark in baseline.apply(&mut finished, today, &ids) {
            complain(format_args!("check: {}: {remark}", path.display()));
        }
    }
    let run = Run {
        host: nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into()),
        kernel: nix::sys::utsname::uname()
            .map_or_else(|_| String::new(), |u| u.release().to_string_lossy().into()),
        program: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        began,
        took: start.elapsed(),
        finished,
    };
    let mut code = exit_code(&run, args.fail_on);
    code = code.max(reports::write_all(&args.output, &run, "check"));
    if let Err(error) = tell(&run, args, globals, &places)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        code = code.max(super::cannot_write(&error));
    }
    Ok(signal.map_or(code, |signal| exit::BY_SIGNAL + signal))
}

/// Returns the day it is, or the one on which one of these files was written, if the clock is behind that: what was accepted until a day is
/// not accepted again because the clock was set back. Says so, if it is.
fn today(written: &[&Path], now: Timestamp) -> (Date, Option<String>) {
    /// Two clocks may be that far apart: a file may lie on another host.
    const APART: Duration = Duration::from_secs(3600);
    let day = |at: Timestamp| at.to_zoned_datetime(TimeZone::system()).date();
    let time = |path: &&&Path| Timestamp::try_from(std::fs::metadata(path).ok()?.modified().ok()?).ok();
    let latest = written.iter().filter_map(|path| Some((time(&path)?, path))).max();
    match latest.filter(|(at, _)| now.checked_add(APART).is_ok_and(|now| now < *at)) {
        Some((at, path)) => {
            let (day, now) = (day(at), day(now));
            let behind = format!(
                "the clock says {now}, and {} was written on {day}: what is accepted until a day is held to the later one",
                path.display()
            );
            (day, Some(behind))
        }
        None => (day(now), None),
    }
}

/// Runs one script here.
fn work(args: &CheckArgs, parent: u32, globals: &Globals) -> i32 {
    if let Err(error) = runner::tie_to(parent) {
        complain(error);
        return exit::ENVIRONMENT;
    }
    let Some(path) = args.paths.first() else { return exit::USAGE };
    let source = match source::file(path) {
        Ok(source) => source,
        Err(error) => {
            complain(error);
            return exit::USAGE;
        }
    };
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let mut options = globals.options(Vec::new());
    options.root = args.root.clone().map_or_else(Root::default, Root::new);
    options.checks = CheckOptions { selection: selection(args), listed: args.list, told: true };
    let backend = Box::new(Live::new(catalogue.clone(), globals.door));
    let mut session = if args.list {
        Session::explaining(catalogue, options, Box::new(Streams::new()))
    } else {
        Session::new(catalogue, options, backend, Box::new(Streams::new()))
    };
    session.run(&source).code
}

fn selection(args: &CheckArgs) -> Selection {
    Selection { only: args.only.clone(), skip: args.skip.clone(), tags: args.tag.clone(), level: args.level }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The flags of every command that a script's process has to know.
fn passed_on(globals: &Globals) -> Vec<String> {
    let mut words = vec!["--color=never".to_owned(), "--quiet".to_owned()];
    if globals.audit {
        words.push("--audit".to_owned());
    }
    if globals.show_secrets {
        words.push("--show-secrets".to_owned());
    }
    words
}

fn read_baseline(path: &Path) -> Result<(PathBuf, Baseline), Stopped> {
    let refused = |error: &dyn std::fmt::Display| {
        Stopped::new(exit::USAGE, format!("check: baseline {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(&error))?;
    let baseline = Baseline::parse(&text).map_err(|error| refused(&error))?;
    Ok((path.to_owned(), baseline))
}

fn lock(places: &Places) -> Result<Lock, Stopped> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Lock::take(&places.lock, words).map_err(|error| {
        Stopped::new(exit::UNDECIDED, format!("check: {error}\nlock: {}", places.lock.display()))
    })
}

/// Two checks of one id cannot be told apart by anyone who reads the report: the second is at fault.
fn note_doubles(finished: &mut [Finished]) {
    let mut seen: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    for one in finished {
        let place = format!("{}:{}", one.check.script, one.check.line);
        if let Some(other) = seen.insert(one.check.id.clone(), place) {
            one.result = CheckResult::Error;
            one.reason = Some(format!("the id is used twice: {other} has it as well"));
        }
    }
}

fn exit_code(run: &Run, Threshold(least): Threshold) -> i32 {
    let counts = |one: &&Finished| {
        one.counts_as() != CheckResult::Fail || least.is_some_and(|least| one.check.severity >= least)
    };
    exit::of_checks(&crate::check::Tally::of(run.finished.iter().filter(counts)))
}

/// Writes the report on standard output: all of it, or what has changed.
fn tell(run: &Run, args: &CheckArgs, globals: &Globals, places: &Places) -> io::Result<()> {
    let document = globals.format.for_report();
    let is_text = document == Document::Text;
    let columns = super::width();
    let look = Look { color: globals.color(), columns, all: globals.verbose > 0 || !is_text };
    let before = remember(run, args, places);
    // A person who waits at a terminal is told that all is well, or that nothing has changed.
    let waits = is_text && columns.is_some() && !globals.quiet;
    let mut out = io::stdout().lock();
    match before {
        // In every other format what is the same is a part of the document.
        Some(before) if args.changed && is_text => {
            let changes = tell_changes(run, &before, args, look, &mut out)?;
            if changes == 0 && waits {
                writeln!(out, "nothing has changed: {}", crate::report::sum_of_checks(run))?;
            }
        }
        _ => {
            document.write(run, look, &mut out)?;
            if waits && !look.all && !run.finished.iter().any(Finished::is_trouble) {
                writeln!(out, "{}", crate::report::sum_of_checks(run))?;
            }
        }
    }
    out.flush()
}

/// Keeps what the run came to for the next one; gives what the last one came to, if there was one.
fn remember(run: &Run, args: &CheckArgs, places: &Places) -> Option<History> {
    let key = args.paths.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    let key = key.chain(args.root.clone()).map(|path| path.to_string_lossy().into_owned());
    let key = key.collect::<Vec<_>>().join(":");
    let failed = |error: io::Error| {
        // Only who asks for the difference needs to know.
        if args.changed {
            complain(format_args!(
                "check: cannot keep what this run came to in {}: {error}",
                places.history.display()
            ));
        }
    };
    match crate::check::history::exchange(
        &places.history,
        &key,
        History::of(&run.finished),
        selection(args).is_everything(),
    ) {
        Ok(before) => before,
        Err(error) => {
            failed(error);
            None
        }
    }
}

/// Writes what is different; gives how much that is.
fn tell_changes(
    run: &Run,
    before: &History,
    args: &CheckArgs,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<usize> {
    let changes = before.changes(&run.finished, selection(args).is_everything());
    for change in &changes {
        match change {
            Change::Differs(finished, before) => {
                let was = before.map_or_else(|| "new".to_owned(), |before| format!("was {before}"));
                writeln!(out, "{was}:")?;
                for line in crate::report::check_lines(finished, look.color) {
                    writeln!(out, "  {line}")?;
                }
            }
            Change::Gone(id) => writeln!(out, "gone: {}", printable(id))?,
        }
    }
    Ok(changes.len())
}

/// Lists what there is: id, level, severity, title. What keeps a script from telling its checks is told, too.
fn list(listed: &[Finished], trouble: &[Finished], selection: &Selection) -> i32 {
    let mut text = String::new();
    for Finished { check, .. } in listed.iter().filter(|one| selection.includes(&one.check)) {
        text.push_str(&format!(
            "{:<32} {} {:<8} {}\n",
            printable(&check.id),
            check.level,
            check.severity.to_string(),
            printable(&check.title)
        ));
    }
    let told = super::answer(&text);
    told.max(tell_trouble(trouble))
}

fn tell_trouble(trouble: &[Finished]) -> i32 {
    for one in trouble {
        complain(format_args!("check: {}: {}", one.check.script, one.reason.as_deref().unwrap_or_default()));
    }
    if trouble.is_empty() { exit::FINE } else { exit::UNDECIDED }
}

/// Tells what there is to know of a check.
fn explain(id: &str, listed: &[Finished], trouble: &[Finished]) -> Result<i32, Stopped> {
    let Some(Finished { check, .. }) = listed.iter().find(|one| one.check.id == id) else {
        tell_trouble(trouble);
        let near = values::nearest(id, listed.iter().map(|one| one.check.id.as_str()))
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let text = format!(
            "check: there is no check `{}`{near}\nallowed: one of those that --list tells",
            printable(id)
        );
        return Err(Stopped::new(exit::USAGE, text));
    };
    let mut text = format!("{}: {}\n", printable(&check.id), printable(&check.title));
    let mut part = |name: &str, said: &str| {
        text.push_str(&format!("\n{name}\n"));
        for line in
            crate::report::wrapped(&crate::report::printable_lines(said), super::width().map(|w| w - 2))
        {
            text.push_str(&format!("  {line}\n"));
        }
    };
    for (name, said) in
        [("What it looks at", &check.about), ("Why", &check.why), ("If it fails", &check.remedy)]
    {
        if let Some(said) = said {
            part(name, said);
        }
    }
    if !check.refs.is_empty() {
        part("See also", &check.refs.join("\n"));
    }
    let tags = if check.tags.is_empty() { "none".to_owned() } else { check.tags.join(", ") };
    part("How it is classed", &format!("severity {}, level {}, tags: {tags}", check.severity, check.level));
    part("Where it stands", &format!("{}:{}", check.script, check.line));
    Ok(super::answer(&text))
}
