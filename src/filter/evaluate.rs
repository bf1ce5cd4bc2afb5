//! The IR's own meaning, on the bytes of an event: what the kernel's code is compared with.

use std::{borrow::Cow, net::IpAddr};

use super::ir::{
    Address, Answer, Between, Binding, Bool, Case, Counted, Decision, Filter, Formula, Int, Known, Note,
    Number, Packed, Place, Test, Text, Texts, Trouble, Value,
};
use crate::event::{ADDRESS_SIZE, address};

type Fallible<T> = Result<T, Trouble>;

impl Filter {
    /// What it says about the event; `bytes` are those of the template's whole event struct,
    /// and what is missing at their end is zero.
    ///
    /// # Errors
    /// If it cannot tell.
    pub fn evaluate(&self, bytes: &[u8]) -> Fallible<Answer> {
        self.evaluate_from(bytes, 0)
    }

    /// The same of a record that lacks so many bytes at its beginning, which are zero too.
    ///
    /// # Errors
    /// If it cannot tell.
    pub fn evaluate_from(&self, bytes: &[u8], skipped: usize) -> Fallible<Answer> {
        Evaluation { bytes, skipped, slots: vec![0; self.slots] }.decision(&self.body)
    }
}

struct Evaluation<'a> {
    bytes: &'a [u8],
    /// How much of the record's beginning is missing.
    skipped: usize,
    slots: Vec<i64>,
}

impl Evaluation<'_> {
    fn decision(&mut self, of: &Decision) -> Fallible<Answer> {
        match of {
            Decision::Answer(answer) => Ok(*answer),
            Decision::If(condition, then, otherwise) => {
                if self.bool(condition)? {
                    self.decision(then)
                } else {
                    self.decision(otherwise)
                }
            }
            Decision::Let(binding, body) => {
                self.bind(binding)?;
                self.decision(body)
            }
        }
    }

    fn bool(&mut self, of: &Bool) -> Fallible<bool> {
        match of {
            Bool::Constant(known) => Ok(*known),
            Bool::Slot(slot) => Ok(self.slot(*slot) != 0),
            Bool::Compare(how, a, b) => {
                let (a, b) = (self.int(a)?, self.int(b)?);
                Ok(how.holds(a, b))
            }
            Bool::OneOf(of, ranges) => {
                let of = self.int(of)?;
                Ok(ranges.iter().any(|(first, last)| (*first..=*last).contains(&of)))
            }
            Bool::Text(text, test) => {
                let (seen, known) = self.text(text)?;
                test.answer(&seen, known).ok_or(Trouble::Cut)
            }
            // None is as long as a text that may go on.
            Bool::Among(text, members) => {
                let (seen, _) = self.text(text)?;
                Ok(members.iter().any(|member| **member == *seen))
            }
            Bool::Asked(text, tests) => {
                let (seen, known) = self.text(text)?;
                let answers: Vec<_> = tests.iter().map(|test| test.answer(&seen, known)).collect();
                match answers.contains(&Some(true)) {
                    true => Ok(true),
                    false if answers.contains(&None) => Err(Trouble::Cut),
                    false => Ok(false),
                }
            }
            Bool::Any(texts, tests) => self.any(texts, tests),
            Bool::Some(texts, formula) => self.some(texts, formula),
            Bool::Within(address, networks) => Ok(self
                .address(address)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address)))),
            Bool::Not(inner) => Ok(!self.bool(inner)?),
            Bool::And(parts) => {
                for part in parts {
                    if !self.bool(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Bool::Or(parts) => {
                for part in parts {
                    if self.bool(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Bool::Either(parts) => {
                let mut said = Ok(false);
                for part in parts {
                    match self.bool(part) {
                        Ok(true) => return Ok(true),
                        Ok(false) => {}
                        trouble => said = trouble,
                    }
                }
                said
            }
            Bool::If(condition, then, otherwise) => {
                if self.bool(condition)? {
                    self.bool(then)
                } else {
                    self.bool(otherwise)
                }
            }
            Bool::Let(binding, body) => {
                self.bind(binding)?;
                self.bool(body)
            }
        }
    }

    fn int(&mut self, of: &Int) -> Fallible<i64> {
        match of {
            Int::Constant(known) => Ok(*known),
            Int::Field(number) => Ok(self.number(number)),
            Int::Item { number, count, index } => {
                let count = usize::try_from(self.unsigned(count.offset, count.size)).unwrap_or(usize::MAX);
                if *index < count { Ok(self.number(number)) } else { Err(Trouble::NoElement) }
            }
            Int::Characters(text) => {
                let (seen, known) = self.text(text)?;
                if known != Known::Whole {
                    return Err(Trouble::Cut);
                }
                let characters = String::from_utf8_lossy(&seen).chars().count();
                Ok(i64::try_from(characters).unwrap_or(i64::MAX))
            }
            Int::Elements(texts) => {
                let count = self.texts(texts)?.count();
                if self.is_cut(texts) {
                    return Err(Trouble::Cut);
                }
                Ok(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Int::Slot(slot) => Ok(self.slot(*slot)),
            Int::Negate(inner) => self.int(inner)?.checked_neg().ok_or(Trouble::Arithmetic),
            Int::Binary(how, a, b) => {
                let (a, b) = (self.int(a)?, self.int(b)?);
                how.apply(a, b).ok_or(Trouble::Arithmetic)
            }
            Int::If(condition, then, otherwise) => {
                if self.bool(condition)? {
                    self.int(then)
                } else {
                    self.int(otherwise)
                }
            }
            Int::Let(binding, body) => {
                self.bind(binding)?;
                self.int(body)
            }
        }
    }

    fn bind(&mut self, binding: &Binding) -> Fallible<()> {
        let value = match &binding.value {
            Value::Int(value) => self.int(value)?,
            Value::Bool(value) => self.bool(value)?.into(),
            Value::Read(text) => return self.text(text).map(|_| ()),
        };
        if let Some(slot) = self.slots.get_mut(binding.slot) {
            *slot = value;
        }
        Ok(())
    }

    fn slot(&self, slot: usize) -> i64 {
        self.slots.get(slot).copied().unwrap_or_default()
    }

    fn number(&self, of: &Number) -> i64 {
        let value = self.unsigned(of.offset, of.size).cast_signed();
        let unused = 64 - 8 * u32::try_from(of.size).unwrap_or(8);
        if of.signed { value << unused >> unused } else { value }
    }

    fn unsigned(&self, offset: usize, size: usize) -> u64 {
        self.within(offset, size).iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    /// What there is of a text, and how much of it that is.
    fn text(&self, of: &Text) -> Fallible<(Cow<'_, [u8]>, Known)> {
        self.readable(of.note())?;
        if let Some(Counted { count, index }) = &of.counted
            && self.number(count) <= i64::try_from(*index).unwrap_or(i64::MAX)
        {
            return Err(Trouble::NoElement);
        }
        let bytes = match &of.place {
            Place::Padded(offset) => self.within(*offset, of.size),
            Place::Path(_, length)
                if self.unsigned(length.offset, 4) == 0
                    && self.unsigned(length.notes, 4) & u64::from(length.unreadable) != 0 =>
            {
                return Err(Trouble::Unreadable);
            }
            Place::Path(offset, _) => self.within(*offset, of.size),
            Place::Packed(packed) => self.within(self.begins(packed), of.size),
            Place::Joined(texts) => {
                self.readable(texts.unreadable)?;
                let list = self.list(texts);
                let mut joined = list.strip_suffix(b"\0").unwrap_or(list).to_vec();
                joined.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
                let known = if self.is_cut(texts) { Known::Beginning } else { Known::Whole };
                return Ok((in_case(&joined, of.case).into_owned().into(), known));
            }
            Place::Element(texts, index) => {
                let (text, known) = self.texts(texts)?.nth(*index).ok_or(Trouble::NoElement)?;
                let known = if self.is_cut(texts) { known } else { Known::Whole };
                return Ok((in_case(text, of.case), known));
            }
        };
        let seen = until_nul(bytes);
        let known = match of.cut {
            Some(cut) if seen.len() >= cut => Known::Beginning,
            _ => Known::Whole,
        };
        Ok((in_case(seen, of.case), known))
    }

    fn readable(&self, note: Option<Note>) -> Fallible<()> {
        match note {
            Some(note) if self.unsigned(note.offset, 4) & u64::from(note.bit) != 0 => {
                Err(Trouble::Unreadable)
            }
            _ => Ok(()),
        }
    }

    fn is_cut(&self, of: &Texts) -> bool {
        of.cut.is_some_and(|flag| self.unsigned(flag, 1) != 0)
    }

    /// The texts of a list; of one that may be cut the last may lack its end.
    fn texts(&self, of: &Texts) -> Fallible<impl Iterator<Item = (&[u8], Known)>> {
        self.readable(of.unreadable)?;
        let bytes = self.list(of);
        let (whole, last) = match bytes.strip_suffix(b"\0") {
            Some(whole) => (whole, Known::Whole),
            None if of.cut.is_some() => (bytes, Known::LastElement),
            None => (bytes, Known::Whole),
        };
        let count = if bytes.is_empty() { 0 } else { whole.split(|byte| *byte == 0).count() };
        let texts = whole.split(|byte| *byte == 0).take(count).enumerate();
        Ok(texts.map(move |(at, text)| (text, if at + 1 == count { last } else { Known::Whole })))
    }

    /// The bytes of a list.
    fn list(&self, of: &Texts) -> &[u8] {
        self.within(self.begins(&of.packed), self.size(of.length).min(of.size))
    }

    fn some(&self, of: &Texts, formula: &Formula) -> Fallible<bool> {
        let is_one = |(text, known): (&[u8], Known)| {
            // Byte by byte, so that a longer text is compared as far as it goes.
            let known = if known == Known::Whole { known } else { Known::Beginning };
            formula.answer(&mut |case, test| test.answer(&in_case(text, case), known)) == Some(true)
        };
        if self.texts(of)?.any(is_one) {
            return Ok(true);
        }
        if self.is_cut(of) { Err(Trouble::Cut) } else { Ok(false) }
    }

    fn any(&self, of: &Texts, tests: &[(Case, Test)]) -> Fallible<bool> {
        let is_one = |(text, known): (&[u8], Known)| {
            tests.iter().any(|(case, test)| test.answer(&in_case(text, *case), known) == Some(true))
        };
        if self.texts(of)?.any(is_one) {
            return Ok(true);
        }
        if self.is_cut(of) { Err(Trouble::Cut) } else { Ok(false) }
    }

    fn begins(&self, of: &Packed) -> usize {
        let begin = of.length.map_or(of.path, |length| of.path + self.size(length) + 1);
        of.between.iter().fold(begin, |at, between| match between {
            Between::Text(size) => at + (until_nul(self.within(at, *size)).len() + 1).min(*size),
            Between::Texts(length) => at + self.size(*length),
        })
    }

    /// A length that stands in the event.
    fn size(&self, offset: usize) -> usize {
        usize::try_from(self.unsigned(offset, 4)).unwrap_or(usize::MAX)
    }

    fn within(&self, offset: usize, size: usize) -> &[u8] {
        let begin = offset.checked_sub(self.skipped).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(begin..).unwrap_or_default();
        &bytes[..bytes.len().min(size)]
    }

    fn address(&self, of: &Address) -> Option<IpAddr> {
        address(self.within(of.offset, ADDRESS_SIZE))
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn in_case(text: &[u8], case: Case) -> Cow<'_, [u8]> {
    match case {
        Case::AsIs => text.into(),
        Case::Lower => text.to_ascii_lowercase().into(),
    }
}
