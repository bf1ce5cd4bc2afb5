//! What the kernel answers: observe, shadow, deny(errno), kill(signal), or what it is told when it asks.

use std::fmt;

use super::ask::Ruling;
use crate::values::{Errno, Signal};

/// A probe's mode. Changes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Report, and allow.
    #[default]
    Observe,
    /// Report what `deny` would have done, and allow.
    Shadow,
    /// Refuse the operation with this errno.
    Deny(Errno),
    /// Send this signal to the task's process, and refuse the operation with EPERM. Where it is too late to refuse, the
    /// kernel side sends SIGKILL whatever this says.
    Kill(Signal),
    /// Hold the operation until the script, or somebody at the prompt, has decided; what cannot be held is dealt with like this.
    Ask(Ruling),
}

impl Mode {
    /// Whether the mode changes what the system does.
    #[must_use]
    pub fn enforces(self) -> bool {
        matches!(self, Mode::Deny(_) | Mode::Kill(_) | Mode::Ask(_))
    }

    /// The mode that `--audit` puts in place of this one.
    #[must_use]
    pub fn audited(self) -> Self {
        if self.enforces() { Mode::Shadow } else { self }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Observe => f.write_str("observe"),
            Mode::Shadow => f.write_str("shadow"),
            Mode::Deny(errno) => write!(f, "deny({errno})"),
            Mode::Kill(signal) => write!(f, "kill({signal})"),
            Mode::Ask(otherwise) => write!(f, "ask, otherwise {otherwise}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_turns_enforcement_into_shadow_and_leaves_the_rest() {
        let deny = Mode::Deny(Errno::from_number(1).unwrap());
        assert_eq!(deny.audited(), Mode::Shadow);
        assert_eq!(Mode::Observe.audited(), Mode::Observe);
    }
}
