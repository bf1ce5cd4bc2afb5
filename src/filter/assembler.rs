//! eBPF instructions with labels instead of distances.

use std::fmt;

/// Bytes of one instruction slot.
pub const SLOT: usize = 8;

pub type Register = u8;

/// BPF_PSEUDO_MAP_FD: what a two-slot load has as its source if it is about a map.
const PSEUDO_MAP_FD: Register = 1;
/// BPF_PSEUDO_MAP_VALUE: if it is about the bytes of an array's first element.
const PSEUDO_MAP_VALUE: Register = 2;

/// One instruction; an [`Code::Load64`] takes two slots. Class and operation are those of
/// Documentation/bpf/instruction-set.rst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: Code,
    pub dst: Register,
    pub src: Register,
    pub offset: i16,
    pub immediate: i64,
    /// How often it runs at most: once, or once for each turn of its loop.
    pub turns: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `dst OP= immediate`
    AluImmediate(Alu),
    /// `dst OP= src`
    AluRegister(Alu),
    Load64,
    /// `dst` is the set of this number: two slots, in which whoever loads the code puts the map's descriptor.
    LoadSet,
    /// `dst` points to the bytes of the table of this number: two slots, in which whoever loads the code puts the map's
    /// descriptor.
    LoadTable,
    /// Of a helper of the kernel's, by its number. It takes r1 to r5, and leaves its result in r0.
    Call,
    /// `dst = *(uN *)(src + offset)`; the size is in bytes.
    Load(u8),
    /// `*(u64 *)(dst + offset) = src`
    Store,
    JumpImmediate(Jump),
    /// On the lower halves.
    JumpImmediate32(Jump),
    JumpRegister(Jump),
    Goto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alu {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    /// Unsigned; by zero it gives 0.
    Divide = 0x30,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    Negate = 0x80,
    Remainder = 0x90,
    Xor = 0xa0,
    Move = 0xb0,
    ShiftRightSigned = 0xc0,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    Equal = 0x10,
    Greater = 0x20,
    AnyBit = 0x40,
    NotEqual = 0x50,
    GreaterSigned = 0x60,
    GreaterOrEqualSigned = 0x70,
    Less = 0xa0,
    LessSigned = 0xc0,
    LessOrEqualSigned = 0xd0,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label(usize);

#[derive(Debug, Clone, Copy)]
enum Item {
    Plain(Instruction),
    Jump(Instruction, Label),
    Here(Label),
}

/// Collects instructions and labels.
#[derive(Debug)]
pub struct Assembler {
    items: Vec<Item>,
    labels: usize,
    turns: u32,
}

impl Default for Assembler {
    fn default() -> Self {
        Assembler { items: Vec::new(), labels: 0, turns: 1 }
    }
}

impl Assembler {
    /// What follows is a loop's body, which runs so often at most; 1 behind it.
    pub fn turns(&mut self, turns: usize) {
        self.turns = u32::try_from(turns).unwrap_or(u32::MAX);
    }

    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub fn here(&mut self, label: Label) {
        self.items.push(Item::Here(label));
    }

    fn plain(&mut self, code: Code, dst: Register, src: Register, offset: i16, immediate: i64) {
        self.items.push(Item::Plain(Instruction { code, dst, src, offset, immediate, turns: self.turns }));
    }

    /// `dst OP= src`
    pub fn alu(&mut self, alu: Alu, dst: Register, src: Register) {
        self.plain(Code::AluRegister(alu), dst, src, 0, 0);
    }

    /// `dst OP= immediate`, which must fit into 32 bits, signed.
    pub fn alu_immediate(&mut self, alu: Alu, dst: Register, immediate: i32) {
        self.plain(Code::AluImmediate(alu), dst, 0, 0, immediate.into());
    }

    pub fn negate(&mut self, dst: Register) {
        self.plain(Code::AluImmediate(Alu::Negate), dst, 0, 0, 0);
    }

    pub fn constant(&mut self, dst: Register, value: i64) {
        match i32::try_from(value) {
            Ok(small) => self.alu_immediate(Alu::Move, dst, small),
            Err(_) => self.plain(Code::Load64, dst, 0, 0, value),
        }
    }

    pub fn load_set(&mut self, dst: Register, set: usize) {
        self.plain(Code::LoadSet, dst, PSEUDO_MAP_FD, 0, i64::try_from(set).unwrap_or(i64::MAX));
    }

    pub fn load_table(&mut self, dst: Register, table: usize) {
        self.plain(Code::LoadTable, dst, PSEUDO_MAP_VALUE, 0, i64::try_from(table).unwrap_or(i64::MAX));
    }

    pub fn call(&mut self, helper: i32) {
        self.plain(Code::Call, 0, 0, 0, helper.into());
    }

    pub fn load(&mut self, size: u8, dst: Register, src: Register, offset: i16) {
        self.plain(Code::Load(size), dst, src, offset, 0);
    }

    pub fn store(&mut self, dst: Register, offset: i16, src: Register) {
        self.plain(Code::Store, dst, src, offset, 0);
    }

    pub fn goto(&mut self, to: Label) {
        self.leap(Code::Goto, 0, 0, 0, to);
    }

    pub fn jump(&mut self, jump: Jump, a: Register, b: Register, to: Label) {
        self.leap(Code::JumpRegister(jump), a, b, 0, to);
    }

    pub fn jump_immediate(&mut self, jump: Jump, a: Register, immediate: i32, to: Label) {
        self.leap(Code::JumpImmediate(jump), a, 0, immediate, to);
    }

    pub fn jump_immediate32(&mut self, jump: Jump, a: Register, immediate: i32, to: Label) {
        self.leap(Code::JumpImmediate32(jump), a, 0, immediate, to);
    }

    fn leap(&mut self, code: Code, dst: Register, src: Register, immediate: i32, to: Label) {
        let immediate = immediate.into();
        self.items
            .push(Item::Jump(Instruction { code, dst, src, offset: 0, immediate, turns: self.turns }, to));
    }

    /// Instructions of which each can be reached (the verifier demands it), with distances.
    /// `None` if one is too far.
    pub fn finish(mut self) -> Option<Vec<Instruction>> {
        while self.drop_unreached() | self.drop_idle_jumps() {}
        let places = self.places();
        let mut list = Vec::new();
        let mut at = 0;
        for item in &self.items {
            let mut instruction = match item {
                Item::Here(_) => continue,
                Item::Plain(instruction) => *instruction,
                Item::Jump(instruction, _) => *instruction,
            };
            at += instruction.slots();
            if let Item::Jump(_, Label(to)) = item {
                let distance = i64::try_from(places[*to]).ok()? - i64::try_from(at).ok()?;
                instruction.offset = i16::try_from(distance).ok()?;
            }
            list.push(instruction);
        }
        Some(list)
    }

    /// Slot of each label.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.labels];
        let mut at = 0;
        for item in &self.items {
            match item {
                Item::Here(Label(label)) => places[*label] = at,
                Item::Plain(instruction) | Item::Jump(instruction, _) => at += instruction.slots(),
            }
        }
        places
    }

    fn drop_unreached(&mut self) -> bool {
        let mut index = vec![0; self.labels];
        for (at, item) in self.items.iter().enumerate() {
            if let Item::Here(Label(label)) = item {
                index[*label] = at;
            }
        }
        let mut reached = vec![false; self.items.len()];
        let mut waiting = vec![0];
        while let Some(at) = waiting.pop() {
            if at >= self.items.len() || reached[at] {
                continue;
            }
            reached[at] = true;
            match self.items[at] {
                Item::Jump(instruction, Label(to)) => {
                    waiting.push(index[to]);
                    if instruction.code != Code::Goto {
                        waiting.push(at + 1);
                    }
                }
                _ => waiting.push(at + 1),
            }
        }
        let before = self.items.len();
        let mut reached = reached.into_iter();
        self.items.retain(|item| reached.next().unwrap_or(true) || matches!(item, Item::Here(_)));
        self.items.len() != before
    }

    /// A `goto` to what comes next anyway.
    fn drop_idle_jumps(&mut self) -> bool {
        let before = self.items.len();
        let mut kept = Vec::with_capacity(before);
        for (at, item) in self.items.iter().enumerate() {
            let idle = match item {
                Item::Jump(instruction, to) if instruction.code == Code::Goto => self.items[at + 1..]
                    .iter()
                    .take_while(|next| matches!(next, Item::Here(_)))
                    .any(|next| matches!(next, Item::Here(label) if label == to)),
                _ => false,
            };
            if !idle {
                kept.push(*item);
            }
        }
        self.items = kept;
        self.items.len() != before
    }
}

impl Instruction {
    #[must_use]
    pub fn slots(&self) -> usize {
        if matches!(self.code, Code::Load64 | Code::LoadSet | Code::LoadTable) { 2 } else { 1 }
    }

    /// As the kernel takes it, little-endian.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let opcode = match self.code {
            Code::AluImmediate(alu) => 0x07 | alu as u8,
            Code::AluRegister(alu) => 0x0f | alu as u8,
            Code::Load64 | Code::LoadSet | Code::LoadTable => 0x18,
            Code::Call => 0x85,
            Code::Load(size) => 0x61 | size_bits(size),
            Code::Store => 0x7b,
            Code::JumpImmediate(jump) => 0x05 | jump as u8,
            Code::JumpImmediate32(jump) => 0x06 | jump as u8,
            Code::JumpRegister(jump) => 0x0d | jump as u8,
            Code::Goto => 0x05,
        };
        let mut slot = |opcode: u8, registers: u8, offset: i16, immediate: u32| {
            into.extend([opcode, registers]);
            into.extend(offset.to_le_bytes());
            into.extend(immediate.to_le_bytes());
        };
        let bits = self.immediate.cast_unsigned();
        slot(opcode, self.src << 4 | self.dst, self.offset, bits as u32);
        if self.slots() == 2 {
            slot(0, 0, 0, (bits >> 32) as u32);
        }
    }
}

fn size_bits(bytes: u8) -> u8 {
    match bytes {
        1 => 0x10,
        2 => 0x08,
        4 => 0x00,
        _ => 0x18,
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { code, dst, src, offset, immediate, .. } = self;
        match code {
            Code::AluImmediate(Alu::Negate) => write!(f, "r{dst} = -r{dst}"),
            Code::AluImmediate(alu) => write!(f, "r{dst} {} {immediate}", alu.sign()),
            Code::AluRegister(alu) => write!(f, "r{dst} {} r{src}", alu.sign()),
            Code::LoadSet => write!(f, "r{dst} = set {immediate}"),
            Code::LoadTable => write!(f, "r{dst} = table {immediate}"),
            Code::Call => write!(f, "call {immediate}"),
            Code::Load64 => write!(f, "r{dst} = {immediate:#x} ll"),
            Code::Load(size) => write!(f, "r{dst} = *(u{} *)(r{src} {offset:+})", u32::from(*size) * 8),
            Code::Store => write!(f, "*(u64 *)(r{dst} {offset:+}) = r{src}"),
            Code::JumpImmediate(jump) => write!(f, "if r{dst} {} {immediate} goto {offset:+}", jump.sign()),
            Code::JumpImmediate32(jump) => {
                write!(f, "if w{dst} {} {immediate:#x} goto {offset:+}", jump.sign())
            }
            Code::JumpRegister(jump) => write!(f, "if r{dst} {} r{src} goto {offset:+}", jump.sign()),
            Code::Goto => write!(f, "goto {offset:+}"),
        }
    }
}

impl Alu {
    fn sign(self) -> &'static str {
        match self {
            Alu::Add => "+=",
            Alu::Subtract => "-=",
            Alu::Multiply => "*=",
            Alu::Divide => "/=",
            Alu::Or => "|=",
            Alu::And => "&=",
            Alu::ShiftLeft => "<<=",
            Alu::Negate | Alu::Move => "=",
            Alu::Remainder => "%=",
            Alu::Xor => "^=",
            Alu::ShiftRightSigned => "s>>=",
        }
    }
}

impl Jump {
    fn sign(self) -> &'static str {
        match self {
            Jump::Equal => "==",
            Jump::Greater => ">",
            Jump::AnyBit => "&",
            Jump::NotEqual => "!=",
            Jump::GreaterSigned => "s>",
            Jump::GreaterOrEqualSigned => "s>=",
            Jump::Less => "<",
            Jump::LessSigned => "s<",
            Jump::LessOrEqualSigned => "s<=",
        }
    }
}
