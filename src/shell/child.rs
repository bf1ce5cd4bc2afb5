//! Programs that are given the terminal for a while: a pager, an editor.
//!
//! The editor thread waits meanwhile and the terminal is in its ordinary mode;
//! the engine goes on delivering events, so leases are renewed ([`super::Shell::meanwhile`]).

use std::{
    env,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::libc;

use crate::exit;

/// What a shell gives if there is no such program.
const NOT_FOUND: i32 = 127;
/// Leaves at once if everything fits, keeps colours, leaves the text on the screen.
const PAGER: &str = "less -FRX";

/// Rows of the terminal on standard output.
#[must_use]
pub fn rows() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(_, rows)| usize::from(rows.0))
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Shows a text page by page; gives it back if there is no pager.
///
/// # Errors
/// The text, unshown.
pub fn page(text: String) -> Result<(), String> {
    let pager = set("PAGER").unwrap_or_else(|| PAGER.to_owned());
    let started = Command::new("/bin/sh").arg("-c").arg(&pager).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return Err(text) };
    if let Some(mut input) = child.stdin.take() {
        // A pager that is left early has closed its input.
        let _ = input.write_all(text.as_bytes());
    }
    match child.wait() {
        Ok(status) if status.code() != Some(NOT_FOUND) => Ok(()),
        _ => Err(text),
    }
}

/// Runs a command line as the system's shell reads it.
///
/// # Errors
/// What there is to say about its end, unless it was a good one.
pub fn command(line: &str) -> Result<(), String> {
    match Command::new("/bin/sh").arg("-c").arg(line).status() {
        Ok(status) if status.success() => Ok(()),
        // The shell has said it.
        Ok(status) if status.code() == Some(NOT_FOUND) => Ok(()),
        // By who typed it: the terminal has written `^C`, and no newline.
        Ok(status) if status.signal() == Some(libc::SIGINT) => {
            let _ = writeln!(io::stderr());
            Ok(())
        }
        Ok(status) => Err(format!("it ended with {status}")),
        Err(error) => Err(format!("cannot start /bin/sh: {error}")),
    }
}

/// Runs a command of this program's own, until it ends or is interrupted.
///
/// # Errors
/// What there is to say about its end; what went wrong it has said itself.
pub fn own(arguments: &[String]) -> Result<(), String> {
    const EXECUTABLE: &str = "/proc/self/exe";
    match Command::new(EXECUTABLE).args(arguments).status() {
        Ok(status) if status.code() == Some(exit::INTERRUPTED) => {
            // The terminal has written `^C`, and no newline.
            let _ = writeln!(io::stderr());
            Ok(())
        }
        Ok(status) if status.code().is_some() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(error) => Err(format!("cannot start {EXECUTABLE}: {error}")),
    }
}

/// Lets somebody edit a file.
///
/// # Errors
/// Why that did not come about.
pub fn edit(file: &Path) -> Result<(), String> {
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let status =
        Command::new("/bin/sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() == Some(NOT_FOUND) => {
            Err(format!("there is no editor `{editor}`; set VISUAL or EDITOR to one that is there"))
        }
        Ok(status) => Err(format!("`{editor}` ended with {status}; nothing is run")),
        Err(error) => Err(format!("cannot start `{editor}`: {error}")),
    }
}
