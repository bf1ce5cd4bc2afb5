//! What a script is run about: a command that is started with it (`-c`), or a process (`-p`).
//!
//! In: the words of the command line. Out: the script's words and the command's, told apart, and the process, which waits or is there.

use std::{ffi::OsString, io, rc::Rc};

use super::{
    complain,
    confine::{ConfineError, Confined, Lesson, is_about_a_command, parted},
    script_args::{ScriptArgs, ScriptError},
};
use crate::{
    reaction::{Held, StartError, Streams},
    script::{DENIALS, Denials, Header, Source, Target},
};

/// Whom the script is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// Start the command after `--` as the `target` of the script
    ///
    /// `target` is a scope for the command and all it starts. The command executes nothing before the script waits or is done, so that
    /// its probes are in force before the first instruction. The session ends with the command, and gives its exit code; a session that
    /// ends before ends the command. Without `--`, all words are the command, and the usual probes are attached.
    #[arg(short = 'c', conflicts_with = "pid")]
    pub command: bool,

    /// Give the script this process as its `target`
    ///
    /// `target` is a scope for the process and all it starts; the session ends with it. Without a script, the usual probes are attached.
    #[arg(short = 'p', value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
}

/// What is attached if there is no script: what a process does to the system, one line each.
const USUAL: &str = r#"for template in ["exec", "file_open", "create", "rename", "unlink", "link", "chmod", "connect", "listen", "setid"] {
    probe(template).scope(target).name(template).attach();
}
"#;

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(
        "-c: no command\nallowed: krsi-sh -c COMMAND…, krsi-sh -c FILE [ARGS] -- COMMAND…, krsi-sh -c -e CODE -- COMMAND…"
    )]
    NoCommand,
    #[error("-c: cannot start `{program}`: {why}")]
    Start { program: String, why: String },
    #[error("-p: there is no process {pid}: {why}")]
    NoProcess { pid: i32, why: nix::errno::Errno },
}

/// A script, its words, and whom it is about.
#[derive(Debug, Default)]
pub struct Read {
    pub source: Source,
    pub words: Vec<String>,
    /// With -c also where the script says itself that it is about a command.
    pub target: TargetArgs,
    pub command: Vec<OsString>,
    /// What is enforced beside it, each with its words.
    pub profiles: Vec<(Source, Vec<String>)>,
    pub lesson: Option<Lesson>,
    /// It is about a command, of which nothing is started: it is only asked what options it has.
    pub asks_for_help: bool,
    /// Nothing of the command goes on when the session ends.
    pub is_whole: bool,
}

/// Reads the script that `command` is to do something with, or takes the usual one if there is none and somebody to be about.
///
/// # Errors
/// As [`ScriptArgs::read`]; or if the script is about a command, and there is none.
pub fn read(target: &TargetArgs, script: &ScriptArgs, command: &'static str) -> Result<Read, ScriptError> {
    let (own, started) = target.split(&script.words);
    let script = ScriptArgs { words: own, ..script.clone() };
    let mut read = Read { target: target.clone(), command: started, ..Read::default() };
    if target.is_asked() && !script.names_a_script() {
        read.source = Source { name: "the usual probes".to_owned(), text: USUAL.to_owned() };
        return Ok(read);
    }
    let (source, behind) = script.open(command)?;
    read.source = source;
    if !is_about_a_command(&read.source) {
        read.words = script.own(behind)?;
        return Ok(read);
    }
    let name = || {
        script.words.first().map_or_else(|| "-e CODE".to_owned(), |word| word.to_string_lossy().into_owned())
    };
    let (words, behind) = if target.command { (behind, None) } else { parted(behind) };
    // Before anything is made of them: an `--audit` among them would be nobody's.
    script.own(words)?;
    let mut confined = Confined::read(words)?;
    confined.settle();
    read.asks_for_help = confined.asks_for_help();
    read.words = script.own(&confined.words)?;
    match (behind.map(<[OsString]>::to_vec), target.pid) {
        (Some(_), Some(pid)) => return Err(ConfineError::TwoTargets { pid }.into()),
        (Some(command), None) => read.command = command,
        (None, _) => {}
    }
    read.target.command = target.pid.is_none();
    read.is_whole = read.target.command;
    if read.target.command && read.command.is_empty() && !read.asks_for_help {
        return Err(ConfineError::NoCommand { script: name() }.into());
    }
    (read.profiles, read.lesson) = (confined.profiles, confined.lesson);
    Ok(read)
}

impl Read {
    /// Makes the file in which the command reads what it is refused, if the script refuses; that it cannot be made is said, and no reason
    /// to let the command do anything.
    pub fn denials(&self) -> Option<Rc<Denials>> {
        let enforces = matches!(Header::of(&self.source.text), Ok(Some(header)) if header.purpose.enforces());
        if !enforces || !self.target.command || self.asks_for_help {
            return None;
        }
        let told = |error: &io::Error| {
            complain(format_args!("the command will not be told what it is refused ({DENIALS}): {error}"))
        };
        Denials::create().inspect_err(told).ok().map(Rc::new)
    }
}

/// The variables by which a command finds this file.
pub fn variables(denials: Option<&Rc<Denials>>) -> Vec<(&'static str, OsString)> {
    denials.map(|denials| (DENIALS, denials.path().into_os_string())).into_iter().collect()
}

impl TargetArgs {
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.command || self.pid.is_some()
    }

    /// Tells the script's words from the command's. Without `--` between them all are the command's.
    #[must_use]
    pub fn split(&self, words: &[OsString]) -> (Vec<OsString>, Vec<OsString>) {
        if !self.command {
            return (words.to_vec(), Vec::new());
        }
        match parted(words) {
            (own, Some(command)) => (own.to_vec(), command.to_vec()),
            (all, None) => (Vec::new(), all.to_vec()),
        }
    }

    /// Starts the command, which waits, or finds the process.
    ///
    /// # Errors
    /// If there is none.
    pub fn target(&self, command: &[OsString]) -> Result<Option<Target>, TargetError> {
        self.target_with(command, &[])
    }

    /// The same; the command has these variables in its environment besides.
    ///
    /// # Errors
    /// If there is none.
    pub fn target_with(
        &self,
        command: &[OsString],
        variables: &[(&str, OsString)],
    ) -> Result<Option<Target>, TargetError> {
        if let Some(pid) = self.pid {
            return Target::of_process(pid).map(Some).map_err(|why| TargetError::NoProcess { pid, why });
        }
        if !self.command {
            return Ok(None);
        }
        let program = command.first().ok_or(TargetError::NoCommand)?.to_string_lossy().into_owned();
        let held = Held::start_with(command, Streams::Inherited, variables).map_err(|error| match error {
            StartError::Refused(ended) => {
                TargetError::Start { program, why: ended.errno.unwrap_or_default() }
            }
            StartError::Io { error, .. } => TargetError::Start { program, why: error.to_string() },
        })?;
        Ok(Some(Target::of_command(held)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_words_stand_behind_the_dashes_or_are_all_there_are() {
        let args = TargetArgs { command: true, pid: None };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let split = |given: &[&str]| args.split(&words(given));
        assert_eq!(split(&["npm", "install"]), (words(&[]), words(&["npm", "install"])));
        assert_eq!(
            split(&["a.rhai", "x", "--", "ls", "--"]),
            (words(&["a.rhai", "x"]), words(&["ls", "--"]))
        );
        assert_eq!(TargetArgs::default().split(&words(&["a", "--", "b"])).0, words(&["a", "--", "b"]));
    }
}
