//! What a call answers.

/// A return code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// `STOR_STATUS_SUCCESS`.
    Success,
    /// `STOR_STATUS_UNSUCCESSFUL`.
    Unsuccessful,
    /// `STOR_STATUS_INSUFFICIENT_RESOURCES`.
    InsufficientResources,
    /// `STOR_STATUS_INVALID_PARAMETER`.
    InvalidParameter,
    /// `STOR_STATUS_INVALID_IRQL`.
    InvalidIrql,
    /// `STOR_STATUS_INVALID_DEVICE_STATE`.
    InvalidDeviceState,
    /// `STOR_STATUS_BUSY`.
    Busy,
    /// TRUE.
    True,
    /// FALSE.
    False,
}

impl Answer {
    /// The value in storport.h.
    #[must_use]
    pub const fn value(self) -> u32 {
        match self {
            Self::Success | Self::False => 0,
            Self::True => 1,
            Self::Unsuccessful => 0xC100_0001,
            Self::InsufficientResources => 0xC100_0003,
            Self::InvalidParameter => 0xC100_0006,
            Self::InvalidIrql => 0xC100_0008,
            Self::InvalidDeviceState => 0xC100_0009,
            Self::Busy => 0xC100_000C,
        }
    }

    /// The name on the page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "STOR_STATUS_SUCCESS",
            Self::Unsuccessful => "STOR_STATUS_UNSUCCESSFUL",
            Self::InsufficientResources => "STOR_STATUS_INSUFFICIENT_RESOURCES",
            Self::InvalidParameter => "STOR_STATUS_INVALID_PARAMETER",
            Self::InvalidIrql => "STOR_STATUS_INVALID_IRQL",
            Self::InvalidDeviceState => "STOR_STATUS_INVALID_DEVICE_STATE",
            Self::Busy => "STOR_STATUS_BUSY",
            Self::True => "TRUE",
            Self::False => "FALSE",
        }
    }

    /// Whether the call did what was asked for.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::True)
    }
}
