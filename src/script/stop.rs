//! Why a script ends before its last line: thrown through Rhai as a termination,
//! which no script can catch.

use rhai::{Dynamic, EvalAltResult, Position};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// `exit(code)`.
    Exit(i32),
    /// SIGINT, SIGTERM or SIGHUP.
    Signal(i32),
    /// The session's time is up (`--for`), or that of its end.
    TimeUp,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// A limit of the engine's, in words.
    Limit(&'static str),
    /// The script is only explained, and this would do something; in words.
    OnlyExplained(&'static str),
    /// The recording that is replayed has come to its end.
    ReplayOver,
    /// The check that is being run has been decided.
    Decided,
    /// A callback failed under `fail_fast()`; it has been reported.
    CallbackFailed(i32),
}

impl Stop {
    /// The stop inside of an error, if it is one.
    pub fn of(error: &EvalAltResult) -> Option<Self> {
        match error {
            EvalAltResult::ErrorTerminated(token, _) => token.clone().try_cast(),
            EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => Self::of(inner),
            _ => None,
        }
    }
}

impl From<Stop> for Box<EvalAltResult> {
    fn from(stop: Stop) -> Self {
        EvalAltResult::ErrorTerminated(Dynamic::from(stop), Position::NONE).into()
    }
}
