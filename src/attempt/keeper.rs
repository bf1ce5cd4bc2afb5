//! The keeper of a scratch: makes it, has work done in it, and removes it when its session is over, however that came.
//!
//! It has one thread, executes nothing, and hears no signal that asks for its end: the end of its socket is what it waits for.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsFd, FromRawFd},
        unix::{fs::FileTypeExt, net::UnixStream},
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use nix::{sys::prctl, unistd};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::{
    cgroup,
    directory::Home,
    message::{self, Made, Reply, Request, Spec, Want},
    performer, processes,
};
use crate::raw;

/// How long what is in a scratch may take to be gone; the kernel has killed it by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is nothing to keep.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(
        "standard input is not the socket of a session: krsi-sh starts this itself, for `scratch` in a script"
    )]
    NoSession,
    #[error("cannot hear of orphans: {0}")]
    Orphans(nix::Error),
}

/// What there is of a scratch.
struct Kept {
    spec: Spec,
    home: Home,
    cgroup: Option<PathBuf>,
    made: Made,
}

/// Serves the session at the other end of standard input, until it is over.
///
/// # Errors
/// If there is no session.
pub fn keep() -> Result<(), KeepError> {
    let is_socket = fs::metadata("/proc/self/fd/0").is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Err(KeepError::NoSession);
    }
    // SAFETY: it is open, and nothing else in this process uses standard input.
    let session = unsafe { UnixStream::from_raw_fd(0) };
    // The terminal's signals are the session's.
    let _ = unistd::setsid();
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    prctl::set_child_subreaper(true).map_err(KeepError::Orphans)?;
    let mut lines = BufReader::new(&session);
    let Some(spec) = next(&mut lines) else { return Ok(()) };
    match Kept::make(spec) {
        Err(why) => say(&session, &Reply::Made(Err(why))),
        Ok(kept) => {
            say(&session, &Reply::Made(Ok(kept.made.clone())));
            // Whatever happens, it is removed.
            let _ = catch_unwind(AssertUnwindSafe(|| kept.serve(&session, &mut lines)));
            say(&session, &Reply::Closed(kept.remove()));
        }
    }
    Ok(())
}

fn next<T: serde::de::DeserializeOwned>(lines: &mut impl BufRead) -> Option<T> {
    let mut line = Vec::new();
    let read = lines.read_until(b'\n', &mut line).ok()?;
    if read == 0 { None } else { message::message(&line) }
}

fn say(mut session: &UnixStream, reply: &Reply) {
    // A session that is gone wants no answer.
    let _ = session.write_all(&message::line(reply));
}

impl Kept {
    fn make(spec: Spec) -> Result<Self, String> {
        let home = Home::new(&spec.login)
            .map_err(|error| format!("cannot make the scratch's directory: {error}"))?;
        let make = || cgroup::make(&home.name());
        let cgroup = match spec.cgroup {
            Want::No => Ok(None),
            Want::IfPossible => Ok(make().ok()),
            Want::Yes => make().map(Some),
        };
        let cgroup = match cgroup {
            Ok(cgroup) => cgroup,
            Err(error) => {
                let _ = home.remove();
                return Err(error.to_string());
            }
        };
        let made = Made { directory: raw::from_os(&home.own), cgroup: cgroup.as_ref().map(raw::from_os) };
        let kept = Kept { spec, home, cgroup, made };
        match kept.cgroup.as_deref().map_or(Ok(()), |cgroup| kept.home.note_cgroup(cgroup)) {
            Ok(()) => Ok(kept),
            Err(error) => {
                kept.remove();
                Err(format!("cannot write down which cgroup the scratch has: {error}"))
            }
        }
    }

    fn serve(&self, session: &UnixStream, lines: &mut BufReader<&UnixStream>) {
        while let Some(request) = next::<Request>(lines) {
            let Request::Do { number, work } = request else { continue };
            let performed = performer::perform(&work, &self.spec, &self.made, session.as_fd());
            match performed {
                Some(performed) => say(session, &Reply::Done { number, performed }),
                None => {
                    self.end_all();
                }
            }
        }
    }

    /// Ends what runs in the scratch.
    fn end_all(&self) -> bool {
        if let Some(cgroup) = &self.cgroup {
            cgroup::kill_all(cgroup);
        }
        processes::end_all(PATIENCE)
    }

    /// Removes it; says what could not be.
    fn remove(self) -> Vec<String> {
        let mut left = Vec::new();
        if !self.end_all() {
            left.push("a process of the scratch could not be killed".to_owned());
        }
        let of_cgroup = self.cgroup.as_deref().map_or(Ok(()), |cgroup| cgroup::remove(cgroup, PATIENCE));
        let path = self.made.cgroup.unwrap_or_default();
        left.extend(of_cgroup.err().map(|error| format!("{path} could not be removed: {error}")));
        let home: io::Result<()> = self.home.remove();
        left.extend(home.err().map(|error| format!("{} could not be removed: {error}", self.made.directory)));
        left
    }
}
