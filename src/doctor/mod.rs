//! What this machine can do, found out and not believed.
//!
//! In: the catalogue. Out: a [`Report`]: facts about the host, each with its fix where one is
//! needed, and for every hook of the catalogue what came of an experiment: load, attach,
//! trigger, seen to fire. Nothing is refused to anyone meanwhile, since the
//! experiments only observe, and nothing stays attached.
//!
//! The field's classic bug is a program that attaches and never fires; so nothing
//! here takes an attach for an answer.

mod checks;
mod child;
mod hooks;
mod kernel_triggers;
mod page;
mod pins;
mod ring;
mod triggers;

use serde::Serialize;

pub use self::page::page;
use crate::{kernel, template::Catalogue};

/// How a fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Something is missing that enforcement does not need.
    Warn,
    Fail,
    /// It cannot be found out here.
    Unknown,
}

/// One fact about the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Status,
    pub detail: String,
    /// What to do about it; empty where nothing is to do.
    pub remedy: String,
}

/// What an experiment with a hook came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookStatus {
    /// Attached, triggered, and seen to run.
    Fires,
    /// Attached and triggered, and it did not run.
    NeverFired,
    /// Attached; how to trigger it is not known here.
    Attached,
    /// This kernel has no such hook.
    UnknownHook,
    /// The kernel's types cannot be read.
    NoBtf,
    MissingCapability,
    /// Lockdown keeps programs from reading kernel memory.
    Lockdown,
    /// The host refuses LSM programs altogether, though others load.
    LsmRefused,
    /// The verifier, or something else, in the reason's words.
    Failed,
}

/// A hook of a template, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    pub hook: String,
    pub template: String,
    pub status: HookStatus,
    /// By which door this came about: `lsm` or `fmod_ret`.
    pub door: &'static str,
    /// Empty where it fires.
    pub reason: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `uname -r`.
    pub kernel: String,
    pub checks: Vec<Check>,
    pub hooks: Vec<Hook>,
    /// Templates that observe by other means than LSM, where not all hooks fire.
    pub audit_only: Vec<String>,
}

impl Report {
    /// Whether every hook that this kernel has was seen to fire.
    #[must_use]
    pub fn can_enforce(&self) -> bool {
        let has = |h: &&Hook| h.status != HookStatus::UnknownHook;
        self.hooks.iter().any(|h| h.status == HookStatus::Fires)
            && self
                .hooks
                .iter()
                .filter(has)
                .all(|h| matches!(h.status, HookStatus::Fires | HookStatus::Attached))
    }
}

/// Looks at the host and tries every hook; `trying` is told which, for it takes a while on a slow machine.
#[must_use]
pub fn examine(catalogue: &Catalogue, trying: &dyn Fn(&str)) -> Report {
    let facts = kernel::facts();
    let (hooks, audit_only) = hooks::try_all(catalogue, &facts, trying);
    Report { kernel: facts.release.clone(), checks: checks::of(&facts), hooks, audit_only }
}
