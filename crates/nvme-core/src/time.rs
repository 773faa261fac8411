//! Time as the caller's clock gives it. The crate has no clock of its own.

use zerocopy::FromZeros;

/// A span of time in microseconds. All arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromZeros)]
#[repr(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }
}

/// A point in time: microseconds since an origin of the caller's choice, which stays the same for one machine.
///
/// Where there is no clock (crash dump), the stalls made so far added up do as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromZeros)]
#[repr(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// That much later.
    #[must_use]
    pub const fn after(self, span: Micros) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long from `self` until `later`; zero if it is past.
    #[must_use]
    pub const fn until(self, later: Self) -> Micros {
        Micros(later.0.saturating_sub(self.0))
    }
}
