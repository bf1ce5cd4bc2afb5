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

mod addresses;
mod longest;
mod numbers;
mod places;
mod sets;
mod texts;
mod walks;

use super::{
    assembler::{Alu, Assembler, Code as Operation, Instruction, Jump, Label, Register, SLOT},
    automaton::{LARGEST, Table},
    ir::{Binding, Bool, Comparison, Decision, Filter, Int, Note, Place, Value},
    walks::Walk,
};

/// What is in r0 if the filter cannot tell.
pub const UNKNOWN: i32 = 2;

/// Instruction slots in a template (`krsi_filter`).
pub const CAPACITY: usize = 4000;
/// Bytes behind the event that may be looked at, though nothing there decides anything.
pub const MARGIN: usize = 64;
/// Ranges of a set of numbers that are compared one by one, unless there is no room for the code.
pub const INLINE: usize = 256;
/// The same if there is none.
const FEW: usize = 8;
/// Bytes that one turn of a walk takes, and the same where there is no room for that much code; powers of two.
const LONG_STRIDE: usize = 16;
const SHORT_STRIDE: usize = 8;
/// What a filter may cost the verifier, of the million instructions that it walks at most.
/// The estimate is right to a half and 20 000, and the template's own code needs some of the million, too.
pub const STEPS: usize = 600_000;

/// Why a filter that means something cannot be had all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    #[error("this filter is too large: {slots} instructions, and there is room for {CAPACITY}")]
    Instructions { slots: usize },
    #[error("this filter is too large for the kernel's verifier: it searches through too many long texts")]
    Steps,
    #[error("this filter seeks too much in its texts: what it looks for takes more than {} KiB", LARGEST / 1024)]
    Table,
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
    /// What it looks up by number in maps.
    pub sets: Vec<Set>,
    /// What it walks through, a byte of a text after the other.
    pub tables: Vec<Table>,
}

/// A set that is too large to be a part of the code: a map's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub key_size: usize,
    pub keys: Vec<Vec<u8>>,
}

impl Code {
    /// As the kernel takes them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with(&(0..).take(self.maps()).collect::<Vec<_>>())
    }

    /// How many maps it uses.
    #[must_use]
    pub fn maps(&self) -> usize {
        self.sets.len() + self.tables.len()
    }

    /// The same with these descriptors of maps: those of its sets, then those of its tables.
    #[must_use]
    pub fn bytes_with(&self, maps: &[i32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.slots() * SLOT);
        for instruction in &self.instructions {
            let before = match instruction.code {
                Operation::LoadSet => Some(0),
                Operation::LoadTable => Some(self.sets.len()),
                _ => None,
            };
            let number = usize::try_from(instruction.immediate).ok();
            match before.and_then(|before| maps.get(before + number?)) {
                Some(map) => Instruction { immediate: (*map).into(), ..*instruction }.encode(&mut bytes),
                None => instruction.encode(&mut bytes),
            }
        }
        bytes
    }

    #[must_use]
    pub fn slots(&self) -> usize {
        self.instructions.iter().map(Instruction::slots).sum()
    }

    /// How many instructions one decision runs at most.
    #[must_use]
    pub fn at_most(&self) -> u64 {
        longest::way(&self.instructions)
    }
}

impl Filter {
    /// # Errors
    /// If it is too large, in one of several ways.
    pub fn emit(&self) -> Result<Code, TooLarge> {
        self.emit_about(Memory::Map)
    }

    /// The same, about what lies in this kind of memory.
    ///
    /// # Errors
    /// If it is too large, in one of several ways.
    pub fn emit_about(&self, memory: Memory) -> Result<Code, TooLarge> {
        let walks = Walk::all(&self.body).map_err(|_| TooLarge::Table)?;
        // Comparing is faster than a map, but takes room for each member.
        let forms = [(INLINE, LONG_STRIDE), (INLINE, SHORT_STRIDE), (FEW, SHORT_STRIDE)];
        let mut refusal = TooLarge::Instructions { slots: usize::MAX };
        for (inline, stride) in forms {
            match self.emit_with(memory, inline, stride, &walks) {
                Err(too_large @ (TooLarge::Instructions { .. } | TooLarge::Steps)) => refusal = too_large,
                other => return other,
            }
        }
        Err(refusal)
    }

    fn emit_with(
        &self,
        memory: Memory,
        inline: usize,
        stride: usize,
        walks: &[Walk],
    ) -> Result<Code, TooLarge> {
        let mut emitter = Emitter {
            to: Assembler::default(),
            memory,
            inline,
            stride,
            sets: Vec::new(),
            walks,
            walked: vec![Walked::default(); walks.len()],
            slots: self.slots,
            read: Vec::new(),
            steps: 0,
            trouble: Label::default(),
        };
        emitter.keep_walks()?;
        emitter.filter(&self.body)?;
        let steps = emitter.steps;
        let instructions = emitter.to.finish().ok_or(TooLarge::Instructions { slots: usize::MAX })?;
        let tables = walks.iter().map(|walk| walk.table.clone()).collect();
        let slots = instructions.iter().map(Instruction::slots).sum();
        let code = Code { instructions, steps: steps + 4 * slots, sets: emitter.sets, tables };
        match slots {
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

/// Where that lies which is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Map,
    /// The verifier wants each access aligned there.
    Stack,
}

struct Emitter<'w> {
    to: Assembler,
    memory: Memory,
    /// Ranges of a set that are compared one by one; more are looked up.
    inline: usize,
    /// Bytes that one turn of a walk takes, of a text that says how long it is.
    stride: usize,
    sets: Vec<Set>,
    walks: &'w [Walk],
    walked: Vec<Walked>,
    /// Stack slots in use.
    slots: usize,
    /// Texts known to be readable at this point: by their offset, or by the note that would say otherwise.
    read: Vec<Readable>,
    steps: usize,
    trouble: Label,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    Path(usize),
    Noted(Note),
    /// The element of this index, by where it says how many there are.
    Counted(usize, usize),
    /// The walk of this number is done, and its outcome kept.
    Walked(usize),
}

/// What has been emitted of a walk.
#[derive(Debug, Clone, Copy, Default)]
struct Walked {
    /// Where its outcome is kept, if more than one question is answered by it.
    slot: Option<usize>,
    /// Whether it may have been walked before.
    once: bool,
}

type Fallible = Result<(), TooLarge>;

impl Emitter<'_> {
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
            Bool::Text(text, test) => self.test(text, test, yes, no)?,
            Bool::Among(text, members) => self.among_texts(text, members, yes, no),
            Bool::Asked(text, tests) => self.asked(text, tests, yes, no)?,
            Bool::Any(texts, tests) => self.any(texts, tests, yes, no)?,
            Bool::Some(texts, formula) => self.some(texts, formula, yes, no)?,
            Bool::Within(address, networks) => self.within(address, networks, yes, no),
            Bool::Not(inner) => self.bool(inner, no, yes, next)?,
            Bool::And(parts) => self.sequence(parts, Junction::And, yes, no, next)?,
            Bool::Or(parts) => self.sequence(parts, Junction::Or, yes, no, next)?,
            Bool::Either(parts) => self.either(parts, yes, no)?,
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

    /// Each part is asked, unless one before it holds; that one of them could not be told is kept until then.
    fn either(&mut self, parts: &[Bool], yes: Label, no: Label) -> Fallible {
        let (trouble, read) = (self.trouble, self.read.clone());
        let untold = self.slots;
        self.slots += 1;
        self.to.alu_immediate(Alu::Move, NUMBERS[0], 0);
        self.store_plain(untold, NUMBERS[0])?;
        for part in parts {
            let go_on = self.to.label();
            self.trouble = self.to.label();
            self.bool(part, yes, go_on, go_on)?;
            self.to.here(self.trouble);
            self.to.alu_immediate(Alu::Move, NUMBERS[0], 1);
            self.store_plain(untold, NUMBERS[0])?;
            self.to.here(go_on);
            // Where a part was left is not known: the next one looks at all that it needs.
            self.read.clone_from(&read);
        }
        self.trouble = trouble;
        self.load_slot(untold, NUMBERS[0]);
        self.to.jump_immediate(Jump::NotEqual, NUMBERS[0], 0, trouble);
        self.to.goto(no);
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
        if ranges.len() <= self.inline {
            self.among(number, ranges, yes, no);
            return Ok(());
        }
        self.among_many(number, ranges, yes, no)
    }

    /// Halves the ranges until few are left: many members cost the kernel few comparisons.
    fn among(&mut self, number: Register, ranges: &[(i64, i64)], yes: Label, no: Label) {
        const FEW: usize = 4;
        if ranges.len() > FEW {
            let (below, others) = ranges.split_at(ranges.len() / 2);
            let lower = self.to.label();
            self.jump_constant(Jump::LessSigned, number, others[0].0, lower);
            self.among(number, others, yes, no);
            self.to.here(lower);
            return self.among(number, below, yes, no);
        }
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
                self.check_there(text);
                match &text.place {
                    Place::Path(at, length) => self.check_readable(*at, length),
                    Place::Element(..) => self.look_up(text),
                    Place::Padded(_) | Place::Packed(_) | Place::Joined(_) => {}
                }
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

    /// A number that is computed, in a slot of its own.
    fn keep(&mut self, from: Register) -> Result<Int, TooLarge> {
        let slot = self.slots;
        self.slots += 1;
        self.store_slot(slot, from)?;
        Ok(Int::Slot(slot))
    }

    fn store_slot(&mut self, slot: usize, from: Register) -> Fallible {
        self.blind(from);
        self.store_plain(slot, from)
    }

    /// As it is, for the kernel to look at.
    fn store_plain(&mut self, slot: usize, from: Register) -> Fallible {
        if slot >= STACK_SLOTS {
            return Err(TooLarge::Slots);
        }
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
            Int::Constant(_) | Int::Field(_) | Int::Item { .. } | Int::Slot(_) => of.clone(),
            Int::Characters(text) => {
                self.characters(text, NUMBERS[0]);
                self.keep(NUMBERS[0])?
            }
            Int::Elements(texts) => {
                self.elements(texts, NUMBERS[0]);
                self.keep(NUMBERS[0])?
            }
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
}

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
