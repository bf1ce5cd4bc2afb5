//! Programs of this system that only look, where no file says it: rpm, sshd -T.
//!
//! Nothing of a script reaches a shell, and they are run from the system's own directories, never from PATH.

use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{FactError, Reader};
use crate::raw;

/// More of what one writes is not read.
const LIMIT: u64 = 64 << 20;
/// It has hung up if it takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

/// Where programs are.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Returns where a program is, if this system has it.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| PathBuf::from(directory).join(name)).find(|path| path.is_file())
}

/// What one has written, and whether it ended well.
#[derive(Debug)]
pub struct Said {
    pub text: String,
    pub well: bool,
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be run, takes too long or the session is to end.
pub fn run(reader: Reader<'_>, program: &std::path::Path, arguments: &[&str]) -> Result<Said, FactError> {
    let failed = |what: &str| FactError::system(format!("cannot ask {}: {what}", raw::from_os(program)));
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| raw::os(argument)));
    command.env_clear().env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
    let stdout = child.stdout.take();
    let text = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map(|stdout| stdout.take(LIMIT).read_to_end(&mut bytes));
        read.transpose().map(|_| bytes)
    });
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(&error.to_string()))? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE || reader.check().is_err() => {
                let _ = child.kill();
                let _ = child.wait();
                reader.check()?;
                return Err(failed("it does not answer within a minute"));
            }
            None => thread::sleep(LOOK),
        }
    };
    let bytes = text.join().map_err(|_| failed("what it says cannot be read"))?;
    let bytes = bytes.map_err(|error| failed(&error.to_string()))?;
    Ok(Said { text: raw::text(&bytes), well: status.success() })
}
