//! A pattern: a regular expression, or a glob that no comparison of bytes can do.

use std::{fmt, sync::Arc};

use regex_syntax::{
    ParserBuilder,
    hir::{Dot, Hir, Look, Repetition},
};

use super::{
    factored::factored,
    machine::{Ending, Machine, TooLarge},
    table::{LARGEST, Table},
};
use crate::{
    filter::glob::{Glob, Piece},
    raw,
};

/// How deep groups of a regular expression may nest.
const NESTED: u32 = 64;

/// A regular expression, or a glob that no comparison of bytes can do.
#[derive(Clone)]
pub struct Pattern {
    /// As it was written.
    text: String,
    kind: Kind,
    /// Without what a text may have before it.
    hir: Hir,
    /// It alone, which answers about one text.
    machine: Arc<Machine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regex,
    Glob,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("this is no regular expression: {what}, at {at:?}")]
    Syntax { what: String, at: String },
    #[error(
        "this pattern is too large: its states need more than {} KiB, or more work to be found than one may take",
        LARGEST / 1024
    )]
    TooLarge,
}

impl From<TooLarge> for PatternError {
    fn from(_: TooLarge) -> Self {
        PatternError::TooLarge
    }
}

impl Pattern {
    /// Reads a regular expression in the syntax of the `regex` crate, over bytes: classes and letters regardless of case
    /// (`(?i)`) are those of ASCII. It is found anywhere in a text, unless `^` or `$` say where.
    ///
    /// # Errors
    /// What is wrong in it, or that it is too large.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        let written: String = text.chars().map(in_syntax).collect();
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).nest_limit(NESTED).build();
        let hir = parser.parse(&written).map_err(|error| syntax_error(&written, &error))?;
        Self::new(text, Kind::Regex, factored(&hir))
    }

    /// Takes a glob, which is about the whole text.
    ///
    /// # Errors
    /// If it is too large.
    pub fn glob(text: &str, glob: &Glob) -> Result<Self, PatternError> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Hir::literal(raw::bytes(text).into_owned()),
            Piece::One => Hir::dot(Dot::AnyByte),
            Piece::Any => anything(),
        };
        let mut parts: Vec<Hir> = glob.pieces().iter().map(piece).collect();
        // What may follow in any way needs no states.
        match glob.pieces().last() {
            Some(Piece::Any) => drop(parts.pop()),
            _ => parts.push(Hir::look(Look::End)),
        }
        Self::new(text, Kind::Glob, Hir::concat(parts))
    }

    fn new(text: &str, kind: Kind, hir: Hir) -> Result<Self, PatternError> {
        let whole =
            if kind == Kind::Regex { Hir::concat(vec![anything(), hir.clone()]) } else { hir.clone() };
        let machine = Arc::new(Machine::of_one(whole, Ending::Bytes)?);
        if Table::of(&machine).is_none() {
            return Err(PatternError::TooLarge);
        }
        Ok(Pattern { text: text.to_owned(), kind, hir, machine })
    }

    /// Its syntax tree, and whether any text may stand before what it matches.
    #[must_use]
    pub fn tree(&self) -> (&Hir, bool) {
        (&self.hir, self.kind == Kind::Regex)
    }

    /// Whether a text is so; `None` if that depends on how it goes on.
    #[must_use]
    pub fn answer(&self, text: &[u8], whole: bool) -> Option<bool> {
        self.machine.answer(text, whole)
    }
}

/// A character of ours that stands for a byte is written by its number.
fn in_syntax(c: char) -> String {
    raw::byte(c).map_or_else(|| c.to_string(), |byte| format!("\\x{byte:02x}"))
}

fn syntax_error(written: &str, error: &regex_syntax::Error) -> PatternError {
    let (what, start) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        other => (other.to_string(), 0),
    };
    const SHOWN: usize = 20;
    let rest = written.get(start..).unwrap_or_default();
    PatternError::Syntax { what, at: rest.chars().take(SHOWN).collect() }
}

/// Any bytes, or none.
#[must_use]
pub fn anything() -> Hir {
    repeated(0, None)
}

/// So many bytes of any kind.
#[must_use]
pub fn repeated(min: usize, max: Option<usize>) -> Hir {
    let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Hir::repetition(Repetition {
        min: bounded(min),
        max: max.map(bounded),
        greedy: true,
        sub: Box::new(Hir::dot(Dot::AnyByte)),
    })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Regex => "matches",
            Kind::Glob => "like",
        };
        write!(f, "{name}({})", raw::literal(&self.text))
    }
}
