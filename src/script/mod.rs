//! Scripts: the Rhai engine, its bindings, and the loop that delivers events.
//!
//! In: script text, whole or line by line. Out: probes in the kernel, callbacks
//! on their events, and an [`Outcome`] that is the process's exit code. The
//! engine has one owner, the thread that made the [`Session`]; everything else
//! reaches it through queues. Works without `shell/`.

use crossbeam_channel::Receiver;

use crate::{
    report::{Format, Sink},
    template::Catalogue,
};

/// What the command line says about a session.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `args` of the script.
    pub args: Vec<String>,
    /// Every deny and kill becomes shadow.
    pub audit: bool,
    pub format: Format,
    /// Whether text output may carry colour.
    pub color: bool,
    /// No closing table, no notes.
    pub quiet: bool,
    /// 0, 1, 2: how much is said on standard error.
    pub verbose: u8,
}

/// A script and where it came from, for diagnostics.
#[derive(Debug, Clone)]
pub struct Source {
    /// A file's path as given, `-e`, `-`, or `repl`.
    pub name: String,
    pub text: String,
}

/// How a session ended; `code` is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
}

/// What became of a line typed at the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// More lines are needed: an open bracket, string or comment.
    Incomplete,
}

/// Why [`Session::serve_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served<T> {
    Received(T),
    /// Nobody can send any more.
    Disconnected,
    /// A callback called `exit`, or the process was told to end (SIGTERM, SIGHUP).
    Ended(Outcome),
}

/// One engine, its scope, its probes.
pub struct Session {
    _private: (),
}

impl Session {
    /// Nothing touches the kernel before the first attach.
    #[must_use]
    pub fn new(catalogue: Catalogue, options: Options, sink: Box<dyn Sink>) -> Self {
        let _ = (catalogue, options, sink);
        Session { _private: () }
    }

    /// Runs a whole script: its text, then, while probes are attached or timers
    /// are pending, the event loop; then `on_exit`, detach, closing books.
    /// Errors are reported through the sink.
    pub fn run(&mut self, source: &Source) -> Outcome {
        let _ = source;
        Outcome { code: 0 }
    }

    /// Evaluates one complete input of the interactive shell; variables,
    /// functions and probes stay. Its value or diagnostic goes to the sink.
    /// `Some` if the line called `exit`.
    pub fn line(&mut self, text: &str) -> Option<Outcome> {
        let _ = text;
        None
    }

    /// Delivers events and timers until something comes on `other`, which is
    /// how the interactive shell waits for the next line.
    pub fn serve_until<T>(&mut self, other: &Receiver<T>) -> Served<T> {
        other.recv().map_or(Served::Disconnected, Served::Received)
    }

    /// Ends an interactive session as `run` ends a script.
    pub fn finish(&mut self) -> Outcome {
        Outcome { code: 0 }
    }
}

/// Whether a text can be evaluated as it stands, by real parsing.
#[must_use]
pub fn completeness(text: &str) -> Completeness {
    let _ = text;
    Completeness::Complete
}
