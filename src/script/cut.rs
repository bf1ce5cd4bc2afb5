//! Texts of which a part is there, as a filter takes them: what depends on the rest cannot be told.
//!
//! In: an event's text or list that is cut. Out: the answers that are certain, and an error for every other question.
//! For filters that Rhai evaluates; a callback gets the part as a text.

use rhai::EvalAltResult;

use super::{Fault, fault::Fallible, regex};
use crate::{
    filter::{Glob, Known, Pattern, Test},
    raw,
};

/// A text that may go on.
#[derive(Debug, Clone)]
pub struct CutText {
    pub seen: String,
    pub known: Known,
}

/// A list that is cut.
#[derive(Debug, Clone)]
pub struct CutList {
    pub items: Vec<String>,
    /// Whether the last item lacks its end.
    pub last_is_cut: bool,
}

pub fn bytes(text: &str) -> Vec<u8> {
    raw::bytes(text).into_owned()
}

const CUT: &str = "this text is cut before what the answer depends on";

pub fn cannot_tell<T>() -> Fallible<T> {
    Err(Fault::script(CUT).into())
}

/// Whether it was a text that is cut which a question could not be answered for.
pub fn is_cut(error: &EvalAltResult) -> bool {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) => {
            value.read_lock::<Fault>().is_some_and(|fault| fault.text == CUT)
        }
        _ => false,
    }
}

impl CutText {
    pub fn answer(&self, test: &Test) -> Fallible<bool> {
        match test.answer(&raw::bytes(&self.seen), self.known) {
            Some(answer) => Ok(answer),
            None => cannot_tell(),
        }
    }

    pub fn equals(&self, other: &str) -> Fallible<bool> {
        self.answer(&Test::Equals(bytes(other)))
    }

    pub fn like(&self, text: &str) -> Fallible<bool> {
        let glob = Glob::parse(text).map_err(|error| Fault::script(error).about(text))?;
        let Some(tests) = Test::all_of(&glob) else {
            let pattern = Pattern::glob(text, &glob).map_err(|error| Fault::script(error).about(text))?;
            return self.answer(&Test::Matches(pattern));
        };
        for test in tests {
            if !self.answer(&test)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn matches(&self, expression: &str) -> Fallible<bool> {
        self.answer(&Test::Matches(regex::pattern(expression)?))
    }
}

impl CutList {
    pub fn item(&self, at: usize) -> Option<rhai::Dynamic> {
        let seen = self.items.get(at)?.clone();
        let is_cut = self.last_is_cut && at + 1 == self.items.len();
        Some(match is_cut {
            true => rhai::Dynamic::from(CutText { seen, known: Known::LastElement }),
            false => seen.into(),
        })
    }

    /// Whether it is certain that all are so, or that one is not.
    pub fn all(&self, holds: impl Fn(rhai::Dynamic) -> Fallible<bool>) -> Fallible<bool> {
        for at in 0..self.items.len() {
            if let Some(item) = self.item(at)
                && !holds(item)?
            {
                return Ok(false);
            }
        }
        cannot_tell()
    }

    pub fn any(&self, holds: impl Fn(rhai::Dynamic) -> Fallible<bool>) -> Fallible<bool> {
        for at in 0..self.items.len() {
            if let Some(item) = self.item(at)
                && holds(item)?
            {
                return Ok(true);
            }
        }
        cannot_tell()
    }
}
