//! A child process: its end told through a channel, its output kept up to a limit.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, bounded};
use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, setrlimit},
        signal::Signal,
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};

use crate::{raw, system::limits};

/// Of each stream; what comes after is read and thrown away.
const KEPT: usize = 1 << 20;
/// How long the output may still come in once the child has ended: a grandchild may hold it open for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// How a child ended, or why it did not begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<String>,
    /// Why it could not be executed.
    pub errno: Option<String>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// More came than was kept.
    pub truncated: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// execve gave an errno: the script's own business, since a probe may be behind it.
    #[error("the program could not be executed")]
    Refused(Ended),
    #[error("cannot start `{program}`: {error}")]
    Io { program: String, error: io::Error },
}

/// A child that runs; dropped before its end, it is killed.
pub struct Child {
    process: std::process::Child,
    over: Receiver<()>,
    stdout: Output,
    stderr: Output,
    finished: bool,
}

impl Child {
    /// Starts a program, looked up in `PATH`, with nothing on standard input.
    ///
    /// # Errors
    /// If execve refuses it, or no process can be had.
    pub fn start(argv: &[OsString]) -> Result<Self, StartError> {
        let program = argv.first().map_or(OsStr::new(""), OsString::as_os_str);
        let io = |error| StartError::Io { program: raw::from_os(program), error };
        let mut command = Command::new(program);
        command.args(argv.get(1..).unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some((soft, hard)) = limits::files_at_start() {
            // The shell's own limit is lifted; select(2) of others may not bear that.
            let restore = move || Ok(setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?);
            // SAFETY: setrlimit(2) is one system call, which takes no lock and no memory.
            unsafe { command.pre_exec(restore) };
        }
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                let Some(number) = error.raw_os_error() else { return Err(io(error)) };
                let errno = Some(format!("{:?}", Errno::from_raw(number)));
                return Err(StartError::Refused(Ended { errno, ..Ended::default() }));
            }
        };
        let stdout = Output::of(process.stdout.take()).map_err(io)?;
        let stderr = Output::of(process.stderr.take()).map_err(io)?;
        let over = watch(process.id()).map_err(io)?;
        Ok(Child { process, over, stdout, stderr, finished: false })
    }

    /// Is told something when the child has ended.
    #[must_use]
    pub fn ended(&self) -> Receiver<()> {
        self.over.clone()
    }

    /// Waits for the end, and gives what there is of the output.
    ///
    /// # Errors
    /// If the child cannot be waited for.
    pub fn finish(&mut self) -> io::Result<Ended> {
        let status = self.process.wait()?;
        self.finished = true;
        let (stdout, more_out) = self.stdout.take();
        let (stderr, more_err) = self.stderr.take();
        let signal = status.signal().map(|number| {
            Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.as_str().to_owned())
        });
        Ok(Ended {
            code: status.code(),
            signal,
            errno: None,
            stdout,
            stderr,
            truncated: more_out || more_err,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.finished {
            // It may have ended by itself, which is as well.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Tells when the process has ended, and leaves it to be waited for: until then its id is nobody else's.
pub(super) fn watch(id: u32) -> io::Result<Receiver<()>> {
    let (tell, over) = bounded(1);
    let pid = Pid::from_raw(id.cast_signed());
    thread::Builder::new().name("krsi-child".into()).spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        let _ = tell.send(());
    })?;
    Ok(over)
}

/// One stream of a child's, read on a thread of its own.
#[derive(Debug)]
pub(super) struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    more: Arc<AtomicBool>,
    at_end: Receiver<()>,
}

impl Output {
    pub(super) fn of(pipe: Option<impl Read + Send + 'static>) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let more = Arc::new(AtomicBool::new(false));
        let (tell, at_end) = bounded(1);
        if let Some(pipe) = pipe {
            let (kept, more) = (Arc::clone(&kept), Arc::clone(&more));
            thread::Builder::new().name("krsi-output".into()).spawn(move || {
                read_all(pipe, &kept, &more);
                let _ = tell.send(());
            })?;
        }
        Ok(Output { kept, more, at_end })
    }

    pub(super) fn take(&self) -> (Vec<u8>, bool) {
        // A thread that has ended without a word is at the end as well.
        let _ = self.at_end.recv_timeout(LAST_OUTPUT);
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        (kept, self.more.load(Ordering::Acquire))
    }
}

fn read_all(mut pipe: impl Read, kept: &Mutex<Vec<u8>>, more: &AtomicBool) {
    let mut buffer = [0; 8192];
    loop {
        let read = match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = read.min(KEPT - kept.len().min(KEPT));
        kept.extend_from_slice(&buffer[..room]);
        if room < read {
            more.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str]) -> Ended {
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        match Child::start(&argv) {
            Ok(mut child) => child.finish().unwrap(),
            Err(StartError::Refused(ended)) => ended,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn code_signal_and_errno_are_told_apart() {
        let ended = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!((ended.code, ended.signal, ended.errno), (Some(7), None, None));
        assert_eq!((ended.stdout, ended.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        let ended = run(&["sh", "-c", "kill -TERM $$"]);
        assert_eq!((ended.code, ended.signal.as_deref()), (None, Some("SIGTERM")));
        assert_eq!(run(&["/nonexistent"]).errno.as_deref(), Some("ENOENT"));
    }

    #[test]
    fn output_beyond_the_limit_is_cut_and_said_so() {
        let ended = run(&["head", "-c", "3000000", "/dev/zero"]);
        assert_eq!((ended.code, ended.stdout.len(), ended.truncated), (Some(0), KEPT, true));
    }

    #[test]
    fn a_grandchild_that_holds_the_output_open_is_not_waited_for() {
        let begun = std::time::Instant::now();
        let ended = run(&["sh", "-c", "sleep 60 & echo $!"]);
        assert!(begun.elapsed() < Duration::from_secs(10));
        let grandchild: i32 = String::from_utf8(ended.stdout).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(grandchild), Signal::SIGKILL).unwrap();
    }
}
