//! Faults that are no register access.

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use super::Registers;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The access hit memory of the lab that is guarded or freed; the text names object, owner and distance.
    Memory(String),
    /// A register access that cannot be made; the text says why.
    Register(String),
    /// Address in the first 64 KiB.
    Null,
    /// The stack is exhausted.
    StackOverflow,
    /// Nothing is mapped there.
    Unmapped,
    /// Mapped, but not for this access (a write to a read-only section, a jump into data).
    Protection,
    /// Not an address of this processor, or an operand it refuses (misaligned vector access).
    GeneralProtection,
    /// An instruction of kernel mode that the lab does not emulate.
    Privileged,
    /// No instruction.
    IllegalInstruction,
    /// `int3` or a debug trap.
    Breakpoint,
    /// Division by zero or overflow.
    Arithmetic,
    /// The memory behind the mapping is gone.
    Bus,
}

/// How the memory was to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// A fault of driver code (or of the lab itself) that ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The address that was accessed, if the processor told.
    pub address: Option<u64>,
    /// How it was accessed.
    pub access: Use,
    /// What went wrong.
    pub kind: FaultKind,
    /// Registers of the interrupted code; the instruction pointer is that of the driver's own instruction even
    /// when a trampoline or the emulator worked for it.
    pub registers: Registers,
    /// The instruction, disassembled, if it is readable.
    pub instruction: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.access {
            Use::Read => "read from",
            Use::Write => "write to",
            Use::Execute => "jump to",
        };
        match self.address {
            Some(address) => write!(f, "{verb} {address:#x}")?,
            None => write!(f, "fault")?,
        }
        match &self.kind {
            FaultKind::Memory(text) | FaultKind::Register(text) => write!(f, ": {text}")?,
            FaultKind::Null => write!(f, ": null pointer")?,
            FaultKind::StackOverflow => write!(f, ": stack overflow")?,
            FaultKind::Unmapped => write!(f, ": nothing is mapped there")?,
            FaultKind::Protection => write!(f, ": the memory does not allow it")?,
            FaultKind::GeneralProtection => {
                write!(
                    f,
                    ": general protection (no canonical address, or a misaligned operand)"
                )?;
            }
            FaultKind::Privileged => write!(f, ": privileged instruction")?,
            FaultKind::IllegalInstruction => write!(f, ": illegal instruction")?,
            FaultKind::Breakpoint => write!(f, ": breakpoint")?,
            FaultKind::Arithmetic => write!(f, ": division error")?,
            FaultKind::Bus => write!(f, ": the memory behind the mapping is gone")?,
        }
        let rip = self.registers.rip;
        match crate::pe::locate(rip) {
            Some((name, offset)) => write!(f, ", by {name}+{offset:#x}")?,
            None => write!(f, ", by code at {rip:#x}, outside every driver image")?,
        }
        if let Some(instruction) = &self.instruction {
            write!(f, " `{instruction}`")?;
        }
        Ok(())
    }
}

static HOOK: RwLock<Option<fn(&Fault) -> !>> = RwLock::new(None);

/// Sets what happens on a fault; see the module's page for the context it runs in.
///
/// Without a hook the fault is printed on standard error and the signal kills the process.
pub fn set_fault_hook(hook: fn(&Fault) -> !) {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = Some(hook);
}

/// Calls the hook; returns only if there is none.
pub(super) fn report(fault: &Fault) {
    let hook = *HOOK.read().unwrap_or_else(PoisonError::into_inner);
    match hook {
        Some(hook) => hook(fault),
        None => eprintln!("portlab: {fault}\n{}", fault.registers),
    }
}
