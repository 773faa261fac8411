//! DPC objects and lock handles, which live in the miniport's memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// `STOR_DPC`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StorDpc {
    /// Type of the kernel object.
    pub kind: u16,
    /// Target processor.
    pub number: u8,
    /// Importance.
    pub importance: u8,
    /// Alignment.
    pub padding: [u8; 4],
    /// List links.
    pub links: [GuestAddress; 2],
    /// Routine.
    pub deferred_routine: GuestAddress,
    /// Context.
    pub deferred_context: GuestAddress,
    /// First argument.
    pub system_argument1: GuestAddress,
    /// Second argument.
    pub system_argument2: GuestAddress,
    /// Non-NULL while queued.
    pub dpc_data: GuestAddress,
    /// The DPC's spin lock.
    pub lock: u64,
}

/// `STOR_LOCK_HANDLE`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StorLockHandle {
    /// `STOR_SPINLOCK`.
    pub lock: u32,
    /// Alignment.
    pub padding1: [u8; 4],
    /// Queue links.
    pub queue: [GuestAddress; 2],
    /// IRQL before the acquisition.
    pub old_irql: u8,
    /// Alignment.
    pub padding2: [u8; 7],
}

/// `STOR_SPINLOCK` `DpcLock`.
pub const DPC_LOCK: u32 = 1;
/// `STOR_SPINLOCK` `StartIoLock`.
pub const START_IO_LOCK: u32 = 2;
/// `STOR_SPINLOCK` `InterruptLock`.
pub const INTERRUPT_LOCK: u32 = 3;
