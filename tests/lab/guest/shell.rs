//! The real shell, driven as a user's program would: a script in, NDJSON out.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use nix::{
    pty::openpty,
    sys::{
        signal::{Signal, kill, killpg},
        termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr},
    },
    unistd::Pid,
};
use serde_json::Value;

use super::{Outcome, holds, pace::stretched};

pub const SHELL: &str = "/bin/krsi-sh";
/// Loading takes about a second, and half a minute with each of the largest filters.
const PATIENCE: Duration = Duration::from_secs(240);
/// What one that was killed has written on standard error is read by then.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Who has not written for so long has written everything.
const QUIET: Duration = Duration::from_secs(1);

/// A running shell.
pub struct Shell {
    child: Child,
    lines: Receiver<Value>,
    /// All of standard error, once it has ended.
    errors: Receiver<String>,
    /// Everything on standard output so far.
    pub seen: Vec<Value>,
}

/// How a shell ended.
pub struct Ended {
    pub code: Option<i32>,
    pub lines: Vec<Value>,
    pub stderr: String,
}

impl Shell {
    /// Starts `script`, which says `print("ready")` once its probes are attached, and waits for that.
    pub fn ready(script: &str) -> Result<Self, String> {
        let mut shell = Self::start(&["--format", "json", "-e", script])?;
        shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready").map(|_| ())?;
        Ok(shell)
    }

    /// A shell with these probes, by the statements that attach them.
    pub fn with_probes(statements: &[String]) -> Result<Self, String> {
        Self::ready(&format!("{} print(\"ready\");", statements.concat()))
    }

    pub fn start(arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(SHELL);
        command.args(arguments);
        Self::of(command)
    }

    /// A shell that prompts, and the keyboard: what is written there it reads line by line.
    pub fn at_terminal(arguments: &[&str]) -> Result<(Self, File), String> {
        let pty = openpty(None, None).map_err(|e| e.to_string())?;
        // Nobody looks: nothing is echoed.
        let mut modes = tcgetattr(&pty.slave).map_err(|e| e.to_string())?;
        cfmakeraw(&mut modes);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &modes).map_err(|e| e.to_string())?;
        let mut command = Command::new(SHELL);
        command.args(arguments).env("TERM", "dumb").stdin(pty.slave);
        Ok((Self::spawn(command)?, File::from(pty.master)))
    }

    /// Starts the shell by this command.
    pub fn of(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts it in a process group of its own.
    fn spawn(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start the shell: {e}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut stderr = child.stderr.take().ok_or("no standard error")?;
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(value).is_err() {
                    break;
                }
            }
        });
        let (send, errors) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            let _ = send.send(String::from_utf8_lossy(&text).into_owned());
        });
        Ok(Shell { child, lines, errors, seen: Vec::new() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) -> Outcome {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
            .map_err(|e| format!("cannot send {signal}: {e}"))
    }

    /// The first line, read already or to come, that is what the caller looks for.
    pub fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        if let Some(found) = self.seen.iter().find(|line| wanted(line)) {
            return Ok(found.clone());
        }
        let until = Instant::now() + stretched(PATIENCE);
        loop {
            let line = self.next_until(until)?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// The next line, whatever it is.
    pub fn next(&mut self) -> Result<Value, String> {
        self.next_until(Instant::now() + stretched(PATIENCE))
    }

    fn next_until(&mut self, until: Instant) -> Result<Value, String> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.seen.push(line.clone());
                Ok(line)
            }
            Err(error) => Err(self.trouble(&error)),
        }
    }

    /// What is known of one that does not do what is waited for.
    pub fn trouble(&mut self, error: &dyn std::fmt::Display) -> String {
        self.kill();
        let stderr = self.errors.recv_timeout(stretched(LAST_WORDS)).unwrap_or_default();
        format!("{error}; standard output: {:?}; standard error: {stderr}", self.seen)
    }

    /// With whatever it has started.
    fn kill(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.kill();
    }

    /// Reads on until nothing has come for a while.
    pub fn drain(&mut self) {
        while let Ok(line) = self.lines.recv_timeout(stretched(QUIET)) {
            self.seen.push(line);
        }
    }

    /// What has come since the last look, of which nothing is kept; waits a moment for the first of it.
    pub fn poll(&mut self) -> Vec<Value> {
        const MOMENT: Duration = Duration::from_millis(20);
        let first = self.lines.recv_timeout(MOMENT);
        first.into_iter().chain(self.lines.try_iter()).collect()
    }

    /// The event about this process and path.
    pub fn event(&mut self, pid: u32, path: &str) -> Result<Value, String> {
        self.wait_for(|line| line["type"] == "event" && line["pid"] == pid && line["path"] == path)
            .map_err(|e| format!("no event of pid {pid} about {path}: {e}"))
    }

    /// Ends it as Ctrl-C does, and reads the rest.
    pub fn stop(self) -> Result<Ended, String> {
        self.signal(Signal::SIGINT)?;
        self.end()
    }

    /// Waits for its end, and reads the rest.
    pub fn end(mut self) -> Result<Ended, String> {
        let until = Instant::now() + stretched(PATIENCE);
        let left = || until.saturating_duration_since(Instant::now());
        loop {
            match self.lines.recv_timeout(left()) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(error) => return Err(self.trouble(&error)),
            }
        }
        let stderr = self.errors.recv_timeout(left()).map_err(|error| self.trouble(&error))?;
        // Both streams are closed: all that is left to it is its exit.
        let code = self.child.wait().map_err(|e| e.to_string())?.code();
        Ok(Ended { code, lines: std::mem::take(&mut self.seen), stderr })
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line["type"] == "event")
    }

    pub fn emitted(&self) -> Result<&Value, String> {
        self.lines
            .iter()
            .find(|line| line["type"] == "emit")
            .ok_or_else(|| format!("nothing emitted: {:?}; {}", self.lines, self.stderr))
    }

    /// The closing books of a probe.
    pub fn books(&self, probe: &str) -> Result<&Value, String> {
        self.lines
            .iter()
            .find(|line| line["type"] == "books" && line["probe"] == probe)
            .ok_or_else(|| format!("no books of {probe}: {:?}; {}", self.lines, self.stderr))
    }

    /// It ended well, and every probe's books balance, by this test's own addition.
    pub fn well(&self) -> Outcome {
        if self.code != Some(0) {
            return Err(format!("exit {:?}: {}", self.code, self.stderr));
        }
        let mut any = false;
        for books in self.lines.iter().filter(|line| line["type"] == "books") {
            any = true;
            balance(books)?;
        }
        holds(any, "no closing books")
    }
}

/// DESIGN.md, invariant 4.
pub fn balance(books: &Value) -> Outcome {
    let n = |name: &str| books[name].as_u64().ok_or_else(|| format!("no `{name}` in {books}"));
    let sums = [
        (n("seen")?, n("out_of_scope")? + n("filtered")? + n("matched")?),
        (
            n("matched")?,
            n("allow")? + n("would_deny")? + n("deny")? + n("kill")? + n("would_ask")? + n("asked")?,
        ),
        (n("asked")?, n("answered")? + n("timed_out")? + n("withdrawn")? + n("held")?),
        (n("matched")?, n("emitted")? + n("suppressed")? + n("lost_ring")?),
        (n("emitted")?, n("delivered")? + n("lost_queue")?),
    ];
    holds(sums.iter().all(|(a, b)| a == b), format!("the books do not balance: {books}"))
}

/// A statement that attaches a probe to what this suite and its children do, and puts it into the variable of its name.
///
/// A shell is slow to start in emulation, so one with several probes saves much.
pub fn attaching(name: &str, template: &str, params: &str, rest: &str) -> String {
    attaching_in(&format!("pid: {}", std::process::id()), name, template, params, rest)
}

/// The same, but to what tasks do that have the probe's name: several probes of a template keep out of each other's way.
pub fn attaching_to(name: &str, template: &str, params: &str, rest: &str) -> String {
    attaching_in(&format!("comm: \"{name}\""), name, template, params, rest)
}

fn attaching_in(scope: &str, name: &str, template: &str, params: &str, rest: &str) -> String {
    format!(
        "let {name} = probe(\"{template}\", #{{{params}}}).scope(#{{{scope}}}){rest}.name(\"{name}\").attach();\n"
    )
}

/// Runs a script that ends by itself.
pub fn run(script: &str) -> Result<Ended, String> {
    run_with(&[], script)
}

pub fn run_with(flags: &[&str], script: &str) -> Result<Ended, String> {
    let mut arguments = vec!["--format", "json"];
    arguments.extend(flags);
    arguments.extend(["-e", script]);
    Shell::start(&arguments)?.end()
}

/// The shell, writing as for a terminal though nothing here is one.
pub fn for_people() -> Command {
    let mut command = Command::new(SHELL);
    command.env("KRSI_SH_FORMAT", "text");
    command
}

/// Runs a script as another user.
pub fn run_as(uid: u32, script: &str) -> Result<(Option<i32>, String, String), String> {
    run_command_as(uid, &["-e", script])
}

/// Runs the shell as another user: its exit code, and what it has written.
pub fn run_command_as(uid: u32, arguments: &[&str]) -> Result<(Option<i32>, String, String), String> {
    let output = for_people()
        .args(arguments)
        .uid(uid)
        .gid(uid)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

/// Runs the shell with these arguments to its end: what it has written on standard output, and on standard error.
pub fn told_by(arguments: &[&str]) -> Result<(String, String), String> {
    let output =
        Command::new(SHELL).args(arguments).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let [told, log] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok((told, log))
}

/// Records a session about a command, which has to say each of these; replayed, it says the same, byte for byte.
pub fn said_again_by_replay(place: &str, script: &str, command: &str, says: &[&str]) -> Outcome {
    // One that is left of another run is none of this.
    let _ = fs::remove_file(place);
    let (live, log) = told_by(&["record", "-o", place, "-c", "-e", script, "--", "/bin/sh", "-c", command])?;
    for wanted in says {
        holds(live.contains(wanted), format!("no `{wanted}`: {live}\n{log}"))?;
    }
    let (again, log) = told_by(&["replay", place, "-e", script])?;
    let differs = live.lines().zip(again.lines()).find(|(live, again)| live != again);
    holds(live == again, format!("{differs:?} of\n{live}\n---\n{again}\n{log}"))?;
    fs::remove_file(place).map_err(|e| format!("{place}: {e}"))
}
