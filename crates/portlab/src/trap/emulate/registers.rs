//! Registers, constants and conditions as operands.

use iced_x86::{ConditionCode, Register};

use crate::{
    device::Width,
    trap::{flags, frame::Frame, operation::Operand, window::mask},
};

pub(super) fn read_register(frame: &Frame, register: Register) -> u64 {
    let full = register.full_register().number();
    let value = if full == 4 {
        frame.rsp()
    } else {
        frame.general.get(full).copied().unwrap_or(0)
    };
    match register {
        Register::AH | Register::CH | Register::DH | Register::BH => value >> 8 & 0xff,
        _ => match register.size() {
            1 => value & 0xff,
            2 => value & 0xffff,
            4 => value & 0xffff_ffff,
            _ => value,
        },
    }
}

pub(super) fn write_register(frame: &mut Frame, register: Register, value: u64) {
    let Some(full) = frame.general.get_mut(register.full_register().number()) else {
        return;
    };
    *full = match register {
        Register::AH | Register::CH | Register::DH | Register::BH => *full & !0xff00 | (value & 0xff) << 8,
        _ => match register.size() {
            1 => *full & !0xff | value & 0xff,
            2 => *full & !0xffff | value & 0xffff,
            // A 32-bit result clears the upper half.
            4 => value & 0xffff_ffff,
            _ => value,
        },
    };
}

pub(super) fn operand(frame: &Frame, operand: Operand, width: Width) -> u64 {
    mask(width)
        & match operand {
            Operand::Register(register) => read_register(frame, register),
            Operand::Immediate(value) => value,
        }
}

pub(super) fn sign_extend(width: Width, value: u64) -> u64 {
    let shift = 64 - 8 * width.bytes();
    ((value << shift).cast_signed() >> shift).cast_unsigned()
}

pub(super) fn holds(condition: ConditionCode, flags: u64) -> bool {
    let set = |bits: u64| flags & bits != 0;
    let less = set(flags::SIGN) != set(flags::OVERFLOW);
    match condition {
        ConditionCode::None => true,
        ConditionCode::o => set(flags::OVERFLOW),
        ConditionCode::no => !set(flags::OVERFLOW),
        ConditionCode::b => set(flags::CARRY),
        ConditionCode::ae => !set(flags::CARRY),
        ConditionCode::e => set(flags::ZERO),
        ConditionCode::ne => !set(flags::ZERO),
        ConditionCode::be => set(flags::CARRY | flags::ZERO),
        ConditionCode::a => !set(flags::CARRY | flags::ZERO),
        ConditionCode::s => set(flags::SIGN),
        ConditionCode::ns => !set(flags::SIGN),
        ConditionCode::p => set(flags::PARITY),
        ConditionCode::np => !set(flags::PARITY),
        ConditionCode::l => less,
        ConditionCode::ge => !less,
        ConditionCode::le => less || set(flags::ZERO),
        ConditionCode::g => !less && !set(flags::ZERO),
    }
}
