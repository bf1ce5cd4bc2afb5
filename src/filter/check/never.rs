//! What can never be: a comparison with what a field never holds, and conditions that exclude each other.
//!
//! A filter that has one compiles, and would be a rule that matches nothing, in silence. So the first of them is kept
//! with its place, and said where the filter is given. Only what is certain: a doubt is no reason to refuse a rule.

use rhai::Position;

use super::{Accounts, Checker, Fallible, Term};
use crate::{
    filter::{
        ir::{Answer, Bool, Comparison, Decision, Int, Number, Place, Test, Text},
        refusal::Misfit,
    },
    system::accounts::Account,
};

/// Fields that hold a path from the root, or nothing.
const PATHS: [&str; 3] = ["path", "exe", "cwd"];

impl Checker<'_> {
    fn never(&self, at: Position, text: impl Into<String>, advice: &str) {
        let function = self.functions.last().map_or("", String::as_str);
        let _ = self.never.set(Misfit::new(at, text).advise(advice).within(function));
    }

    /// A user's or group's name for a field that holds ids of them; any other term as it is.
    pub(super) fn named(&self, number: &Term, other: Term, at: Position) -> Fallible<Term> {
        let (Term::Int(Int::Field(field)), Term::Words(words)) = (number, &other) else { return Ok(other) };
        let Some(of) = Account::of_field(&field.name).filter(|_| self.accounts == Accounts::Named) else {
            return Ok(other);
        };
        match of.id(words) {
            Ok(id) => Ok(Term::Int(Int::Constant(id.into()))),
            Err(error) => self.refuse(Misfit::new(at, error.to_string())),
        }
    }

    /// Looks at a text that an event's is compared with.
    pub(super) fn may_hold(&self, text: &Text, test: &Test, at: Position) {
        let (needle, does) = match test {
            Test::Equals(needle) => (needle, "is never"),
            Test::StartsWith(needle) => (needle, "never starts with"),
            Test::EndsWith(needle) => (needle, "never ends with"),
            Test::Contains { needle, .. } => (needle, "never contains"),
            Test::Reaches(_) | Test::Matches(_) => return,
        };
        let words = String::from_utf8_lossy(needle);
        let name = &text.name;
        let say = |advice: &str| self.never(at, format!("`e.{name}` {does} {words:?}"), advice);
        if needle.len() >= text.size && !matches!(text.place, Place::Element(..)) {
            let longest = text.size.saturating_sub(1);
            let kept = String::from_utf8_lossy(&needle[..longest]);
            return say(&format!(
                "it has at most {longest} bytes: of a longer one the kernel keeps {kept:?}"
            ));
        }
        if needle.is_empty() || !PATHS.contains(&name.as_str()) {
            return;
        }
        let whole = matches!(test, Test::Equals(_));
        let from_front = whole || matches!(test, Test::StartsWith(_));
        let to_end = whole || matches!(test, Test::EndsWith(_));
        if from_front && !needle.starts_with(b"/") && !needle.iter().any(|byte| b":(@".contains(byte)) {
            say("a path starts with `/`; to look at its end: `ends_with`");
        } else if to_end && needle.ends_with(b"\n") {
            say("it does not end with a newline; take it off before: `text.trim()`");
        } else if to_end && needle.ends_with(b"/") && needle.len() > 1 {
            say(
                "a path ends with `/` only if it is the root; to look at what is in a directory: `starts_with`",
            );
        } else if ["//", "/./", "/../"].iter().any(|part| words.contains(part)) {
            say("the kernel has no `//`, `/./` or `/../` in a path; write it without");
        } else if whole && words.contains('*') {
            say(&format!("`*` stands for itself in a comparison; write `e.{name}.like({words:?})`"));
        }
    }

    /// Looks at a number that an event's is compared with.
    pub(super) fn may_be(&self, how: Comparison, left: &Int, right: &Int, at: Position) {
        let (field, how, known) = match (left, right) {
            (Int::Field(field), Int::Constant(known)) => (field, how, *known),
            (Int::Constant(known), Int::Field(field)) => (field, turned(how), *known),
            _ => return,
        };
        let Some((least, most)) = extent(field) else { return };
        let never = match how {
            Comparison::Equal => known < least || known > most,
            Comparison::NotEqual => false,
            Comparison::Less => known <= least,
            Comparison::LessOrEqual => known < least,
            Comparison::Greater => known >= most,
            Comparison::GreaterOrEqual => known > most,
        };
        if never {
            let text = format!("`e.{}` is never {} {known}", field.name, how.sign());
            self.never(at, text, &format!("it is a number from {least} to {most}"));
        }
    }

    /// Looks at the ranges that an event's number may be in.
    pub(super) fn may_be_in(&self, number: &Int, ranges: &[(i64, i64)], at: Position) {
        let Int::Field(field) = number else { return };
        let Some((least, most)) = extent(field) else { return };
        for (first, last) in
            ranges.iter().filter(|(first, last)| first > last || *last < least || *first > most)
        {
            let which = if first == last { first.to_string() } else { format!("in {first}..={last}") };
            let text = format!("`e.{}` is never {which}", field.name);
            self.never(at, text, &format!("it is a number from {least} to {most}"));
        }
    }

    /// Looks at conditions that must hold together.
    pub(super) fn together(&self, all: &Bool, at: Position) {
        let Bool::And(parts) = all else { return };
        for (index, one) in parts.iter().enumerate() {
            if parts[..index].iter().any(|other| excludes(one, other)) {
                let what = subject(one).unwrap_or("it");
                let text = format!("these conditions on `e.{what}` never hold together");
                return self.never(at, text, "join what may be one or the other with `||`");
            }
        }
    }

    /// Looks at the filter as a whole.
    pub(super) fn whole(&self, body: &Decision, at: Position) {
        let nothing = match body {
            Decision::Answer(answer) => *answer == Answer::NoMatch,
            Decision::If(condition, then, otherwise) => {
                let no = |decision: &Decision| *decision == Decision::Answer(Answer::NoMatch);
                no(otherwise)
                    && (no(then)
                        || matches!(&**condition, Bool::And(parts) if parts.contains(&Bool::Constant(false))))
            }
            Decision::Let(..) => false,
        };
        if nothing {
            let advice = "a set that it looks in may be empty; to switch a probe off: `.detach()`";
            self.never(at, "this filter never matches", advice);
        }
    }
}

/// The same comparison with its sides exchanged.
fn turned(how: Comparison) -> Comparison {
    match how {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

/// The least and the greatest number that a field can hold; one of 64 bits holds every number.
fn extent(field: &Number) -> Option<(i64, i64)> {
    let bits = u32::try_from(field.size * 8).ok().filter(|bits| *bits < 64)?;
    Some(match field.signed {
        true => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        false => (0, (1 << bits) - 1),
    })
}

/// The field that a condition is about.
fn subject(of: &Bool) -> Option<&str> {
    match of {
        Bool::Compare(_, Int::Field(field), _) | Bool::Compare(_, _, Int::Field(field)) => Some(&field.name),
        Bool::OneOf(Int::Field(field), _) => Some(&field.name),
        Bool::Text(text, _) => Some(&text.name),
        Bool::Not(inner) => subject(inner),
        _ => None,
    }
}

/// Whether two conditions are certain to never hold together.
fn excludes(one: &Bool, other: &Bool) -> bool {
    match (one, other) {
        (Bool::Text(a, first), Bool::Text(b, second)) => {
            a == b && (no_text(first, second) || no_text(second, first))
        }
        (Bool::Not(inner), same) | (same, Bool::Not(inner)) => **inner == *same,
        (a, b) => match (ranges(a), ranges(b)) {
            (Some((of, first)), Some((about, second))) if of == about => {
                let meet = |x: &(i64, i64)| second.iter().any(|y| x.0.max(y.0) <= x.1.min(y.1));
                !first.iter().any(meet)
            }
            _ => false,
        },
    }
}

/// Whether no text is as both tests say.
fn no_text(one: &Test, other: &Test) -> bool {
    match (one, other) {
        (Test::Equals(whole), Test::Equals(other)) => whole != other,
        (Test::Equals(whole), Test::StartsWith(part)) => !whole.starts_with(part),
        (Test::Equals(whole), Test::EndsWith(part)) => !whole.ends_with(part),
        (Test::StartsWith(a), Test::StartsWith(b)) => !a.starts_with(b) && !b.starts_with(a),
        (Test::EndsWith(a), Test::EndsWith(b)) => !a.ends_with(b) && !b.ends_with(a),
        _ => false,
    }
}

/// The numbers that a field may be by this condition.
fn ranges(of: &Bool) -> Option<(&Number, Vec<(i64, i64)>)> {
    const ALL: (i64, i64) = (i64::MIN, i64::MAX);
    let (field, how, known) = match of {
        Bool::OneOf(Int::Field(field), ranges) => return Some((field, ranges.clone())),
        Bool::Compare(how, Int::Field(field), Int::Constant(known)) => (field, *how, *known),
        Bool::Compare(how, Int::Constant(known), Int::Field(field)) => (field, turned(*how), *known),
        _ => return None,
    };
    let ranges = match how {
        Comparison::Equal => vec![(known, known)],
        Comparison::NotEqual => {
            let below = known.checked_sub(1).map(|last| (ALL.0, last));
            let above = known.checked_add(1).map(|first| (first, ALL.1));
            below.into_iter().chain(above).collect()
        }
        Comparison::Less => known.checked_sub(1).map(|last| (ALL.0, last)).into_iter().collect(),
        Comparison::LessOrEqual => vec![(ALL.0, known)],
        Comparison::Greater => known.checked_add(1).map(|first| (first, ALL.1)).into_iter().collect(),
        Comparison::GreaterOrEqual => vec![(known, ALL.1)],
    };
    Some((field, ranges))
}
