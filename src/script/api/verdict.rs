//! Verdicts: what a filter may end with. They mean something inside of `.when(…)` only, where they are compiled;
//! here they are values, so that a closure means the same outside of it.

use rhai::{Engine, plugin::*};

use super::Fallible;
use crate::{
    filter::Answer,
    probe::ask::{Holds, Reply, Ruling, Whose},
    script::Fault,
    values::{Errno, Signal, duration},
};

/// What stands for as long as the probe is attached.
const SESSION: &str = "session";

fn lasting(ruling: Ruling, lasts: &str) -> Fallible<Reply> {
    let lasts = match lasts {
        SESSION => None,
        lasts => Some(duration::parse(lasts).map_err(Fault::from)?),
    };
    Ok(Reply { ruling, holds: Holds::For(lasts, Whose::Process) })
}

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

    /// Allows what `.ask(…)` asks about, and for so long everything that is the same: `allow("1h")`; `allow("session")` is as
    /// long as the probe is attached. It holds for the process that was asked about.
    #[rhai_fn(name = "allow", return_raw)]
    pub fn allow_for(lasts: &str) -> Fallible<Reply> {
        lasting(Ruling::Allow, lasts)
    }

    /// Refuses what `.ask(…)` asks about with an errno, and for so long everything that is the same: `deny("EACCES", "10m")`.
    #[rhai_fn(name = "deny", return_raw)]
    pub fn deny_for(errno: &str, lasts: &str) -> Fallible<Reply> {
        lasting(Ruling::Deny(Errno::from_name(errno).map_err(Fault::from)?), lasts)
    }

    /// Makes an answer to `.ask(…)` hold for everything that runs the same executable, as the same user and in the same namespaces:
    /// `allow("1h").for_executable()`. What it is about is the same still: the object, the address, all that the event tells.
    #[rhai_fn(return_raw)]
    pub fn for_executable(reply: Reply) -> Fallible<Reply> {
        match reply.holds {
            Holds::For(lasts, _) => Ok(Reply { holds: Holds::For(lasts, Whose::Executable), ..reply }),
            Holds::Once => Err(Fault::script("an answer for one operation is for no other").into()),
        }
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn reply_text(reply: &mut Reply) -> String {
        reply.to_string()
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(answer: &mut Answer) -> String {
        answer.to_string()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Answer>("Verdict");
    engine.register_type_with_name::<Reply>("Reply");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
