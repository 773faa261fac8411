//! Versions of Windows: what a miniport may count on, and how it reaches what is newer.
//!
//! The floor of this crate is [`Windows::V10_1809`]; a call that is older is a plain method of its context. A newer
//! one is a method of [`Newer`], which there are two ways to:
//!
//! - `cx.newer()`: the call compiles if [`Miniport::OLDEST_WINDOWS`] has it, which the INF has to agree with;
//! - `cx.attempt()`: it compiles always, and answers `NotImplemented` where Windows is too old.
//!
//! The check is made when code is generated (`cargo build`, not `cargo check`).
//!
//! Calls whose function code is in no kit header that was checked are of tier \[I\]: a wrong code would call another
//! function. They exist only with the feature `inferred-ddi`, and their documentation says so.
//!
//! [`Miniport::OLDEST_WINDOWS`]: ../miniport/trait.Miniport.html#associatedconstant.OLDEST_WINDOWS

#[cfg(windows)]
use core::{marker::PhantomData, ops::Deref};

#[cfg(windows)]
use crate::{
    context::{Context, Exclusion, Irql},
    miniport::Miniport,
};

/// A version of Windows that brought calls of the Storport DDI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Windows {
    /// Windows 10 1809, Windows Server 2019: the floor.
    V10_1809,
    /// Windows 10 1903.
    V10_1903,
    /// Windows 10 2004.
    V10_2004,
    /// Windows Server 2022.
    Server2022,
    /// Windows 11 21H2.
    V11_21H2,
    /// Windows 11 22H2.
    V11_22H2,
    /// Windows 11 24H2, Windows Server 2025.
    V11_24H2,
}

impl Windows {
    /// The build number: the third part of the version, as an INF's decorations have it.
    #[must_use]
    pub const fn build(self) -> u32 {
        match self {
            Self::V10_1809 => 17763,
            Self::V10_1903 => 18362,
            Self::V10_2004 => 19041,
            Self::Server2022 => 20348,
            Self::V11_21H2 => 22000,
            Self::V11_22H2 => 22621,
            Self::V11_24H2 => 26100,
        }
    }

    /// Whether this version has what came with `other`.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.build() >= other.build()
    }
}

mod sealed {
    pub trait Sealed {}
}

/// How a newer call is reached: [`Counted`] or [`Attempted`].
pub trait Way: sealed::Sealed {
    /// Whether a miniport for Windows from `oldest` on may make a call that came with `needed`.
    #[doc(hidden)]
    const ATTEMPT: bool;
}
/// The oldest Windows that the miniport supports has the call.
#[derive(Debug)]
pub struct Counted;
/// The call may not exist, and the miniport handles `NotImplemented`.
#[derive(Debug)]
pub struct Attempted;
impl sealed::Sealed for Counted {}
impl sealed::Sealed for Attempted {}
impl Way for Counted {
    const ATTEMPT: bool = false;
}
impl Way for Attempted {
    const ATTEMPT: bool = true;
}

/// Whether a miniport for Windows from `oldest` on may make a call that came with `needed`, by way `W`.
#[must_use]
pub const fn permits<W: Way>(oldest: Windows, needed: Windows) -> bool {
    W::ATTEMPT || oldest.has(needed)
}

/// Fails to compile if a miniport makes a call that its oldest Windows lacks: `gate!(M, W, V10_2004)`.
#[cfg(all(windows, feature = "inferred-ddi"))]
macro_rules! gate {
    ($miniport:ty, $way:ty, $version:ident) => {
        const {
            assert!(
                $crate::version::permits::<$way>(
                    <$miniport as $crate::miniport::Miniport>::OLDEST_WINDOWS,
                    $crate::version::Windows::$version
                ),
                concat!(
                    "this call came with ",
                    stringify!($version),
                    ": raise Miniport::OLDEST_WINDOWS, or use attempt() and handle NotImplemented"
                )
            );
        }
    };
}
#[cfg(all(windows, feature = "inferred-ddi"))]
pub(crate) use gate;

/// A context's calls that are newer than the floor.
#[cfg(windows)]
pub struct Newer<'cx, 'dev, M: Miniport, I: Irql, X: Exclusion, W: Way> {
    context: &'cx Context<'dev, M, I, X>,
    way: PhantomData<W>,
}

#[cfg(windows)]
impl<'dev, M: Miniport, I: Irql, X: Exclusion, W: Way> Deref for Newer<'_, 'dev, M, I, X, W> {
    type Target = Context<'dev, M, I, X>;

    fn deref(&self) -> &Self::Target {
        self.context
    }
}

#[cfg(windows)]
impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Calls that are newer than the floor, as far as [`Miniport::OLDEST_WINDOWS`] has them.
    #[must_use]
    pub fn newer(&self) -> Newer<'_, 'dev, M, I, X, Counted> {
        Newer {
            context: self,
            way: PhantomData,
        }
    }

    /// Calls that are newer than the floor, to be tried: an older Windows answers `NotImplemented`.
    #[must_use]
    pub fn attempt(&self) -> Newer<'_, 'dev, M, I, X, Attempted> {
        Newer {
            context: self,
            way: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_their_builds_are() {
        use Windows::{Server2022, V10_1809, V10_1903, V10_2004, V11_21H2, V11_22H2, V11_24H2};
        let versions = [
            V10_1809, V10_1903, V10_2004, Server2022, V11_21H2, V11_22H2, V11_24H2,
        ];
        for (older, newer) in versions.iter().zip(&versions[1..]) {
            assert!(older < newer && older.build() < newer.build());
            assert!(newer.has(*older) && newer.has(*newer) && !older.has(*newer));
        }
    }

    #[test]
    fn what_is_too_new_can_be_attempted_and_not_counted_on() {
        assert!(!permits::<Counted>(Windows::V10_1809, Windows::V10_2004));
        assert!(permits::<Counted>(Windows::V10_2004, Windows::V10_2004));
        assert!(permits::<Attempted>(Windows::V10_1809, Windows::V10_2004));
    }
}
