//! Which checks are run: by id, by tag, by level.

use super::Check;
use crate::{filter::Glob, values::nearest};

/// What the command line asks for. Nothing asked for means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these ids; a `*` stands for anything.
    pub only: Vec<String>,
    /// Never these, likewise.
    pub skip: Vec<String>,
    /// Only checks with one of these tags.
    pub tags: Vec<String>,
    /// Only checks up to this level.
    pub level: Option<u8>,
}

/// A word of the command line that no check answers to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{option} {given}: no check has that {what}{}\nallowed: one of those that `krsi-sh check --list` tells, or a pattern with `*`",
    .nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
)]
pub struct SelectionError {
    pub option: &'static str,
    pub what: &'static str,
    pub given: String,
    pub nearest: Option<String>,
}

impl Selection {
    /// Whether no check is left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Selection::default()
    }

    /// Whether this check is to be run.
    #[must_use]
    pub fn includes(&self, check: &Check) -> bool {
        let any = |patterns: &[String], word: &str| patterns.iter().any(|pattern| matches(pattern, word));
        let asked = self.only.is_empty() || any(&self.only, &check.id);
        let tagged = self.tags.is_empty() || check.tags.iter().any(|tag| any(&self.tags, tag));
        asked && tagged && !any(&self.skip, &check.id) && self.level.is_none_or(|most| check.level <= most)
    }

    /// Checks that each word has a meaning among these checks: a mistyped id would else run nothing, and look well.
    ///
    /// # Errors
    /// The first word that no check answers to.
    pub fn meets(&self, ids: &[String], tags: &[String]) -> Result<(), SelectionError> {
        for (option, what, words, known) in [
            ("--only", "id", &self.only, ids),
            ("--skip", "id", &self.skip, ids),
            ("--tag", "tag", &self.tags, tags),
        ] {
            let stranger = words.iter().find(|word| !known.iter().any(|name| matches(word, name)));
            if let Some(given) = stranger {
                let nearest = nearest(given, known.iter().map(String::as_str)).map(str::to_owned);
                return Err(SelectionError { option, what, given: given.clone(), nearest });
            }
        }
        Ok(())
    }
}

/// Whether a word is what a pattern with `*` in it describes.
fn matches(pattern: &str, word: &str) -> bool {
    Glob::parse(pattern).is_ok_and(|glob| glob.matches(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::check;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_is_skipped_is_skipped_whatever_else_asks_for_it() {
        let selection =
            Selection { only: words(&["ssh-*"]), skip: words(&["ssh-root"]), ..Selection::default() };
        assert!(selection.includes(&check("ssh-port")));
        assert!(!selection.includes(&check("ssh-root")) && !selection.includes(&check("tmp")));
    }

    #[test]
    fn a_level_and_a_tag_narrow_together() {
        let of = |level, tags: &[&str]| Check { level, tags: words(tags), ..check("x") };
        let selection = Selection { level: Some(1), tags: words(&["network"]), ..Selection::default() };
        assert!(selection.includes(&of(1, &["network"])));
        assert!(!selection.includes(&of(2, &["network"])) && !selection.includes(&of(1, &["file"])));
    }

    #[test]
    fn a_word_that_nothing_answers_to_is_refused_with_the_nearest() {
        let selection = Selection { skip: words(&["ssh-rot"]), ..Selection::default() };
        let error = selection.meets(&words(&["ssh-root"]), &[]).unwrap_err();
        assert!(error.to_string().contains("did you mean `ssh-root`?"), "{error}");
    }
}
