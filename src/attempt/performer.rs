//! One piece of work: a child that enters the scratch and does it, and what the keeper sees of that.
//!
//! The child tells what it came to through a pipe that an execution closes: an end without a word is a program that has begun,
//! or a process that was killed on the way. Which of them, /proc tells.

use std::{
    ffi::{CString, OsString},
    fs,
    io::Write,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    process,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigHandler, Signal, kill, raise, signal},
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, execvpe, fork, pipe2},
};
use rustix::process::{PidfdFlags, pidfd_open};

use super::{
    arguments::Failure,
    enter,
    message::{self, Attempted, Ending, Made, Performed, Ran, Report, Spec, Work},
    namespace::Namespace,
    operation::Operation,
    output::Output,
};
use crate::raw;

/// How long an attempt may take; all are of the kind that ends at once.
const LONGEST: Duration = Duration::from_secs(10);
/// How long output may still come in once a program has ended: what it leaves running may hold it open.
const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// Between two looks at a program that may have begun.
const LOOK: Duration = Duration::from_millis(1);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why no answer came.
enum Cut {
    TooLong,
    /// The session wants something else, or is gone.
    Unwanted,
}

/// Does a piece of work in a scratch; `None` if the session stops wanting it, which something on its socket says.
pub fn perform(work: &Work, spec: &Spec, made: &Made, session: BorrowedFd<'_>) -> Option<Performed> {
    let mut child = match Worker::start(work, spec, made) {
        Ok(child) => child,
        Err(errno) => {
            return Some(Performed::Failed(format!("there can be no process for it: {}", errno.desc())));
        }
    };
    let status = match child.watch(session) {
        Ok(status) => status,
        Err(Cut::Unwanted) => return None,
        Err(Cut::TooLong) => {
            return Some(Performed::Failed(format!("it took more than {} s", LONGEST.as_secs())));
        }
    };
    Some(child.judge(work, status))
}

/// The child, as its keeper sees it.
struct Worker {
    pid: Pid,
    /// Readable once it has ended.
    end: OwnedFd,
    report: Output,
    streams: Option<(Output, Output)>,
    /// What comes of it is another program, which is of no use.
    executes: bool,
    /// That program has begun.
    begun: bool,
    limit: Option<Instant>,
}

impl Worker {
    fn start(work: &Work, spec: &Spec, made: &Made) -> Result<Self, Errno> {
        let pipe = || pipe2(OFlag::O_CLOEXEC);
        let (report, tell) = pipe()?;
        let is_run = matches!(work, Work::Run { .. });
        let streams = if is_run { Some((pipe()?, pipe()?)) } else { None };
        // SAFETY: this process has one thread, so its child may do whatever it may do itself.
        let pid = match unsafe { fork() }? {
            ForkResult::Child => {
                let outputs = streams.as_ref().map(|((_, out), (_, err))| [out.as_fd(), err.as_fd()]);
                let Ok(report) = arrange(&tell, outputs) else { process::exit(1) };
                work_in(work, spec, made, report)
            }
            ForkResult::Parent { child } => child,
        };
        drop(tell);
        let end = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::ESRCH).and_then(|id| {
            pidfd_open(id, PidfdFlags::empty()).map_err(|e| Errno::from_raw(e.raw_os_error()))
        });
        let end = end.inspect_err(|_| end_of(pid))?;
        let executes = matches!(work, Work::Attempt { operation, .. } if Operation::find(operation).is_ok_and(Operation::executes));
        Ok(Worker {
            pid,
            end,
            report: Output::new(report),
            streams: streams.map(|((out, _), (err, _))| (Output::new(out), Output::new(err))),
            executes,
            begun: false,
            limit: (!is_run).then(|| Instant::now() + LONGEST),
        })
    }

    /// Waits for its end and for all it has written.
    fn watch(&mut self, session: BorrowedFd<'_>) -> Result<WaitStatus, Cut> {
        let mut ended: Option<(WaitStatus, Instant)> = None;
        loop {
            let may_begin = self.executes && self.report.pipe.is_none() && !self.begun && ended.is_none();
            if may_begin && self.has_begun() {
                self.begun = true;
                let _ = kill(self.inner(), Signal::SIGKILL);
            }
            let now = Instant::now();
            if let Some((status, since)) = &ended {
                let outputs = self.streams.iter().flat_map(|(out, err)| [out, err]);
                let open = outputs.chain([&self.report]).any(|output| output.pipe.is_some());
                if !open || now > *since + LAST_OUTPUT {
                    return Ok(*status);
                }
            }
            if ended.is_none() && self.limit.is_some_and(|limit| limit < now) {
                return Err(Cut::TooLong);
            }
            let patience = match &ended {
                Some((_, since)) => (*since + LAST_OUTPUT).saturating_duration_since(now) + LOOK,
                None if may_begin && !self.begun => LOOK,
                None => self.limit.map_or(LONGEST, |limit| limit.saturating_duration_since(now) + LOOK),
            };
            let ready = self.wait(session, ended.is_some(), patience);
            if ready.session {
                return Err(Cut::Unwanted);
            }
            if ready.report {
                self.report.read();
            }
            if let Some((out, err)) = &mut self.streams {
                if ready.out {
                    out.read();
                }
                if ready.err {
                    err.read();
                }
            }
            if ready.end && ended.is_none() {
                let status = loop {
                    match waitpid(self.pid, None) {
                        Err(Errno::EINTR) => {}
                        Err(_) => break WaitStatus::Exited(self.pid, 0),
                        Ok(status) => break status,
                    }
                };
                ended = Some((status, Instant::now()));
            }
        }
    }

    fn wait(&self, session: BorrowedFd<'_>, ended: bool, patience: Duration) -> Ready {
        let pipes =
            [Some(&self.report), self.streams.as_ref().map(|s| &s.0), self.streams.as_ref().map(|s| &s.1)];
        let mut watched = vec![(0, PollFd::new(session, PollFlags::POLLIN))];
        if !ended {
            watched.push((1, PollFd::new(self.end.as_fd(), PollFlags::POLLIN)));
        }
        for (at, pipe) in pipes.iter().enumerate() {
            if let Some(pipe) = pipe.and_then(|output| output.pipe.as_ref()) {
                watched.push((2 + at, PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
            }
        }
        let (numbers, mut descriptors): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
        let timeout = PollTimeout::try_from(patience.as_millis()).unwrap_or(PollTimeout::MAX);
        // A signal is as good as a timeout.
        let _ = poll(&mut descriptors, timeout);
        let is_ready = |number: usize| {
            let at = numbers.iter().position(|known| *known == number);
            at.is_some_and(|at| descriptors[at].any().unwrap_or(false))
        };
        Ready {
            session: is_ready(0),
            end: is_ready(1),
            report: is_ready(2),
            out: is_ready(3),
            err: is_ready(4),
        }
    }

    fn reports(&self) -> impl Iterator<Item = Report> {
        self.report.bytes.split(|byte| *byte == b'\n').filter_map(message::message)
    }

    /// The process that does the work.
    fn inner(&self) -> Pid {
        let told = self.reports().find_map(|report| match report {
            Report::Pid(pid) => Some(Pid::from_raw(pid)),
            _ => None,
        });
        told.unwrap_or(self.pid)
    }

    /// Whether it lives, and is another program than this one. What is dying has no command line any more.
    fn has_begun(&self) -> bool {
        if self.reports().any(|report| !matches!(report, Report::Pid(_))) {
            return false;
        }
        let words = |process: &str| fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let its = words(&self.inner().to_string());
        !its.is_empty() && its != words("self")
    }

    fn judge(&self, work: &Work, status: WaitStatus) -> Performed {
        let pid = self.inner().as_raw();
        let report = self.reports().find(|report| !matches!(report, Report::Pid(_)));
        let signal = match status {
            WaitStatus::Signaled(_, signal, _) => Some(signal.as_str().to_owned()),
            _ => None,
        };
        if let Some(Report::Failed(why)) = report {
            return Performed::Failed(why);
        }
        if let Work::Attempt { operation, .. } = work {
            let permits =
                |errno| Operation::find(operation).is_ok_and(|o| o.permitted().any(|one| one == errno));
            let ending = match (report, signal) {
                (Some(Report::Errno(errno)), _) if permits(errno) => {
                    Ending::Permitted(Some(message::name(errno)))
                }
                (Some(Report::Errno(errno)), _) => Ending::Refused(message::name(errno)),
                (Some(_), _) => Ending::Permitted(None),
                (None, _) if self.begun => Ending::Permitted(None),
                (None, Some(signal)) => Ending::Killed(signal),
                (None, None) if self.executes => Ending::Permitted(None),
                (None, None) => return Performed::Failed(format!("its process was lost: {status:?}")),
            };
            return Performed::Attempted(Attempted { pid, ending });
        }
        let code = match status {
            WaitStatus::Exited(_, code) => Some(code),
            _ => None,
        };
        if let Some(Report::Errno(errno)) = report {
            return Performed::Ran(Ran { pid, errno: Some(message::name(errno)), ..Ran::default() });
        }
        let text =
            |output: Option<&Output>| output.map_or_else(String::new, |output| raw::text(&output.bytes));
        let (out, err) = self.streams.as_ref().map_or((None, None), |(out, err)| (Some(out), Some(err)));
        Performed::Ran(Ran {
            pid,
            code,
            signal,
            errno: None,
            stdout: text(out),
            stderr: text(err),
            truncated: [out, err].into_iter().flatten().any(|output| output.truncated),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has been waited for is not ours any more, and its descriptor knows.
        let _ = rustix::process::pidfd_send_signal(&self.end, rustix::process::Signal::KILL);
    }
}

/// What there is something to read from.
struct Ready {
    session: bool,
    end: bool,
    report: bool,
    out: bool,
    err: bool,
}

fn end_of(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    let _ = waitpid(pid, None);
}

/// Where the child tells what it came to, whatever else it has open.
const REPORT: i32 = 3;

/// Gives the child its streams, and closes everything else of the keeper's: the socket, the lock.
fn arrange(tell: &OwnedFd, outputs: Option<[BorrowedFd<'_>; 2]>) -> Result<fs::File, Errno> {
    // High enough to be in nobody's way.
    let copies: Vec<OwnedFd> = outputs
        .iter()
        .flatten()
        .copied()
        .chain([tell.as_fd()])
        .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 64).map_err(|e| Errno::from_raw(e.raw_os_error())))
        .collect::<Result<_, _>>()?;
    let null = open("/dev/null", OFlag::O_RDWR, Mode::empty())?;
    let (tell, outputs) = copies.split_last().ok_or(Errno::EBADF)?;
    let mut targets = vec![(null.as_raw_fd(), 0, 0)];
    for number in [1, 2] {
        let from = outputs.get(number as usize - 1).unwrap_or(&null);
        targets.push((from.as_raw_fd(), number, 0));
    }
    targets.push((tell.as_raw_fd(), REPORT, libc::O_CLOEXEC));
    for (from, to, flags) in targets {
        if from != to {
            // SAFETY: numbers; what is at the target is the keeper's copy in this child, and no longer used.
            Errno::result(unsafe { libc::dup3(from, to, flags) })?;
        }
    }
    // SAFETY: likewise; what owns these descriptors is never dropped here, since this child exits or executes.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, REPORT + 1, u32::MAX, 0) })?;
    std::mem::forget((null, copies));
    // SAFETY: it is open, and nothing else in this child has it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(REPORT) })
}

/// What the child does, to its end.
fn work_in(work: &Work, spec: &Spec, made: &Made, mut report: fs::File) -> ! {
    let mut tell = |said: &Report| {
        // Nobody is left to tell if this fails.
        let _ = report.write_all(&message::line(said));
    };
    // SAFETY: the default is no function; what this program ignores others are not to.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    if let Err(error) = enter::enter(spec, made) {
        tell(&Report::Failed(error.to_string()));
        process::exit(0);
    }
    if spec.namespaces.contains(&Namespace::Pid) {
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {}
            Ok(ForkResult::Parent { child }) => {
                tell(&Report::Pid(child.as_raw()));
                drop(report);
                end_as(child)
            }
            Err(errno) => {
                tell(&Report::Failed(format!("cannot begin a pid namespace: {}", errno.desc())));
                process::exit(0);
            }
        }
    }
    let report = match enter::settle(spec, made) {
        Err(error) => Report::Failed(error.to_string()),
        Ok(()) => match do_work(work, made) {
            Ok(()) => Report::Fine,
            Err(Failure::Errno(errno)) => Report::Errno(errno as i32),
            Err(Failure::NotAttempted(why)) => Report::Failed(why),
        },
    };
    tell(&report);
    process::exit(0)
}

fn do_work(work: &Work, made: &Made) -> Result<(), Failure> {
    match work {
        Work::Attempt { operation, arguments } => {
            let not_attempted = |why: &dyn ToString| Failure::NotAttempted(why.to_string());
            let operation = Operation::find(operation).map_err(|error| not_attempted(&error))?;
            let arguments = operation.arguments(arguments.clone()).map_err(|error| not_attempted(&error))?;
            operation.perform(&arguments)
        }
        Work::Run { argv } => {
            let text = |text: OsString| CString::new(text.into_vec()).map_err(|_| Errno::EINVAL);
            let argv = argv.iter().map(|word| text(raw::os(word))).collect::<Result<Vec<_>, _>>()?;
            let environment =
                [format!("PATH={PATH}"), format!("HOME={}", made.directory), "LANG=C.UTF-8".into()];
            let environment =
                environment.iter().map(|word| text(raw::os(word))).collect::<Result<Vec<_>, _>>()?;
            let program = argv.first().ok_or(Errno::ENOENT)?;
            match execvpe(program, &argv, &environment)? {}
        }
    }
}

/// Ends as a child does.
fn end_as(child: Pid) -> ! {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => process::exit(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                let _ = raise(signal);
                process::exit(128 + signal as i32)
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => process::exit(1),
        }
    }
}
