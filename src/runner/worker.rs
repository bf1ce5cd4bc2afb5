//! The process of one script: this program again, which writes a line of JSON for each check.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crossbeam_channel::Sender;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use serde_json::Value;

use super::Request;
use crate::check::Finished;

/// Bytes of standard error that are kept of a script.
const MOST_STDERR: u64 = 256 << 10;
/// Bytes of a line that is looked at; a check's evidence is bounded, so a longer one is none.
const LONGEST_LINE: u64 = 4 << 20;

/// What a worker's process tells.
pub enum Message {
    Finished(usize, Box<Finished>),
    /// It printed, or raised an alert.
    Said(usize, String),
    /// Its output has ended.
    Over(usize),
}

/// One script that runs.
pub struct Worker {
    pub script: PathBuf,
    /// In the order in which they ended.
    pub finished: Vec<Finished>,
    child: Child,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
}

impl Worker {
    /// Starts a script; what it tells comes as messages with this number.
    ///
    /// # Errors
    /// If there can be no process or no thread for it.
    pub fn start(
        number: usize,
        script: &Path,
        request: &Request,
        left: Duration,
        tell: Sender<Message>,
    ) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args(&request.words).arg("--format=json").arg(format!("--for={}ms", left.as_millis().max(1)));
        command.args(["check", "--worker", &std::process::id().to_string()]);
        let selection = &request.selection;
        for (flag, words) in
            [("--only", &selection.only), ("--skip", &selection.skip), ("--tag", &selection.tags)]
        {
            command.args(words.iter().map(|word| format!("{flag}={word}")));
        }
        command.args(selection.level.map(|level| format!("--level={level}")));
        if let Some(root) = &request.root {
            command.arg("--root").arg(root);
        }
        command.args(request.listed.then_some("--list"));
        command.arg("--").arg(script);
        // A script that asks at the terminal would hold up a run that nobody watches.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let spawned = thread::Builder::new().name("krsi-stderr".into()).spawn(move || kept(stderr));
        let reading = thread::Builder::new().name("krsi-worker".into()).spawn(move || {
            if let Some(stdout) = stdout {
                read(number, stdout, &tell);
            }
            let _ = tell.send(Message::Over(number));
        });
        match (spawned, reading) {
            (Ok(stderr), Ok(_)) => {
                Ok(Worker { script: script.to_owned(), finished: Vec::new(), child, stderr: Some(stderr) })
            }
            (Err(error), _) | (_, Err(error)) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Tells it to end; what it has to tear down it still does.
    pub fn end(&self, signal: i32) {
        if let (Ok(pid), Ok(signal)) = (i32::try_from(self.child.id()), Signal::try_from(signal)) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end; gives how it ended and what it wrote on standard error.
    pub fn wait(mut self) -> (PathBuf, Vec<Finished>, io::Result<std::process::ExitStatus>, String) {
        let status = self.child.wait();
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&stderr).trim_end().to_owned();
        (self.script, self.finished, status, text)
    }
}

/// Everything up to a bound; the rest is read and dropped, so that the writer is not held up.
fn kept(stderr: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = (&mut stderr).take(MOST_STDERR).read_to_end(&mut bytes);
        let _ = io::copy(&mut stderr, &mut io::sink());
    }
    bytes
}

/// What kind of record a line is.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

fn read(number: usize, stdout: impl Read, tell: &Sender<Message>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stdout).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let Ok(kind) = serde_json::from_slice::<Kind>(&line) else { continue };
        let message = match kind.r#type.as_str() {
            "check" => serde_json::from_slice(&line).ok().map(|finished| Message::Finished(number, finished)),
            "print" | "alert" => serde_json::from_slice::<Value>(&line)
                .ok()
                .and_then(|record| record["text"].as_str().map(str::to_owned))
                .map(|text| Message::Said(number, text)),
            _ => None,
        };
        if message.is_some_and(|message| tell.send(message).is_err()) {
            return;
        }
    }
}

/// Has this process end when the one that started it does. To be called at once.
///
/// # Errors
/// If that process is gone already.
pub fn tie_to(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    if nix::unistd::getppid().as_raw().unsigned_abs() == parent {
        Ok(())
    } else {
        Err(io::Error::other(format!("process {parent}, which asked for this, has ended")))
    }
}
