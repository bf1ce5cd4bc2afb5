//! How often something was done, and by whom.

use std::{collections::BTreeSet, fmt};

use crate::raw;

/// Programs of one thing that are remembered by name.
const MOST_BY: usize = 32;
/// Of these, how many a profile names.
const NAMED: usize = 3;

/// How often something was seen, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub times: u64,
    /// Executables.
    pub by: BTreeSet<String>,
    /// There were more of them than are remembered.
    pub by_more: bool,
}

impl Seen {
    pub fn once(&mut self, by: &str) {
        self.times += 1;
        self.who(by);
    }

    pub fn add(&mut self, other: &Seen) {
        self.times += other.times;
        self.by_more |= other.by_more;
        other.by.iter().for_each(|by| self.who(by));
    }

    fn who(&mut self, by: &str) {
        if by.is_empty() || self.by.contains(by) {
            return;
        }
        if self.by.len() < MOST_BY {
            self.by.insert(by.to_owned());
        } else {
            self.by_more = true;
        }
    }
}

/// `tens of times, by /usr/bin/git and 3 more`: by its order of magnitude, so that two runs of one thing say the same.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let often = match self.times {
            0 | 1 => "once",
            2..=9 => "a few times",
            10..=99 => "tens of times",
            100..=999 => "hundreds of times",
            1_000..=999_999 => "thousands of times",
            _ => "millions of times",
        };
        f.write_str(often)?;
        for (index, by) in self.by.iter().take(NAMED).enumerate() {
            // Whatever a file is called, it stays in the comment that this is.
            let by = raw::literal(by);
            write!(f, "{}{}", if index == 0 { ", by " } else { ", " }, by.trim_matches('"'))?;
        }
        match (self.by.len().saturating_sub(NAMED), self.by_more) {
            (_, true) => f.write_str(" and many more"),
            (0, false) => Ok(()),
            (more, false) => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_program_is_called_it_is_told_in_one_line() {
        let mut seen = Seen::default();
        seen.once("/tmp/a\nprobe(\"exec\")");
        assert_eq!(seen.to_string(), "once, by /tmp/a\\nprobe(\\\"exec\\\")");
        for name in ["/b", "/c", "/d", "/d", ""] {
            seen.once(name);
        }
        assert_eq!(seen.to_string(), "a few times, by /b, /c, /d and 1 more");
        (0..40).for_each(|n| seen.once(&format!("/x{n}")));
        assert_eq!(seen.to_string(), "tens of times, by /b, /c, /d and many more");
    }
}
