//! A child process that waits, before it executes anything, until it is released: so that probes are in force before its first
//! instruction.
//!
//! In: a command line. Out: a process id at once, and how it ended. It is a plain fork, never vfork or posix_spawn: there the parent is
//! stopped until the child executes, and a probe that holds the child would hold this shell with it. It dies with this shell.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            process::ExitStatusExt,
        },
    },
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::signal::{Signal, kill},
    unistd::{AccessFlags, ForkResult, Pid, access, fork, pipe2},
};

use super::child::{Ended, Output, StartError, watch};
use crate::{raw, system::limits};

/// How a child ends whose shell is gone before it was released; nobody sees it.
const NEVER_RELEASED: i32 = 126;
/// How a shell says that a program could not be executed.
const NOT_EXECUTED: i32 = 127;
/// How long a child that was asked to end has for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a child's standard streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Where this shell's own do.
    Inherited,
    /// Output is kept, and nothing is on standard input.
    Kept,
}

/// A child that waits, runs or has ended; dropped before its end, it is killed.
#[derive(Debug)]
pub struct Held {
    pid: Pid,
    /// Written to, it is released.
    go: Option<File>,
    /// What it says if the program cannot be executed: an errno.
    trouble: File,
    over: Receiver<()>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    ended: Option<Ended>,
}

/// All that the child needs, made before there is one: behind fork(2) it may not take memory, since a thread that is not
/// there any more may have held the allocator's lock.
struct Prepared {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    go: RawFd,
    /// The other end, which is the parent's.
    not_ours: RawFd,
    trouble: RawFd,
    streams: Option<[RawFd; 3]>,
    files: Option<(u64, u64)>,
}

impl Held {
    /// Starts a child that waits to execute a program, looked up in `PATH`.
    ///
    /// # Errors
    /// If there is no such program, or no process can be had.
    pub fn start(argv: &[OsString], streams: Streams) -> Result<Self, StartError> {
        Self::start_with(argv, streams, &[])
    }

    /// The same, with these variables in its environment besides.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        argv: &[OsString],
        streams: Streams,
        variables: &[(&str, OsString)],
    ) -> Result<Self, StartError> {
        let name = argv.first().map_or(OsStr::new(""), OsString::as_os_str);
        let failed = |error: io::Error| StartError::Io { program: raw::from_os(name), error };
        let refused = |errno: Errno| {
            StartError::Refused(Ended { errno: Some(format!("{errno:?}")), ..Ended::default() })
        };
        let program = found(name).ok_or_else(|| refused(Errno::ENOENT))?;
        let pair = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed(errno.into()));
        let (waits, go) = pair()?;
        let (heard, trouble) = pair()?;
        let kept = match streams {
            Streams::Inherited => None,
            Streams::Kept => {
                let nothing = File::open("/dev/null").map_err(failed)?;
                Some((OwnedFd::from(nothing), pair()?, pair()?))
            }
        };
        let word = |word: &OsStr| {
            CString::new(word.as_bytes()).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))
        };
        let variable = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        };
        let prepared = Prepared {
            program: word(program.as_os_str())?,
            arguments: argv.iter().map(|argument| word(argument)).collect::<Result<_, _>>()?,
            environment: env::vars_os()
                .filter(|(name, _)| variables.iter().all(|(other, _)| name != other))
                .chain(variables.iter().map(|(name, value)| (OsString::from(name), value.clone())))
                .filter_map(variable)
                .collect(),
            go: waits.as_raw_fd(),
            not_ours: go.as_raw_fd(),
            trouble: trouble.as_raw_fd(),
            streams: kept
                .as_ref()
                .map(|(nothing, (_, out), (_, err))| [nothing.as_raw_fd(), out.as_raw_fd(), err.as_raw_fd()]),
            files: limits::files_at_start(),
        };
        let (arguments, environment) = (pointers(&prepared.arguments), pointers(&prepared.environment));
        // SAFETY: the child makes system calls alone until it executes a program or ends; see `Prepared`.
        let child = match unsafe { fork() }.map_err(|errno| failed(errno.into()))? {
            // SAFETY: this is the child, and the pointers are of words that live on.
            ForkResult::Child => unsafe { prepared.wait_and_execute(&arguments, &environment) },
            ForkResult::Parent { child } => child,
        };
        let mut held = Held {
            pid: child,
            go: Some(File::from(go)),
            trouble: File::from(heard),
            over: watch(child.as_raw().unsigned_abs()).map_err(failed)?,
            stdout: None,
            stderr: None,
            ended: None,
        };
        if let Some((_, (out, _), (err, _))) = kept {
            held.stdout = Some(Output::of(Some(File::from(out))).map_err(failed)?);
            held.stderr = Some(Output::of(Some(File::from(err))).map_err(failed)?);
        }
        Ok(held)
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether it has been let go.
    #[must_use]
    pub fn released(&self) -> bool {
        self.go.is_none()
    }

    /// Lets it execute its program; nothing if that has been done.
    pub fn release(&mut self) {
        if let Some(mut go) = self.go.take() {
            // One that is gone already needs no word.
            let _ = go.write_all(b"g");
        }
    }

    /// Is told something when it has ended.
    #[must_use]
    pub fn over(&self) -> Receiver<()> {
        self.over.clone()
    }

    /// Waits for the end, and gives how it ended.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn finish(&mut self) -> io::Result<Ended> {
        if let Some(ended) = &self.ended {
            return Ok(ended.clone());
        }
        let status = self.reap(0)?.ok_or(io::ErrorKind::Interrupted)?;
        Ok(self.note(status))
    }

    /// Ends it if it has not ended: it is asked to, and then made to.
    pub fn end(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let _ = kill(self.pid, Signal::SIGTERM);
        // One that still waits does not hear of a stop that a probe has sent.
        let _ = kill(self.pid, Signal::SIGCONT);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.reap(libc::WNOHANG) {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(status)) => {
                    self.note(status);
                    return;
                }
                Err(_) => return,
            }
        }
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = self.finish();
    }

    /// Waits for the end; `None` if that has not come, and is not waited for. (nix knows no real-time signals.)
    fn reap(&self, flags: i32) -> io::Result<Option<ExitStatus>> {
        let mut status = 0;
        loop {
            // SAFETY: waitpid(2) writes one number, into this variable.
            match unsafe { libc::waitpid(self.pid.as_raw(), &raw mut status, flags) } {
                0 => return Ok(None),
                -1 => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
                _ => return Ok(Some(ExitStatus::from_raw(status))),
            }
        }
    }

    fn note(&mut self, status: ExitStatus) -> Ended {
        let code = status.code();
        let signal = status.signal().map(|number| {
            Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.as_str().to_owned())
        });
        // The child's end of the pipe is closed by now: by its program, or with it.
        let mut number = [0; 4];
        let errno =
            self.trouble.read_exact(&mut number).ok().map(|()| Errno::from_raw(i32::from_ne_bytes(number)));
        let output = |output: &Option<Output>| output.as_ref().map(Output::take).unwrap_or_default();
        let ((stdout, more_out), (stderr, more_err)) = (output(&self.stdout), output(&self.stderr));
        let code = code.filter(|_| errno.is_none());
        let errno = errno.map(|errno| format!("{errno:?}"));
        let ended = Ended { code, signal, errno, stdout, stderr, truncated: more_out || more_err };
        self.ended = Some(ended.clone());
        ended
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.finish();
        }
    }
}

impl Prepared {
    /// The child's part.
    ///
    /// # Safety
    /// Only behind fork(2), in the child; the pointers are those of this struct's words, ended by a null.
    unsafe fn wait_and_execute(
        &self,
        arguments: &[*const libc::c_char],
        environment: &[*const libc::c_char],
    ) -> ! {
        // SAFETY: system calls alone, on descriptors and words that were made before the fork.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::close(self.not_ours);
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            // What is ignored stays so for the program; Rust ignores this one.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            if let Some((soft, hard)) = self.files {
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            if let Some(streams) = self.streams {
                for (at, fd) in (0..).zip(streams) {
                    libc::dup2(fd, at);
                }
            }
            let mut word = 0_u8;
            loop {
                match libc::read(self.go, (&raw mut word).cast(), 1) {
                    1 => break,
                    // It may be stopped and go on while it waits.
                    -1 if *libc::__errno_location() == libc::EINTR => {}
                    _ => libc::_exit(NEVER_RELEASED),
                }
            }
            libc::execve(self.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
            let errno = (*libc::__errno_location()).to_ne_bytes();
            libc::write(self.trouble, errno.as_ptr().cast(), errno.len());
            libc::_exit(NOT_EXECUTED)
        }
    }
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The file that a command's first word names, as execvp(3) finds it.
fn found(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(Path::new(name).to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let may = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    env::split_paths(&path).map(|directory| directory.join(name)).find(may).filter(|_| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(argv: &[&str]) -> Held {
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        Held::start(&argv, Streams::Kept).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn nothing_is_executed_before_it_is_released() {
        let own = std::fs::read_link("/proc/self/exe").unwrap();
        let mut child = held(&["sh", "-c", "echo out; exit 7"]);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(std::fs::read_link(format!("/proc/{}/exe", child.pid())).unwrap(), own);
        assert!(!child.released() && child.over().try_recv().is_err());
        child.release();
        let ended = child.finish().unwrap();
        assert_eq!((ended.code, ended.stdout.as_slice()), (Some(7), b"out\n".as_slice()));
        assert_eq!(child.finish().unwrap(), ended);
    }

    #[test]
    fn a_variable_is_given_once() {
        let argv: Vec<OsString> = ["sh", "-c", "env | grep -E '^(HOME|KRSI_X)='"].map(Into::into).into();
        let mut child =
            Held::start_with(&argv, Streams::Kept, &[("HOME", "/h".into()), ("KRSI_X", "y".into())]).unwrap();
        child.release();
        let text = String::from_utf8(child.finish().unwrap().stdout).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["HOME=/h", "KRSI_X=y"]);
    }

    #[test]
    fn one_that_is_dropped_is_gone_released_or_not() {
        for release in [false, true] {
            let mut child = held(&["sleep", "1000"]);
            if release {
                child.release();
            }
            let pid = Pid::from_raw(child.pid());
            drop(child);
            assert_eq!(kill(pid, None), Err(Errno::ESRCH));
        }
    }

    #[test]
    fn what_cannot_be_executed_says_why() {
        assert!(matches!(
            Held::start(&["no-such-program".into()], Streams::Kept),
            Err(StartError::Refused(_))
        ));
        let mut child = held(&["/"]);
        child.release();
        let ended = child.finish().unwrap();
        assert_eq!((ended.code, ended.errno.as_deref()), (None, Some("EACCES")));
    }

    #[test]
    fn one_that_is_asked_to_end_ends() {
        let mut child = held(&["sleep", "1000"]);
        child.release();
        child.end();
        assert_eq!(child.finish().unwrap().signal.as_deref(), Some("SIGTERM"));
    }
}
