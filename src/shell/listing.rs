//! The questions of the editor's list of candidates: whether so many are wanted, and whether to go on after a
//! screenful. The editor waits there for some keys and hears no other, Ctrl-C neither; here every key has an answer.
//!
//! In: how many candidates there are and how wide, and each key. Out: what the key means while a question stands. The
//! editor does not tell that it asks, so this reckons as it does (`page_completions` of rustyline 19).

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::{Cmd, KeyCode, KeyEvent, Modifiers};
use unicode_width::UnicodeWidthStr;

/// More candidates than these are listed only if they are wanted.
pub const ASKED_FROM: usize = 100;
/// Columns between two candidates.
const GAP: usize = 2;

/// Shared by the completer, which begins a list, and the keys.
#[derive(Debug, Clone, Default)]
pub struct Listing(Arc<Mutex<Question>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Question {
    #[default]
    None,
    /// Display all of them?
    All { rows: usize, page: usize },
    /// More? It stands below so many rows.
    More { rows: usize, page: usize, shown: usize },
}

impl Listing {
    /// A list of candidates that show these texts begins, in a window of so many columns and rows.
    pub fn begin<'c>(&self, shown: impl ExactSizeIterator<Item = &'c str>, (columns, rows): (usize, usize)) {
        let count = shown.len();
        let widest = shown.map(UnicodeWidthStr::width).max().unwrap_or_default();
        let in_a_row = columns / (widest + GAP).min(columns).max(1);
        let (rows, page) = (count.div_ceil(in_a_row.max(1)), rows.saturating_sub(1));
        self.set(match count {
            0 | 1 => Question::None,
            _ if count > ASKED_FROM => Question::All { rows, page },
            _ => more(rows, page, page),
        });
    }

    fn set(&self, question: Question) {
        // A single assignment: a panic elsewhere leaves no half state.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = question;
    }

    /// What this key means, if a question stands. What is not a yes is a no.
    pub fn answer(&self, KeyEvent(key, modifiers): KeyEvent) -> Option<Cmd> {
        let question = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is pasted is not an answer; the editor takes it as a whole, and drops it here.
        if question == Question::None || key == KeyCode::BracketedPasteStart {
            return None;
        }
        let plain = modifiers == Modifiers::NONE;
        let yes = plain && matches!(key, KeyCode::Char('y' | 'Y' | ' ') | KeyCode::Tab);
        let enter = key == KeyCode::Enter || (key == KeyCode::Char('J') && modifiers == Modifiers::CTRL);
        let (next, answer) = match question {
            Question::All { rows, page } if yes => (more(rows, page, page), Cmd::SelfInsert(1, 'y')),
            Question::More { rows, page, shown } if yes => {
                (more(rows, page, shown + page), Cmd::SelfInsert(1, 'y'))
            }
            Question::More { rows, page, shown } if enter => (more(rows, page, shown + 1), Cmd::AcceptLine),
            _ => (Question::None, Cmd::SelfInsert(1, 'n')),
        };
        self.set(next);
        Some(answer)
    }
}

/// What stands once so many rows are shown.
fn more(rows: usize, page: usize, shown: usize) -> Question {
    if rows > shown && page > 0 { Question::More { rows, page, shown } } else { Question::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CTRL_C: KeyEvent = KeyEvent(KeyCode::Char('C'), Modifiers::CTRL);

    fn key(c: char) -> KeyEvent {
        KeyEvent(KeyCode::Char(c), Modifiers::NONE)
    }

    fn listing(count: usize, window: (usize, usize)) -> Listing {
        let listing = Listing::default();
        listing.begin(vec!["a word"; count].into_iter(), window);
        listing
    }

    #[test]
    fn a_list_that_fits_asks_nothing() {
        assert_eq!(listing(40, (80, 24)).answer(CTRL_C), None);
        assert_eq!(listing(1, (80, 2)).answer(CTRL_C), None);
    }

    #[test]
    fn each_key_but_yes_leaves() {
        for no in [CTRL_C, key('n'), key('x'), KeyEvent(KeyCode::Esc, Modifiers::NONE)] {
            let listing = listing(101, (80, 24));
            assert_eq!(listing.answer(no), Some(Cmd::SelfInsert(1, 'n')));
            assert_eq!(listing.answer(no), None, "it is over");
        }
        let paste = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
        assert_eq!(listing(101, (80, 24)).answer(paste), None);
    }

    #[test]
    fn page_after_page_until_all_is_shown() {
        // Ten in a row, so 50 rows: 23, one more, 23 more, and the rest.
        let listing = listing(500, (80, 24));
        let enter = KeyEvent(KeyCode::Enter, Modifiers::NONE);
        for (key, answer) in [
            (key('y'), Cmd::SelfInsert(1, 'y')),
            (enter, Cmd::AcceptLine),
            (key(' '), Cmd::SelfInsert(1, 'y')),
            (key(' '), Cmd::SelfInsert(1, 'y')),
        ] {
            assert_eq!(listing.answer(key), Some(answer));
        }
        assert_eq!(listing.answer(CTRL_C), None);
    }
}
