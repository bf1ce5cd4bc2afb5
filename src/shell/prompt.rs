//! What stands before the cursor: `krsi> `, `krsi[2]> ` with two probes that observe,
//! `krsi[2!]> ` if one of them enforces, `krsi[2! 9m]> ` while its lease has nine minutes
//! to go, `krsi[2 lapsed]> ` once it has run out.

use std::time::Duration;

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
            Stance::Armed { left: None, .. } => format!("krsi[{count}!]> "),
            Stance::Armed { left: Some(left), .. } => format!("krsi[{count}! {}]> ", short(left.as_secs())),
            Stance::Lapsed => format!("krsi[{count} lapsed]> "),
        }
    }

    /// The same prompt after this time, as wide as it was: the line editor counts on that.
    #[must_use]
    pub fn after(self, passed: Duration) -> Prompt {
        Prompt { stance: self.stance.after(passed), ..self }
    }

    /// The text in this width, if it can be had.
    #[must_use]
    pub fn text_as_wide(self, width: usize) -> Option<String> {
        let short =
            if self.stance == Stance::Lapsed { format!("krsi[{} off]> ", self.probes) } else { self.text() };
        let text = [self.text(), short].into_iter().find(|text| text.len() <= width)?;
        let missing = " ".repeat(width - text.len());
        Some(text.replacen(']', &format!("{missing}]"), 1))
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
    use super::*;

    #[test]
    fn the_prompt_tells_how_many_probes_there_are_and_how_long_they_enforce() {
        let text = |probes, stance| Prompt { probes, stance }.text();
        let left = |seconds| Some(Duration::from_secs(seconds));
        let armed = |seconds| Stance::Armed { left: left(seconds), all_left: left(seconds) };
        assert_eq!(text(0, Stance::Observing), "krsi> ");
        assert_eq!(text(2, Stance::Observing), "krsi[2]> ");
        assert_eq!(text(2, Stance::Armed { left: None, all_left: None }), "krsi[2!]> ");
        assert_eq!(text(2, armed(599)), "krsi[2! 9m]> ");
        assert_eq!(text(1, armed(7200)), "krsi[1! 2h]> ");
        assert_eq!(text(1, Stance::Lapsed), "krsi[1 lapsed]> ");
    }
    #[test]
    fn a_prompt_that_stands_for_a_while_goes_with_the_time_and_keeps_its_width() {
        let seconds = Duration::from_secs;
        let shown = |left: u64, all: Option<u64>, passed| {
            let stance = Stance::Armed { left: Some(seconds(left)), all_left: all.map(seconds) };
            let prompt = Prompt { probes: 1, stance };
            prompt.after(seconds(passed)).text_as_wide(prompt.text().len()).expect("room")
        };
        assert_eq!(shown(12, Some(12), 5), "krsi[1! 7s ]> ");
        assert_eq!(shown(3, Some(3), 3), "krsi[1 off]> ");
        assert_eq!(shown(3, Some(9), 4), "krsi[1! 5s]> ");
        assert_eq!(shown(3, None, 4), "krsi[1!   ]> ");
    }
}
