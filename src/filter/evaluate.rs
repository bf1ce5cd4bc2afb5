//! The IR's own meaning, on the bytes of an event: what the kernel's code is compared with.

use std::{borrow::Cow, net::IpAddr};

use super::ir::{
    Address, Answer, Between, Binding, Bool, Case, Decision, Filter, Int, Number, Packed, Place, Test, Text,
    Texts, Trouble, Value,
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
        Evaluation { bytes, slots: vec![0; self.slots] }.decision(&self.body)
    }
}

struct Evaluation<'a> {
    bytes: &'a [u8],
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
            Bool::Text(text, test) => Ok(test.holds(&self.text(text)?)),
            Bool::Among(text, members) => {
                let text = self.text(text)?;
                Ok(members.iter().any(|member| **member == *text))
            }
            Bool::Any(texts, case, test) => {
                Ok(self.texts(texts).any(|text| test.holds(&in_case(text, *case))))
            }
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
                let characters = String::from_utf8_lossy(&self.text(text)?).chars().count();
                Ok(i64::try_from(characters).unwrap_or(i64::MAX))
            }
            Int::Elements(texts) => Ok(i64::try_from(self.texts(texts).count()).unwrap_or(i64::MAX)),
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
        let bytes = self.bytes.get(offset..).unwrap_or_default();
        bytes.iter().take(size).rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    fn text(&self, of: &Text) -> Fallible<Cow<'_, [u8]>> {
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
            Place::Element(texts, index) => self.texts(texts).nth(*index).ok_or(Trouble::NoElement)?,
        };
        Ok(in_case(until_nul(bytes), of.case))
    }

    fn texts(&self, of: &Texts) -> impl Iterator<Item = &[u8]> {
        let length = self.size(of.length).min(of.size);
        let bytes = self.within(self.begins(&of.packed), length);
        let whole = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let none = bytes.is_empty();
        whole.split(|byte| *byte == 0).filter(move |_| !none)
    }

    fn begins(&self, of: &Packed) -> usize {
        let behind_path = of.path + self.size(of.length) + 1;
        of.between.iter().fold(behind_path, |at, between| match between {
            Between::Text(size) => at + (until_nul(self.within(at, *size)).len() + 1).min(*size),
            Between::Texts(length) => at + self.size(*length),
        })
    }

    /// A length that stands in the event.
    fn size(&self, offset: usize) -> usize {
        usize::try_from(self.unsigned(offset, 4)).unwrap_or(usize::MAX)
    }

    fn within(&self, offset: usize, size: usize) -> &[u8] {
        let bytes = self.bytes.get(offset..).unwrap_or_default();
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

impl Test {
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
        }
    }
}
