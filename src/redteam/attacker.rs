//! The process that tries: started before a rule is there, so that it can be executed, and has open what was open before.
//!
//! In: orders, a line of JSON each, on a socket that is its standard input. Out: an answer to each, on the same. It has one thread,
//! and each attempt is a child of it ([`child`]), which becomes who is meant. A session spares itself and its ancestors; this is
//! none of them.

use std::{
    ffi::CString,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{fs::FileTypeExt, fs::OpenOptionsExt, net::UnixStream},
    },
    process::{Child, Command, Stdio},
    thread,
};

use crossbeam_channel::{Receiver, unbounded};
use nix::{
    libc,
    sys::{prctl, signal::Signal},
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    child::{self, Answer, Trouble},
    deed::{Access, Deed, Kind},
    derive::Who,
    ways::{self, Scene},
};
use crate::raw;

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Opens the deed's file, and keeps it open.
    Hold(Deed),
    /// Tries a way, or the plain one.
    Try { deed: Deed, way: Option<String>, who: Who, scene: Scene },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Held(Option<RawFd>),
    Tried(Answer),
}

/// The attacker, as the session has it. Dropped, it ends.
pub struct Attacker {
    socket: UnixStream,
    replies: Receiver<Reply>,
    process: Child,
}

impl Attacker {
    /// Starts it: this program, with these words.
    ///
    /// # Errors
    /// If there can be no process for it.
    pub fn start(words: &[&str]) -> io::Result<Self> {
        let (socket, other) = UnixStream::pair()?;
        let mut command = Command::new("/proc/self/exe");
        command.args(words).stdin(OwnedFd::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn()?;
        // Or this end would keep the attacker's open.
        drop(command);
        let (tell, replies) = unbounded();
        let mut lines = BufReader::new(socket.try_clone()?);
        let reading = thread::Builder::new().name("krsi-redteam".into()).spawn(move || {
            while let Some(reply) = next(&mut lines) {
                if tell.send(reply).is_err() {
                    return;
                }
            }
        });
        reading?;
        Ok(Attacker { socket, replies, process })
    }

    /// Returns where its replies come.
    #[must_use]
    pub fn replies(&self) -> &Receiver<Reply> {
        &self.replies
    }

    pub(super) fn hold(&self, deed: &Deed) -> io::Result<()> {
        say(&self.socket, &Order::Hold(deed.clone()))
    }

    pub(super) fn attempt(&self, deed: &Deed, way: Option<&str>, who: &Who, scene: &Scene) -> io::Result<()> {
        let order = Order::Try {
            deed: deed.clone(),
            way: way.map(str::to_owned),
            who: who.clone(),
            scene: scene.clone(),
        };
        say(&self.socket, &order)
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

fn next<T: DeserializeOwned>(lines: &mut impl BufRead) -> Option<T> {
    let mut line = Vec::new();
    match lines.read_until(b'\n', &mut line) {
        Ok(1..) => serde_json::from_slice(&line).ok(),
        _ => None,
    }
}

/// Serves the session at the other end of standard input, until that is over.
///
/// # Errors
/// If there is no session.
pub fn attack() -> io::Result<()> {
    if !fs::metadata("/proc/self/fd/0").is_ok_and(|found| found.file_type().is_socket()) {
        return Err(io::Error::other(
            "standard input is not the socket of a session: `krsi-sh redteam` starts this itself",
        ));
    }
    // SAFETY: it is open, and nothing else in this process uses standard input.
    let socket = unsafe { UnixStream::from_raw_fd(0) };
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let mut held = Vec::new();
    let mut lines = BufReader::new(&socket);
    while let Some(order) = next(&mut lines) {
        let reply = match order {
            Order::Hold(deed) => {
                let file = open(&deed);
                let number = file.as_ref().map(AsRawFd::as_raw_fd);
                held.extend(file);
                Reply::Held(number)
            }
            Order::Try { deed, way, who, scene } => {
                Reply::Tried(child::run(|| attempt(&deed, way.as_deref(), &who, &scene)))
            }
        };
        say(&socket, &reply)?;
    }
    Ok(())
}

fn open(deed: &Deed) -> Option<fs::File> {
    let Deed::Open { path, access } = deed else { return None };
    let mut options = fs::OpenOptions::new();
    options.read(*access != Access::Write).write(*access != Access::Read);
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(raw::os(path)).ok()
}

/// In a process that ends with it.
fn attempt(deed: &Deed, way: Option<&str>, who: &Who, scene: &Scene) -> Answer {
    who.become_it()?;
    let kind: Kind = deed.kind();
    match way {
        None => ways::plain(deed),
        Some(name) => match ways::find(kind, name) {
            Some(way) => (way.call)(deed, scene),
            None => Err(Trouble::Cannot(format!("there is no way `{name}`"))),
        },
    }
}

impl Who {
    fn become_it(&self) -> Answer {
        let step = |what: &'static str| {
            move |error: &dyn std::fmt::Display| Trouble::Cannot(format!("cannot {what}: {error}"))
        };
        if let Some(cgroup) = &self.cgroup {
            fs::write(raw::os(&format!("{cgroup}/cgroup.procs")), "0")
                .map_err(|error| step("enter the cgroup of the scope")(&error))?;
        }
        if let Some(id) = self.loginuid {
            fs::write("/proc/self/loginuid", id.to_string())
                .map_err(|error| step("take the login user of the scope")(&error))?;
        }
        if let Some(comm) = &self.comm {
            let name = CString::new(raw::bytes(comm).into_owned()).unwrap_or_default();
            prctl::set_name(&name).map_err(|error| step("take the name of the scope")(&error))?;
        }
        if let Some(id) = self.gid {
            let id = Gid::from_raw(id);
            setgroups(&[]).map_err(|error| step("leave groups")(&error))?;
            setresgid(id, id, id).map_err(|error| step("take the group of the scope")(&error))?;
        }
        if let Some(id) = self.uid {
            let id = Uid::from_raw(id);
            setresuid(id, id, id).map_err(|error| step("become the user of the scope")(&error))?;
            // What changes ids takes this away, and /proc/self belongs to root then.
            let _ = prctl::set_dumpable(true);
        }
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        Ok(())
    }
}
