//! What a session and the keeper of a scratch say to each other: a line of JSON each.

use nix::errno::Errno;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{arguments::Value, namespace::Namespace};
use crate::system::login::Login;

/// What a scratch is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub login: Login,
    pub cgroup: Want,
    pub namespaces: Vec<Namespace>,
    pub no_new_privs: bool,
    /// Numbers of capabilities; `None`: those that the user has.
    pub capabilities: Option<Vec<u8>>,
}

/// Whether something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    Yes,
    IfPossible,
    No,
}

/// What there is to do in a scratch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// An operation, by its name.
    Attempt { operation: String, arguments: Vec<Value> },
    /// A program, looked up in `PATH`.
    Run { argv: Vec<String> },
}

/// What a session asks.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    Do {
        number: u64,
        work: Work,
    },
    /// What is being done is no longer wanted.
    Stop,
}

/// What a keeper answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Made(Result<Made, String>),
    Done {
        number: u64,
        performed: Performed,
    },
    /// It is removed; what could not be, a sentence each.
    Closed(Vec<String>),
}

/// A scratch that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// In the form of [`crate::raw`].
    pub directory: String,
    pub cgroup: Option<String>,
}

/// What work came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Performed {
    Attempted(Attempted),
    Ran(Ran),
    /// It could not be begun, for this reason.
    Failed(String),
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The process that has made it; 0 if it is not known.
    pub pid: i32,
    pub ending: Ending,
}

/// The kernel's answer to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It was permitted; with the errno of what came after, if it was harmless for that reason.
    Permitted(Option<String>),
    Refused(String),
    /// The process that attempted it was killed.
    Killed(String),
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    pub pid: i32,
    pub code: Option<i32>,
    pub signal: Option<String>,
    /// Why it could not be executed.
    pub errno: Option<String>,
    /// In the form of [`crate::raw`], as is the next.
    pub stdout: String,
    pub stderr: String,
    pub truncated: bool,
}

/// What the process that does the work tells its keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The work is done by this one, in a pid namespace of its own.
    Pid(i32),
    Fine,
    Errno(i32),
    /// Nothing was attempted.
    Failed(String),
}

/// Returns a message as a line.
pub fn line(message: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists of them always have a form in JSON.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Returns the message of a line; `None` if it is none.
pub fn message<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// Returns an errno's name.
pub fn name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => errno.to_string(),
        known => format!("{known:?}"),
    }
}
