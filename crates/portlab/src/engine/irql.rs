//! Interrupt request levels of x64 Windows.

use std::fmt;

/// An IRQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Irql(pub u8);

impl Irql {
    /// PASSIVE_LEVEL.
    pub const PASSIVE: Self = Self(0);
    /// `APC_LEVEL`.
    pub const APC: Self = Self(1);
    /// DISPATCH_LEVEL.
    pub const DISPATCH: Self = Self(2);
    /// The level the lab assigns to the device's interrupts.
    pub const DEVICE: Self = Self(5);
    /// HIGH_LEVEL.
    pub const HIGH: Self = Self(15);
}

impl fmt::Display for Irql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PASSIVE => f.write_str("PASSIVE_LEVEL"),
            Self::APC => f.write_str("APC_LEVEL"),
            Self::DISPATCH => f.write_str("DISPATCH_LEVEL"),
            Self::HIGH => f.write_str("HIGH_LEVEL"),
            Self(level) => write!(f, "DIRQL {level}"),
        }
    }
}
