//! A filter for reading: the IR as an expression, the instructions one a line.

use std::fmt::{self, Display, Formatter};

use super::{
    Compiled,
    automaton::{ROWS, Table},
    emit::{CAPACITY, Code, STEPS},
    ir::{Answer, Binding, Bool, Case, Counted, Decision, Filter, Formula, Int, Place, Test, Text, Value},
};
use crate::raw::{self, literal};

/// Members of a set that are shown one by one.
const SHOWN: usize = 16;

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl Display for Decision {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Answer(answer) => answer.fmt(f),
            // What a closure of true and false is.
            Decision::If(condition, then, otherwise)
                if **then == Decision::Answer(Answer::Match)
                    && **otherwise == Decision::Answer(Answer::NoMatch) =>
            {
                condition.fmt(f)
            }
            Decision::If(condition, then, otherwise) => {
                write!(f, "(if {condition} then {then} else {otherwise})")
            }
            Decision::Let(binding, body) => write!(f, "({binding} in {body})"),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Answer::NoMatch => f.write_str("false"),
            Answer::Match => f.write_str("true"),
            Answer::Allow => f.write_str("allow"),
            Answer::Deny(errno) => write!(f, "deny({errno})"),
            Answer::Kill(signal) => write!(f, "kill({signal})"),
        }
    }
}

impl Display for Bool {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bool::Constant(known) => write!(f, "{known}"),
            Bool::Slot(slot) => write!(f, "v{slot}"),
            Bool::Compare(how, a, b) => write!(f, "({a} {} {b})", how.sign()),
            Bool::OneOf(of, ranges) => {
                let part = |(first, last): &(i64, i64)| {
                    if first == last { first.to_string() } else { format!("{first}..={last}") }
                };
                let shown = if ranges.len() > SHOWN { SHOWN / 2 } else { ranges.len() };
                write!(
                    f,
                    "({of} in [{}",
                    ranges.iter().take(shown).map(part).collect::<Vec<_>>().join(", ")
                )?;
                match ranges.len() {
                    all if all > shown => write!(f, ", … {all} in all])"),
                    _ => f.write_str("])"),
                }
            }
            Bool::Among(text, members) => write!(f, "({text} in {} texts)", members.len()),
            Bool::Text(text, test) => write!(f, "{text}.{test}"),
            Bool::Asked(text, tests) if tests.len() == 1 => write!(f, "{text}.{}", tests[0]),
            Bool::Asked(text, tests) => {
                let shown: Vec<_> = tests.iter().take(SHOWN).map(ToString::to_string).collect();
                let more = if tests.len() > SHOWN {
                    format!(" || … {} in all", tests.len())
                } else {
                    String::new()
                };
                write!(f, "{text}.({}{more})", shown.join(" || "))
            }
            Bool::Some(texts, formula) => write!(f, "{}.any({formula})", texts.name),
            Bool::Any(texts, tests) => {
                let tests = tests.iter().map(|(case, test)| format!("{}{test}", lowered(*case)));
                write!(f, "{}.any({})", texts.name, tests.collect::<Vec<_>>().join(" || "))
            }
            Bool::Within(address, networks) => {
                let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
                write!(f, "{}.within({})", address.name, networks.join(", "))
            }
            Bool::Not(inner) => write!(f, "!{inner}"),
            Bool::And(parts) => joined(f, parts, " && "),
            Bool::Or(parts) | Bool::Either(parts) => joined(f, parts, " || "),
            Bool::If(condition, then, otherwise) => {
                write!(f, "(if {condition} then {then} else {otherwise})")
            }
            Bool::Let(binding, body) => write!(f, "({binding} in {body})"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Bool], sign: &str) -> fmt::Result {
    write!(f, "({})", parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(sign))
}

impl Display for Int {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Int::Constant(known) => write!(f, "{known}"),
            Int::Field(number) => f.write_str(&number.name),
            Int::Item { number, index, .. } => write!(f, "{}[{index}]", number.name),
            Int::Characters(text) => write!(f, "{text}.len"),
            Int::Elements(texts) => write!(f, "{}.len", texts.name),
            Int::Slot(slot) => write!(f, "v{slot}"),
            Int::Negate(inner) => write!(f, "-{inner}"),
            Int::Binary(how, a, b) => write!(f, "({a} {} {b})", how.sign()),
            Int::If(condition, then, otherwise) => write!(f, "(if {condition} then {then} else {otherwise})"),
            Int::Let(binding, body) => write!(f, "({binding} in {body})"),
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.place, &self.counted) {
            (Place::Element(texts, index), _) => write!(f, "{}[{index}]", texts.name)?,
            (_, Some(Counted { index, .. })) => write!(f, "{}[{index}]", self.name)?,
            _ => f.write_str(&self.name)?,
        }
        if self.case == Case::Lower { f.write_str(".to_ascii_lower") } else { Ok(()) }
    }
}

fn lowered(case: Case) -> &'static str {
    match case {
        Case::AsIs => "",
        Case::Lower => "to_ascii_lower.",
    }
}

impl Display for Binding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Int(value) => write!(f, "let v{} = {value}", self.slot),
            Value::Bool(value) => write!(f, "let v{} = {value}", self.slot),
            Value::Read(text) => write!(f, "read {text}"),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| literal(&raw::text(bytes));
        match self {
            Test::Equals(whole) => write!(f, "equals({})", text(whole)),
            Test::StartsWith(prefix) => write!(f, "starts_with({})", text(prefix)),
            Test::EndsWith(suffix) => write!(f, "ends_with({})", text(suffix)),
            Test::Contains { needle, from: 0, until: 0 } => write!(f, "contains({})", text(needle)),
            Test::Contains { needle, from, until } => {
                write!(f, "contains({}, behind {from}, {until} before the end)", text(needle))
            }
            Test::Reaches(length) => write!(f, "reaches({length})"),
            Test::Matches(pattern) => pattern.fmt(f),
        }
    }
}

impl Display for Formula {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let joined = |parts: &[Formula], sign: &str| {
            parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(sign)
        };
        match self {
            Formula::Constant(known) => known.fmt(f),
            Formula::Test(case, test) => write!(f, "{}{test}", lowered(*case)),
            Formula::Not(inner) => write!(f, "!{inner}"),
            Formula::And(parts) => write!(f, "({})", joined(parts, " && ")),
            Formula::Or(parts) => write!(f, "({})", joined(parts, " || ")),
        }
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        for instruction in &self.instructions {
            writeln!(f, "{at:>5}: {instruction}")?;
            at += instruction.slots();
        }
        for (number, set) in self.sets.iter().enumerate() {
            writeln!(f, "set {number}: a map with {} keys of {} bytes", set.keys.len(), set.key_size)?;
        }
        for (number, table) in self.tables.iter().enumerate() {
            writeln!(f, "table {number}: {}", table.cost())?;
        }
        Ok(())
    }
}

impl Table {
    /// What one walk is about, and what it takes.
    fn cost(&self) -> String {
        let many = if self.patterns == 1 { "pattern" } else { "patterns" };
        format!(
            "one walk for {} {many}, {} states in {} KiB, {} instructions a byte",
            self.patterns,
            self.states,
            (self.rows + ROWS).div_ceil(1024),
            self.steps()
        )
    }
}

impl Code {
    /// What it takes: room in the template, time for each decision, and patience of the verifier's.
    #[must_use]
    pub fn cost(&self) -> String {
        let walks: String = self.tables.iter().map(|table| format!("; {}", table.cost())).collect();
        format!(
            "{} of {CAPACITY} instructions, at most {} run for a decision, about {} of {STEPS} steps for the verifier{walks}",
            self.slots(),
            self.at_most(),
            self.steps
        )
    }
}

impl Compiled {
    /// What was understood, and what runs in the kernel.
    #[must_use]
    pub fn explain(&self) -> String {
        let first = self.first.as_ref().map_or(String::new(), |first| {
            format!(
                "in the kernel, first, about the task alone: {}\n{} instructions, at most {} run for a decision:\n{}\n",
                first.filter,
                first.code.slots(),
                first.code.at_most(),
                first.code
            )
        });
        format!("{first}in the kernel, when {}\n{}:\n{}", self.filter, self.code.cost(), self.code)
    }
}
