//! `krsi-sh lab`: the same command line, in a throwaway virtual machine.
//!
//! In: arguments, and the global flags as they were given. Out: the guest's
//! output and exit code as if they were this process's own. What is asked of the
//! guest is `krsi-sh` with the same flags, so a script cannot tell the lab from
//! the host but by what it finds there.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use super::{
    complain,
    guest::{self, GuestArgs, GuestScript},
};
use crate::{
    exit,
    globals::Globals,
    lab::{self, Command, LabError, Request, Streams, Verdict},
};

/// Run a script in a throwaway virtual machine, or get a prompt there
///
/// The guest has BPF LSM on, no network, and nothing of this machine but krsi-sh itself, the
/// script, and what --with puts there. Output and exit code are the script's. Arguments of the
/// script stand behind `--`.
#[derive(Debug, Clone, clap::Args)]
pub struct LabArgs {
    #[command(flatten)]
    pub guest: GuestArgs,

    /// Run this code instead of a script
    #[arg(short = 'e', value_name = "CODE", conflicts_with = "script", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// Script to run in the guest, `-` for standard input; without one, an interactive shell
    #[arg(value_name = "SCRIPT", value_hint = clap::ValueHint::FilePath)]
    pub script: Option<PathBuf>,

    /// Arguments of the script
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// A guest somebody types into ends when they say so.
const INTERACTIVE_TIMEOUT: Duration = Duration::from_secs(366 * 24 * 3600);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &LabArgs, globals: &Globals) -> i32 {
    let outcome = request(args, globals).and_then(|request| {
        if matches!(request.command, Command::Interactive { .. }) && !globals.quiet {
            complain("lab: booting a guest; Ctrl-] ends it");
        }
        let (mut stdout, mut stderr, mut log) = (io::stdout(), io::stderr(), io::stderr());
        let console: Option<&mut (dyn Write + Send)> =
            if globals.verbose > 0 { Some(&mut log) } else { None };
        lab::run(&request, Streams { stdout: &mut stdout, stderr: &mut stderr, console })
    });
    match outcome {
        Ok(verdict) => {
            if globals.verbose > 0 {
                complain(format_args!("lab: {}", summary(&verdict)));
            }
            for reason in &verdict.unwritten {
                complain(format_args!("lab: {reason}; some of the guest's output is lost"));
            }
            // As for a script here: its own failure goes before that of its output.
            match verdict.exit_code {
                exit::FINE if !verdict.unwritten.is_empty() => exit::ENVIRONMENT,
                code => code,
            }
        }
        // A reader that has enough is content.
        Err(LabError::OutputClosed) => exit::FINE,
        Err(error) => {
            complain(format_args!("lab: {error}"));
            if matches!(error, LabError::Interrupted) { exit::INTERRUPTED } else { exit::ENVIRONMENT }
        }
    }
}

fn summary(verdict: &Verdict) -> String {
    format!(
        "exit code {} after {:.1} s, {:.1} s of them the boot ({})",
        verdict.exit_code,
        verdict.total.as_secs_f64(),
        verdict.boot.as_secs_f64(),
        verdict.acceleration
    )
}

fn request(args: &LabArgs, globals: &Globals) -> Result<Request, LabError> {
    let mut files = args.guest.files()?;
    let mut argv = vec!["krsi-sh".to_owned()];
    argv.extend(guest::flags(globals, &mut files)?);
    let is_interactive = args.code.is_none() && args.script.is_none();
    let script = GuestScript::read(args.code.as_deref(), args.script.as_deref())?;
    files.extend(script.files);
    argv.extend(script.words);
    if !is_interactive && !args.args.is_empty() {
        argv.push("--".to_owned());
        argv.extend(args.args.iter().cloned());
    }
    let (command, timeout) = if is_interactive {
        (Command::Interactive { argv }, INTERACTIVE_TIMEOUT)
    } else {
        (Command::Run { argv, stdin: script.stdin }, DEFAULT_TIMEOUT)
    };
    Ok(args.guest.request(command, files, timeout, globals))
}
