//! What is sought in a text, as a regular expression's syntax tree over bytes.

use std::{fmt, sync::Arc};

use regex_syntax::{
    ParserBuilder,
    hir::{
        Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Dot, Hir, HirKind, Look,
        Repetition,
    },
};

use super::{
    machine::{Ending, Machine, TooLarge},
    table::{LARGEST, Table},
};
use crate::{
    filter::{
        glob::{Glob, Piece},
        ir::{Case, Test},
    },
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
    #[error("this pattern is too large: its states need more than {} KiB", LARGEST / 1024)]
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
        Self::new(text, Kind::Regex, hir)
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
        parts.push(Hir::look(Look::End));
        Self::new(text, Kind::Glob, Hir::concat(parts))
    }

    fn new(text: &str, kind: Kind, hir: Hir) -> Result<Self, PatternError> {
        let whole =
            if kind == Kind::Regex { Hir::concat(vec![anything(), hir.clone()]) } else { hir.clone() };
        let machine = Arc::new(Machine::of_one(whole, Ending::Nul)?);
        if Table::of(&machine).is_none() {
            return Err(PatternError::TooLarge);
        }
        Ok(Pattern { text: text.to_owned(), kind, hir, machine })
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

fn anything() -> Hir {
    repeated(0, None)
}

fn repeated(min: usize, max: Option<usize>) -> Hir {
    let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Hir::repetition(Repetition {
        min: bounded(min),
        max: max.map(bounded),
        greedy: true,
        sub: Box::new(Hir::dot(Dot::AnyByte)),
    })
}

/// The syntax tree of a question: that one of the tests holds. It is matched from the text's beginning on.
///
/// What is sought anywhere has one way to go on in the text for all, and words share their beginnings: so the
/// states that determinisation looks at stay few.
pub fn of_question(case: Case, tests: &[Test]) -> Hir {
    let mut words: [Vec<&[u8]>; 4] = Default::default();
    let [equal, at_begin, at_end, anywhere] = &mut words;
    let mut others = Vec::new();
    let mut sought = Vec::new();
    for test in tests {
        match test {
            Test::Equals(word) => equal.push(word),
            Test::StartsWith(word) => at_begin.push(word),
            Test::EndsWith(word) => at_end.push(word),
            Test::Contains { needle, from: 0, until: 0 } => anywhere.push(needle),
            Test::Contains { needle, from, until } => others.push(Hir::concat(vec![
                repeated(*from, None),
                Hir::literal(needle.clone()),
                repeated(*until, Some(*until)),
            ])),
            Test::Reaches(length) => others.push(repeated(*length, Some(*length))),
            Test::Matches(pattern) if pattern.kind == Kind::Regex => sought.push(pattern.hir.clone()),
            Test::Matches(pattern) => others.push(pattern.hir.clone()),
        }
    }
    let end = || Hir::look(Look::End);
    let [equal, at_begin, at_end, anywhere] = words.map(|mut words| {
        words.sort_unstable();
        words.dedup();
        (!words.is_empty()).then(|| sharing_beginnings(&words, 0))
    });
    others.extend(equal.map(|words| Hir::concat(vec![words, end()])));
    others.extend(at_begin);
    sought.extend(at_end.map(|words| Hir::concat(vec![words, end()])));
    sought.extend(anywhere);
    if !sought.is_empty() {
        others.push(Hir::concat(vec![anything(), Hir::alternation(sought)]));
    }
    let hir = Hir::alternation(others);
    if case == Case::Lower { in_capitals_too(&hir) } else { hir }
}

/// Sorted words, none twice, as a tree: what they begin with alike stands there once. The first `from` bytes are done.
fn sharing_beginnings(words: &[&[u8]], from: usize) -> Hir {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Hir::fail() };
    // Sorted: what the first and the last have in common, all have.
    let shared = first[from..].iter().zip(&last[from..]).take_while(|(a, b)| a == b).count();
    let begin = Hir::literal(&first[from..from + shared]);
    let behind = from + shared;
    let mut ways = Vec::new();
    let mut rest = words;
    if first.len() == behind {
        ways.push(Hir::empty());
        rest = &words[1..];
    }
    ways.extend(
        rest.chunk_by(|a, b| a.get(behind) == b.get(behind)).map(|group| sharing_beginnings(group, behind)),
    );
    Hir::concat(vec![begin, Hir::alternation(ways)])
}

/// What matches a text exactly if the other matches that text with its capital letters made small; ASCII's only.
fn in_capitals_too(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(in_capitals_too).collect();
    let in_class = |contains: &dyn Fn(u8) -> bool| {
        let bytes = (0..=u8::MAX).filter(|byte| contains(byte.to_ascii_lowercase()));
        Hir::class(Class::Bytes(ClassBytes::new(bytes.map(|byte| ClassBytesRange::new(byte, byte)))))
    };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(literal) => {
            Hir::concat(literal.0.iter().map(|byte| in_class(&|other| other == *byte)).collect())
        }
        HirKind::Class(Class::Bytes(class)) => {
            in_class(&|byte| class.iter().any(|range| (range.start()..=range.end()).contains(&byte)))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let has = |c: char| class.iter().any(|range| (range.start()..=range.end()).contains(&c));
            let ascii = in_class(&|byte| byte.is_ascii() && has(char::from(byte)));
            let mut others = class.clone();
            others.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\u{80}', char::MAX)]));
            Hir::alternation(vec![ascii, Hir::class(Class::Unicode(others))])
        }
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(in_capitals_too(&repetition.sub))),
        HirKind::Capture(capture) => in_capitals_too(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

/// What is asked of one element of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    Constant(bool),
    Test(Case, Test),
    Not(Box<Formula>),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

impl Formula {
    /// Gives the answer from those of its tests; `None` if those that cannot be told decide it.
    pub fn answer(&self, test: &mut dyn FnMut(Case, &Test) -> Option<bool>) -> Option<bool> {
        match self {
            Formula::Constant(known) => Some(*known),
            Formula::Test(case, asked) => test(*case, asked),
            Formula::Not(inner) => inner.answer(test).map(|answer| !answer),
            Formula::And(parts) => joined(parts, test, false),
            Formula::Or(parts) => joined(parts, test, true),
        }
    }

    /// Its parts, if all that is asked is whether one of some tests holds.
    #[must_use]
    pub fn any_of(&self) -> Option<Vec<(Case, Test)>> {
        match self {
            Formula::Test(case, test) => Some(vec![(*case, test.clone())]),
            Formula::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(Formula::any_of).collect();
                parts.map(|parts| parts.concat())
            }
            _ => None,
        }
    }

    /// Its tests, each once.
    #[must_use]
    pub fn tests(&self) -> Vec<(Case, Test)> {
        let mut list = Vec::new();
        self.collect(&mut list);
        list
    }

    fn collect(&self, list: &mut Vec<(Case, Test)>) {
        match self {
            Formula::Constant(_) => {}
            Formula::Test(case, test) => {
                if !list.iter().any(|(known, other)| known == case && other == test) {
                    list.push((*case, test.clone()));
                }
            }
            Formula::Not(inner) => inner.collect(list),
            Formula::And(parts) | Formula::Or(parts) => parts.iter().for_each(|part| part.collect(list)),
        }
    }
}

/// `ending` is the answer of one part that settles all.
fn joined(
    parts: &[Formula],
    test: &mut dyn FnMut(Case, &Test) -> Option<bool>,
    ending: bool,
) -> Option<bool> {
    let mut all_told = true;
    for part in parts {
        match part.answer(test) {
            Some(answer) if answer == ending => return Some(ending),
            Some(_) => {}
            None => all_told = false,
        }
    }
    all_told.then_some(!ending)
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
