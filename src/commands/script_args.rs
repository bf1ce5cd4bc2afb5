//! The script that a command is given: a file, code, or standard input, and the words behind it.
//!
//! In: the words of the command line. Out: the script's text and its own arguments.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    report::printable,
    script::Source,
    source::{self, SourceError, library::Library},
};

/// A script's whereabouts, and its arguments.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ScriptArgs {
    /// Use this code instead of a file
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// Script (`-`: standard input) and its arguments (`args` in the script)
    #[arg(
        value_names = ["FILE", "ARGS"],
        num_args = 0..,
        trailing_var_arg = true,
        value_hint = clap::ValueHint::FilePath
    )]
    pub words: Vec<OsString>,
}

/// Why there is no script to take.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error(
        "{command}: nothing to {command}\nallowed: {command} FILE, {command} -e CODE, or {command} - for standard input"
    )]
    Nothing { command: &'static str },
    #[error(
        "`--audit` after the script would be the script's own argument, and audit nothing\n\
         fix: krsi-sh --audit FILE …; or, if the script is to have it: krsi-sh FILE -- --audit …"
    )]
    LateAudit,
    #[error("argument {position} of the script is not UTF-8: `{}`\nallowed: text", printable(&.argument.to_string_lossy()))]
    Argument { position: usize, argument: OsString },
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What is said of a command, and behind its script.
    #[error("{0}")]
    Confine(String),
}

impl ScriptArgs {
    /// Whether there is anything to take.
    #[must_use]
    pub fn names_a_script(&self) -> bool {
        self.code.is_some() || !self.words.is_empty()
    }

    /// Reads the script that `command` is to do something with; gives it and its own arguments.
    ///
    /// # Errors
    /// If there is none, it cannot or must not be read, or an argument is no text.
    pub fn read(&self, command: &'static str) -> Result<(Source, Vec<String>), ScriptError> {
        let (source, behind) = self.open(command)?;
        Ok((source, self.own(behind)?))
    }

    /// Reads the script; gives it and the words behind it.
    ///
    /// # Errors
    /// If there is none, or it cannot or must not be read.
    pub fn open(&self, command: &'static str) -> Result<(Source, &[OsString]), ScriptError> {
        if let Some(code) = &self.code {
            return Ok((Source { name: "-e".to_owned(), text: code.clone() }, &self.words));
        }
        let (script, behind) = self.words.split_first().ok_or(ScriptError::Nothing { command })?;
        let source = if script == "-" { source::standard_input()? } else { file(Path::new(script))? };
        Ok((source, behind))
    }

    /// Gives the arguments that the words behind a script are.
    ///
    /// # Errors
    /// If one is no text, or would have been for krsi-sh.
    pub fn own(&self, behind: &[OsString]) -> Result<Vec<String>, ScriptError> {
        if self.code.is_some() { texts(behind) } else { texts(without_dashes(behind)?) }
    }
}

/// Gives the file that a word names: the one of that path, or else the one of the library that has this name.
#[must_use]
pub fn path_of(word: &Path) -> PathBuf {
    let by_name =
        || word.to_str().and_then(|name| Library::of_this_user().find(name)).map(|entry| entry.path);
    if word.exists() { word.to_owned() } else { by_name().unwrap_or_else(|| word.to_owned()) }
}

/// The script that a word names: a file, or else one of the library.
fn file(path: &Path) -> Result<Source, SourceError> {
    source::file(&path_of(path))
}

/// The script's own words: behind `--`, or all of them if there is none.
fn without_dashes(words: &[OsString]) -> Result<&[OsString], ScriptError> {
    match words.split_first() {
        Some((first, own)) if first == "--" => Ok(own),
        _ if audit_comes_late(words) => Err(ScriptError::LateAudit),
        _ => Ok(words),
    }
}

/// A script that enforces though its user believes it cannot is worse than one
/// that has to be called with `--`.
fn audit_comes_late(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--audit")
}

fn texts(words: &[OsString]) -> Result<Vec<String>, ScriptError> {
    let text = |(index, word): (usize, &OsString)| {
        let argument = || ScriptError::Argument { position: index + 1, argument: word.clone() };
        word.to_str().map(str::to_owned).ok_or_else(argument)
    };
    words.iter().enumerate().map(text).collect()
}
