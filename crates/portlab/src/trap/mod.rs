//! Register access by plain memory access: faults decoded, emulated, patched.
//!
//! On x64 the register accessors of Storport are macros: a driver's access to a register is an ordinary
//! memory instruction, no call that could be hooked. So a BAR is mapped inaccessible ([`Window`]); the fault
//! of the first access is decoded, and the access is made through [`Mmio`]; the hot site is then patched into
//! a trampoline that gets there without a signal ([`Statistics::patched_sites`]).
//!
//! # How a fault becomes an access
//!
//! The signal handler does not run the access. It only writes the interrupted registers below the driver's
//! stack pointer and returns to an entry stub, which saves the vector state and calls the emulator: so
//! [`Mmio`] runs as an ordinary function on the driver's own stack, in no signal context, and may lock, block
//! and switch stacks. The trampolines of patched sites enter the same emulator with the same frame.
//!
//! What the driver sees is one instruction: every register but the destination, the flags that the
//! instruction does not define, the vector registers and 128 bytes below its stack pointer are preserved.
//!
//! # Scheduling points
//!
//! Sites of a driver's code that are no register access can be patched as well (`patch_sites`): its atomics, `pause`, ends of
//! spin loops, and what asks the processor itself (`rdtsc`, `rdrand`, `cpuid`, `cr8`). They enter the same stubs and call the
//! [`Hooks`]. [`preempt`] makes a point after a number of instructions, [`watchdog`] when none has come for long.
//!
//! # What is expected of threads
//!
//! Each thread that runs driver code calls [`prepare_thread`] first: it installs a large signal stack and the
//! GS block (the processor control region that kernel code expects).
//!
//! # Faults that are no register access
//!
//! They are described ([`Fault`]) and given to the hook set by [`set_fault_hook`], in signal context on the
//! thread's signal stack. The hook reports and ends the process; it must not return. A fault while the lab
//! itself holds a lock that the hook needs would be a dead-lock: guest memory is therefore only touched by
//! code that holds no lock (the emulator, [`crate::memory::GuestMemory`]).

mod code;
mod decode;
mod emulate;
mod fault;
mod flags;
mod frame;
mod hooks;
mod operation;
mod own_memory;
mod patch;
pub mod preempt;
mod signal;
mod site;
mod statistics;
pub mod step;
mod stubs;
mod thread;
pub mod watchdog;
mod window;

pub use fault::{Fault, FaultKind, Use, set_fault_hook};
pub use frame::Registers;
pub use hooks::{Hooks, Point, interrupted, set_hooks, set_interrupted};
pub(crate) use own_memory::read as read_own_memory;
pub(crate) use patch::{allow_patching, end_patching, forget_patches, patch_sites};
pub use patch::{original_address, set_patching};
pub use site::{asks_processor, is_interlocked};
pub use statistics::{Accesses, Statistics, accesses_of_this_thread, statistics};
pub(crate) use thread::CALL_SITE_OFFSETS;
pub use thread::{call_site, current_irql, prepare_thread, set_current_irql, set_current_processor};
pub use window::{Mmio, Window, read_register, write_register};

#[cfg(test)]
pub(crate) mod tests;
