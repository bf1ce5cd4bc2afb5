//! `krsi-sh run`, and a command line that names a script without saying so.
//!
//! In: a script's whereabouts and its arguments. Out: the script's own output
//! and exit code. What a script may say, and what comes of it, is `script/`'s.

use std::{
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    path::Path,
};

use super::{catalogue, complain, exit};
use crate::{
    cli::{self, Globals},
    report::{Streams, printable},
    script::{Session, Source},
    source::{self, SourceError},
    suggest::nearest,
};

/// Run a script: a file, code, or standard input
///
/// `run` may be left out, but for a script that is named like a subcommand.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// Run this code instead of a file
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// After the script, go on at a prompt that has its variables, functions and probes
    #[arg(short = 'i')]
    pub then_prompt: bool,

    /// Script, `-` for standard input, and behind it what it finds in `args`
    #[arg(
        value_names = ["FILE", "ARGS"],
        num_args = 0..,
        trailing_var_arg = true,
        value_hint = clap::ValueHint::FilePath
    )]
    pub words: Vec<OsString>,
}

impl RunArgs {
    /// Whether there is anything to run.
    #[must_use]
    pub fn names_a_script(&self) -> bool {
        self.code.is_some() || !self.words.is_empty()
    }
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("run: nothing to run\nallowed: run FILE, run -e CODE, or run - for standard input")]
    Nothing,
    #[error(
        "`{word}` is no subcommand, and there is no script of that name in {folder}{}\n\
         subcommands: {subcommands}; a script is named by its path",
        did_you_mean(.nearest)
    )]
    Unknown { word: String, folder: String, nearest: Option<String>, subcommands: String },
    #[error(
        "`--audit` behind the script would be the script's own argument, and audit nothing\n\
         cure: krsi-sh --audit FILE …; or, if the script is to have it: krsi-sh FILE -- --audit …"
    )]
    LateAudit,
    #[error(
        "-i goes on at a prompt, and standard input is no terminal\ncure: leave -i out, or start it at a terminal"
    )]
    NoTerminal,
    #[error("argument {position} of the script is not UTF-8: `{}`\nallowed: text", printable(&.argument.to_string_lossy()))]
    Argument { position: usize, argument: OsString },
    #[error(transparent)]
    Source(#[from] SourceError),
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean `krsi-sh {name}`?"))
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &RunArgs, globals: &Globals) -> i32 {
    if !args.names_a_script() {
        complain(RunError::Nothing);
        return exit::USAGE;
    }
    started(args, script(args), globals)
}

/// Runs what a command line without a subcommand names: a word that is no script
/// may be a mistyped subcommand.
#[must_use]
pub fn bare(args: &RunArgs, globals: &Globals) -> i32 {
    started(args, script(args).map_err(or_mistyped), globals)
}

/// Runs it, and then prompts if that is asked for.
fn started(args: &RunArgs, script: Result<(Source, Vec<String>), RunError>, globals: &Globals) -> i32 {
    if !args.then_prompt {
        return start(script, globals);
    }
    let script = if io::stdin().is_terminal() { script } else { Err(RunError::NoTerminal) };
    match script {
        Ok((source, words)) => super::shell::run_after(source, words, globals),
        Err(error) => {
            complain(error);
            exit::USAGE
        }
    }
}

/// Runs what comes from standard input.
#[must_use]
pub fn standard_input(globals: &Globals) -> i32 {
    let script = source::standard_input().map(|source| (source, Vec::new()));
    start(script.map_err(RunError::from), globals)
}

fn start(script: Result<(Source, Vec<String>), RunError>, globals: &Globals) -> i32 {
    let (source, args) = match script {
        Ok(script) => script,
        Err(error) => {
            complain(error);
            return exit::USAGE;
        }
    };
    let Some(catalogue) = catalogue() else { return exit::ENVIRONMENT };
    Session::new(catalogue, globals.options(args), Box::new(Streams::new())).run(&source).code
}

fn script(args: &RunArgs) -> Result<(Source, Vec<String>), RunError> {
    if let Some(code) = &args.code {
        let source = Source { name: "-e".to_owned(), text: code.clone() };
        return Ok((source, texts(&args.words)?));
    }
    let Some((script, rest)) = args.words.split_first() else { return Err(RunError::Nothing) };
    let own = match rest.split_first() {
        Some((first, own)) if first == "--" => own,
        _ if audit_comes_late(rest) => return Err(RunError::LateAudit),
        _ => rest,
    };
    let own = texts(own)?;
    let source = if script == "-" { source::standard_input()? } else { source::file(Path::new(script))? };
    Ok((source, own))
}

/// A script that enforces though its user believes it cannot is worse than one
/// that has to be called with `--`.
fn audit_comes_late(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--audit")
}

fn texts(words: &[OsString]) -> Result<Vec<String>, RunError> {
    let text = |(index, word): (usize, &OsString)| {
        let argument = || RunError::Argument { position: index + 1, argument: word.clone() };
        word.to_str().map(str::to_owned).ok_or_else(argument)
    };
    words.iter().enumerate().map(text).collect()
}

fn or_mistyped(error: RunError) -> RunError {
    let RunError::Source(SourceError::Missing { path, folder }) = &error else { return error };
    // Whoever writes a path, or a script's suffix, means a script.
    if path.components().count() != 1 || path.extension().is_some_and(|suffix| suffix == OsStr::new("rhai")) {
        return error;
    }
    let word = printable(&path.to_string_lossy()).into_owned();
    let subcommands = cli::subcommands();
    RunError::Unknown {
        nearest: nearest(&word, subcommands.iter().map(String::as_str)).map(str::to_owned),
        word,
        folder: folder.display().to_string(),
        subcommands: subcommands.join(", "),
    }
}
