//! Arithmetic with the flags that the processor would leave (Intel SDM volume 1, 3.4.3.1).

use crate::device::Width;

use super::window::mask;

pub(super) const CARRY: u64 = 1 << 0;
pub(super) const PARITY: u64 = 1 << 2;
pub(super) const ADJUST: u64 = 1 << 4;
pub(super) const ZERO: u64 = 1 << 6;
pub(super) const SIGN: u64 = 1 << 7;
pub(super) const DIRECTION: u64 = 1 << 10;
pub(super) const OVERFLOW: u64 = 1 << 11;
pub(super) const STATUS: u64 = CARRY | PARITY | ADJUST | ZERO | SIGN | OVERFLOW;
const ARITHMETIC: u64 = CARRY | PARITY | ADJUST | ZERO | SIGN | OVERFLOW;

/// A two-operand operation on the destination's old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    AddCarry,
    Subtract,
    SubtractBorrow,
    /// `Subtract` without the result.
    Compare,
    And,
    /// `And` without the result.
    Test,
    Or,
    Xor,
    Increment,
    Decrement,
    Negate,
    Not,
    BitTest,
    BitSet,
    BitReset,
    BitComplement,
}

impl Arithmetic {
    /// Whether the destination is written.
    pub(super) const fn writes(self) -> bool {
        !matches!(self, Self::Compare | Self::Test | Self::BitTest)
    }

    /// The new value and flags of `destination op source`.
    pub(super) fn apply(self, width: Width, destination: u64, source: u64, flags: u64) -> (u64, u64) {
        let a = destination & mask(width);
        let b = source & mask(width);
        let carry = flags & CARRY;
        match self {
            Self::Add => add(width, a, b, 0, flags),
            Self::AddCarry => add(width, a, b, carry, flags),
            Self::Subtract | Self::Compare => subtract(width, a, b, 0, flags),
            Self::SubtractBorrow => subtract(width, a, b, carry, flags),
            Self::And | Self::Test => logic(width, a & b, flags),
            Self::Or => logic(width, a | b, flags),
            Self::Xor => logic(width, a ^ b, flags),
            // INC and DEC leave the carry alone.
            Self::Increment => keep_carry(add(width, a, 1, 0, flags), carry),
            Self::Decrement => keep_carry(subtract(width, a, 1, 0, flags), carry),
            Self::Negate => subtract(width, 0, a, 0, flags),
            Self::Not => (!a & mask(width), flags),
            Self::BitTest | Self::BitSet | Self::BitReset | Self::BitComplement => {
                self.bit(width, a, b, flags)
            }
        }
    }

    /// Only the carry is defined; the processors in use leave the others alone.
    fn bit(self, width: Width, a: u64, b: u64, flags: u64) -> (u64, u64) {
        let bit = 1 << (b % (8 * width.bytes() as u64));
        let carry = if a & bit != 0 { CARRY } else { 0 };
        let result = match self {
            Self::BitSet => a | bit,
            Self::BitReset => a & !bit,
            Self::BitComplement => a ^ bit,
            _ => a,
        };
        (result, flags & !CARRY | carry)
    }
}

fn keep_carry((value, flags): (u64, u64), carry: u64) -> (u64, u64) {
    (value, flags & !CARRY | carry)
}

const fn sign_bit(width: Width) -> u64 {
    1 << (8 * width.bytes() - 1)
}

fn of_result(width: Width, result: u64) -> u64 {
    let mut flags = 0;
    if result == 0 {
        flags |= ZERO;
    }
    if result & sign_bit(width) != 0 {
        flags |= SIGN;
    }
    if (result & 0xff).count_ones().is_multiple_of(2) {
        flags |= PARITY;
    }
    flags
}

fn add(width: Width, a: u64, b: u64, carry: u64, flags: u64) -> (u64, u64) {
    let wide = u128::from(a) + u128::from(b) + u128::from(carry);
    let result = a.wrapping_add(b).wrapping_add(carry) & mask(width);
    let mut new = of_result(width, result);
    if wide > u128::from(mask(width)) {
        new |= CARRY;
    }
    if (a ^ b ^ result) & 0x10 != 0 {
        new |= ADJUST;
    }
    if (a ^ result) & (b ^ result) & sign_bit(width) != 0 {
        new |= OVERFLOW;
    }
    (result, flags & !ARITHMETIC | new)
}

fn subtract(width: Width, a: u64, b: u64, borrow: u64, flags: u64) -> (u64, u64) {
    let result = a.wrapping_sub(b).wrapping_sub(borrow) & mask(width);
    let mut new = of_result(width, result);
    if u128::from(a) < u128::from(b) + u128::from(borrow) {
        new |= CARRY;
    }
    if (a ^ b ^ result) & 0x10 != 0 {
        new |= ADJUST;
    }
    if (a ^ b) & (a ^ result) & sign_bit(width) != 0 {
        new |= OVERFLOW;
    }
    (result, flags & !ARITHMETIC | new)
}

/// Overflow and carry are cleared; adjust is undefined, the processors in use clear it.
fn logic(width: Width, result: u64, flags: u64) -> (u64, u64) {
    (result, flags & !ARITHMETIC | of_result(width, result))
}
