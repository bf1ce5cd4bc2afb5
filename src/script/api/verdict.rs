//! Verdicts: what a filter may end with. They mean something inside of `.when(…)` only, where they are compiled;
//! here they are values, so that a closure means the same outside of it.

use rhai::{Engine, plugin::*};

use super::Fallible;
use crate::{
    filter::Answer,
    script::Fault,
    values::{Errno, Signal},
};

#[export_module]
mod functions {
    /// Matches and allows the operation, as the end of a filter: `.when(|e| if e.uid == 0 { allow() } else { deny("EACCES") })`.
    pub fn allow() -> Answer {
        Answer::Allow
    }

    /// Matches and refuses the operation with EPERM if the mode enforces, as the end of a filter.
    pub fn deny() -> Answer {
        Answer::Deny(Errno::EPERM)
    }

    /// Matches and refuses the operation with an errno if the mode enforces, as the end of a filter: `deny("EACCES")`.
    /// In mode shadow it is counted as would-deny; in mode observe it is allowed.
    #[rhai_fn(name = "deny", return_raw)]
    pub fn deny_with(errno: &str) -> Fallible<Answer> {
        Ok(Answer::Deny(Errno::from_name(errno).map_err(Fault::from)?))
    }

    /// Matches and kills the calling process if the mode enforces, as the end of a filter.
    pub fn kill() -> Answer {
        Answer::Kill(Signal::KILL)
    }

    /// Matches and sends the calling process a signal if the mode enforces, as the end of a filter: `kill("SIGTERM")`.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_with(signal: &str) -> Fallible<Answer> {
        Ok(Answer::Kill(Signal::from_name(signal).map_err(Fault::from)?))
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(answer: &mut Answer) -> String {
        answer.to_string()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Answer>("Verdict");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
