//! `krsi-sh run`, and a command line that names a script without saying so.
//!
//! In: a script's whereabouts and its arguments. Out: the script's own output
//! and exit code. What a script may say, and what comes of it, is `script/`'s.

use std::{
    ffi::OsStr,
    io::{self, IsTerminal},
};

use super::{
    catalogue, complain,
    confine::ConfineError,
    script_args::{ScriptArgs, ScriptError},
    target::{self, Read, TargetArgs, TargetError, variables},
};
use crate::{
    exit,
    globals::Globals,
    kernel::Live,
    report::{Streams, printable},
    script::{Session, Target},
    source::{self, SourceError},
    values::nearest,
};

/// Run a script: a file, code, or standard input
///
/// `run` may be left out, but for a script that is named like a subcommand.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// After the script, open a prompt with its variables, functions and probes
    #[arg(short = 'i', conflicts_with = "command")]
    pub then_prompt: bool,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub script: ScriptArgs,
}

impl RunArgs {
    /// Whether there is anything to run.
    #[must_use]
    pub fn names_something(&self) -> bool {
        self.script.names_a_script() || self.target.is_asked()
    }

    fn read(&self) -> Result<Read, ScriptError> {
        target::read(&self.target, &self.script, "run")
    }
}

/// Why a word that stands where a script may stand is none.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(
        "`{word}` is not a subcommand, and there is no script of that name in {directory}{}\n\
         subcommands: {subcommands}; a script is named by its path",
        did_you_mean(.nearest)
    )]
    Unknown { word: String, directory: String, nearest: Option<String>, subcommands: String },
    #[error(
        "-i goes on at a prompt, and standard input is not a terminal\nfix: leave -i out, or start it at a terminal"
    )]
    NoTerminal,
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean `krsi-sh {name}`?"))
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &RunArgs, globals: &Globals) -> i32 {
    started(args, args.read().map_err(RunError::from), globals)
}

/// Runs what a command line without a subcommand names: a word that is no script
/// may be a mistyped one of `subcommands`.
#[must_use]
pub fn bare(args: &RunArgs, subcommands: &[String], globals: &Globals) -> i32 {
    started(args, args.read().map_err(|error| or_mistyped(error, subcommands)), globals)
}

/// Runs it, and then prompts if that is asked for.
fn started(args: &RunArgs, script: Result<Read, RunError>, globals: &Globals) -> i32 {
    if !args.then_prompt {
        return start(script, globals);
    }
    let script = if io::stdin().is_terminal() { script } else { Err(RunError::NoTerminal) };
    let is_about_one = |read: &Read| read.target.is_asked();
    match script.and_then(|read| {
        if is_about_one(&read) { Err(ScriptError::from(ConfineError::Prompt).into()) } else { Ok(read) }
    }) {
        Ok(read) => super::shell::run_after(read.source, read.words, globals),
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}

/// Runs what comes from standard input.
#[must_use]
pub fn standard_input(globals: &Globals) -> i32 {
    let script = source::standard_input().map(|source| Read { source, ..Read::default() });
    start(script.map_err(|error| ScriptError::from(error).into()), globals)
}

fn start(script: Result<Read, RunError>, globals: &Globals) -> i32 {
    // The command waits before anything else is begun, so that it has nothing of it.
    let ready = script.and_then(|read| {
        let is_started = read.lesson.is_none() && !read.asks_for_help;
        let denials = if is_started { read.denials() } else { None };
        let variables = variables(denials.as_ref());
        let target = if is_started { read.target.target_with(&read.command, &variables)? } else { None };
        let target = if read.is_whole { target.map(Target::whole) } else { target };
        Ok((read, target, denials))
    });
    let (read, target, denials) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            complain(error);
            return exit::USAGE;
        }
    };
    if let (Some(_), false) = (&read.lesson, read.asks_for_help) {
        return super::learn::under(read, globals);
    }
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let backend = Box::new(Live::new(catalogue.clone(), globals.door));
    let mut session = Session::new(catalogue, globals.options(read.words), backend, Box::new(Streams::new()));
    match target {
        Some(target) => session.follow(target),
        // Nobody is started, and the text names somebody.
        None if read.asks_for_help => session.follow_recorded(std::process::id().cast_signed()),
        None => {}
    }
    if let Some(denials) = denials {
        session.tell_denials(denials);
    }
    if !read.asks_for_help {
        read.profiles.into_iter().for_each(|(profile, words)| session.beside(profile, words));
    }
    session.run(&read.source).code
}

fn or_mistyped(error: ScriptError, subcommands: &[String]) -> RunError {
    let ScriptError::Source(SourceError::Missing { path, directory }) = &error else { return error.into() };
    // Whoever writes a path, or a script's suffix, means a script.
    if path.components().count() != 1 || path.extension().is_some_and(|suffix| suffix == OsStr::new("rhai")) {
        return error.into();
    }
    let word = printable(&path.to_string_lossy()).into_owned();
    RunError::Unknown {
        nearest: nearest(&word, subcommands.iter().map(String::as_str)).map(str::to_owned),
        word,
        directory: directory.display().to_string(),
        subcommands: subcommands.join(", "),
    }
}
