//! `krsi-sh record`: a script's session, written down so that it can be had again.

use std::{path::PathBuf, time::Duration};

use super::{
    answer, catalogue, complain,
    confine::ConfineError,
    script_args::{ScriptArgs, ScriptError},
    target::{self, Read, TargetArgs, TargetError, variables},
};
use crate::{
    exit,
    globals::Globals,
    kernel::Live,
    recording::{About, Parts, Recording, Trouble, schema},
    report::Streams,
    script::{Session, Target},
    values,
};

/// Run a script, and keep all events in a file
///
/// The file is one JSON object a line (NDJSON), and readable up to its last whole line whatever happens; `krsi-sh replay` has the
/// session again from it. Its events have all that `--format json` shows, arguments and paths too, so only its owner may read it.
#[derive(Debug, Clone, clap::Args)]
pub struct RecordArgs {
    /// File to make; compressed if its name ends with .zst. One that is there is not touched
    #[arg(
        short = 'o',
        long,
        value_name = "FILE",
        required_unless_present = "schema",
        value_hint = clap::ValueHint::FilePath
    )]
    pub output: Option<PathBuf>,

    /// Print what a line may be, as JSON Schema, and do nothing else
    #[arg(long)]
    pub schema: bool,

    /// Start another file when this one reaches this size, such as 100M
    ///
    /// Files are FILE.ndjson, FILE.2.ndjson, FILE.3.ndjson and so on; each can be replayed by itself.
    #[arg(long, value_name = "SIZE", value_parser = values::size::parse)]
    pub max_size: Option<u64>,

    /// Start another file when this one reaches this age, such as 1h
    #[arg(long, value_name = "DURATION", value_parser = values::duration::parse)]
    pub max_age: Option<Duration>,

    /// Keep this many of these files, the newest, and remove older ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub script: ScriptArgs,
}

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("cannot make {}: {why}", .path.display())]
    File { path: PathBuf, why: String },
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &RecordArgs, globals: &Globals) -> i32 {
    if args.schema {
        return answer(&schema());
    }
    match begin(args, globals) {
        Ok(code) => code,
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}

fn begin(args: &RecordArgs, globals: &Globals) -> Result<i32, RecordError> {
    let read = target::read(&args.target, &args.script, "record")?;
    if read.lesson.is_some() {
        return Err(ScriptError::from(ConfineError::OnlyRun).into());
    }
    let denials = read.denials();
    let Read { source, words, target, command, profiles, is_whole, .. } = read;
    let Some(catalogue) = catalogue(globals) else { return Ok(exit::ENVIRONMENT) };
    let path = args.output.clone().unwrap_or_default();
    // The command waits before anything else is begun, so that it has nothing of it.
    let target = target.target_with(&command, &variables(denials.as_ref()))?;
    let target = if is_whole { target.map(Target::whole) } else { target };
    let about =
        About { script: source.name.clone(), args: words.clone(), target: target.as_ref().map(Target::pid) };
    let parts = Parts { size: args.max_size, age: args.max_age, keep: args.keep };
    let recording = Recording::create(&path, about, parts).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "it is there already, and is not touched".to_owned(),
            _ => error.to_string(),
        };
        RecordError::File { path: path.clone(), why }
    })?;
    let backend = Box::new(recording.of(Box::new(Live::new(catalogue.clone(), globals.door))));
    let mut session = Session::new(catalogue, globals.options(words), backend, Box::new(Streams::new()));
    if let Some(target) = target {
        session.follow(target);
    }
    if let Some(denials) = denials {
        session.tell_denials(denials);
    }
    profiles.into_iter().for_each(|(profile, words)| session.beside(profile, words));
    let code = session.run(&source).code;
    drop(session);
    let (events, Trouble { why, unwritten }) = recording.finish();
    if let Some(why) = why {
        complain(format_args!(
            "{} is not whole: {why}; {unwritten} lines could not be written",
            path.display()
        ));
        return Ok(if code == exit::FINE { exit::ENVIRONMENT } else { code });
    }
    if !globals.quiet {
        complain(format_args!("recorded {events} events in {}", path.display()));
    }
    Ok(code)
}
