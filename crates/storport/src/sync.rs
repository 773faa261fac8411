//! The atomics and cells of the lock-free parts: the language's, or loom's where it explores interleavings.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64};

/// Not loom's own type, but the language's under both.
pub(crate) use core::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64},
};

/// `core::cell::UnsafeCell` with loom's interface: a pointer lives as long as the closure that uses it.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Holds `value`.
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// A pointer to read by.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get().cast_const())
    }

    /// A pointer to write by.
    #[inline]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Whether the mistake of that name is to be made: only when loom runs, to see that its tests notice.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn mutated(_name: &str) -> bool {
    false
}

/// Whether the mistake of that name is to be made: the one that `LOOM_MUTATION` names.
#[cfg(loom)]
pub(crate) fn mutated(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var("LOOM_MUTATION").ok())
        .as_deref()
        == Some(name)
}

/// The ordering of a transition, or none where a mutation takes it away.
#[inline]
pub(crate) fn ordering(strong: Ordering, mutation: &str) -> Ordering {
    if mutated(mutation) {
        Ordering::Relaxed
    } else {
        strong
    }
}
