//! What a filter says, typed: nothing that cannot be computed can be written down here.
//!
//! What it says ([`Answer`]): it matches, perhaps with a verdict of its own, or it does not; or it cannot tell ([`Trouble`]): a number grew beyond
//! 64 bits, something was divided by zero, a text could not be read, or the answer lies behind where it was cut. Evaluation is Rhai's,
//! left to right with `&&` and `||` cut short; everything is pure, so an order that only
//! changes which trouble is met first is free.

use super::{
    automaton::Pattern,
    glob::{Glob, Piece},
};
use crate::raw;
use crate::values::{Errno, Network, Signal};

/// A compiled closure.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub body: Decision,
    /// How many values `let` keeps.
    pub slots: usize,
}

/// What a filter comes to: a tree of conditions with answers at its ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Answer(Answer),
    If(Box<Bool>, Box<Decision>, Box<Decision>),
    Let(Box<Binding>, Box<Decision>),
}

/// What is said about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    NoMatch,
    /// The probe's mode says what follows.
    Match,
    /// These say it themselves, where the mode is one that enforces.
    Allow,
    Deny(Errno),
    Kill(Signal),
}

impl Answer {
    /// The number that the kernel's code gives: `enum krsi_match` in the first byte, `enum krsi_filter_verdict` in the
    /// second, and an errno or signal behind them.
    #[must_use]
    pub fn code(self) -> i32 {
        let said = |said: i32, argument: i32| 1 | said << 8 | argument << 16;
        match self {
            Answer::NoMatch => 0,
            Answer::Match => 1,
            Answer::Allow => said(1, 0),
            Answer::Deny(errno) => said(2, errno.number()),
            Answer::Kill(signal) => said(3, signal.number()),
        }
    }

    #[must_use]
    pub fn matches(self) -> bool {
        self != Answer::NoMatch
    }
}

impl From<bool> for Answer {
    fn from(matches: bool) -> Self {
        if matches { Answer::Match } else { Answer::NoMatch }
    }
}

impl Decision {
    /// A condition that is all there is to decide.
    #[must_use]
    pub fn of(condition: Bool) -> Self {
        match condition {
            Bool::Constant(known) => Decision::Answer(known.into()),
            _ => decide(condition, Decision::Answer(Answer::Match), Decision::Answer(Answer::NoMatch)),
        }
    }

    /// Whether it says itself what follows.
    #[must_use]
    pub fn has_verdicts(&self) -> bool {
        match self {
            Decision::Answer(answer) => !matches!(answer, Answer::Match | Answer::NoMatch),
            Decision::If(_, then, otherwise) => then.has_verdicts() || otherwise.has_verdicts(),
            Decision::Let(_, body) => body.has_verdicts(),
        }
    }
}

/// Why a filter cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Beyond 64 bits, or divided by zero.
    Arithmetic,
    /// A text of the event could not be read.
    Unreadable,
    /// A text of the event is cut before what the answer depends on.
    Cut,
    /// A list has no element of this index.
    NoElement,
}

/// A number in the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub name: String,
    pub offset: usize,
    /// 1, 2, 4 or 8 bytes.
    pub size: usize,
    pub signed: bool,
}

/// A text in the event, which ends with a NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub name: String,
    pub place: Place,
    /// Capacity in bytes, with the NUL.
    pub size: usize,
    pub case: Case,
    pub unreadable: Option<Note>,
    /// How many bytes there are of a text that may go on; of an element its list knows.
    pub cut: Option<usize>,
    /// Of an element at a fixed place: how many of these are in use. If it is none of them, the filter cannot tell.
    pub counted: Option<Counted>,
}

/// An element of a list whose elements are at fixed places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub count: Number,
    pub index: usize,
}

impl Text {
    /// Which note says that it could not be read.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        match &self.place {
            Place::Element(texts, _) | Place::Joined(texts) => texts.unreadable,
            _ => self.unreadable,
        }
    }
}

/// A bit of the event's notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    pub offset: usize,
    pub bit: u32,
}

/// Whether capital letters are looked at as the small ones; those of ASCII only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    AsIs,
    Lower,
}

/// Where a text begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this offset, and behind its end everything is zero.
    Padded(usize),
    /// At this offset; it says how long it is.
    Path(usize, Length),
    Packed(Packed),
    /// The text of this index. If there is none, the filter cannot tell.
    Element(Texts, usize),
    /// All texts of a list as one, with a blank between two.
    Joined(Texts),
}

/// A path's length, which is 0 in an event whose notes say that a path could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Length {
    pub offset: usize,
    pub notes: usize,
    pub unreadable: u32,
}

/// Behind the path each text begins where the one before ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Offset of the path.
    pub path: usize,
    /// Offset of its length; `None`: there is no path, and the text itself begins there.
    pub length: Option<usize>,
    /// What stands between the path and this one.
    pub between: Vec<Between>,
    /// The offset where it begins if all of these are as long as they can be.
    pub most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// A text of at most so many bytes, its NUL included.
    Text(usize),
    /// As many bytes as the number at this offset says.
    Texts(usize),
}

/// Texts with a NUL each, one behind the other; the last may lack it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub name: String,
    pub packed: Packed,
    /// Offset of their length in bytes.
    pub length: usize,
    /// Capacity in bytes.
    pub size: usize,
    pub unreadable: Option<Note>,
    /// Offset of what says that there are more, and that the last may go on.
    pub cut: Option<usize>,
}

/// An IP address in the event: `struct krsi_address` of the templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub name: String,
    pub offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Int {
    Constant(i64),
    Field(Number),
    /// The element of a list of numbers at this index. If there is none, the filter cannot tell.
    Item {
        number: Number,
        count: Number,
        index: usize,
    },
    /// How many characters a text has, a broken one counting as one.
    Characters(Text),
    /// How many texts there are.
    Elements(Texts),
    Slot(usize),
    Negate(Box<Int>),
    Binary(Arithmetic, Box<Int>, Box<Int>),
    If(Box<Bool>, Box<Int>, Box<Int>),
    Let(Box<Binding>, Box<Int>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    /// By a constant from 0 to 63.
    ShiftLeft,
    ShiftRight,
}

/// `let`: computed once, also if nobody asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    pub slot: usize,
    pub name: String,
    pub value: Value,
}

#[allow(clippy::large_enum_variant, reason = "a filter has a handful of them")]
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Int(Int),
    Bool(Bool),
    /// A text is not kept, only looked at: it may be unreadable.
    Read(Text),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Bool {
    Constant(bool),
    Slot(usize),
    Compare(Comparison, Int, Int),
    /// In one of these ranges, ends included; sorted, without overlap.
    OneOf(Int, Vec<(i64, i64)>),
    Text(Text, Test),
    /// Whether the text is one of these, none of which is too long for it; sorted, each once.
    Among(Text, Vec<Vec<u8>>),
    /// Whether the text is as one of these tests says. One that cannot be told matters only if no other says yes.
    Asked(Text, Vec<Test>),
    /// Whether one of the texts is as one of the tests says.
    Any(Texts, Vec<(Case, Test)>),
    /// Whether the formula holds for one of the texts.
    Some(Texts, Formula),
    /// Whether there is an address, and it is in one of these networks.
    Within(Address, Vec<Network>),
    Not(Box<Bool>),
    And(Vec<Bool>),
    Or(Vec<Bool>),
    /// Whether one of these holds, all of which are asked if need be: one that cannot be told matters only if no other
    /// says yes.
    Either(Vec<Bool>),
    If(Box<Bool>, Box<Bool>, Box<Bool>),
    Let(Box<Binding>, Box<Bool>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is asked of a text. No needle has a NUL in it, nor a capital letter if the text's case is `Lower`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Equals(Vec<u8>),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    /// Somewhere behind the first `from` bytes and before the last `until`; the needle is not empty.
    Contains {
        needle: Vec<u8>,
        from: usize,
        until: usize,
    },
    /// At least so many bytes; not 0.
    Reaches(usize),
    /// Like a pattern that takes a walk through states.
    Matches(Pattern),
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
            Formula::And(parts) => settled(parts, test, false),
            Formula::Or(parts) => settled(parts, test, true),
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

    /// Formulas of which one has to hold: the formula itself, unless it is joined by `||`.
    #[must_use]
    pub fn alternatives(&self) -> Vec<Formula> {
        match self {
            Formula::Or(parts) => parts.iter().flat_map(Formula::alternatives).collect(),
            other => vec![other.clone()],
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
fn settled(
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

/// How much is known of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Whole,
    /// It may go on.
    Beginning,
    /// The same of the last element of a list, with which nothing longer is compared.
    LastElement,
}

impl Test {
    /// The glob as tests of which all must hold, in this order; `None` if comparing and searching for one text is not enough.
    #[must_use]
    pub fn all_of(glob: &Glob) -> Option<Vec<Test>> {
        use Piece::{Any, Text};
        let bytes = |text: &str| raw::bytes(text).into_owned();
        let (prefix, middle, suffix) = match glob.pieces() {
            [] => return Some(vec![Test::Equals(vec![])]),
            [Text(whole)] => return Some(vec![Test::Equals(bytes(whole))]),
            [Any] => ("", None, ""),
            [Text(prefix), Any] => (&**prefix, None, ""),
            [Any, Text(suffix)] => ("", None, &**suffix),
            [Text(prefix), Any, Text(suffix)] => (&**prefix, None, &**suffix),
            [Any, Text(middle), Any] => ("", Some(middle), ""),
            [Text(prefix), Any, Text(middle), Any] => (&**prefix, Some(middle), ""),
            [Any, Text(middle), Any, Text(suffix)] => ("", Some(middle), &**suffix),
            [Text(prefix), Any, Text(middle), Any, Text(suffix)] => (&**prefix, Some(middle), &**suffix),
            _ => return None,
        };
        let (from, until) = (raw::bytes(prefix).len(), raw::bytes(suffix).len());
        let mut tests = vec![Test::StartsWith(bytes(prefix))];
        if until > 0 {
            if from > 0 {
                tests.push(Test::Reaches(from + until));
            }
            tests.push(Test::EndsWith(bytes(suffix)));
        }
        if let Some(part) = middle {
            tests.push(Test::containing(bytes(part), from, until));
        }
        if tests.len() > 1 && from == 0 {
            tests.remove(0);
        }
        Some(tests)
    }

    /// Looks for a needle, which may be empty: every text has the empty text in it.
    #[must_use]
    pub fn containing(needle: Vec<u8>, from: usize, until: usize) -> Self {
        if needle.is_empty() { Test::StartsWith(vec![]) } else { Test::Contains { needle, from, until } }
    }

    /// Gives the answer about a text of which so much is known; `None` if it depends on the rest.
    #[must_use]
    pub fn answer(&self, seen: &[u8], known: Known) -> Option<bool> {
        match (self, known) {
            (_, Known::Whole) => Some(self.holds(seen)),
            (Test::Matches(pattern), _) => pattern.answer(seen, false),
            (Test::Equals(sought) | Test::StartsWith(sought), Known::LastElement)
                if sought.len() > seen.len() =>
            {
                None
            }
            (Test::Equals(whole), _) => {
                if whole.starts_with(seen) {
                    None
                } else {
                    Some(false)
                }
            }
            (Test::StartsWith(prefix), _) if prefix.len() > seen.len() => {
                if prefix.starts_with(seen) {
                    None
                } else {
                    Some(false)
                }
            }
            (Test::StartsWith(prefix), _) => Some(seen.starts_with(prefix)),
            (Test::EndsWith(suffix), _) => suffix.is_empty().then_some(true),
            (Test::Contains { .. } | Test::Reaches(_), _) => self.holds(seen).then_some(true),
        }
    }

    fn holds(&self, text: &[u8]) -> bool {
        match self {
            Test::Equals(whole) => text == whole,
            Test::StartsWith(prefix) => text.starts_with(prefix),
            Test::EndsWith(suffix) => text.ends_with(suffix),
            Test::Contains { needle, from, until } => {
                let end = text.len().saturating_sub(*until);
                text.get(*from..end).is_some_and(|part| part.windows(needle.len()).any(|w| w == needle))
            }
            Test::Reaches(length) => text.len() >= *length,
            Test::Matches(pattern) => pattern.answer(text, true) == Some(true),
        }
    }
}

impl Arithmetic {
    /// Rhai's meaning, which is that of checked 64-bit numbers.
    #[must_use]
    pub fn apply(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Remainder => a.checked_rem(b),
            Arithmetic::And => Some(a & b),
            Arithmetic::Or => Some(a | b),
            Arithmetic::Xor => Some(a ^ b),
            Arithmetic::ShiftLeft => Some(a.wrapping_shl(u32::try_from(b).ok()?)),
            Arithmetic::ShiftRight => Some(a.wrapping_shr(u32::try_from(b).ok()?)),
        }
    }

    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
            Arithmetic::And => "&",
            Arithmetic::Or => "|",
            Arithmetic::Xor => "^",
            Arithmetic::ShiftLeft => "<<",
            Arithmetic::ShiftRight => ">>",
        }
    }
}

impl Comparison {
    #[must_use]
    pub fn holds<T: Ord>(self, a: T, b: T) -> bool {
        match self {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessOrEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterOrEqual => a >= b,
        }
    }

    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Comparison::Equal => Comparison::NotEqual,
            Comparison::NotEqual => Comparison::Equal,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::GreaterOrEqual => Comparison::Less,
        }
    }

    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// A comparison, or its result if both sides are known.
#[must_use]
pub fn compare(how: Comparison, a: Int, b: Int) -> Bool {
    match (&a, &b) {
        (Int::Constant(x), Int::Constant(y)) => Bool::Constant(how.holds(x, y)),
        _ => Bool::Compare(how, a, b),
    }
}

#[must_use]
pub fn not(of: Bool) -> Bool {
    match of {
        Bool::Constant(known) => Bool::Constant(!known),
        Bool::Not(inner) => *inner,
        Bool::Compare(how, a, b) => Bool::Compare(how.opposite(), a, b),
        other => Bool::Not(Box::new(other)),
    }
}

#[must_use]
pub fn and(parts: impl IntoIterator<Item = Bool>) -> Bool {
    joined(parts, true)
}

#[must_use]
pub fn or(parts: impl IntoIterator<Item = Bool>) -> Bool {
    joined(parts, false)
}

#[must_use]
pub fn either(parts: impl IntoIterator<Item = Bool>) -> Bool {
    let mut list: Vec<Bool> = parts.into_iter().collect();
    match list.len() {
        0 => Bool::Constant(false),
        1 => list.swap_remove(0),
        _ => Bool::Either(list),
    }
}

/// `neutral` is what a part may be without saying anything; the other constant ends the list.
fn joined(parts: impl IntoIterator<Item = Bool>, neutral: bool) -> Bool {
    let mut list = Vec::new();
    for part in parts {
        match (part, neutral) {
            (Bool::Constant(known), _) if known == neutral => {}
            (Bool::And(inner), true) | (Bool::Or(inner), false) => list.extend(inner),
            (ending @ Bool::Constant(_), _) => {
                list.push(ending);
                break;
            }
            (other, _) => list.push(other),
        }
    }
    match (list.len(), neutral) {
        (0, _) => Bool::Constant(neutral),
        (1, _) => list.swap_remove(0),
        (_, true) => Bool::And(list),
        (_, false) => Bool::Or(list),
    }
}

#[must_use]
pub fn decide(condition: Bool, then: Decision, otherwise: Decision) -> Decision {
    match condition {
        Bool::Constant(true) => then,
        Bool::Constant(false) => otherwise,
        _ => Decision::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
    }
}

#[must_use]
pub fn choose(condition: Bool, then: Bool, otherwise: Bool) -> Bool {
    match condition {
        Bool::Constant(true) => then,
        Bool::Constant(false) => otherwise,
        _ => Bool::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filter::UNKNOWN, template::shapes::Shapes};

    #[test]
    fn answers_have_the_templates_own_numbers() {
        let shapes = Shapes::of("file_open");
        let matches = |name: &str| shapes.number("krsi_match", name);
        let verdict = |name: &str| shapes.number("krsi_filter_verdict", name) << 8 | matches("KRSI_MATCH");
        let code = |answer: Answer| u64::from(answer.code().cast_unsigned());
        assert_eq!(code(Answer::NoMatch), matches("KRSI_NO_MATCH"));
        assert_eq!(code(Answer::Match), verdict("KRSI_FILTER_MODE"));
        assert_eq!(code(Answer::Allow), verdict("KRSI_FILTER_ALLOW"));
        let (errno, signal) = (Errno::from_number(13).unwrap(), Signal::from_number(9).unwrap());
        assert_eq!(code(Answer::Deny(errno)), verdict("KRSI_FILTER_DENY") | 13 << 16);
        assert_eq!(code(Answer::Kill(signal)), verdict("KRSI_FILTER_KILL") | 9 << 16);
        assert_eq!(u64::from(UNKNOWN.unsigned_abs()), matches("KRSI_UNKNOWN"));
    }
}
