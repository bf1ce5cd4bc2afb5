//! What mode ask asks, and what is answered: how long an operation is held, what becomes of one that cannot be, and for what
//! and how long an answer holds.

use std::{fmt, time::Duration};

use crate::{
    filter::Answer,
    values::{Errno, Signal},
};

/// Held no longer than this, unless the script says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that may be said.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// Operations held at once, unless the script says otherwise.
pub const HELD: u32 = 64;
/// The most that may be said.
pub const MOST_HELD: u32 = 4096;

/// How a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// How long an operation is held at most.
    pub timeout: Duration,
    /// What becomes of what cannot be held, and of what nobody answers in time.
    pub otherwise: Ruling,
    /// How many may be held at once.
    pub held: u32,
}

impl Default for Ask {
    fn default() -> Self {
        Ask { timeout: TIMEOUT, otherwise: Ruling::Deny(Errno::EPERM), held: HELD }
    }
}

impl Ask {
    /// Whether operations are held as long, and as many, as in the other one.
    #[must_use]
    pub fn held_alike(&self, other: &Ask) -> bool {
        (self.timeout, self.held) == (other.timeout, other.held)
    }
}

/// What is done with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Allow,
    Deny(Errno),
    Kill(Signal),
}

impl Ruling {
    /// As a filter says it, if it is one of these.
    #[must_use]
    pub fn of(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Allow => Some(Ruling::Allow),
            Answer::Deny(errno) => Some(Ruling::Deny(errno)),
            Answer::Kill(signal) => Some(Ruling::Kill(signal)),
            Answer::NoMatch | Answer::Match => None,
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ruling::Allow => f.write_str("allow"),
            Ruling::Deny(errno) => write!(f, "deny({errno})"),
            Ruling::Kill(signal) => write!(f, "kill({signal})"),
        }
    }
}

/// An answer to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub ruling: Ruling,
    pub holds: Holds,
}

/// For which operations an answer holds. They are the same in everything that their events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// For the one that was asked about.
    Once,
    /// For as long; `None`: as long as the probe is attached.
    For(Option<Duration>, Whose),
}

/// Whose operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of the process that was asked about.
    Process,
    /// Those of everything that runs the same executable as the same user, in the same namespaces.
    Executable,
}

impl Reply {
    /// An answer for this one operation.
    #[must_use]
    pub fn once(ruling: Ruling) -> Self {
        Reply { ruling, holds: Holds::Once }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ruling)?;
        let Holds::For(lasts, whose) = self.holds else { return Ok(()) };
        match lasts {
            Some(lasts) => write!(f, " for {}", humantime::format_duration(lasts))?,
            None => f.write_str(" for this session")?,
        }
        match whose {
            Whose::Process => Ok(()),
            Whose::Executable => f.write_str(", for its executable"),
        }
    }
}

/// What has become of a question by the time that somebody wants to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The operation is held until this time on the kernel's monotonic clock, in nanoseconds.
    Open(u64),
    /// It is answered, and goes on.
    Answered,
    /// It is held no longer: the time was up, or its process is gone, or did something else.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_long_and_for_whom_it_holds() {
        let deny = Ruling::Deny(Errno::from_name("EACCES").unwrap());
        assert_eq!(Reply::once(deny).to_string(), "deny(EACCES)");
        let hour = Holds::For(Some(Duration::from_secs(3600)), Whose::Executable);
        assert_eq!(
            Reply { ruling: Ruling::Allow, holds: hour }.to_string(),
            "allow for 1h, for its executable"
        );
        let session = Holds::For(None, Whose::Process);
        assert_eq!(Reply { ruling: Ruling::Allow, holds: session }.to_string(), "allow for this session");
    }
}
