//! Spin locks as Storport hands them out.
#![expect(
    unsafe_code,
    reason = "a raw mutex is unlocked by its holder across calls of the driver"
)]

use std::fmt;

use parking_lot::lock_api::RawMutex as _;

use super::Irql;
use crate::abi::GuestAddress;

/// What a lock guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockName {
    /// Guards one `STOR_DPC`.
    Dpc(GuestAddress),
    /// Guards `HwStorStartIo`.
    StartIo,
    /// Token of one concurrent channel; never the driver's to take.
    Channel(u32),
    /// Guards the interrupt routine.
    Interrupt,
    /// Guards one message's routine in per-message mode.
    Message(u32),
    /// A `KSPIN_LOCK` that the driver keeps itself.
    Own(GuestAddress),
}

impl LockName {
    /// The IRQL its holder runs at.
    #[must_use]
    pub const fn irql(self) -> Irql {
        match self {
            Self::Dpc(_) | Self::StartIo | Self::Channel(_) | Self::Own(_) => Irql::DISPATCH,
            Self::Interrupt | Self::Message(_) => Irql::DEVICE,
        }
    }

    /// Position in the documented order: a lock is taken before those of higher rank.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Dpc(_) | Self::StartIo | Self::Channel(_) | Self::Own(_) => 0,
            Self::Interrupt | Self::Message(_) => 1,
        }
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dpc(address) => write!(f, "DPC lock {address:#x}"),
            Self::StartIo => f.write_str("StartIo lock"),
            Self::Channel(channel) => write!(f, "channel {channel}"),
            Self::Interrupt => f.write_str("interrupt lock"),
            Self::Message(message) => write!(f, "lock of message {message}"),
            Self::Own(address) => write!(f, "spin lock {address:#x}"),
        }
    }
}

/// A lock whose acquisition and release are two separate calls.
pub struct SpinLock {
    name: LockName,
    raw: parking_lot::RawMutex,
}

impl SpinLock {
    /// A free lock.
    #[must_use]
    pub const fn new(name: LockName) -> Self {
        Self {
            name,
            raw: parking_lot::RawMutex::INIT,
        }
    }

    /// What it guards.
    #[must_use]
    pub const fn name(&self) -> LockName {
        self.name
    }

    /// Waits for it.
    pub(super) fn lock(&self) {
        self.raw.lock();
    }

    /// Takes it if it is free.
    pub(super) fn try_lock(&self) -> bool {
        self.raw.try_lock()
    }

    /// Whether somebody holds it.
    pub(super) fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Frees it; nothing happens if it is free.
    pub(super) fn unlock(&self) {
        if self.raw.is_locked() {
            // SAFETY: it is locked, and the engine's callers release only what their own activity holds.
            unsafe { self.raw.unlock() };
        }
    }
}

impl fmt::Debug for SpinLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpinLock").field(&self.name).finish()
    }
}
