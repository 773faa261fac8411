//! Runs one instruction on behalf of the driver.
#![expect(
    unsafe_code,
    reason = "the frame of the entry stubs, and ordinary memory as the other operand"
)]

mod processor;
mod registers;
mod strings;

use iced_x86::{Instruction, Register};

use super::{
    Fault, FaultKind, decode,
    fault::{self, Use},
    flags::Arithmetic,
    frame::{Frame, VectorState},
    hooks::{self, Point},
    operation::Operation,
    patch::{self, Found, PatchedSite},
    preempt,
    site::{Answer, Work},
    statistics, thread,
    window::{self, Target, mask},
};
use crate::{device::Width, memory::pointer};
use registers::{holds, operand, read_register, sign_extend, write_register};

/// The trap flag in RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;

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
    if let Some(asked) = Answer::of(&instruction) {
        processor::answer(frame, asked);
        frame.slot = instruction.next_ip();
        return;
    }
    let Some(operation) = Operation::of(&instruction) else {
        end(
            frame,
            address,
            Some(&instruction),
            "the lab cannot emulate this instruction on a register".to_owned(),
        );
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
    let site = pointer::<PatchedSite>(frame.slot);
    // SAFETY: trampolines push the address of a site that is never freed.
    let site = unsafe { &*site };
    let operation = match site.work {
        Work::Access(operation) => operation,
        Work::Point => {
            point(frame, Point::Site, site.instruction.ip());
            frame.slot = site.plain;
            return;
        }
        Work::Processor(asked) => {
            processor::answer(frame, asked);
            frame.slot = site.resume;
            return;
        }
    };
    match run(frame, &mut vectors, &site.instruction, operation) {
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

/// Called by the stub when a number of instructions has been run; the frame's slot holds the address of the next one.
pub(super) extern "C" fn from_step(frame: *mut Frame, _area: *mut u8) {
    // SAFETY: the stub passes the frame that the signal handler wrote, exclusively ours until we return.
    let frame = unsafe { &mut *frame };
    point(frame, Point::Stepped, frame.slot);
}

/// Called by the stub when no point has come for long; the frame's slot holds the address of the next instruction.
pub(super) extern "C" fn from_overdue(frame: *mut Frame, _area: *mut u8) {
    // SAFETY: as in `from_step`.
    let frame = unsafe { &mut *frame };
    point(frame, Point::Overdue, frame.slot);
}

/// A scheduling point before the instruction at `address`.
fn point(frame: &mut Frame, kind: Point, address: u64) {
    let stepping = frame.rflags & TRAP_FLAG != 0;
    let registers = frame.registers(patch::original_address(address));
    let steps = hooks::at_point(kind, registers);
    if preempt::ask(steps) {
        frame.rflags |= TRAP_FLAG;
    } else if kind == Point::Stepped && stepping {
        frame.rflags &= !TRAP_FLAG;
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
        Err(window::BeyondWindow) => Err(Refusal::Fault(format!(
            "{bytes} bytes reach beyond the end of the registers"
        ))),
    }
}

fn run(
    frame: &mut Frame,
    vectors: &mut VectorState,
    instruction: &Instruction,
    operation: Operation,
) -> Result<(), Refusal> {
    if let Operation::String { kind, width, repeat } = operation {
        return strings::run(frame, instruction.ip(), kind, width, repeat);
    }
    let address = effective_address(frame, instruction)
        .ok_or_else(|| Refusal::Fault("the operand's address cannot be computed".to_owned()))?;
    match operation {
        Operation::Load {
            destination,
            width,
            signed,
        } => {
            let value = target(address, width.bytes() as u64)?.read(width) & mask(width);
            write_register(
                frame,
                destination,
                if signed { sign_extend(width, value) } else { value },
            );
        }
        Operation::Store { source, width } => {
            target(address, width.bytes() as u64)?.write(width, operand(frame, source, width));
        }
        Operation::VectorLoad {
            number,
            bytes,
            keep_upper,
        } => {
            vector_load(
                &target(address, bytes as u64)?,
                vectors,
                number,
                bytes,
                keep_upper,
            );
        }
        Operation::VectorStore { number, bytes } => {
            vector_store(&target(address, bytes as u64)?, vectors.read(number), bytes);
        }
        Operation::Modify { kind, source, width } => {
            modify(
                frame,
                &target(address, width.bytes() as u64)?,
                kind,
                operand(frame, source, width),
                width,
            );
        }
        Operation::BitString { kind, source, width } => {
            let bytes = (width.bytes() as u64).cast_signed();
            let bits = 8 * bytes;
            let index = sign_extend(width, read_register(frame, source)).cast_signed();
            let word = address.wrapping_add_signed(index.div_euclid(bits) * bytes);
            let bit = index.rem_euclid(bits).cast_unsigned();
            modify(frame, &target(word, width.bytes() as u64)?, kind, bit, width);
        }
        Operation::Combine {
            kind,
            destination,
            width,
        } => {
            let value = target(address, width.bytes() as u64)?.read(width);
            combine(frame, kind, destination, value, width);
        }
        Operation::Exchange { register, width } => {
            exchange(frame, &target(address, width.bytes() as u64)?, register, width);
        }
        Operation::CompareExchange { register, width } => {
            compare_exchange(frame, &target(address, width.bytes() as u64)?, register, width);
        }
        Operation::ExchangeAdd { register, width } => {
            exchange_add(frame, &target(address, width.bytes() as u64)?, register, width);
        }
        Operation::Set { condition } => {
            target(address, 1)?.write(Width::Byte, u64::from(holds(condition, frame.rflags)));
        }
        Operation::ConditionalLoad {
            condition,
            destination,
            width,
        } => {
            let value = target(address, width.bytes() as u64)?.read(width);
            // A false condition still clears the upper half of a 32-bit destination.
            let old = read_register(frame, destination);
            write_register(
                frame,
                destination,
                if holds(condition, frame.rflags) {
                    value
                } else {
                    old
                },
            );
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

fn combine(frame: &mut Frame, kind: Arithmetic, destination: Register, value: u64, width: Width) {
    let (new, flags) = kind.apply(width, read_register(frame, destination), value, frame.rflags);
    frame.rflags = flags;
    if kind.writes() {
        write_register(frame, destination, new);
    }
}

fn exchange(frame: &mut Frame, target: &Target, register: Register, width: Width) {
    let old = target.read(width);
    target.write(width, read_register(frame, register) & mask(width));
    write_register(frame, register, old);
}

fn exchange_add(frame: &mut Frame, target: &Target, register: Register, width: Width) {
    let old = target.read(width);
    let (sum, flags) = Arithmetic::Add.apply(width, old, read_register(frame, register), frame.rflags);
    target.write(width, sum);
    write_register(frame, register, old);
    frame.rflags = flags;
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
