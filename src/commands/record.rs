//! `krsi-sh record`: a script's session, written down so that it can be had again.

use std::path::PathBuf;

use super::{
    answer, catalogue, complain,
    script_args::{ScriptArgs, ScriptError},
    target::{self, TargetArgs, TargetError},
};
use crate::{
    exit,
    globals::Globals,
    kernel::Live,
    recording::{Recording, Trouble, schema},
    report::Streams,
    script::{Session, Target},
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
    let (source, words, command) = target::read(&args.target, &args.script, "record")?;
    let Some(catalogue) = catalogue(globals) else { return Ok(exit::ENVIRONMENT) };
    let path = args.output.clone().unwrap_or_default();
    // The command waits before anything else is begun, so that it has nothing of it.
    let target = args.target.target(&command)?;
    let about = target.as_ref().map(Target::pid);
    let recording = Recording::create(&path, &source.name, &words, about).map_err(|error| {
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
