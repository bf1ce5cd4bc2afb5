//! By what a probe is attached.

use std::fmt;

/// The ways in which a probe's programs come to be asked, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// LSM programs on the hooks. Wants `bpf` among the active LSMs.
    Lsm,
    /// The same programs on the kernel functions that ask the hooks, whose return value they may set
    /// (BPF_MODIFY_RETURN). A refusal comes before that of any LSM; without one, all LSMs are asked.
    FmodRet,
    /// Programs that see the same operations elsewhere, and whose answer goes nowhere.
    Observe,
}

impl Door {
    /// All, the best first.
    pub const ALL: [Door; 3] = [Door::Lsm, Door::FmodRet, Door::Observe];

    /// Returns the word by which people know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Door::Lsm => "lsm",
            Door::FmodRet => "fmod_ret",
            Door::Observe => "observe",
        }
    }

    /// Returns the door of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.name() == name)
    }

    /// Returns whether an operation can be refused there.
    #[must_use]
    pub const fn refuses(self) -> bool {
        !matches!(self, Door::Observe)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
