//! A scratch, as the session has it: the socket to its keeper. Dropped, it is removed.

use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::message::{self, Reply, Request, Spec, Work};

/// The command by which this program keeps a scratch.
pub const COMMAND: &str = "keep-scratch";
/// How long a keeper may take to remove everything, before the session goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A keeper and what it keeps.
pub struct Scratch {
    socket: UnixStream,
    replies: Receiver<Reply>,
    number: Cell<u64>,
    open: Cell<bool>,
}

impl Scratch {
    /// Starts a keeper. Its first reply says what it has made.
    ///
    /// # Errors
    /// If there can be no process for it.
    pub fn start(spec: &Spec) -> io::Result<Self> {
        let (socket, other) = UnixStream::pair()?;
        let mut command = Command::new("/proc/self/exe");
        // A user who traces what is attempted sees nothing of the session's environment.
        command.arg(COMMAND).env_clear().envs(passed_on());
        command.stdin(OwnedFd::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        // Or this end would keep the keeper's open.
        drop(command);
        let (tell, replies) = unbounded();
        let reading = socket.try_clone().and_then(|socket| {
            thread::Builder::new().name("krsi-scratch".into()).spawn(move || {
                read(socket, &tell);
                let _ = child.wait();
            })
        });
        reading?;
        let scratch = Scratch { socket, replies, number: Cell::new(0), open: Cell::new(true) };
        scratch.say(spec)?;
        Ok(scratch)
    }

    /// Returns where its replies come.
    #[must_use]
    pub fn replies(&self) -> &Receiver<Reply> {
        &self.replies
    }

    /// Whether it has not been closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Asks for a piece of work; the number is that of its reply.
    ///
    /// # Errors
    /// If the keeper is gone.
    pub fn ask(&self, work: Work) -> io::Result<u64> {
        let number = self.number.get() + 1;
        self.number.set(number);
        self.say(&Request::Do { number, work })?;
        Ok(number)
    }

    /// Ends the work that is being done, and all else that runs in it.
    pub fn stop(&self) {
        // A keeper that is gone does nothing.
        let _ = self.say(&Request::Stop);
    }

    fn say(&self, message: &impl serde::Serialize) -> io::Result<()> {
        (&self.socket).write_all(&message::line(message))
    }

    /// Removes everything, and waits for it. Says what could not be removed, a sentence each.
    pub fn close(&self) -> Vec<String> {
        if !self.open.replace(false) {
            return Vec::new();
        }
        let _ = self.socket.shutdown(Shutdown::Write);
        wait_for_end(&self.replies)
    }
}

/// Waits until what was told to end is removed. Says what could not be, a sentence each.
pub fn wait_for_end(replies: &Receiver<Reply>) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match replies.recv_deadline(until) {
            Ok(Reply::Closed(left)) => return left,
            Ok(_) => {}
            Err(error) if error.is_timeout() => {
                return vec![format!("a scratch was not removed within {} s", PATIENCE.as_secs())];
            }
            Err(_) => {
                return vec![
                    "the keeper of a scratch was killed; the next scratch removes what is left".into(),
                ];
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The reader's copy would keep it open.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

/// Of the environment a keeper has what tells it where its directory is.
fn passed_on() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

fn read(socket: UnixStream, tell: &Sender<Reply>) {
    let mut lines = BufReader::new(socket);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let Some(reply) = message::message(&line) else { return };
        if tell.send(reply).is_err() {
            return;
        }
        line.clear();
    }
}
