//! A program in the background, and when it said what.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Loading takes seconds in software emulation; this is for the day something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running program. It is killed if it is dropped before its end.
pub struct Timed {
    child: Child,
    started: Instant,
    lines: Receiver<(Duration, String)>,
}

impl Timed {
    /// # Errors
    /// If it does not start.
    pub fn start(mut command: Command) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {name}: {e}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send((started.elapsed(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Timed { child, started, lines })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When the line that begins so came, counted from the start.
    ///
    /// # Errors
    /// If it does not come; with what the program said instead.
    pub fn heard(&mut self, wanted: &str) -> Result<Duration, String> {
        let mut others = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok((when, line)) if line.starts_with(wanted) => return Ok(when),
                Ok((_, line)) => others.push(line),
                Err(error) => {
                    let why = match error {
                        RecvTimeoutError::Timeout => "in time",
                        RecvTimeoutError::Disconnected => "before its end",
                    };
                    return Err(format!("it did not say `{wanted}` {why}: {others:?}; {}", self.complaint()));
                }
            }
        }
    }

    /// Ends it as Ctrl-C does; gives what else it wrote.
    ///
    /// # Errors
    /// If it ends badly.
    pub fn interrupt(mut self) -> Result<Vec<String>, String> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT)
            .map_err(|e| format!("cannot interrupt it: {e}"))?;
        self.wait()?;
        Ok(self.lines.iter().map(|(_, line)| line).collect())
    }

    /// Waits for its own end.
    ///
    /// # Errors
    /// If it ends badly.
    pub fn end(mut self) -> Result<(), String> {
        self.wait()
    }

    fn wait(&mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|e| format!("cannot wait for it: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}: {}", self.complaint())) }
    }

    /// What it says on standard error; it has to end for that.
    fn complaint(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.child.kill();
        if let Some(mut pipe) = self.child.stderr.take() {
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The middle one; of an even number the lower of the two.
pub fn median<T: Copy + PartialOrd>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}
