//! What a session may do to the system: each effect asks here before it happens, and nowhere else.
//!
//! In: what the command line says, and an [`Effect`] that a binding is about to have. Out: a [`Ruling`]. What only looks
//! (`/proc`, counters) asks nothing. A test at the end knows every function of the registry, and fails for one that
//! nobody has judged.

use super::stop::Stop;
use crate::probe::Mode;

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

    /// Gives the mode that a probe may have for the one that the script asks for.
    #[must_use]
    pub fn mode(self, asked: Mode) -> Mode {
        match self.enforcement {
            Enforcement::Real => asked,
            Enforcement::Shadow => asked.audited(),
        }
    }

    /// Rules on an effect.
    ///
    /// # Errors
    /// If the script is only explained, and cannot go on without it.
    pub fn rule(self, effect: Effect) -> Result<Ruling, Stop> {
        match (self.extent, self.enforcement, effect) {
            (Extent::Explained, _, Effect::Attach) => Ok(Ruling::Rehearse),
            (Extent::Explained, _, other) => Err(Stop::OnlyExplained(other.in_words())),
            (Extent::Runs, Enforcement::Shadow, Effect::Signal) => Ok(Ruling::Rehearse),
            (Extent::Runs, ..) => Ok(Ruling::Do),
        }
    }
}

impl Effect {
    fn in_words(self) -> &'static str {
        match self {
            Effect::Attach => "`attach` loads a probe",
            Effect::Preview => "`preview` asks the kernel",
            Effect::Signal => "`kill` sends a signal",
            Effect::Run => "`run` runs a program",
            Effect::Remember => "`state` keeps a file",
            Effect::Attempt => "`scratch` and `attempt` start processes",
        }
    }
}

#[cfg(test)]
mod tests;
