//! Earlier inputs by Up and Down: those that begin as what was typed.
//!
//! In: keys, through [`Recall`], and what the editor's own search then asks of the history. Out: the entry to show.
//! What was typed is remembered while entries are walked through, so the second Up goes on where the first one was,
//! and Down behind the newest gives it back. Any edit begins anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::margin;

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Older,
    Newer,
}

/// Shared by the keys, which begin a step, and the history, which takes it.
#[derive(Debug, Clone, Default)]
pub struct Recall(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    walk: Option<Walk>,
    /// Begun by a key, and not taken yet.
    step: Option<Step>,
}

#[derive(Debug, Clone)]
struct Walk {
    /// The editor's buffer as it was, and the cursor in it.
    typed: String,
    cursor: usize,
    /// Which entry is shown, and how.
    at: usize,
    shown: String,
}

#[derive(Debug, Clone)]
struct Step {
    way: Way,
    line: String,
    cursor: usize,
}

/// What a step has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// An entry, as the editor shows it.
    Entry(String),
    /// What was typed, with its cursor; of the walk nothing is left.
    Typed(String, usize),
}

impl Recall {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment: a panic elsewhere leaves no half state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new input begins.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Begins a step; false where there is nowhere to go.
    pub fn begin(&self, way: Way, line: &str, cursor: usize) -> bool {
        let mut state = self.lock();
        if state.walk.as_ref().is_some_and(|walk| walk.shown != line) {
            state.walk = None;
        }
        let goes = way == Way::Older || state.walk.is_some();
        state.step = goes.then(|| Step { way, line: line.to_owned(), cursor });
        goes
    }

    /// Forgets a step that the editor has not asked for.
    pub fn forget_step(&self) {
        self.lock().step = None;
    }

    /// Takes the step that was begun, if there is one, over these entries.
    pub fn take(&self, entries: &[&String]) -> Option<Shown> {
        let mut state = self.lock();
        let step = state.step.take()?;
        let walk = state.walk.clone();
        let (typed, cursor) = match &walk {
            Some(walk) => (walk.typed.clone(), walk.cursor),
            None => (step.line.clone(), step.cursor),
        };
        let prefix = margin::strip(typed.get(..cursor).unwrap_or(&typed));
        let at = walk.as_ref().map_or(entries.len(), |walk| walk.at.min(entries.len()));
        let fits = |index: &usize| {
            entries[*index].starts_with(&prefix) && *margin::add(entries[*index]) != *step.line
        };
        let found = match step.way {
            Way::Older => (0..at).rev().find(fits),
            Way::Newer => (at + 1..entries.len()).find(fits),
        };
        match (found, step.way, walk) {
            (Some(at), ..) => {
                let shown = margin::add(entries[at]).into_owned();
                state.walk = Some(Walk { typed, cursor, at, shown: shown.clone() });
                Some(Shown::Entry(shown))
            }
            // The oldest stays where it is.
            (None, Way::Older, Some(walk)) => Some(Shown::Entry(walk.shown)),
            (None, ..) => {
                state.walk = None;
                Some(Shown::Typed(typed, cursor))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<String> {
        ["let a = 1", "print(a)", "let b = 2", "if a {\nb }", "let b = 2"].map(str::to_owned).into()
    }

    /// What each of these steps shows, from what was typed on.
    fn walked(typed: &str, ways: &[Way]) -> Vec<String> {
        let (recall, entries) = (Recall::default(), entries());
        let entries: Vec<_> = entries.iter().collect();
        let mut line = typed.to_owned();
        ways.iter()
            .map(|way| {
                if recall.begin(*way, &line, line.len()) {
                    line = match recall.take(&entries).expect("a step") {
                        Shown::Entry(line) | Shown::Typed(line, _) => line,
                    };
                }
                line.clone()
            })
            .collect()
    }

    #[test]
    fn what_was_typed_chooses_and_comes_back() {
        use Way::{Newer, Older};
        let seen = walked("let", &[Older, Older, Older, Newer, Newer]);
        assert_eq!(seen, ["let b = 2", "let a = 1", "let a = 1", "let b = 2", "let"]);
    }

    #[test]
    fn an_empty_line_sees_all_of_them_as_the_editor_shows_them() {
        use Way::Older;
        let block = format!("if a {{{}b }}", margin::newline());
        assert_eq!(walked("", &[Older; 4]), ["let b = 2", &block, "let b = 2", "print(a)"]);
    }

    #[test]
    fn what_begins_no_entry_stays_and_there_is_nothing_newer_than_the_line() {
        use Way::{Newer, Older};
        assert_eq!(walked("zzz", &[Older, Older]), ["zzz", "zzz"]);
        assert_eq!(walked("let", &[Newer, Older]), ["let", "let b = 2"]);
    }

    #[test]
    fn an_edited_entry_is_something_typed() {
        let (recall, entries) = (Recall::default(), entries());
        let entries: Vec<_> = entries.iter().collect();
        assert!(recall.begin(Way::Older, "pr", 2));
        assert_eq!(recall.take(&entries), Some(Shown::Entry("print(a)".into())));
        assert!(!recall.begin(Way::Newer, "print(ab)", 7));
        assert_eq!(recall.take(&entries), None);
        assert!(recall.begin(Way::Older, "let a", 5));
        assert_eq!(recall.take(&entries), Some(Shown::Entry("let a = 1".into())));
    }
}
