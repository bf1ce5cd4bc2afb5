//! One eBPF instruction, as the kernel takes it (Documentation/bpf/standardization/instruction-set.rst).

use aya_obj::generated::bpf_insn;

/// The three lowest bits of an opcode.
pub mod class {
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// The four highest bits of an opcode, of what computes and of what jumps.
pub mod operation {
    pub const ADD: u8 = 0x00;
    pub const SUB: u8 = 0x10;
    pub const MUL: u8 = 0x20;
    pub const DIV: u8 = 0x30;
    pub const OR: u8 = 0x40;
    pub const AND: u8 = 0x50;
    pub const LSH: u8 = 0x60;
    pub const RSH: u8 = 0x70;
    pub const NEG: u8 = 0x80;
    pub const MOD: u8 = 0x90;
    pub const XOR: u8 = 0xa0;
    pub const MOV: u8 = 0xb0;
    pub const ARSH: u8 = 0xc0;
    pub const END: u8 = 0xd0;

    pub const JA: u8 = 0x00;
    pub const JEQ: u8 = 0x10;
    pub const JGT: u8 = 0x20;
    pub const JGE: u8 = 0x30;
    pub const JSET: u8 = 0x40;
    pub const JNE: u8 = 0x50;
    pub const JSGT: u8 = 0x60;
    pub const JSGE: u8 = 0x70;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const JLT: u8 = 0xa0;
    pub const JLE: u8 = 0xb0;
    pub const JSLT: u8 = 0xc0;
    pub const JSLE: u8 = 0xd0;
    /// May go on or jump, as the kernel likes (`may_goto`).
    pub const JCOND: u8 = 0xe0;
}

/// The second operand is a register.
pub const BY_REGISTER: u8 = 0x08;
/// Loads 64 bits that stand in the code, of which the upper half is in the next place.
pub const LOAD_WIDE: u8 = 0x18;
/// Loads 64 bits from memory.
pub const LOAD_64: u8 = 0x79;

/// What the source register of a wide load, or of a call, says that the number is.
pub mod pseudo {
    pub const MAP: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
    pub const FUNCTION: u8 = 4;
    pub const CALL: u8 = 1;
    /// A function of the kernel's, by its number among the kernel's types.
    pub const KERNEL_CALL: u8 = 2;
}

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    pub dst: u8,
    pub src: u8,
    pub offset: i16,
    pub immediate: i32,
}

impl Instruction {
    pub fn class(self) -> u8 {
        self.code & 0x07
    }

    pub fn operation(self) -> u8 {
        self.code & 0xf0
    }

    /// How a load or store reaches memory.
    pub fn access(self) -> u8 {
        self.code & 0xe0
    }

    /// How many bytes a load or store is about.
    pub fn width(self) -> usize {
        match self.code & 0x18 {
            0x00 => 4,
            0x08 => 2,
            0x10 => 1,
            _ => 8,
        }
    }

    pub fn by_register(self) -> bool {
        self.code & BY_REGISTER != 0
    }

    pub fn is_jump_class(self) -> bool {
        matches!(self.class(), class::JMP | class::JMP32)
    }

    pub fn is_call(self) -> bool {
        self.class() == class::JMP && self.operation() == operation::CALL
    }

    pub fn is_exit(self) -> bool {
        self.class() == class::JMP && self.operation() == operation::EXIT
    }

    pub fn is_wide(self) -> bool {
        self.code == LOAD_WIDE
    }

    /// The kernel's form.
    pub fn bytes(self) -> [u8; 8] {
        let [offset, immediate] = [&self.offset.to_ne_bytes()[..], &self.immediate.to_ne_bytes()[..]];
        let mut bytes = [self.code, self.src << 4 | self.dst, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(offset);
        bytes[4..].copy_from_slice(immediate);
        bytes
    }
}

impl From<&bpf_insn> for Instruction {
    fn from(one: &bpf_insn) -> Self {
        Instruction {
            code: one.code,
            dst: one.dst_reg(),
            src: one.src_reg(),
            offset: one.off,
            immediate: one.imm,
        }
    }
}
