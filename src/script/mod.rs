//! Scripts: the Rhai engine, its bindings, and the loop that delivers events.
//!
//! In: script text, whole or line by line. Out: probes attached to a
//! backend, callbacks on their events, and an [`Outcome`] that is the process's exit code. The
//! engine has one owner, the thread that made the [`Session`]; everything else
//! reaches it through queues. Works without `shell/`.
//!
//! ```text
//! engine       Rhai, bounded, with the bindings of api/
//! session      a script from its text to its exit code; a line from its text to its value
//! runtime      what the bindings act on; the loop over events, timers, signals
//! policy       what may be done to the system: every effect asks here
//! registry     the probes that the script has made
//! handle       a probe as a script holds it
//! diagnostics  an error ─▶ file, line, caret, reason, advice
//! checks       named assertions, one at a time, and what they came to
//! imports      what a script has of other files
//! header       what a hunt says of itself, hunt: what it has found, params: what it can be told
//! denials      what a command was refused and why, where it can read it
//! origin       what an event tells of where its operation comes from
//! correlation  sequences, thresholds and memories, as scripts hold them
//! recent       the events delivered last
//! docs         the index that help and completion share
//! explanation  what runs where of a probe, for reading
//! ```

mod api;
mod call;
mod checks;
mod correlation;
mod cut;
mod denials;
mod diagnostics;
pub mod docs;
mod engine;
pub mod equivalence;
mod event;
mod excerpt;
pub mod explanation;
mod fault;
mod file;
mod frozen;
mod handle;
mod header;
mod hunt;
mod imports;
mod interrupt;
mod json;
mod key;
mod limits;
mod matcher;
mod missing;
mod origin;
mod params;
mod pin;
mod policy;
mod program;
mod receivers;
mod recent;
mod regex;
mod registry;
mod runtime;
mod scratch;
mod session;
mod set;
mod stop;
mod summary;
mod target;
#[cfg(test)]
mod testing;
mod timers;
mod value;

use std::time::Duration;

use self::fault::Fault;
use crate::{backend::Door, facts::Root, report::Format};

pub use self::checks::CheckOptions;
pub use self::denials::{Denials, VARIABLE as DENIALS};
pub use self::engine::index;
pub use self::header::{Header, HeaderError};
pub use self::imports::{
    Found, Function, GatherError, Import, Importer, Imports, NotFound, defined_functions,
    gather as gather_imports,
};
pub use self::params::{Param, listed as listed_params};
pub use self::policy::Policy;
pub use self::runtime::Answering;
pub use self::session::{
    LAST_VALUE, Session, completeness,
    glance::{Glance, Watch},
    parses,
    shell::{ImportedName, Stance, Variable},
};
pub use self::target::Target;

/// What the command line says about a session.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `args` of the script.
    pub args: Vec<String>,
    /// What the script may do to the system.
    pub policy: Policy,
    /// Where facts are read from: `/`, or a directory laid out like it.
    pub root: Root,
    pub format: Format,
    /// How `help` is written as long as nothing else has been.
    pub help: Format,
    /// Whether text output may carry colour.
    pub color: bool,
    /// Somebody sits at a prompt: what enforces is held by a lease that this shell keeps renewing.
    pub interactive: bool,
    /// No closing table, no notes.
    pub quiet: bool,
    /// The session ends after this time.
    pub lasts: Option<Duration>,
    /// 0, 1, 2: how much is said on standard error.
    pub verbose: u8,
    /// What becomes of the script's checks.
    pub checks: CheckOptions,
    /// By which door alone probes are attached; none: by the best.
    pub door: Option<Door>,
    /// By which keys questions are answered at the prompt.
    pub answering: Answering,
    /// Where `import` finds what it names.
    pub imports: Imports,
}

/// A script and where it came from, for diagnostics.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// A file's path as given, `-e`, `-`, or `repl`.
    pub name: String,
    pub text: String,
}

/// What became of an input of the interactive shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineResult {
    /// It had a value, which is `it` from here on.
    Value,
    /// It was evaluated, and gave nothing.
    Nothing,
    /// It failed, or was interrupted; that is reported already.
    Failed,
    /// It ended the session.
    Ended(Outcome),
}

/// Whether the value of an input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    Shown,
    /// It is kept as `it`, and no more.
    Kept,
}

/// How a session ended; `code` is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
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

/// What became of a line typed at the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// More lines are needed: an open bracket, string or comment.
    Incomplete,
}
