//! Signal handlers: register accesses are redirected to the emulator, everything else becomes a [`Fault`].
#![expect(unsafe_code, reason = "signal handlers and the interrupted context")]

use std::{io, ptr, sync::OnceLock};

use iced_x86::{Instruction, Mnemonic, Register};
use libc::{c_int, c_void, siginfo_t, ucontext_t};

use super::{
    Fault, FaultKind, Registers, decode,
    fault::{self, Use},
    frame::{self, Frame},
    patch,
    preempt::{self, Step},
    site::Answer,
    step, stubs, thread, watchdog, window,
};
use crate::memory::pointer;

/// In the processor's encoding order.
const GENERAL: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

const TRAP_FLAG: i64 = 1 << 8;
const DIRECTION_FLAG: i64 = 1 << 10;

/// Page-fault error code bits (Intel SDM volume 3, 4.7).
const ERROR_WRITE: i64 = 1 << 1;
const ERROR_FETCH: i64 = 1 << 4;

/// `si_code` of a refusal by protection (`asm-generic/siginfo.h`).
const SEGV_ACCERR: c_int = 2;

static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();

/// Installs the handlers once for the process.
///
/// # Errors
/// If the system refuses.
pub(super) fn install() -> io::Result<()> {
    let result = INSTALLED.get_or_init(|| {
        frame::measure_vector_state();
        patch::prepare();
        if !decode::prepare() {
            return Err(libc::ENOSYS);
        }
        [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGFPE,
            watchdog::SIGNAL,
        ]
        .into_iter()
        .try_for_each(install_one)
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))
    });
    result.map_err(io::Error::from_raw_os_error)
}

fn install_one(signal: c_int) -> io::Result<()> {
    // SAFETY: all-zero is a valid value of this C structure: no handler, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    // NODEFER: an access of the emulator itself can fault, and must then be reported, not kill silently.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    if signal == watchdog::SIGNAL {
        // It comes at any time, in the lab's own system calls too.
        action.sa_flags |= libc::SA_RESTART;
    }
    // SAFETY: the handler has the signature that SA_SIGINFO asks for.
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets the signal kill the process when the interrupted instruction runs again.
fn give_up(signal: c_int) {
    // SAFETY: as in `install_one`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = libc::SIG_DFL;
    // SAFETY: the default action needs no handler.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

fn registers(context: &ucontext_t) -> Registers {
    let greg = |index: c_int| {
        let value = usize::try_from(index)
            .ok()
            .and_then(|index| context.uc_mcontext.gregs.get(index));
        value.copied().unwrap_or(0).cast_unsigned()
    };
    Registers {
        general: GENERAL.map(greg),
        rip: greg(libc::REG_RIP),
        rflags: greg(libc::REG_EFL),
    }
}

fn set(context: &mut ucontext_t, index: c_int, value: u64) {
    let register = usize::try_from(index)
        .ok()
        .and_then(|index| context.uc_mcontext.gregs.get_mut(index));
    if let Some(register) = register {
        *register = value.cast_signed();
    }
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid, exclusive structures to a handler installed with SA_SIGINFO.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    // SAFETY: as above.
    let info = unsafe { &*info };
    // Codes above zero are the kernel's own: what somebody sent is no fault, and does not come again by itself.
    if signal != watchdog::SIGNAL && info.si_code <= 0 {
        give_up(signal);
        // SAFETY: raising a signal may be done in a handler; its action is the default one now.
        unsafe { libc::raise(signal) };
        return;
    }
    let registers = registers(context);
    // SAFETY: the signals handled here all carry an address (or zero).
    let address = unsafe { info.si_addr() } as u64;
    let from_kernel = info.si_code == libc::SI_KERNEL;
    match signal {
        libc::SIGTRAP if info.si_code == step::TRAP_TRACE && step::arrive(registers.rip) => return,
        libc::SIGTRAP if info.si_code == step::TRAP_TRACE => {
            let possible = registers.rsp().is_multiple_of(8);
            match preempt::arrive(registers.rip, possible) {
                Step::GoOn => {}
                Step::Stray => {
                    let flags = registers.rflags.cast_signed() & !TRAP_FLAG;
                    set(context, libc::REG_EFL, flags.cast_unsigned());
                }
                // It stays set in the frame: the point says whether it goes on.
                Step::Now => redirect(context, &registers, stubs::step_entry),
            }
            return;
        }
        watchdog::SIGNAL => {
            if watchdog::is_overdue(registers.rip) && registers.rsp().is_multiple_of(8) {
                redirect(context, &registers, stubs::overdue_entry);
            }
            return;
        }
        libc::SIGTRAP => {
            if let Some(target) = patch::redirect(registers.rip.wrapping_sub(1)) {
                set(context, libc::REG_RIP, target);
                return;
            }
        }
        libc::SIGSEGV if !from_kernel && window::contains(address) && registers.rsp().is_multiple_of(8) => {
            redirect(context, &registers, stubs::trap_entry);
            return;
        }
        libc::SIGSEGV if from_kernel => {
            if let Some(resumed) = task_priority(&registers) {
                for (index, value) in GENERAL.into_iter().zip(resumed.general) {
                    set(context, index, value);
                }
                set(context, libc::REG_RIP, resumed.rip);
                // The instruction was not run, so that its end does not trap.
                step::arrive(resumed.rip);
                return;
            }
            if writes_task_priority(&registers) {
                redirect(context, &registers, stubs::trap_entry);
                return;
            }
        }
        _ => {}
    }
    let error = usize::try_from(libc::REG_ERR)
        .ok()
        .and_then(|index| context.uc_mcontext.gregs.get(index));
    let event = Event {
        signal,
        address,
        from_kernel,
        mapped: info.si_code == SEGV_ACCERR,
        error: error.copied().unwrap_or(0),
    };
    fault::report(&describe(&event, registers));
    give_up(signal);
}

/// Leaves the handler for the emulator, on the interrupted stack and out of signal context.
fn redirect(context: &mut ucontext_t, registers: &Registers, stub: unsafe extern "C" fn()) {
    let address = Frame::address_for(registers.rsp());
    let frame = Frame {
        general: registers.general,
        rflags: registers.rflags,
        slot: registers.rip,
    };
    // SAFETY: memory below the red zone of the interrupted stack is free for the taking; if it is not mapped,
    // this faults and is reported as the stack overflow it is.
    unsafe { pointer::<Frame>(address).write(frame) };
    set(context, libc::REG_RDI, address);
    set(context, libc::REG_RSP, address);
    set(context, libc::REG_RIP, stub as *const () as u64);
    let flags = registers.rflags.cast_signed() & !(TRAP_FLAG | DIRECTION_FLAG);
    set(context, libc::REG_EFL, flags.cast_unsigned());
}

/// `mov reg, cr8` and `mov cr8, reg`, which `KeGetCurrentIrql` and `KeRaiseIrql` are on x64; the registers after it.
fn task_priority(registers: &Registers) -> Option<Registers> {
    let instruction = decode::decode_at(registers.rip)?;
    if instruction.mnemonic() != Mnemonic::Mov {
        return None;
    }
    let mut after = *registers;
    after.rip = instruction.next_ip();
    if instruction.op1_register() == Register::CR8 {
        *after.general.get_mut(instruction.op0_register().number())? = u64::from(thread::current_irql());
        return Some(after);
    }
    if instruction.op0_register() != Register::CR8 {
        return None;
    }
    let level = *registers.general.get(instruction.op1_register().number())?;
    // More than four bits fault on the processor, too.
    let level = u8::try_from(level).ok().filter(|level| *level < 16)?;
    thread::set_current_irql(level);
    Some(after)
}

/// `mov cr8, reg`, which `KeRaiseIrql` and `KeLowerIrql` are on x64.
fn writes_task_priority(registers: &Registers) -> bool {
    registers.rsp().is_multiple_of(8)
        && decode::decode_at(registers.rip)
            .is_some_and(|instruction| matches!(Answer::of(&instruction), Some(Answer::WriteIrql(_))))
}

struct Event {
    signal: c_int,
    address: u64,
    from_kernel: bool,
    /// The address is mapped; its protection refused.
    mapped: bool,
    error: i64,
}

fn describe(event: &Event, mut registers: Registers) -> Fault {
    // Bytes at the fault's own address can only be read if it was not the fetch that failed.
    let fetch = event.signal == libc::SIGSEGV && !event.from_kernel && event.address == registers.rip;
    if thread::emulated() != 0 {
        registers.rip = thread::emulated();
    }
    registers.rip = patch::original_address(registers.rip);
    let instruction = if fetch {
        None
    } else {
        decode::decode_at(registers.rip)
    };
    let access = if fetch || event.error & ERROR_FETCH != 0 {
        Use::Execute
    } else if event.error & ERROR_WRITE != 0 {
        Use::Write
    } else {
        Use::Read
    };
    let known = matches!(event.signal, libc::SIGSEGV | libc::SIGBUS) && !event.from_kernel;
    Fault {
        address: known.then_some(event.address),
        access,
        kind: kind(event, &registers, instruction.as_ref()),
        registers,
        instruction: instruction.map(|instruction| decode::disassemble(&instruction)),
    }
}

fn kind(event: &Event, registers: &Registers, instruction: Option<&Instruction>) -> FaultKind {
    const PAGE: u64 = 4096;
    match event.signal {
        libc::SIGILL => FaultKind::IllegalInstruction,
        libc::SIGTRAP => FaultKind::Breakpoint,
        libc::SIGFPE => FaultKind::Arithmetic,
        libc::SIGBUS => FaultKind::Bus,
        _ if event.from_kernel => match instruction {
            Some(instruction) if instruction.is_privileged() => FaultKind::Privileged,
            _ => FaultKind::GeneralProtection,
        },
        _ => {
            let address = event.address;
            if window::contains(address) {
                return FaultKind::Register("the access was made with a misaligned stack pointer".to_owned());
            }
            if window::is_beside(address) {
                return FaultKind::Register("beyond the end of the device's registers".to_owned());
            }
            if let Some(text) = crate::memory::describe(address) {
                return FaultKind::Memory(text);
            }
            if address < 0x1_0000 {
                return FaultKind::Null;
            }
            if (registers.rsp().saturating_sub(16 * PAGE)..registers.rsp() + PAGE).contains(&address) {
                return FaultKind::StackOverflow;
            }
            if event.mapped {
                FaultKind::Protection
            } else {
                FaultKind::Unmapped
            }
        }
    }
}
