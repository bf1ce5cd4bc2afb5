//! Verdicts: what a filter may end with. They mean something inside of `.when(…)` only, where they are compiled;
//! here they are values, so that a closure means the same outside of it.

use rhai::{Engine, plugin::*};

use super::Fallible;
use crate::{
    filter::Answer,
    probe::{Errno, Signal},
    script::Fault,
};

#[export_module]
mod functions {
    /// In a filter: the event matches, and is let go: `.when(|e| if e.uid == 0 { allow() } else { deny("EACCES") })`.
    pub fn allow() -> Answer {
        Answer::Allow
    }

    /// In a filter: the event matches, and is refused with EPERM, if the probe's mode enforces.
    pub fn deny() -> Answer {
        Answer::Deny(Errno::EPERM)
    }

    /// In a filter: the event matches, and is refused with this errno, if the probe's mode enforces:
    /// `deny("EACCES")`. In mode shadow it is counted as would-deny, and in mode observe it is let go.
    #[rhai_fn(name = "deny", return_raw)]
    pub fn deny_with(errno: &str) -> Fallible<Answer> {
        Ok(Answer::Deny(Errno::from_name(errno).map_err(Fault::from)?))
    }

    /// In a filter: the event matches, and its task is killed, if the probe's mode enforces.
    pub fn kill() -> Answer {
        Answer::Kill(Signal::KILL)
    }

    /// In a filter: the event matches, and its task gets this signal, if the probe's mode enforces: `kill("SIGTERM")`.
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
