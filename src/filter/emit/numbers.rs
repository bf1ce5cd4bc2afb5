//! Numbers: Rhai's checked 64-bit arithmetic, in registers.

use super::{Alu, EVENT, Emitter, Fallible, Jump, Register, TooLarge, offset};
use crate::filter::ir::{Arithmetic, Int, Number};

impl Emitter<'_> {
    /// Into the first of the free registers.
    pub(super) fn int(&mut self, of: &Int, free: &[Register]) -> Fallible {
        let Some(into) = free.first().copied() else { return Err(TooLarge::Depth) };
        match of {
            Int::Constant(known) => self.to.constant(into, *known),
            Int::Field(number) => self.field(number, into),
            Int::Item { number, count, index } => {
                self.field(count, into);
                let least = i32::try_from(*index + 1).unwrap_or(i32::MAX);
                self.to.jump_immediate(Jump::Less, into, least, self.trouble);
                self.field(number, into);
            }
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
            Int::If(..) | Int::Let(..) | Int::Characters(_) | Int::Elements(_) => {
                return Err(TooLarge::Depth);
            }
        }
        Ok(())
    }

    pub(super) fn field(&mut self, number: &Number, into: Register) {
        let size = u8::try_from(number.size).unwrap_or(8);
        self.to.load(size, into, EVENT, offset(number.offset));
        if number.signed && size < 8 {
            let unused = 64 - 8 * i32::from(size);
            self.to.alu_immediate(Alu::ShiftLeft, into, unused);
            self.to.alu_immediate(Alu::ShiftRightSigned, into, unused);
        }
    }

    /// Two numbers into the first two free registers. The one that needs more registers comes first.
    pub(super) fn both(&mut self, a: &Int, b: &Int, free: &[Register]) -> Fallible {
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

    pub(super) fn binary(&mut self, how: Arithmetic, a: &Int, b: &Int, free: &[Register]) -> Fallible {
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
        if let Some(constant) = immediate(b)
            && matches!(
                (how, constant),
                (Arithmetic::Add | Arithmetic::Subtract, _)
                    | (Arithmetic::Divide | Arithmetic::Remainder, 2..)
            )
        {
            self.int(a, free)?;
            self.with_constant(how, free[0], constant);
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

    /// Adds or subtracts any constant, or divides by one from 2 up: with a check less, or none.
    fn with_constant(&mut self, how: Arithmetic, a: Register, constant: i32) {
        let kept = 8;
        match how {
            // It left 64 bits if it went the other way.
            Arithmetic::Add | Arithmetic::Subtract => {
                let (alu, grows) = match how {
                    Arithmetic::Add => (Alu::Add, constant >= 0),
                    _ => (Alu::Subtract, constant < 0),
                };
                self.to.alu(Alu::Move, kept, a);
                self.to.alu_immediate(alu, a, constant);
                let left = if grows { Jump::LessSigned } else { Jump::GreaterSigned };
                self.to.jump(left, a, kept, self.trouble);
            }
            // Towards zero: what is negative gets as much as it lacks to the next multiple.
            _ if constant.cast_unsigned().is_power_of_two() => {
                let bits = constant.trailing_zeros().cast_signed();
                self.to.alu(Alu::Move, kept, a);
                self.to.alu_immediate(Alu::ShiftRightSigned, kept, 63);
                self.to.alu_immediate(Alu::And, kept, constant - 1);
                self.to.alu(Alu::Add, a, kept);
                if how == Arithmetic::Divide {
                    self.to.alu_immediate(Alu::ShiftRightSigned, a, bits);
                } else {
                    self.to.alu_immediate(Alu::And, a, constant - 1);
                    self.to.alu(Alu::Subtract, a, kept);
                }
            }
            // On the magnitude: the CPU's division knows no signs before Linux 6.6.
            _ => {
                let alu = if how == Arithmetic::Divide { Alu::Divide } else { Alu::Remainder };
                let (positive, end) = (self.to.label(), self.to.label());
                self.to.jump_immediate(Jump::GreaterOrEqualSigned, a, 0, positive);
                self.to.negate(a);
                self.to.alu_immediate(alu, a, constant);
                self.to.negate(a);
                self.to.goto(end);
                self.to.here(positive);
                self.to.alu_immediate(alu, a, constant);
                self.to.here(end);
                self.blind(a);
            }
        }
    }

    /// It left 64 bits if the result's sign fits neither side: of a sum if both sides have the other
    /// sign, of a difference if the sides differ and the result differs from the first.
    pub(super) fn add(&mut self, alu: Alu, a: Register, b: Register) {
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

    pub(super) fn magnitude(&mut self, register: Register) {
        let positive = self.to.label();
        self.to.jump_immediate(Jump::GreaterOrEqualSigned, register, 0, positive);
        self.to.negate(register);
        self.to.here(positive);
        self.blind_keeping_zero(register);
    }

    /// As [`Self::blind`]; r0 is in use.
    pub(super) fn blind_keeping_zero(&mut self, register: Register) {
        self.to.load(8, 9, EVENT, 0);
        self.to.alu(Alu::Add, register, 9);
        self.to.alu(Alu::Subtract, register, 9);
    }

    /// On magnitudes, with the sign in r0: the CPU's division knows no signs before Linux 6.6.
    pub(super) fn divide(&mut self, alu: Alu, a: Register, b: Register) {
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
    pub(super) fn multiply(&mut self, a: Register, b: Register) {
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
}

/// A constant that an instruction has room for.
pub(super) fn immediate(of: &Int) -> Option<i32> {
    match of {
        Int::Constant(known) => i32::try_from(*known).ok(),
        _ => None,
    }
}

/// Registers that computing it takes (Sethi and Ullman).
pub(super) fn need(of: &Int) -> usize {
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
pub(super) fn range(of: &Int) -> (i128, i128) {
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
pub(super) fn result_range(how: Arithmetic, a: (i128, i128), b: (i128, i128)) -> (i128, i128) {
    const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
    let natural = a.0 >= 0 && b.0 >= 0;
    match how {
        Arithmetic::Add => (a.0 + b.0, a.1 + b.1),
        Arithmetic::Subtract => (a.0 - b.1, a.1 - b.0),
        Arithmetic::Multiply => {
            let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
            (corners.into_iter().min().unwrap_or(ALL.0), corners.into_iter().max().unwrap_or(ALL.1))
        }
        Arithmetic::Divide if b.0 == b.1 && b.0 > 0 => (a.0 / b.0, a.1 / b.0),
        Arithmetic::Remainder if b.0 == b.1 && b.0 > 0 => {
            ((1 - b.0).max(a.0.min(0)), (b.0 - 1).min(a.1.max(0)))
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

pub(super) fn fits(how: Arithmetic, a: &Int, b: &Int) -> bool {
    let (low, high) = result_range(how, range(a), range(b));
    low >= i64::MIN.into() && high <= i64::MAX.into()
}

/// Neither side is negative, and the second is not zero.
pub(super) fn natural(a: &Int, b: &Int) -> bool {
    range(a).0 >= 0 && range(b).0 > 0
}
