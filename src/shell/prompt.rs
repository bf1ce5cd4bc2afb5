//! What stands before the cursor: `krsi> `, `krsi[2]> ` with two probes that observe,
//! `krsi[2!]> ` if one of them enforces, `krsi[2! 9m]> ` while its lease has nine minutes
//! to go, `krsi[2 lapsed]> ` once it has run out.

use crate::script::Stance;

/// Without probes.
pub const SHORTEST: &str = "krsi> ";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    pub probes: usize,
    pub stance: Stance,
}

impl Prompt {
    #[must_use]
    pub fn text(self) -> String {
        let count = self.probes;
        match self.stance {
            _ if count == 0 => SHORTEST.to_owned(),
            Stance::Observing => format!("krsi[{count}]> "),
            Stance::Armed { left: None } => format!("krsi[{count}!]> "),
            Stance::Armed { left: Some(left) } => format!("krsi[{count}! {}]> ", short(left.as_secs())),
            Stance::Lapsed => format!("krsi[{count} lapsed]> "),
        }
    }

    /// Something is denied or killed.
    #[must_use]
    pub fn armed(self) -> bool {
        matches!(self.stance, Stance::Armed { .. })
    }
}

/// In the largest unit of which there is one, rounded down: nobody is to believe in more than is left.
fn short(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_prompt_tells_how_many_probes_there_are_and_how_long_they_enforce() {
        let text = |probes, stance| Prompt { probes, stance }.text();
        let armed = |seconds| Stance::Armed { left: Some(Duration::from_secs(seconds)) };
        assert_eq!(text(0, Stance::Observing), "krsi> ");
        assert_eq!(text(2, Stance::Observing), "krsi[2]> ");
        assert_eq!(text(2, Stance::Armed { left: None }), "krsi[2!]> ");
        assert_eq!(text(2, armed(599)), "krsi[2! 9m]> ");
        assert_eq!(text(1, armed(7200)), "krsi[1! 2h]> ");
        assert_eq!(text(1, Stance::Lapsed), "krsi[1 lapsed]> ");
    }
}
