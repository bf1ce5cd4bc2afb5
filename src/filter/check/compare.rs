//! Operators: what may be compared and computed with what.

use rhai::Position;

use super::{Checker, Fallible, Term};
use crate::filter::{
    ir::{self, Arithmetic, Bool, Comparison, Int, Number, Test},
    refusal::Misfit,
};

impl Checker<'_> {
    pub(super) fn binary(&mut self, sign: &str, left: Term, right: Term, at: Position) -> Fallible<Term> {
        if let Some(how) = comparison(sign) {
            return self.compared(how, left, right, at).map(Term::Bool);
        }
        match (sign, left, right) {
            ("..", Term::Int(Int::Constant(first)), Term::Int(Int::Constant(end))) => {
                Ok(range(first, end, false))
            }
            ("..=", Term::Int(Int::Constant(first)), Term::Int(Int::Constant(last))) => {
                Ok(range(first, last, true))
            }
            (".." | "..=", ..) => self.misfit(
                at,
                "a range in a filter has ends that are known now",
                "write `e.uid >= a && e.uid < b`",
            ),
            ("+", Term::Words(left), Term::Words(right)) => Ok(Term::Words(left + right.as_str())),
            ("&" | "|" | "^", Term::Bool(_), Term::Bool(_)) => self.misfit(
                at,
                format!("`{sign}` on true and false has no place in a filter"),
                "write `&&`, `||` or `!=`",
            ),
            (_, Term::Int(left), Term::Int(right)) => self.arithmetic(sign, left, right, at).map(Term::Int),
            (sign, left, right) => self.refuse(Misfit::new(
                at,
                format!("`{sign}` does not join {} and {}", left.what(), right.what()),
            )),
        }
    }

    pub(super) fn arithmetic(&mut self, sign: &str, left: Int, right: Int, at: Position) -> Fallible<Int> {
        let how = match sign {
            "+" => Arithmetic::Add,
            "-" => Arithmetic::Subtract,
            "*" => Arithmetic::Multiply,
            "/" => Arithmetic::Divide,
            "%" => Arithmetic::Remainder,
            "&" => Arithmetic::And,
            "|" => Arithmetic::Or,
            "^" => Arithmetic::Xor,
            "<<" | ">>" => return self.shifted(sign == "<<", left, right, at),
            other => {
                return self.misfit(
                    at,
                    format!("`{other}` has no place in a filter"),
                    "numbers are joined by + - * / % & | ^ << >>",
                );
            }
        };
        match (&left, &right) {
            (Int::Constant(a), Int::Constant(b)) => match how.apply(*a, *b) {
                Some(known) => Ok(Int::Constant(known)),
                None => self.refuse(Misfit::new(
                    at,
                    "this never gives a number: it divides by zero, or leaves 64 bits",
                )),
            },
            (_, Int::Constant(0)) if matches!(how, Arithmetic::Divide | Arithmetic::Remainder) => {
                self.refuse(Misfit::new(at, "this never gives a number: it divides by zero"))
            }
            _ => Ok(Int::Binary(how, Box::new(left), Box::new(right))),
        }
    }

    /// Rhai's shifts: the other way round for a negative distance, and past the end what a shift by
    /// one bit at a time would leave.
    pub(super) fn shifted(&self, to_left: bool, of: Int, by: Int, at: Position) -> Fallible<Int> {
        let Int::Constant(by) = by else {
            return self.misfit(
                at,
                "a filter shifts by a number that is known now",
                "write the number of bits",
            );
        };
        let to_left = to_left == (by >= 0);
        let by = by.checked_abs().unwrap_or(i64::MAX);
        if to_left && by > 63 {
            // Still computed, for its troubles.
            return Ok(match of {
                Int::Constant(_) => Int::Constant(0),
                of => Int::Binary(Arithmetic::And, Box::new(of), Box::new(Int::Constant(0))),
            });
        }
        let how = if to_left { Arithmetic::ShiftLeft } else { Arithmetic::ShiftRight };
        let by = by.min(63);
        Ok(match of {
            Int::Constant(known) => Int::Constant(how.apply(known, by).unwrap_or_default()),
            of => Int::Binary(how, Box::new(of), Box::new(Int::Constant(by))),
        })
    }

    pub(super) fn compared(
        &mut self,
        how: Comparison,
        left: Term,
        right: Term,
        at: Position,
    ) -> Fallible<Bool> {
        let (left, right) = (self.named(&right, left.clone(), at)?, self.named(&left, right, at)?);
        if let (Term::Int(left), Term::Int(right)) = (&left, &right) {
            self.may_be(how, left, right, at);
        }
        // Only equality is left for everything but numbers.
        let equal = match how {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => {
                return match (left, right) {
                    (Term::Int(left), Term::Int(right)) => Ok(ir::compare(how, left, right)),
                    (left, right) => self.refuse(Misfit::new(
                        at,
                        format!(
                            "`{}` compares numbers, not {} and {}",
                            how.sign(),
                            left.what(),
                            right.what()
                        ),
                    )),
                };
            }
        };
        let same = match (left, right) {
            (Term::Int(left), Term::Int(right)) => return Ok(ir::compare(how, left, right)),
            (Term::Bool(left), Term::Bool(right)) => self.same_truth(left, right, at)?,
            (Term::Words(left), Term::Words(right)) => Bool::Constant(left == right),
            (Term::Text(text), Term::Words(words)) | (Term::Words(words), Term::Text(text)) => {
                let test = Test::Equals(self.sought(&text, &words, at)?);
                self.may_hold(&text, &test, at);
                Bool::Text(text, test)
            }
            (Term::Enum(number, names), Term::Words(words))
            | (Term::Words(words), Term::Enum(number, names)) => ir::compare(
                Comparison::Equal,
                Int::Field(number.clone()),
                Int::Constant(self.value(&number, &names, &words, at)?),
            ),
            (Term::Device(number), Term::Words(words)) | (Term::Words(words), Term::Device(number)) => {
                ir::compare(Comparison::Equal, Int::Field(number), Int::Constant(self.device(&words, at)?))
            }
            (Term::Address(address), Term::Words(words)) | (Term::Words(words), Term::Address(address)) => {
                self.same_address(address, &words, at)?
            }
            (Term::Text(_), Term::Text(_)) => {
                return self.misfit(
                    at,
                    "a filter cannot compare two texts of the event",
                    "compare with a text in quotes, or in `.on_event(…)`",
                );
            }
            (Term::Flags(..), _) | (_, Term::Flags(..)) => {
                return self.misfit(
                    at,
                    "a set of flags is asked flag by flag",
                    "write `\"name\" in e.field`",
                );
            }
            (left, right) => {
                let text = format!("{} is never equal to {}", left.what(), right.what());
                return self.misfit(at, text, "compare things of the same kind");
            }
        };
        Ok(if equal { same } else { ir::not(same) })
    }

    pub(super) fn same_truth(&mut self, left: Bool, right: Bool, at: Position) -> Fallible<Bool> {
        let depth = self.scope.len();
        let binding = self.bind("right side", Term::Bool(right), at)?;
        let right = self.scope.pop().map(|(_, term)| term);
        self.scope.truncate(depth);
        let Some(Term::Bool(right)) = right else {
            return self.refuse(Misfit::new(at, "this cannot be compared"));
        };
        let same = ir::choose(left, right.clone(), ir::not(right));
        Ok(match binding {
            Some(binding) => Bool::Let(Box::new(binding), Box::new(same)),
            None => same,
        })
    }
}

pub(super) fn comparison(sign: &str) -> Option<Comparison> {
    Some(match sign {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// `first..end` or `first..=last`, with its ends included.
pub(super) fn range(first: i64, end: i64, inclusive: bool) -> Term {
    match (inclusive, end.checked_sub(1)) {
        (true, _) => Term::Range(first, end),
        (false, Some(last)) => Term::Range(first, last),
        // Nothing is less than the least number.
        (false, None) => Term::Range(1, 0),
    }
}

pub(super) fn one_of(number: Int, mut ranges: Vec<(i64, i64)>) -> Bool {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if before.1 == i64::MAX || first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    match number {
        Int::Constant(known) => {
            Bool::Constant(merged.iter().any(|(first, last)| (*first..=*last).contains(&known)))
        }
        number => Bool::OneOf(number, merged),
    }
}

pub(super) fn has_flag(field: Number, bits: i64) -> Bool {
    let masked = Int::Binary(Arithmetic::And, Box::new(Int::Field(field)), Box::new(Int::Constant(bits)));
    ir::compare(Comparison::Equal, masked, Int::Constant(bits))
}
