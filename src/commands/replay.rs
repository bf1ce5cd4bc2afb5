//! `krsi-sh replay`: a script over the events of a recording, and what a change of it would flip.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    rc::Rc,
};

use serde_json::{Map, Value, json};

use super::{
    answer, cannot_write, catalogue, complain,
    script_args::{ScriptArgs, ScriptError},
};
use crate::{
    exit,
    globals::Globals,
    recording::{Answered, Part, ReadError, Replay, event_at, is_recording},
    report::{
        Format, Lines, Record, Renderer, Reporter, Sink, Stream, Streams, Writer, hidden, line_json,
        printable,
    },
    script::{Session, Source},
    template::Catalogue,
};

/// Run a script over what was recorded
///
/// It has the recording's events and time, needs no privilege, and has no effect on the system. A probe has the events of the one that was
/// recorded under its name, or of the only one of its template. If it selects the same, it has just what that one had; otherwise its own
/// scope, filter and mode are asked. What cannot be told from the recording is refused.
/// Nothing is denied: a verdict is what would have been. Without a script, every event is shown as it was.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Compare with this script: print each event about which the two decide differently; exit code 4 if there is one
    #[arg(long, value_name = "OLD", value_hint = clap::ValueHint::FilePath)]
    pub against: Option<PathBuf>,

    /// What `krsi-sh record` has written
    #[arg(value_name = "RECORDING", value_hint = clap::ValueHint::FilePath)]
    pub recording: PathBuf,

    #[command(flatten)]
    pub script: ScriptArgs,
}

/// Why nothing is replayed.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Recording(#[from] ReadError),
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &ReplayArgs, globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let done = match &args.against {
        None => replay(&args.in_order(), globals, &catalogue),
        Some(old) => compare(old, &args.in_order(), globals, &catalogue),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}

impl ReplayArgs {
    /// The same with the recording where it belongs, if it was named behind the script.
    fn in_order(&self) -> Self {
        let mut args = self.clone();
        if let Some(word) = args.script.words.first_mut()
            && !is_recording(&self.recording)
            && is_recording(Path::new(word))
        {
            let recording = PathBuf::from(std::mem::replace(word, self.recording.clone().into_os_string()));
            args.recording = recording;
        }
        args
    }
}

fn replay(args: &ReplayArgs, globals: &Globals, catalogue: &Catalogue) -> Result<i32, ReplayError> {
    if !args.script.names_a_script() {
        return show(&args.recording, globals, catalogue);
    }
    let (source, words) = args.script.read("replay")?;
    let replay = opened(&args.recording, globals)?;
    let code = session(&replay, &source, words, globals, catalogue, Box::new(Streams::new()));
    if !globals.quiet {
        complain(format_args!("replayed {} events of {}", replay.events(), args.recording.display()));
        if replay.redacted() > 0 {
            complain(format_args!(
                "of its events {} had secrets, which are written over: a filter or function that looks at these may decide otherwise than it did",
                replay.redacted()
            ));
        }
    }
    Ok(told(&replay, code))
}

/// Standard output, for whoever has nothing else to do than to write to it.
#[derive(Clone)]
struct Plain(Rc<RefCell<io::BufWriter<io::Stdout>>>);

impl Lines for Plain {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        writeln!(self.0.borrow_mut(), "{line}")
    }
}

impl Sink for Plain {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

/// Opens a recording; says so if it is only a part of a session.
fn opened(recording: &Path, globals: &Globals) -> Result<Replay, ReadError> {
    let replay = Replay::open(recording, false)?;
    if let Some(Part { from, to, dropped, .. }) = replay.part().filter(|_| !globals.quiet) {
        let lacks = if dropped > 0 {
            format!("; there was no room for {dropped} older events")
        } else {
            String::new()
        };
        complain(format_args!(
            "{} is a part of a session, which its recorder had kept: from {from} to {to}{lacks}",
            recording.display()
        ));
    }
    Ok(replay)
}

/// Shows every event as it was handled.
fn show(recording: &Path, globals: &Globals, catalogue: &Catalogue) -> Result<i32, ReplayError> {
    let replay = opened(recording, globals)?;
    let out = Plain(Rc::new(RefCell::new(io::BufWriter::new(io::stdout()))));
    let format = globals.format.for_session();
    let mut reporter = Reporter::new(Box::new(out.clone()), format, globals.color(), globals.quiet);
    let mut written = Ok(());
    let unreadable = replay.each(catalogue, |event| {
        written = reporter.event(event);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let written = written.and_then(|()| out.0.borrow_mut().flush());
    if unreadable > 0 {
        complain(format_args!(
            "{unreadable} events are not shown: their template is unknown, or has other fields now"
        ));
    }
    Ok(match written {
        // A reader that has enough is content.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => cannot_write(&error),
        _ => exit::FINE,
    })
}

/// Says what kept the recording from being read to its end; gives the exit code.
fn told(replay: &Replay, code: i32) -> i32 {
    let Some(trouble) = replay.trouble() else { return code };
    complain(trouble);
    if code == exit::FINE { exit::ENVIRONMENT } else { code }
}

fn session(
    replay: &Replay,
    source: &Source,
    words: Vec<String>,
    globals: &Globals,
    catalogue: &Catalogue,
    sink: Box<dyn Sink>,
) -> i32 {
    let mut options = globals.options(words);
    options.policy = options.policy.replayed();
    let mut session = Session::new(catalogue.clone(), options, Box::new(replay.clone()), sink);
    if let Some(pid) = replay.target() {
        session.follow_recorded(pid);
    }
    session.run(source).code
}

// ---- what flips -------------------------------------------------------------

/// Only what is wrong with a script is said of a session whose answers alone count.
struct Silent(Streams);

impl Sink for Silent {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        match record {
            Record::Diagnostic(_) | Record::Log(_) => self.0.emit(record, renderer),
            _ => Ok(()),
        }
    }

    fn writer(&self) -> Option<&Writer> {
        self.0.writer()
    }
}

/// What a script makes of an event, whichever of its probes decides: the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Unselected,
    Allowed,
    Asked,
    Denied,
}

impl Outcome {
    fn of(verdict: &str) -> Self {
        match verdict {
            "deny" | "kill" | "would-deny" => Outcome::Denied,
            "ask" | "would-ask" => Outcome::Asked,
            _ => Outcome::Allowed,
        }
    }

    fn told(self) -> &'static str {
        match self {
            Outcome::Unselected => "not selected",
            Outcome::Allowed => "allowed",
            Outcome::Asked => "asked about",
            Outcome::Denied => "denied",
        }
    }
}

/// By the number of the event's line, with the name of the probe that decides.
fn outcomes(answers: Vec<Answered>) -> BTreeMap<u64, (Outcome, String)> {
    let mut outcomes = BTreeMap::new();
    for Answered { line, probe, verdict } in answers {
        let outcome = Outcome::of(&verdict);
        let known = outcomes.entry(line).or_insert_with(|| (outcome, probe.clone()));
        if outcome > known.0 {
            *known = (outcome, probe);
        }
    }
    outcomes
}

fn compare(
    old: &Path,
    args: &ReplayArgs,
    globals: &Globals,
    catalogue: &Catalogue,
) -> Result<i32, ReplayError> {
    let (new, words) = args.script.read("replay")?;
    let old = ScriptArgs { code: None, words: vec![old.into()] }.read("replay")?.0;
    let answers = |source: &Source| -> Result<_, ReplayError> {
        let replay = Replay::open(&args.recording, true)?;
        let sink = Box::new(Silent(Streams::new()));
        let code = session(&replay, source, words.clone(), globals, catalogue, sink);
        let code = told(&replay, code);
        Ok((outcomes(replay.answers()), code, replay.events()))
    };
    let (before, old_code, _) = answers(&old)?;
    let (after, new_code, events) = answers(&new)?;
    // What a script that fails has not decided is no answer.
    let failed = [old_code, new_code]
        .into_iter()
        .find(|code| matches!(*code, exit::FAILED | exit::USAGE | exit::ENVIRONMENT));
    if let Some(code) = failed {
        return Ok(code);
    }
    let mut lines: Vec<u64> = before.keys().chain(after.keys()).copied().collect();
    lines.sort_unstable();
    lines.dedup();
    let none = (Outcome::Unselected, String::new());
    let of = |all: &BTreeMap<u64, (Outcome, String)>, line| all.get(&line).unwrap_or(&none).clone();
    let flips: Vec<_> = lines
        .into_iter()
        .map(|line| (line, of(&before, line), of(&after, line)))
        .filter(|(_, before, after)| before.0 != after.0)
        .collect();
    let mut text = String::new();
    let is_json = globals.format.for_answer() == Format::Json;
    let mut recorded = event_at(&args.recording)?;
    for (line, before, after) in &flips {
        let event = recorded(*line)?;
        text.push_str(&if is_json {
            json_line(*line, before, after, event)
        } else {
            text_line(before, after, &event)
        });
        text.push('\n');
    }
    if !is_json {
        text.push_str(&match flips.len() {
            0 => format!("the two decide alike about all of {events} events\n"),
            1 => format!("1 of {events} events flips\n"),
            count => format!("{count} of {events} events flip\n"),
        });
    }
    let code = answer(&text);
    Ok(if code == exit::FINE && !flips.is_empty() { exit::CHECK_FAILED } else { code })
}

fn json_line(
    line: u64,
    before: &(Outcome, String),
    after: &(Outcome, String),
    event: Map<String, Value>,
) -> String {
    let side = |(outcome, probe): &(Outcome, String)| json!({ "outcome": outcome.told(), "probe": probe });
    let mut fields = Map::new();
    fields.insert("time".to_owned(), event.get("time").cloned().unwrap_or_default());
    fields.insert("line".to_owned(), line.into());
    fields.insert("before".to_owned(), side(before));
    fields.insert("after".to_owned(), side(after));
    fields.insert("event".to_owned(), event.into());
    line_json("flip", &fields)
}

/// `2026-11-30T08:00:00Z  allowed → denied (watch)  exec curl[123] uid 0  /usr/bin/curl`.
fn text_line(before: &(Outcome, String), after: &(Outcome, String), event: &Map<String, Value>) -> String {
    let text = |name: &str| match event.get(name) {
        Some(Value::String(text)) => printable(&hidden(text)).into_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let by = if after.0 == Outcome::Unselected { &before.1 } else { &after.1 };
    let subject = ["path", "address", "name", "target"].into_iter().map(text).find(|text| !text.is_empty());
    format!(
        "{}  {} → {} ({})  {} {}[{}] uid {}  {}",
        text("time"),
        before.0.told(),
        after.0.told(),
        printable(by),
        text("template"),
        text("comm"),
        text("pid"),
        text("uid"),
        subject.unwrap_or_default()
    )
}
