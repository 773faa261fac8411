//! Status codes (SAM-5, "Status codes").

/// The status byte that ends a command. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct Status(pub u8);

impl Status {
    /// The command succeeded.
    pub const GOOD: Self = Self(0x00);
    /// Sense data tells what happened.
    pub const CHECK_CONDITION: Self = Self(0x02);
    /// The logical unit cannot take the command now.
    pub const BUSY: Self = Self(0x08);
    /// Another initiator's reservation forbids the command.
    pub const RESERVATION_CONFLICT: Self = Self(0x18);
    /// The task set of the logical unit is full.
    pub const TASK_SET_FULL: Self = Self(0x28);
    /// Another initiator aborted the command while the Control mode page's TAS bit was one.
    pub const TASK_ABORTED: Self = Self(0x40);
}
