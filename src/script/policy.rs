//! What a session may do to the system: each effect asks here before it happens, and nowhere else.
//!
//! In: what the command line says, and an [`Effect`] that a binding is about to have. Out: a [`Ruling`]. What only looks
//! (`/proc`, counters) asks nothing. A test at the end knows every function of the registry, and fails for one that
//! nobody has judged.

use rhai::EvalAltResult;

use super::{Fault, stop::Stop};
use crate::{probe::Mode, system::host_switch};

/// What the command line allows a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    enforcement: Enforcement,
    extent: Extent,
}

/// What becomes of denials and signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Enforcement {
    #[default]
    Real,
    /// `--audit`: reported, and not done.
    Shadow,
}

/// How far a script is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Extent {
    #[default]
    Runs,
    /// `explain`: up to the first thing that needs the system.
    Explained,
    /// `replay`: what happens has happened, and nothing is done about it.
    Replayed,
}

/// What a binding is about to do to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Loads a probe and attaches it.
    Attach,
    /// Loads a program that lists processes.
    Preview,
    /// Sends a signal.
    Signal,
    /// Runs a program of the script's choice. `--audit` lets it: what the program does is its own, and a script that
    /// could run nothing could not be rehearsed.
    Run,
    /// Attempts something in a scratch, or runs a program there. `--audit` lets it, as [`Effect::Run`]; an attempt does
    /// nothing that lasts.
    Attempt,
    /// Keeps what a process is in a directory. Under `--audit` it is told and not done: it reads much, and writes as much.
    Evidence,
    /// Writes events that were kept to a file. `--audit` lets it: it is a report, of what happened anyway.
    Record,
    /// Asks the kernel which probes are pinned.
    Pinned,
    /// Keeps a probe attached when the session has ended. Under `--audit` it is told and not done: a rehearsal leaves nothing behind.
    Pin,
    /// Makes and writes a file in which the script remembers something. `--audit` lets it: it is the script's own memory,
    /// and changes nothing else.
    Remember,
}

/// What the policy makes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It happens.
    Do,
    /// It is reported as what would have happened.
    Rehearse,
}

impl Policy {
    /// Turns denials and signals into reports of them.
    #[must_use]
    pub fn audited(self) -> Self {
        Policy { enforcement: Enforcement::Shadow, ..self }
    }

    /// Lets a script do nothing at all.
    #[must_use]
    pub(super) fn explained(self) -> Self {
        Policy { extent: Extent::Explained, ..self }
    }

    /// Lets a script do nothing that lasts: what it is about is over.
    #[must_use]
    pub fn replayed(self) -> Self {
        Policy { extent: Extent::Replayed, ..self }
    }

    /// Gives the mode that a probe may have for the one that the script asks for.
    #[must_use]
    pub fn mode(self, asked: Mode) -> Mode {
        match self.enforcement {
            Enforcement::Real => asked,
            Enforcement::Shadow => asked.audited(),
        }
    }

    /// Says whether this host lets a probe have this mode: where it only observes, none that enforces. What `--audit` or `explain`
    /// make of the mode refuses nothing.
    ///
    /// # Errors
    /// If the host only observes, with its reason.
    pub fn permit(self, asked: Mode) -> Result<(), Fault> {
        if self.extent == Extent::Runs && self.mode(asked).enforces() { permitted() } else { Ok(()) }
    }

    /// The same of a signal.
    ///
    /// # Errors
    /// As for [`Policy::permit`].
    pub fn permit_signal(self) -> Result<(), Fault> {
        match (self.extent, self.enforcement) {
            (Extent::Runs, Enforcement::Real) => permitted(),
            _ => Ok(()),
        }
    }

    /// Rules on an effect.
    ///
    /// # Errors
    /// If the script is only explained or replayed, and cannot go on without it.
    pub fn rule(self, effect: Effect) -> Result<Ruling, Box<EvalAltResult>> {
        match (self.extent, self.enforcement, effect) {
            (Extent::Explained, _, Effect::Attach | Effect::Remember | Effect::Pin) => Ok(Ruling::Rehearse),
            (Extent::Explained, _, other) => Err(Stop::OnlyExplained(other.in_words()).into()),
            (Extent::Replayed, _, Effect::Attach) => Ok(Ruling::Do),
            (
                Extent::Replayed,
                _,
                Effect::Remember | Effect::Signal | Effect::Evidence | Effect::Record | Effect::Pin,
            ) => Ok(Ruling::Rehearse),
            (Extent::Replayed, _, other) => Err(Fault::script(format!(
                "{} and this is a replay: what the script is about is over, and nothing is done about it",
                other.in_words()
            ))
            .into()),
            (Extent::Runs, Enforcement::Shadow, Effect::Signal | Effect::Evidence | Effect::Pin) => {
                Ok(Ruling::Rehearse)
            }
            (Extent::Runs, ..) => Ok(Ruling::Do),
        }
    }
}

fn permitted() -> Result<(), Fault> {
    let Some(reason) = host_switch::reason() else { return Ok(()) };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let text = format!("this host only observes ({} is there{reason})", host_switch::FILE);
    let advice = "`.shadow()` tells what would be refused, and --audit does so for a whole script; the host's administrator may remove the file";
    Err(Fault { advice: Some(advice.to_owned()), ..Fault::environment(text) })
}

impl Effect {
    fn in_words(self) -> &'static str {
        match self {
            Effect::Attach => "`attach` loads a probe",
            Effect::Preview => "`preview` asks the kernel",
            Effect::Signal => "`kill` and `freeze` send signals",
            Effect::Evidence => "`keep_evidence` reads what a process is, and writes files",
            Effect::Run => "`run` runs a program",
            Effect::Remember => "`state` keeps a file",
            Effect::Pin => "`pin` keeps a probe attached",
            Effect::Pinned => "`pinned` asks the kernel for what goes on without a session",
            Effect::Record => "`write_recording` writes a file",
            Effect::Attempt => "`scratch` and `attempt` start processes",
        }
    }
}

#[cfg(test)]
mod tests;
