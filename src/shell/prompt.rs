//! What stands before the cursor: `krsi> `, `krsi[2]> ` with two probes attached,
//! `krsi[2!]> ` if one of them enforces.

/// Without probes.
pub const SHORTEST: &str = "krsi> ";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    pub probes: usize,
    /// Something is denied or killed.
    pub armed: bool,
}

impl Prompt {
    #[must_use]
    pub fn text(self) -> String {
        match (self.probes, self.armed) {
            (0, _) => SHORTEST.to_owned(),
            (count, false) => format!("krsi[{count}]> "),
            (count, true) => format!("krsi[{count}!]> "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prompt;

    #[test]
    fn the_prompt_tells_how_many_probes_there_are_and_whether_one_enforces() {
        let text = |probes, armed| Prompt { probes, armed }.text();
        assert_eq!(text(0, false), "krsi> ");
        assert_eq!(text(2, false), "krsi[2]> ");
        assert_eq!(text(2, true), "krsi[2!]> ");
    }
}
