//! Runs one instruction on behalf of the driver.
#![expect(unsafe_code, reason = "the frame of the entry stubs, and ordinary memory as the other operand")]

use iced_x86::{ConditionCode, Instruction, Register};

use super::{
    Fault, FaultKind, decode,
    fault::{self, Use},
    flags::{self, Arithmetic},
    frame::{Frame, VectorState},
    operation::{Operand, Operation, StringKind},
    patch::{self, Found, PatchedSite},
    statistics, thread,
    window::{self, Target, mask},
};
use crate::device::Width;

/// Why an instruction was not emulated.
enum Refusal {
    /// The operand lies in ordinary memory.
    Ordinary,
    /// The access cannot be made.
    Fault(String),
}

/// Called by the stub after a fault; the frame's slot holds the address of the instruction.
pub(super) extern "C" fn from_trap(frame: *mut Frame, area: *mut u8) {
    statistics::TRAPS.count();
    // SAFETY: the stub passes the frame that the signal handler wrote, exclusively ours until we return.
    let frame = unsafe { &mut *frame };
    // SAFETY: the stub passes its own save area.
    let mut vectors = unsafe { VectorState::new(area) };
    let address = frame.slot;
    let instruction = match patch::instruction_at(address) {
        Found::Instruction(instruction) => instruction,
        Found::Elsewhere(target) => {
            frame.slot = target;
            return;
        }
        Found::Nothing => end(frame, address, None, "the instruction cannot be read".to_owned()),
    };
    let Some(operation) = Operation::of(&instruction) else {
        end(frame, address, Some(&instruction), "the lab cannot emulate this instruction on a register".to_owned());
    };
    match run(frame, &mut vectors, &instruction, operation) {
        Ok(()) => {}
        // The window vanished between the fault and now, or another operand faulted: try again for real.
        Err(Refusal::Ordinary) => return,
        Err(Refusal::Fault(text)) => end(frame, address, Some(&instruction), text),
    }
    frame.slot = instruction.next_ip();
    patch::consider(&instruction, operation);
}

/// Called by the stub of a trampoline; the frame's slot holds the site.
pub(super) extern "C" fn from_site(frame: *mut Frame, area: *mut u8) {
    // SAFETY: the stub passes the frame that it pushed, exclusively ours until we return.
    let frame = unsafe { &mut *frame };
    // SAFETY: the stub passes its own save area.
    let mut vectors = unsafe { VectorState::new(area) };
    let site = std::ptr::with_exposed_provenance::<PatchedSite>(frame.slot as usize);
    // SAFETY: trampolines push the address of a site that is never freed.
    let site = unsafe { &*site };
    match run(frame, &mut vectors, &site.instruction, site.operation) {
        Ok(()) => {
            statistics::PATCHED_ACCESSES.count();
            frame.slot = site.resume;
        }
        Err(Refusal::Ordinary) => {
            statistics::PLAIN_ACCESSES.count();
            frame.slot = site.plain;
        }
        Err(Refusal::Fault(text)) => end(frame, site.instruction.ip(), Some(&site.instruction), text),
    }
}

/// Reports an access that cannot be made; the run is over.
fn end(frame: &Frame, address: u64, instruction: Option<&Instruction>, text: String) -> ! {
    let registers = frame.registers(patch::original_address(address));
    let accessed = instruction.and_then(|instruction| effective_address(frame, instruction));
    let fault = Fault {
        address: accessed,
        access: Use::Read,
        kind: FaultKind::Register(text),
        registers,
        instruction: instruction.map(decode::disassemble),
    };
    fault::report(&fault);
    std::process::abort()
}

fn read_register(frame: &Frame, register: Register) -> u64 {
    let full = register.full_register().number();
    let value = if full == 4 { frame.rsp() } else { frame.general.get(full).copied().unwrap_or(0) };
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

fn write_register(frame: &mut Frame, register: Register, value: u64) {
    let Some(full) = frame.general.get_mut(register.full_register().number()) else { return };
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

fn operand(frame: &Frame, operand: Operand, width: Width) -> u64 {
    mask(width)
        & match operand {
            Operand::Register(register) => read_register(frame, register),
            Operand::Immediate(value) => value,
        }
}

/// The address of the one memory operand.
fn effective_address(frame: &Frame, instruction: &Instruction) -> Option<u64> {
    let operand = (0..instruction.op_count())
        .find(|&operand| instruction.op_kind(operand) == iced_x86::OpKind::Memory)?;
    instruction.virtual_address(operand, 0, |register, _, _| match register {
        Register::GS => Some(thread::gs_base()),
        register if register.is_segment_register() => Some(0),
        register => Some(read_register(frame, register)),
    })
}

fn target(address: u64, bytes: u64) -> Result<Target, Refusal> {
    match window::target(address, bytes) {
        Ok(Some(target)) => Ok(target),
        Ok(None) => Err(Refusal::Ordinary),
        Err(window::BeyondWindow) => {
            Err(Refusal::Fault(format!("{bytes} bytes reach beyond the end of the registers")))
        }
    }
}

fn sign_extend(width: Width, value: u64) -> u64 {
    let shift = 64 - 8 * width.bytes();
    ((value << shift).cast_signed() >> shift).cast_unsigned()
}

fn holds(condition: ConditionCode, flags: u64) -> bool {
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

fn run(
    frame: &mut Frame,
    vectors: &mut VectorState,
    instruction: &Instruction,
    operation: Operation,
) -> Result<(), Refusal> {
    if let Operation::String { kind, width, repeat } = operation {
        return string(frame, instruction.ip(), kind, width, repeat);
    }
    let address = effective_address(frame, instruction)
        .ok_or_else(|| Refusal::Fault("the operand's address cannot be computed".to_owned()))?;
    match operation {
        Operation::Load { destination, width, signed } => {
            let value = target(address, width.bytes() as u64)?.read(width) & mask(width);
            write_register(frame, destination, if signed { sign_extend(width, value) } else { value });
        }
        Operation::Store { source, width } => {
            target(address, width.bytes() as u64)?.write(width, operand(frame, source, width));
        }
        Operation::VectorLoad { number, bytes, keep_upper } => {
            vector_load(&target(address, bytes as u64)?, vectors, number, bytes, keep_upper);
        }
        Operation::VectorStore { number, bytes } => {
            vector_store(&target(address, bytes as u64)?, vectors.read(number), bytes);
        }
        Operation::Modify { kind, source, width } => {
            modify(frame, &target(address, width.bytes() as u64)?, kind, operand(frame, source, width), width);
        }
        Operation::BitString { kind, source, width } => {
            let bits = 8 * width.bytes() as i64;
            let index = sign_extend(width, read_register(frame, source)).cast_signed();
            let word = address.wrapping_add_signed(index.div_euclid(bits) * width.bytes() as i64);
            let bit = index.rem_euclid(bits).cast_unsigned();
            modify(frame, &target(word, width.bytes() as u64)?, kind, bit, width);
        }
        Operation::Combine { kind, destination, width } => {
            let value = target(address, width.bytes() as u64)?.read(width);
            let old = read_register(frame, destination);
            let (new, flags) = kind.apply(width, old, value, frame.rflags);
            frame.rflags = flags;
            if kind.writes() {
                write_register(frame, destination, new);
            }
        }
        Operation::Exchange { register, width } => {
            let target = target(address, width.bytes() as u64)?;
            let old = target.read(width);
            target.write(width, read_register(frame, register) & mask(width));
            write_register(frame, register, old);
        }
        Operation::CompareExchange { register, width } => {
            compare_exchange(frame, &target(address, width.bytes() as u64)?, register, width);
        }
        Operation::ExchangeAdd { register, width } => {
            let target = target(address, width.bytes() as u64)?;
            let old = target.read(width);
            let (sum, flags) = Arithmetic::Add.apply(width, old, read_register(frame, register), frame.rflags);
            target.write(width, sum);
            write_register(frame, register, old);
            frame.rflags = flags;
        }
        Operation::Set { condition } => {
            target(address, 1)?.write(Width::Byte, u64::from(holds(condition, frame.rflags)));
        }
        Operation::ConditionalLoad { condition, destination, width } => {
            let value = target(address, width.bytes() as u64)?.read(width);
            // A false condition still clears the upper half of a 32-bit destination.
            let old = read_register(frame, destination);
            write_register(frame, destination, if holds(condition, frame.rflags) { value } else { old });
        }
        Operation::String { .. } => {}
    }
    Ok(())
}

fn modify(frame: &mut Frame, target: &Target, kind: Arithmetic, source: u64, width: Width) {
    let (new, flags) = kind.apply(width, target.read(width), source, frame.rflags);
    frame.rflags = flags;
    if kind.writes() {
        target.write(width, new);
    }
}

fn compare_exchange(frame: &mut Frame, target: &Target, register: Register, width: Width) {
    let accumulator = match width {
        Width::Byte => Register::AL,
        Width::Word => Register::AX,
        Width::Dword => Register::EAX,
        Width::Qword => Register::RAX,
    };
    let old = target.read(width) & mask(width);
    let expected = read_register(frame, accumulator);
    let (_, flags) = Arithmetic::Compare.apply(width, expected, old, frame.rflags);
    frame.rflags = flags;
    if expected == old {
        target.write(width, read_register(frame, register) & mask(width));
    } else {
        // The processor writes the old value back in this case; a register sees no write here.
        write_register(frame, accumulator, old);
    }
}

/// The widest register access is 8 bytes: 16 are made in two.
fn vector_load(target: &Target, vectors: &mut VectorState, number: usize, bytes: usize, keep_upper: bool) {
    let value = match bytes {
        4 => [target.read(Width::Dword) & mask(Width::Dword), 0],
        8 if keep_upper => [target.read(Width::Qword), vectors.read(number)[1]],
        8 => [target.read(Width::Qword), 0],
        _ => [target.read(Width::Qword), target.read_at(8, Width::Qword)],
    };
    vectors.write(number, value);
}

fn vector_store(target: &Target, [low, high]: [u64; 2], bytes: usize) {
    match bytes {
        4 => target.write(Width::Dword, low & mask(Width::Dword)),
        8 => target.write(Width::Qword, low),
        _ => {
            target.write(Width::Qword, low);
            target.write_at(8, Width::Qword, high);
        }
    }
}

fn string(frame: &mut Frame, site: u64, kind: StringKind, width: Width, repeat: bool) -> Result<(), Refusal> {
    const COUNT: usize = 1;
    const SOURCE: usize = 6;
    const DESTINATION: usize = 7;
    let bytes = width.bytes() as u64;
    let step = if frame.rflags & flags::DIRECTION == 0 { bytes } else { bytes.wrapping_neg() };
    while !repeat || frame.general[COUNT] != 0 {
        let [source, destination] = [frame.general[SOURCE], frame.general[DESTINATION]];
        let accumulator = frame.general[0] & mask(width);
        match kind {
            StringKind::Move => store(site, destination, width, load(site, source, width)?)?,
            StringKind::Store => store(site, destination, width, accumulator)?,
            StringKind::Load => {
                let value = load(site, source, width)?;
                let register = match width {
                    Width::Byte => Register::AL,
                    Width::Word => Register::AX,
                    Width::Dword => Register::EAX,
                    Width::Qword => Register::RAX,
                };
                write_register(frame, register, value);
            }
        }
        if kind != StringKind::Store {
            frame.general[SOURCE] = source.wrapping_add(step);
        }
        if kind != StringKind::Load {
            frame.general[DESTINATION] = destination.wrapping_add(step);
        }
        if !repeat {
            break;
        }
        frame.general[COUNT] -= 1;
    }
    Ok(())
}

/// Loads from a register or from ordinary memory; a fault there is the driver's.
fn load(site: u64, address: u64, width: Width) -> Result<u64, Refusal> {
    match target(address, width.bytes() as u64) {
        Ok(target) => return Ok(target.read(width) & mask(width)),
        Err(Refusal::Ordinary) => {}
        Err(refusal) => return Err(refusal),
    }
    let mut value = [0; 8];
    thread::set_emulated(site);
    for (index, byte) in value.iter_mut().take(width.bytes()).enumerate() {
        let place = std::ptr::with_exposed_provenance::<u8>(address as usize).wrapping_add(index);
        // SAFETY: the driver's own access, made on its behalf; if nothing is mapped there the fault is reported
        // as the driver's.
        *byte = unsafe { place.read_volatile() };
    }
    thread::set_emulated(0);
    Ok(u64::from_le_bytes(value))
}

/// The counterpart of [`load`].
fn store(site: u64, address: u64, width: Width, value: u64) -> Result<(), Refusal> {
    match target(address, width.bytes() as u64) {
        Ok(target) => {
            target.write(width, value);
            return Ok(());
        }
        Err(Refusal::Ordinary) => {}
        Err(refusal) => return Err(refusal),
    }
    thread::set_emulated(site);
    for (index, byte) in value.to_le_bytes().iter().take(width.bytes()).enumerate() {
        let place = std::ptr::with_exposed_provenance_mut::<u8>(address as usize).wrapping_add(index);
        // SAFETY: as in `load`.
        unsafe { place.write_volatile(*byte) };
    }
    thread::set_emulated(0);
    Ok(())
}
