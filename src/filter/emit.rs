//! From the IR to eBPF instructions that the verifier of every kernel since 5.10 accepts.
//!
//! In: r1 points to the event. Out: r0 is an answer's code (`Answer::code` of the IR), or 2 if it cannot
//! tell; then control falls off the end, where the slot has its `exit`.
//!
//! What the verifier's work grows with decides the shape of the code:
//!
//! - Conditions are jumps, never values, and no register but r1 carries anything from one
//!   condition to the next. So wherever two ways meet the verifier finds the same state, and
//!   follows one of them. (Up to 6.1 a program with subprograms has every number compared
//!   exactly.)
//! - A value that is kept (`let`) is blinded when stored and when loaded: a number the verifier
//!   knows nothing about is added and taken away again, so that it cannot tell the ways apart by it.
//! - A search is one loop over words, with a constant as its turn; the verifier walks each turn
//!   once. What happens in a turn where a byte fits is placed off the straight way,
//!   so that few branches are open at any time (8192 is the limit).

use super::{
    assembler::{Alu, Assembler, Instruction, Jump, Label, Register, SLOT},
    ir::{Arithmetic, Binding, Bool, Comparison, Decision, Filter, Int, Number, Test, Text, Value},
};

/// What is in r0 if the filter cannot tell.
pub const UNKNOWN: i32 = 2;

/// Instruction slots in a template (KRSI_FILTER_SLOTS).
pub const CAPACITY: usize = 1000;
/// Bytes behind the event that may be looked at, though nothing there decides anything.
pub const MARGIN: usize = 64;
/// What a filter may cost the verifier, of the million instructions that it walks at most.
const STEPS: usize = 500_000;

/// Why a filter that means something cannot be had all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    #[error("this filter is too large: {slots} instructions, and there is room for {CAPACITY}")]
    Instructions { slots: usize },
    #[error("this filter is too large for the kernel's verifier: it searches through too many long texts")]
    Steps,
    #[error("an expression of this filter nests too deep")]
    Depth,
    #[error("this filter keeps too many values")]
    Slots,
}

/// A filter's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub instructions: Vec<Instruction>,
    /// What the verifier walks through at most, about.
    pub steps: usize,
}

impl Code {
    /// As the kernel takes them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.slots() * SLOT);
        for instruction in &self.instructions {
            instruction.encode(&mut bytes);
        }
        bytes
    }

    #[must_use]
    pub fn slots(&self) -> usize {
        self.instructions.iter().map(Instruction::slots).sum()
    }
}

impl Filter {
    /// # Errors
    /// If it is too large, in one of several ways.
    pub fn emit(&self) -> Result<Code, TooLarge> {
        let mut emitter = Emitter {
            to: Assembler::default(),
            slots: self.slots,
            read: Vec::new(),
            steps: 0,
            trouble: Label::default(),
        };
        emitter.filter(&self.body)?;
        let steps = emitter.steps;
        let instructions = emitter.to.finish().ok_or(TooLarge::Instructions { slots: usize::MAX })?;
        let code = Code { instructions, steps: steps + 4 * CAPACITY };
        match code.slots() {
            slots if slots > CAPACITY => Err(TooLarge::Instructions { slots }),
            _ if code.steps > STEPS => Err(TooLarge::Steps),
            _ => Ok(code),
        }
    }
}

const EVENT: Register = 1;
const STACK: Register = 10;
/// Numbers of an expression; r0, r8 and r9 are for what happens between two of them.
const NUMBERS: [Register; 6] = [2, 3, 4, 5, 6, 7];
/// Values on the stack, those of `let` included.
const STACK_SLOTS: usize = 24;

struct Emitter {
    to: Assembler,
    /// Stack slots in use.
    slots: usize,
    /// Offsets of the texts known to be readable at this point.
    read: Vec<usize>,
    steps: usize,
    trouble: Label,
}

type Fallible = Result<(), TooLarge>;

impl Emitter {
    fn filter(&mut self, body: &Decision) -> Fallible {
        let end = self.to.label();
        self.trouble = self.to.label();
        self.decision(body, end)?;
        self.to.here(self.trouble);
        self.answer(UNKNOWN, end);
        self.to.here(end);
        Ok(())
    }

    fn answer(&mut self, code: i32, end: Label) {
        self.to.alu_immediate(Alu::Move, 0, code);
        self.to.goto(end);
    }

    fn decision(&mut self, of: &Decision, end: Label) -> Fallible {
        match of {
            Decision::Answer(answer) => self.answer(answer.code(), end),
            Decision::If(condition, then, otherwise) => {
                let (first, second) = (self.to.label(), self.to.label());
                self.bool(condition, first, second, first)?;
                let known = self.read.clone();
                self.to.here(first);
                self.decision(then, end)?;
                self.read = known;
                self.to.here(second);
                self.decision(otherwise, end)?;
            }
            Decision::Let(binding, body) => {
                self.bind(binding)?;
                self.decision(body, end)?;
            }
        }
        Ok(())
    }

    // ---- conditions -------------------------------------------------------

    /// Goes to `yes` or `no`; `next` is the one of them that is placed right behind.
    fn bool(&mut self, of: &Bool, yes: Label, no: Label, next: Label) -> Fallible {
        match of {
            Bool::Constant(known) => self.to.goto(if *known { yes } else { no }),
            Bool::Slot(slot) => {
                self.load_slot(*slot, NUMBERS[0]);
                self.branch(Jump::NotEqual, NUMBERS[0], Operand::Immediate(0), yes, no, next);
            }
            Bool::Compare(how, a, b) => self.compare(*how, a, b, yes, no, next)?,
            Bool::OneOf(of, ranges) => self.one_of(of, ranges, yes, no)?,
            Bool::Text(text, test) => self.test(text, test, yes, no),
            Bool::Not(inner) => self.bool(inner, no, yes, next)?,
            Bool::And(parts) => self.sequence(parts, Junction::And, yes, no, next)?,
            Bool::Or(parts) => self.sequence(parts, Junction::Or, yes, no, next)?,
            Bool::If(condition, then, otherwise) => {
                let (first, second) = (self.to.label(), self.to.label());
                self.bool(condition, first, second, first)?;
                let known = self.read.clone();
                self.to.here(first);
                self.bool(then, yes, no, second)?;
                self.read.clone_from(&known);
                self.to.here(second);
                self.bool(otherwise, yes, no, next)?;
                self.read = known;
            }
            Bool::Let(binding, body) => {
                self.bind(binding)?;
                self.bool(body, yes, no, next)?;
            }
        }
        Ok(())
    }

    /// The first part is always asked, each other one after those before it.
    fn sequence(&mut self, parts: &[Bool], how: Junction, yes: Label, no: Label, next: Label) -> Fallible {
        let mut after_first = None;
        for (index, part) in parts.iter().enumerate() {
            if index + 1 == parts.len() {
                self.bool(part, yes, no, next)?;
            } else {
                let go_on = self.to.label();
                match how {
                    Junction::And => self.bool(part, go_on, no, go_on)?,
                    Junction::Or => self.bool(part, yes, go_on, go_on)?,
                }
                self.to.here(go_on);
            }
            after_first.get_or_insert_with(|| self.read.clone());
        }
        self.read = after_first.unwrap_or_default();
        Ok(())
    }

    fn branch(&mut self, jump: Jump, a: Register, b: Operand, yes: Label, no: Label, next: Label) {
        let (jump, to, other) = match opposite(jump) {
            Some(opposite) if next == yes => (opposite, no, yes),
            _ => (jump, yes, no),
        };
        match b {
            Operand::Register(b) => self.to.jump(jump, a, b, to),
            Operand::Immediate(b) => self.to.jump_immediate(jump, a, b, to),
        }
        self.to.goto(other);
    }

    fn compare(&mut self, how: Comparison, a: &Int, b: &Int, yes: Label, no: Label, next: Label) -> Fallible {
        let (a, b) = (self.hoisted(a)?, self.hoisted(b)?);
        let jump = match how {
            Comparison::Equal => Jump::Equal,
            Comparison::NotEqual => Jump::NotEqual,
            Comparison::Less => Jump::LessSigned,
            Comparison::LessOrEqual => Jump::LessOrEqualSigned,
            Comparison::Greater => Jump::GreaterSigned,
            Comparison::GreaterOrEqual => Jump::GreaterOrEqualSigned,
        };
        let known = if let Int::Constant(known) = &b { comparable(jump, *known) } else { None };
        if let Some(b) = known {
            self.int(&a, &NUMBERS)?;
            self.branch(jump, NUMBERS[0], Operand::Immediate(b), yes, no, next);
        } else {
            self.both(&a, &b, &NUMBERS)?;
            self.branch(jump, NUMBERS[0], Operand::Register(NUMBERS[1]), yes, no, next);
        }
        Ok(())
    }

    fn one_of(&mut self, of: &Int, ranges: &[(i64, i64)], yes: Label, no: Label) -> Fallible {
        let of = self.hoisted(of)?;
        let number = NUMBERS[0];
        self.int(&of, &NUMBERS)?;
        for (first, last) in ranges {
            if first == last {
                self.jump_constant(Jump::Equal, number, *first, yes);
            } else {
                // Sorted: what is less than this range is in none of the later ones.
                self.jump_constant(Jump::LessSigned, number, *first, no);
                self.jump_constant(Jump::LessOrEqualSigned, number, *last, yes);
            }
        }
        self.to.goto(no);
        Ok(())
    }

    fn jump_constant(&mut self, jump: Jump, a: Register, b: i64, to: Label) {
        match comparable(jump, b) {
            Some(b) => self.to.jump_immediate(jump, a, b, to),
            None => {
                self.to.constant(9, b);
                self.to.jump(jump, a, 9, to);
            }
        }
    }

    // ---- values on the stack ----------------------------------------------

    fn bind(&mut self, binding: &Binding) -> Fallible {
        match &binding.value {
            Value::Read(text) => {
                self.check_readable(text);
                return Ok(());
            }
            Value::Int(value) => {
                let value = self.hoisted(value)?;
                self.int(&value, &NUMBERS)?;
            }
            Value::Bool(value) => {
                let (yes, no, end) = (self.to.label(), self.to.label(), self.to.label());
                self.bool(value, yes, no, yes)?;
                self.to.here(yes);
                self.to.alu_immediate(Alu::Move, NUMBERS[0], 1);
                self.to.goto(end);
                self.to.here(no);
                self.to.alu_immediate(Alu::Move, NUMBERS[0], 0);
                self.to.here(end);
            }
        }
        self.store_slot(binding.slot, NUMBERS[0])
    }

    fn store_slot(&mut self, slot: usize, from: Register) -> Fallible {
        if slot >= STACK_SLOTS {
            return Err(TooLarge::Slots);
        }
        self.blind(from);
        self.to.store(STACK, stack_offset(slot), from);
        Ok(())
    }

    fn load_slot(&mut self, slot: usize, into: Register) {
        self.to.load(8, into, STACK, stack_offset(slot));
        self.blind(into);
    }

    /// Makes the verifier forget what it knows about a number.
    fn blind(&mut self, register: Register) {
        self.to.load(8, 0, EVENT, 0);
        self.to.alu(Alu::Add, register, 0);
        self.to.alu(Alu::Subtract, register, 0);
    }

    /// The same number without `if` and `let`, which are computed now and kept.
    fn hoisted(&mut self, of: &Int) -> Result<Int, TooLarge> {
        Ok(match of {
            Int::Constant(_) | Int::Field(_) | Int::Slot(_) => of.clone(),
            Int::Negate(inner) => Int::Negate(Box::new(self.hoisted(inner)?)),
            Int::Binary(how, a, b) => {
                Int::Binary(*how, Box::new(self.hoisted(a)?), Box::new(self.hoisted(b)?))
            }
            Int::Let(binding, body) => {
                self.bind(binding)?;
                self.hoisted(body)?
            }
            Int::If(condition, then, otherwise) => {
                let slot = self.slots;
                self.slots += 1;
                let (first, second, end) = (self.to.label(), self.to.label(), self.to.label());
                self.bool(condition, first, second, first)?;
                let known = self.read.clone();
                for (label, value) in [(first, then), (second, otherwise)] {
                    self.to.here(label);
                    let value = self.hoisted(value)?;
                    self.int(&value, &NUMBERS)?;
                    self.store_slot(slot, NUMBERS[0])?;
                    self.to.goto(end);
                    self.read.clone_from(&known);
                }
                self.to.here(end);
                Int::Slot(slot)
            }
        })
    }

    // ---- numbers ----------------------------------------------------------

    /// Into the first of the free registers.
    fn int(&mut self, of: &Int, free: &[Register]) -> Fallible {
        let Some(into) = free.first().copied() else { return Err(TooLarge::Depth) };
        match of {
            Int::Constant(known) => self.to.constant(into, *known),
            Int::Field(number) => self.field(number, into),
            Int::Slot(slot) => self.load_slot(*slot, into),
            Int::Negate(inner) => {
                self.int(inner, free)?;
                if range(inner).0 == i64::MIN.into() {
                    self.jump_constant(Jump::Equal, into, i64::MIN, self.trouble);
                }
                self.to.negate(into);
            }
            Int::Binary(how, a, b) => self.binary(*how, a, b, free)?,
            // Hoisted before.
            Int::If(..) | Int::Let(..) => return Err(TooLarge::Depth),
        }
        Ok(())
    }

    fn field(&mut self, number: &Number, into: Register) {
        let size = u8::try_from(number.size).unwrap_or(8);
        self.to.load(size, into, EVENT, offset(number.offset));
        if number.signed && size < 8 {
            let unused = 64 - 8 * i32::from(size);
            self.to.alu_immediate(Alu::ShiftLeft, into, unused);
            self.to.alu_immediate(Alu::ShiftRightSigned, into, unused);
        }
    }

    /// Two numbers into the first two free registers. The one that needs more registers comes first.
    fn both(&mut self, a: &Int, b: &Int, free: &[Register]) -> Fallible {
        let [first, second, rest @ ..] = free else { return Err(TooLarge::Depth) };
        let behind = |register: Register| [&[register][..], rest].concat();
        if need(a) >= need(b) {
            self.int(a, free)?;
            self.int(b, &behind(*second))
        } else {
            let turned = [&[*second, *first][..], rest].concat();
            self.int(b, &turned)?;
            self.int(a, &behind(*first))
        }
    }

    fn binary(&mut self, how: Arithmetic, a: &Int, b: &Int, free: &[Register]) -> Fallible {
        let fits = fits(how, a, b);
        let simple = match how {
            Arithmetic::Add if fits => Some(Alu::Add),
            Arithmetic::Subtract if fits => Some(Alu::Subtract),
            Arithmetic::Multiply if fits => Some(Alu::Multiply),
            Arithmetic::Divide if natural(a, b) => Some(Alu::Divide),
            Arithmetic::Remainder if natural(a, b) => Some(Alu::Remainder),
            Arithmetic::And => Some(Alu::And),
            Arithmetic::Or => Some(Alu::Or),
            Arithmetic::Xor => Some(Alu::Xor),
            Arithmetic::ShiftLeft => Some(Alu::ShiftLeft),
            Arithmetic::ShiftRight => Some(Alu::ShiftRightSigned),
            _ => None,
        };
        if let (Some(alu), Some(b)) = (simple, immediate(b)) {
            self.int(a, free)?;
            self.to.alu_immediate(alu, free[0], b);
            return Ok(());
        }
        self.both(a, b, free)?;
        let [a_at, b_at, ..] = free else { return Err(TooLarge::Depth) };
        match (simple, how) {
            (Some(alu), _) => self.to.alu(alu, *a_at, *b_at),
            (None, Arithmetic::Multiply) => self.multiply(*a_at, *b_at),
            (None, Arithmetic::Divide) => self.divide(Alu::Divide, *a_at, *b_at),
            (None, Arithmetic::Remainder) => self.divide(Alu::Remainder, *a_at, *b_at),
            (None, Arithmetic::Subtract) => self.add(Alu::Subtract, *a_at, *b_at),
            (None, _) => self.add(Alu::Add, *a_at, *b_at),
        }
        Ok(())
    }

    /// It left 64 bits if the result's sign fits neither side: of a sum if both sides have the other
    /// sign, of a difference if the sides differ and the result differs from the first.
    fn add(&mut self, alu: Alu, a: Register, b: Register) {
        let (before, other) = (8, 9);
        self.to.alu(Alu::Move, before, a);
        self.to.alu(alu, a, b);
        self.to.alu(Alu::Move, other, b);
        self.to.alu(Alu::Xor, other, if alu == Alu::Add { a } else { before });
        self.to.alu(Alu::Xor, before, a);
        self.to.alu(Alu::And, before, other);
        self.to.jump_immediate(Jump::LessSigned, before, 0, self.trouble);
        self.blind(a);
    }

    fn magnitude(&mut self, register: Register) {
        let positive = self.to.label();
        self.to.jump_immediate(Jump::GreaterOrEqualSigned, register, 0, positive);
        self.to.negate(register);
        self.to.here(positive);
        self.blind_keeping_zero(register);
    }

    /// As [`Self::blind`]; r0 is in use.
    fn blind_keeping_zero(&mut self, register: Register) {
        self.to.load(8, 9, EVENT, 0);
        self.to.alu(Alu::Add, register, 9);
        self.to.alu(Alu::Subtract, register, 9);
    }

    /// On magnitudes, with the sign in r0: the CPU's division knows no signs before Linux 6.6.
    fn divide(&mut self, alu: Alu, a: Register, b: Register) {
        let (fine, positive) = (self.to.label(), self.to.label());
        self.to.jump_immediate(Jump::Equal, b, 0, self.trouble);
        self.jump_constant(Jump::NotEqual, b, -1, fine);
        self.to.constant(8, i64::MIN);
        self.to.jump(Jump::Equal, a, 8, self.trouble);
        self.to.here(fine);
        self.to.alu(Alu::Move, 0, a);
        if alu == Alu::Divide {
            self.to.alu(Alu::Xor, 0, b);
        }
        self.blind_keeping_zero(0);
        self.magnitude(a);
        self.magnitude(b);
        self.to.alu(alu, a, b);
        self.to.jump_immediate(Jump::GreaterOrEqualSigned, 0, 0, positive);
        self.to.negate(a);
        self.to.here(positive);
        self.blind(a);
    }

    /// On magnitudes as well; divided again, the product must give the other side.
    fn multiply(&mut self, a: Register, b: Register) {
        let (checked, negative, end) = (self.to.label(), self.to.label(), self.to.label());
        self.to.alu(Alu::Move, 0, a);
        self.to.alu(Alu::Xor, 0, b);
        self.blind_keeping_zero(0);
        self.magnitude(a);
        self.magnitude(b);
        self.to.alu(Alu::Move, 8, a);
        self.to.alu(Alu::Multiply, 8, b);
        self.to.jump_immediate(Jump::Equal, a, 0, checked);
        self.to.alu(Alu::Move, 9, 8);
        self.to.alu(Alu::Divide, 9, a);
        self.to.jump(Jump::NotEqual, 9, b, self.trouble);
        self.to.here(checked);
        self.to.jump_immediate(Jump::LessSigned, 0, 0, negative);
        self.to.jump_immediate(Jump::LessSigned, 8, 0, self.trouble);
        self.to.goto(end);
        self.to.here(negative);
        self.to.negate(8);
        self.to.jump_immediate(Jump::GreaterSigned, 8, 0, self.trouble);
        self.to.here(end);
        self.to.alu(Alu::Move, a, 8);
        self.blind(a);
    }

    // ---- texts ------------------------------------------------------------

    fn test(&mut self, text: &Text, test: &Test, yes: Label, no: Label) {
        self.check_readable(text);
        let longest = text.size - 1;
        match test {
            Test::Equals(whole) if whole.len() <= longest => {
                let ended = [whole, &[0][..]].concat();
                self.same_bytes(EVENT, text.offset, &ended, no);
            }
            Test::StartsWith(prefix) if prefix.len() <= longest => {
                self.same_bytes(EVENT, text.offset, prefix, no)
            }
            Test::EndsWith(suffix) if suffix.len() <= longest => {
                return self.ends_with(text, suffix, yes, no);
            }
            Test::Contains { needle, from, until } if needle.len() + from + until <= longest => {
                return self.search(text, needle, *from, *until, yes, no);
            }
            Test::Reaches(length) if *length <= longest => self.reaches(text, *length, no),
            // Longer than any text there.
            _ => return self.to.goto(no),
        }
        self.to.goto(yes);
    }

    fn check_readable(&mut self, text: &Text) {
        let Some(length) = &text.length else { return };
        if self.read.contains(&text.offset) {
            return;
        }
        self.read.push(text.offset);
        let readable = self.to.label();
        self.to.load(4, 2, EVENT, offset(length.offset));
        self.to.jump_immediate(Jump::NotEqual, 2, 0, readable);
        self.to.load(4, 2, EVENT, offset(length.notes));
        self.to.jump_immediate(Jump::AnyBit, 2, length.unreadable.cast_signed(), self.trouble);
        self.to.here(readable);
    }

    /// Goes to `no` unless these bytes are at `base + at`: early, part by part. Uses r3 and r4.
    fn same_bytes(&mut self, base: Register, at: usize, bytes: &[u8], no: Label) {
        for part in parts(bytes) {
            self.to.load(part.size, 3, base, offset(at + part.at));
            if part.size == 8 {
                self.to.constant(4, part.value.cast_signed());
                self.to.jump(Jump::NotEqual, 3, 4, no);
            } else {
                self.to.jump_immediate32(Jump::NotEqual, 3, (part.value as u32).cast_signed(), no);
            }
        }
    }

    /// The same with one branch, for what the verifier follows thousands of times. Uses r3, r4 and r9.
    fn same_bytes_at_once(&mut self, base: Register, bytes: &[u8], no: Label) {
        let parts = parts(bytes);
        if parts.len() == 1 {
            return self.same_bytes(base, 0, bytes, no);
        }
        for (index, part) in parts.iter().enumerate() {
            let into = if index == 0 { 3 } else { 4 };
            self.to.load(part.size, into, base, offset(part.at));
            self.to.constant(9, part.value.cast_signed());
            self.to.alu(Alu::Xor, into, 9);
            if index > 0 {
                self.to.alu(Alu::Or, 3, 4);
            }
        }
        self.to.jump_immediate(Jump::NotEqual, 3, 0, no);
    }

    fn reaches(&mut self, text: &Text, length: usize, no: Label) {
        match &text.length {
            Some(known) => {
                self.to.load(4, 2, EVENT, offset(known.offset));
                self.to.jump_immediate(Jump::Less, 2, small(length), no);
            }
            // Behind the end everything is zero.
            None => {
                self.to.load(1, 2, EVENT, offset(text.offset + length.saturating_sub(1)));
                self.to.jump_immediate(Jump::Equal, 2, 0, no);
            }
        }
    }

    fn ends_with(&mut self, text: &Text, suffix: &[u8], yes: Label, no: Label) {
        if suffix.is_empty() {
            return self.to.goto(yes);
        }
        let Some(length) = &text.length else {
            // The NUL that ends the text belongs to what is looked for.
            let ended = [suffix, &[0][..]].concat();
            return self.search(text, &ended, 0, 0, yes, no);
        };
        self.to.load(4, 2, EVENT, offset(length.offset));
        self.to.jump_immediate(Jump::Less, 2, small(suffix.len()), no);
        self.to.jump_immediate(Jump::Greater, 2, small(text.size - 1), no);
        self.to.alu_immediate(Alu::Subtract, 2, small(suffix.len()));
        self.to.alu(Alu::Add, 2, EVENT);
        self.same_bytes(2, text.offset, suffix, no);
        self.to.goto(yes);
    }

    /// Whether the needle stands somewhere between the first `from` bytes and the last `until`.
    ///
    /// Word by word: a word without the needle's first byte is passed over (the classic trick: a zero
    /// byte in `word ^ pattern`), in any other each place is tried.
    fn search(&mut self, text: &Text, needle: &[u8], from: usize, until: usize, yes: Label, no: Label) {
        let (at, turn, last, word, pattern, ones, highs) = (2, 5, 0, 3, 6, 7, 8);
        let fixed = from + needle.len() + until;
        // A needle that ends with the text's NUL may end one byte later.
        let furthest = if needle.last() == Some(&0) { text.size - fixed } else { text.size - 1 - fixed };
        let turns = furthest / 8 + 1;
        self.steps += turns * (16 + 8 * (11 + 4 * parts(needle).len()));

        if let Some(length) = &text.length {
            self.to.load(4, last, EVENT, offset(length.offset));
            self.to.jump_immediate(Jump::Less, last, small(fixed), no);
            self.to.jump_immediate(Jump::Greater, last, small(text.size - 1), no);
            self.to.alu_immediate(Alu::Subtract, last, small(fixed));
        }
        self.to.alu(Alu::Move, at, EVENT);
        self.to.alu_immediate(Alu::Add, at, small(text.offset + from));
        self.to.alu_immediate(Alu::Move, turn, 0);
        self.to.constant(pattern, repeated(needle[0]));
        self.to.constant(ones, repeated(1));
        self.to.constant(highs, repeated(0x80));

        let (head, try_all, try_one, fails) =
            (self.to.label(), self.to.label(), self.to.label(), self.to.label());
        self.to.here(head);
        if text.length.is_some() {
            self.to.jump(Jump::Less, last, turn, no);
        }
        self.to.load(8, word, at, 0);
        if text.length.is_none() {
            self.to.jump_immediate(Jump::Equal, word, 0, no);
        }
        self.to.alu(Alu::Xor, word, pattern);
        self.to.alu(Alu::Move, 4, word);
        self.to.alu(Alu::Subtract, 4, ones);
        self.to.alu_immediate(Alu::Xor, word, -1);
        self.to.alu(Alu::And, 4, word);
        self.to.alu(Alu::And, 4, highs);
        self.to.jump_immediate(Jump::NotEqual, 4, 0, try_all);
        self.to.alu_immediate(Alu::Add, at, 8);
        self.to.alu_immediate(Alu::Add, turn, 8);
        self.to.jump_immediate(Jump::Less, turn, small(turns * 8), head);
        self.to.goto(no);

        self.to.here(try_all);
        self.to.here(try_one);
        self.same_bytes_at_once(at, needle, fails);
        if text.length.is_some() {
            self.to.jump(Jump::Less, last, turn, no);
        } else {
            self.to.jump_immediate(Jump::Greater, turn, small(furthest), no);
            if until > 0 {
                // The text goes on for so long.
                self.to.load(1, 3, at, offset(needle.len() + until - 1));
                self.to.jump_immediate(Jump::Equal, 3, 0, no);
            }
        }
        self.to.goto(yes);
        self.to.here(fails);
        self.to.alu_immediate(Alu::Add, at, 1);
        self.to.alu_immediate(Alu::Add, turn, 1);
        self.to.alu(Alu::Move, 4, turn);
        self.to.alu_immediate(Alu::And, 4, 7);
        self.to.jump_immediate(Jump::NotEqual, 4, 0, try_one);
        self.to.jump_immediate(Jump::Less, turn, small(turns * 8), head);
        self.to.goto(no);
    }
}

#[derive(Debug, Clone, Copy)]
enum Junction {
    And,
    Or,
}

#[derive(Debug, Clone, Copy)]
enum Operand {
    Register(Register),
    Immediate(i32),
}

fn opposite(jump: Jump) -> Option<Jump> {
    Some(match jump {
        Jump::Equal => Jump::NotEqual,
        Jump::NotEqual => Jump::Equal,
        Jump::GreaterSigned => Jump::LessOrEqualSigned,
        Jump::LessOrEqualSigned => Jump::GreaterSigned,
        Jump::GreaterOrEqualSigned => Jump::LessSigned,
        Jump::LessSigned => Jump::GreaterOrEqualSigned,
        Jump::Greater | Jump::Less | Jump::AnyBit => return None,
    })
}

/// A constant that a jump has room for. The kernel would take a negative one everywhere; rbpf 0.4,
/// with which the code is tested, takes it for an unsigned number of 32 bits where no sign is in question.
fn comparable(jump: Jump, with: i64) -> Option<i32> {
    let signed = !matches!(jump, Jump::Equal | Jump::NotEqual | Jump::Less | Jump::Greater | Jump::AnyBit);
    i32::try_from(with).ok().filter(|with| signed || *with >= 0)
}

/// A constant that an instruction has room for.
fn immediate(of: &Int) -> Option<i32> {
    match of {
        Int::Constant(known) => i32::try_from(*known).ok(),
        _ => None,
    }
}

/// Registers that computing it takes (Sethi and Ullman).
fn need(of: &Int) -> usize {
    match of {
        Int::Negate(inner) => need(inner),
        Int::Binary(_, a, b) => {
            let (a, b) = (need(a), need(b));
            if a == b { a + 1 } else { a.max(b) }
        }
        _ => 1,
    }
}

/// Between which numbers it can be.
fn range(of: &Int) -> (i128, i128) {
    const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
    match of {
        Int::Constant(known) => ((*known).into(), (*known).into()),
        Int::Field(Number { size, signed: false, .. }) if *size < 8 => (0, (1 << (8 * size)) - 1),
        Int::Field(Number { size, signed: true, .. }) if *size < 8 => {
            (-(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1)
        }
        Int::Negate(inner) => {
            let (low, high) = range(inner);
            (-high, (-low).min(ALL.1))
        }
        Int::Binary(how, a, b) => {
            let result = result_range(*how, range(a), range(b));
            (result.0.max(ALL.0), result.1.min(ALL.1))
        }
        _ => ALL,
    }
}

/// What the operation gives, before it is known to fit.
fn result_range(how: Arithmetic, a: (i128, i128), b: (i128, i128)) -> (i128, i128) {
    const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
    let natural = a.0 >= 0 && b.0 >= 0;
    match how {
        Arithmetic::Add => (a.0 + b.0, a.1 + b.1),
        Arithmetic::Subtract => (a.0 - b.1, a.1 - b.0),
        Arithmetic::Multiply => {
            let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
            (corners.into_iter().min().unwrap_or(ALL.0), corners.into_iter().max().unwrap_or(ALL.1))
        }
        Arithmetic::Divide if natural => (0, a.1),
        Arithmetic::Remainder if natural => (0, a.1.min((b.1 - 1).max(0))),
        Arithmetic::And if a.0 >= 0 => (0, a.1),
        Arithmetic::And if b.0 >= 0 => (0, b.1),
        Arithmetic::Or | Arithmetic::Xor if natural => {
            (0, (a.1.max(b.1) + 1).cast_unsigned().next_power_of_two().cast_signed() - 1)
        }
        Arithmetic::ShiftRight if a.0 >= 0 => (0, a.1),
        _ => ALL,
    }
}

fn fits(how: Arithmetic, a: &Int, b: &Int) -> bool {
    let (low, high) = result_range(how, range(a), range(b));
    low >= i64::MIN.into() && high <= i64::MAX.into()
}

/// Neither side is negative, and the second is not zero.
fn natural(a: &Int, b: &Int) -> bool {
    range(a).0 >= 0 && range(b).0 > 0
}

/// Some bytes of a needle, as a number of a size that can be loaded.
struct Part {
    at: usize,
    size: u8,
    value: u64,
}

/// Parts of the largest size that fits; the last may overlap the one before.
fn parts(bytes: &[u8]) -> Vec<Part> {
    let size = [8, 4, 2, 1].into_iter().find(|size| *size <= bytes.len()).unwrap_or(1);
    let count = bytes.len().div_ceil(size);
    let part = |index: usize| {
        let at = (index * size).min(bytes.len() - size);
        let value = bytes[at..at + size].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        Part { at, size: u8::try_from(size).unwrap_or(1), value }
    };
    (0..count).map(part).collect()
}

fn stack_offset(slot: usize) -> i16 {
    -8 * (i16::try_from(slot).unwrap_or(0) + 1)
}

/// An event is smaller than 32 KiB; the templates' test says so.
fn offset(of: usize) -> i16 {
    i16::try_from(of).unwrap_or(i16::MAX)
}

fn small(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

fn repeated(byte: u8) -> i64 {
    i64::from_le_bytes([byte; 8])
}
