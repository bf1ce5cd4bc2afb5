//! The first stage of a filter: what it says about the task alone.
//!
//! The kernel side asks it before it takes memory or gathers anything else. It is weaker than the filter: where it
//! says no, the filter could not match, whatever the rest of the event is; where it says yes, or cannot
//! tell, the whole filter is asked. So nothing is decided here that the filter would decide otherwise,
//! with one difference: what the task rules out does not match even if another part of the filter
//! could not be told, such as a path that cannot be read.

use super::{
    emit::{Code, INLINE, Memory, TooLarge},
    ir::{self, Answer, Bool, Case, Decision, Filter, Int, Number, Place, Test, Text},
};
use crate::template::{EarlyField, FieldKind, Template};

/// Instruction slots that a template reserves for it (`krsi_early_filter`).
pub const CAPACITY: usize = 256;

/// What is asked first, and its code for the kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct First {
    /// Its offsets are those of `struct krsi_early`.
    pub filter: Filter,
    pub code: Code,
    /// Which fields it asks about: a bit for each (`enum krsi_early_field`).
    pub fields: u32,
}

/// What the filter says about the task alone, if that is anything.
///
/// # Errors
/// If its code is too large.
pub fn first(filter: &Filter, template: &Template) -> Result<Option<First>, TooLarge> {
    let mut stage = Stage { template, fields: 0 };
    let condition = stage.may_match(&filter.body);
    if matches!(condition, Bool::Constant(_)) {
        return Ok(None);
    }
    // What was looked at and then left out asks for its field all the same, and that is harmless.
    let filter = Filter { body: Decision::of(condition), slots: 0 };
    let code = filter.emit_about(Memory::Stack)?;
    if !code.sets.is_empty() {
        return Ok(None);
    }
    if code.slots() > CAPACITY {
        return Err(TooLarge::Instructions { slots: code.slots() });
    }
    Ok(Some(First { filter, code, fields: stage.fields }))
}

struct Stage<'t> {
    template: &'t Template,
    fields: u32,
}

impl Stage<'_> {
    /// Holds whenever the decision is anything but no.
    fn may_match(&mut self, of: &Decision) -> Bool {
        match of {
            Decision::Answer(answer) => Bool::Constant(*answer != Answer::NoMatch),
            Decision::If(condition, then, otherwise) => {
                let (may, must) = (self.weaker(condition), self.stronger(condition));
                let then = all(vec![may, self.may_match(then)]);
                any(vec![then, all(vec![ir::not(must), self.may_match(otherwise)])])
            }
            Decision::Let(..) => Bool::Constant(true),
        }
    }

    /// Holds whenever the condition does.
    fn weaker(&mut self, of: &Bool) -> Bool {
        match of {
            Bool::And(parts) => all(parts.iter().map(|part| self.weaker(part)).collect()),
            Bool::Or(parts) => any(parts.iter().map(|part| self.weaker(part)).collect()),
            Bool::Not(inner) => ir::not(self.stronger(inner)),
            other => self.early(other).unwrap_or(Bool::Constant(true)),
        }
    }

    /// The condition holds whenever this does.
    fn stronger(&mut self, of: &Bool) -> Bool {
        match of {
            Bool::And(parts) => all(parts.iter().map(|part| self.stronger(part)).collect()),
            Bool::Or(parts) => any(parts.iter().map(|part| self.stronger(part)).collect()),
            Bool::Not(inner) => ir::not(self.weaker(inner)),
            other => self.early(other).unwrap_or(Bool::Constant(false)),
        }
    }

    /// The same condition about `struct krsi_early`, if that has all of it.
    fn early(&mut self, of: &Bool) -> Option<Bool> {
        Some(match of {
            Bool::Constant(known) => Bool::Constant(*known),
            Bool::Compare(how, a, b) => Bool::Compare(*how, self.int(a)?, self.int(b)?),
            // What is looked up in a map takes more than the rest of this stage.
            Bool::OneOf(of, ranges) if ranges.len() <= INLINE => Bool::OneOf(self.int(of)?, ranges.clone()),
            // These look at fixed places only, and lie on the kernel's stack: before 5.12 nothing else is let.
            Bool::Text(text, test @ (Test::Equals(_) | Test::StartsWith(_))) => {
                Bool::Text(self.text(text)?, test.clone())
            }
            _ => return None,
        })
    }

    fn int(&mut self, of: &Int) -> Option<Int> {
        Some(match of {
            Int::Constant(known) => Int::Constant(*known),
            Int::Field(number) => {
                let offset = self.field(&number.name, number.offset, number.size)?;
                Int::Field(Number { offset, ..number.clone() })
            }
            Int::Negate(inner) => Int::Negate(Box::new(self.int(inner)?)),
            Int::Binary(how, a, b) => Int::Binary(*how, Box::new(self.int(a)?), Box::new(self.int(b)?)),
            _ => return None,
        })
    }

    fn text(&mut self, of: &Text) -> Option<Text> {
        let Place::Padded(at) = of.place else { return None };
        if of.case != Case::AsIs || of.counted.is_some() {
            return None;
        }
        let place = Place::Padded(self.field(&of.name, at, of.size)?);
        Some(Text { place, ..of.clone() })
    }

    /// Where the header's field of this name lies early.
    fn field(&mut self, name: &str, offset: usize, size: usize) -> Option<usize> {
        let early: &EarlyField = self.template.layout.early.iter().find(|early| early.name == name)?;
        let field = self.template.field(name)?;
        let same =
            field.offset == offset && field.size == size && !matches!(field.kind, FieldKind::List { .. });
        self.fields |= 1 << early.bit;
        same.then_some(early.offset)
    }
}

/// A constant that settles it stands for all of it: what else there is could only be trouble, which settles nothing here.
fn all(parts: Vec<Bool>) -> Bool {
    if parts.contains(&Bool::Constant(false)) { Bool::Constant(false) } else { ir::and(parts) }
}

fn any(parts: Vec<Bool>) -> Bool {
    if parts.contains(&Bool::Constant(true)) { Bool::Constant(true) } else { ir::or(parts) }
}
