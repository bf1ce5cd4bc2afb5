//! Texts of which a part is there, as a filter takes them: what depends on the rest cannot be told.
//!
//! In: an event's text or list that is cut. Out: the answers that are certain, and an error for every other question.
//! For filters that Rhai evaluates; a callback gets the part as a text.

use super::{Fault, fault::Fallible};
use crate::{
    filter::{Glob, Known, Test},
    raw,
};

/// A text that may go on.
#[derive(Debug, Clone)]
pub struct CutText {
    pub seen: String,
    pub known: Known,
    pub unsure: Unsure,
}

/// What becomes of a question that cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsure {
    Error,
    /// No: it is asked whether any of several is certain.
    No,
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

pub fn cannot_tell<T>() -> Fallible<T> {
    Err(Fault::script("this text is cut before what the answer depends on").into())
}

impl CutText {
    pub fn answer(&self, test: &Test) -> Fallible<bool> {
        match test.answer(&raw::bytes(&self.seen), self.known) {
            Some(answer) => Ok(answer),
            None if self.unsure == Unsure::No => Ok(false),
            None => cannot_tell(),
        }
    }

    pub fn equals(&self, other: &str) -> Fallible<bool> {
        self.answer(&Test::Equals(bytes(other)))
    }

    pub fn like(&self, glob: &str) -> Fallible<bool> {
        let glob = Glob::parse(glob).map_err(|error| Fault::script(error).about(glob))?;
        for test in glob.tests().unwrap_or_default() {
            if !self.answer(&test)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl CutList {
    pub fn item(&self, at: usize, unsure: Unsure) -> Option<rhai::Dynamic> {
        let seen = self.items.get(at)?.clone();
        let is_cut = self.last_is_cut && at + 1 == self.items.len();
        Some(match is_cut {
            true => rhai::Dynamic::from(CutText { seen, known: Known::LastElement, unsure }),
            false => seen.into(),
        })
    }

    pub fn any(&self, holds: impl Fn(rhai::Dynamic) -> Fallible<bool>) -> Fallible<bool> {
        for at in 0..self.items.len() {
            if let Some(item) = self.item(at, Unsure::No)
                && holds(item)?
            {
                return Ok(true);
            }
        }
        cannot_tell()
    }
}
