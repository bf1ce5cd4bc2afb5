//! Texts of which a part is there, as a filter takes them: what depends on the rest cannot be told.
//!
//! In: an event's text or list that is cut. Out: the answers that are certain, and an error for every other question.
//! For filters that Rhai evaluates; a callback gets the part as a text.

use rhai::{Engine, FnPtr, NativeCallContext};

use super::Fallible;
use crate::{
    filter::{Glob, Known, Test},
    raw,
    script::Fault,
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

fn bytes(text: &str) -> Vec<u8> {
    raw::bytes(text).into_owned()
}

fn cannot_tell<T>() -> Fallible<T> {
    Err(Fault::script("this text is cut before what the answer depends on").into())
}

impl CutText {
    fn answer(&self, test: &Test) -> Fallible<bool> {
        match test.answer(&raw::bytes(&self.seen), self.known) {
            Some(answer) => Ok(answer),
            None if self.unsure == Unsure::No => Ok(false),
            None => cannot_tell(),
        }
    }

    fn equals(&self, other: &str) -> Fallible<bool> {
        self.answer(&Test::Equals(bytes(other)))
    }

    fn like(&self, glob: &str) -> Fallible<bool> {
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
    fn item(&self, at: usize, unsure: Unsure) -> Option<rhai::Dynamic> {
        let seen = self.items.get(at)?.clone();
        let is_cut = self.last_is_cut && at + 1 == self.items.len();
        Some(match is_cut {
            true => rhai::Dynamic::from(CutText { seen, known: Known::LastElement, unsure }),
            false => seen.into(),
        })
    }

    fn any(&self, holds: impl Fn(rhai::Dynamic) -> Fallible<bool>) -> Fallible<bool> {
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

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<CutText>("CutText")
        .register_fn("==", |a: CutText, b: &str| a.equals(b))
        .register_fn("==", |a: &str, b: CutText| b.equals(a))
        .register_fn("!=", |a: CutText, b: &str| a.equals(b).map(|same| !same))
        .register_fn("!=", |a: &str, b: CutText| b.equals(a).map(|same| !same))
        .register_fn("starts_with", |text: CutText, of: &str| text.answer(&Test::StartsWith(bytes(of))))
        .register_fn("ends_with", |text: CutText, of: &str| text.answer(&Test::EndsWith(bytes(of))))
        .register_fn("contains", |text: CutText, of: &str| text.answer(&Test::containing(bytes(of), 0, 0)))
        .register_fn("like", |text: CutText, glob: &str| text.like(glob))
        .register_fn("is_empty", |text: CutText| text.equals(""))
        .register_fn("len", |_: CutText| cannot_tell::<i64>())
        .register_fn("to_ascii_lower", |text: CutText| CutText {
            seen: text.seen.to_ascii_lowercase(),
            ..text
        });
    engine
        .register_type_with_name::<CutList>("CutList")
        .register_fn("len", |_: CutList| cannot_tell::<i64>())
        .register_fn("is_empty", |list: CutList| list.items.is_empty())
        .register_fn("contains", |list: CutList, sought: &str| {
            list.any(|item| match item.read_lock::<CutText>() {
                Some(text) => text.equals(sought),
                None => Ok(item.as_immutable_string_ref().is_ok_and(|item| item.as_str() == sought)),
            })
        })
        .register_fn("any", |context: NativeCallContext, list: CutList, asked: FnPtr| {
            list.any(|item| asked.call_within_context::<bool>(&context, (item,)))
        })
        .register_indexer_get(|list: &mut CutList, at: i64| -> Fallible<rhai::Dynamic> {
            let item = usize::try_from(at).ok().and_then(|at| list.item(at, Unsure::Error));
            item.map_or_else(cannot_tell, Ok)
        });
}
