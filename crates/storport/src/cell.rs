//! Cells for adapters that are shared by reference and begin as zeroes.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr,
};

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicPtr, AtomicU8, Ordering, mutated};

// With `FromZeros` comes `TryFromBytes`, which makes values of bytes that anybody wrote: whether there is a value is told
// by pointers, of which it makes NULL and no other.
const EMPTY: *mut () = ptr::null_mut();
const WRITING: *mut () = ptr::without_provenance_mut(1);
const SET: *mut () = ptr::without_provenance_mut(2);

/// A value that is set once in an adapter's life and read without locks afterwards.
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(C)]
pub struct SetOnce<T> {
    state: AtomicPtr<()>,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written once by the one caller that moved the state from EMPTY to WRITING, and only
// read after SET was observed with acquire ordering.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T: Copy> SetOnce<T> {
    /// Sets the value; false (and no change) if it was set, or is being set.
    pub fn set(&self, value: T) -> bool {
        if self
            .state
            .compare_exchange(EMPTY, WRITING, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        // SAFETY: this caller alone moved the state to WRITING, so nobody reads or writes the cell.
        unsafe { self.value.get().write(MaybeUninit::new(value)) };
        self.state.store(SET, Ordering::Release);
        true
    }

    /// The value, once set.
    #[inline]
    pub fn get(&self) -> Option<T> {
        self.get_ref().copied()
    }

    /// Where the value lies, once set: of a large value whoever needs a part reads no more than that.
    #[inline]
    pub fn get_ref(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: SET was published after the write, and no write follows it while there are references to the cell.
        let value = unsafe { &*self.value.get() };
        // SAFETY: SET means that the value is initialised.
        Some(unsafe { value.assume_init_ref() })
    }
}

/// A plain value that begins as zeroes and so is none at first: an `Option` for zeroed memory.
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(C)]
pub struct Late<T> {
    /// Some if there is a value; see [`EMPTY`] for why.
    present: Option<&'static ()>,
    value: MaybeUninit<T>,
}

impl<T> Late<T> {
    const NO_DROP_GLUE: () = assert!(!core::mem::needs_drop::<T>(), "nobody would run its drop glue");

    /// The value, if there is one.
    pub const fn get(&self) -> Option<&T> {
        if self.present.is_none() {
            return None;
        }
        // SAFETY: `present` is set only after the value was written.
        Some(unsafe { self.value.assume_init_ref() })
    }

    /// The value, if there is one.
    pub const fn get_mut(&mut self) -> Option<&mut T> {
        if self.present.is_none() {
            return None;
        }
        // SAFETY: `present` is set only after the value was written.
        Some(unsafe { self.value.assume_init_mut() })
    }

    /// Puts a value in, in place of what was there.
    pub const fn put(&mut self, value: T) -> &mut T {
        const { Self::NO_DROP_GLUE }
        self.present = Some(&());
        self.value.write(value)
    }

    /// None again.
    pub const fn clear(&mut self) {
        self.present = None;
    }
}

/// State that one caller at a time uses, at any IRQL, without raising it: whoever comes second is told so and
/// leaves a note, and whoever came first looks for notes after it has left.
///
/// This is not a spin lock: it never waits, so that it may be tried where the documentation leaves open which
/// locks are held. No work is lost if everybody keeps to this:
///
/// ```
/// # use storport::{cell::Exclusive, zerocopy::FromZeros};
/// # let cell: Exclusive<u32> = Exclusive::new_zeroed();
/// loop {
///     let Some(mut state) = cell.enter_or_note() else {
///         break; // Whoever is inside finds the note when it has left, and looks again.
///     };
///     *state += 1; // All the work there is.
///     drop(state);
///     if !cell.has_note() {
///         break;
///     }
/// }
/// ```
///
/// The guard shares the value with other threads only if the value allows it:
///
/// ```compile_fail,E0277
/// # use storport::{cell::Exclusive, zerocopy::FromZeros};
/// fn shared<T: Sync>(_: &T) {}
/// let cell: Exclusive<core::cell::Cell<u32>> = Exclusive::new_zeroed();
/// shared(&cell.try_enter());
/// ```
///
/// ```
/// # use storport::{cell::Exclusive, zerocopy::FromZeros};
/// fn shared<T: Sync>(_: &T) {}
/// let cell: Exclusive<u32> = Exclusive::new_zeroed();
/// shared(&cell.try_enter());
/// ```
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(C)]
pub struct Exclusive<T> {
    held: AtomicU8,
    noted: AtomicU8,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through the one guard that `held` admits.
unsafe impl<T: Send> Sync for Exclusive<T> {}

#[cfg(loom)]
impl<T> Exclusive<T> {
    /// Holds `value`: loom's atomics do not begin as zeroes.
    pub fn new(value: T) -> Self {
        Self {
            held: AtomicU8::new(0),
            noted: AtomicU8::new(0),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T> Exclusive<T> {
    /// The value, unless somebody has it. Who is refused leaves no note: this is for callers that try again.
    pub fn try_enter(&self) -> Option<Entered<'_, T>> {
        // A swap and not a compare-and-swap: also the refused one writes, and the holder's swap at its end follows
        // it in the order of `held`, so that it sees what the refused one wrote before, its note included.
        // And the guard is made only once it is ours: dropping one lets the next in.
        (self.held.swap(1, Ordering::AcqRel) == 0).then(|| Entered {
            cell: self,
            value: PhantomData,
        })
    }

    /// The value; or a note for its present holder that there is work.
    ///
    /// The note is left before entering is tried, so that a holder that leaves meanwhile either finds it or lets this
    /// caller in. Whoever enters takes the note, and does what it stands for. A swap leaves it, not a store: whoever takes
    /// its own note sees what was written before the notes that this one covers.
    pub fn enter_or_note(&self) -> Option<Entered<'_, T>> {
        if mutated("note-by-a-store") {
            self.noted.store(1, Ordering::Release);
        } else {
            self.noted.swap(1, Ordering::AcqRel);
        }
        let entered = self.try_enter()?;
        self.noted.swap(0, Ordering::AcqRel);
        Some(entered)
    }

    /// Whether somebody was refused and left a note: looked at after leaving.
    #[must_use]
    pub fn has_note(&self) -> bool {
        self.noted.load(Ordering::Acquire) != 0
    }
}

/// The right to use the value of an [`Exclusive`].
pub struct Entered<'a, T> {
    cell: &'a Exclusive<T>,
    // A guard is a mutable borrow of the value: it is `Send` and `Sync` when that is.
    value: PhantomData<&'a mut T>,
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the only guard of the cell exists while `held` is 1.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for Entered<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the only guard of the cell exists while `held` is 1, and it is borrowed mutably.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        // A swap, so that it synchronises with whoever was refused before: see `try_enter`.
        self.cell.held.swap(0, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_set_once() {
        let cell: SetOnce<u32> = SetOnce::new_zeroed();
        assert_eq!(cell.get(), None);
        assert!(cell.set(5));
        assert!(!cell.set(6));
        assert_eq!(cell.get(), Some(5));
    }

    #[test]
    fn a_late_value_is_none_until_it_is_put() {
        let mut cell: Late<u32> = Late::new_zeroed();
        assert_eq!(cell.get(), None);
        assert_eq!(*cell.put(3), 3);
        assert_eq!(cell.get_mut(), Some(&mut 3));
        cell.clear();
        assert_eq!(cell.get(), None);
    }

    #[test]
    fn bytes_that_are_not_zeroes_make_no_value() {
        fn made<T: zerocopy::TryFromBytes, const N: usize>(first: [u8; N]) -> Option<T> {
            let mut bytes = [0; 32];
            bytes
                .iter_mut()
                .zip(first)
                .for_each(|(byte, first)| *byte = first);
            T::try_read_from_prefix(&bytes).ok().map(|(cell, _)| cell)
        }
        for state in 0..=u8::MAX {
            for first in [
                [state, 0, 0, 0, 0, 0, 0, 0],
                [state; 8],
                [0, 0, 0, 0, 0, 0, 0, state],
            ] {
                if let Some(cell) = made::<Late<u32>, 8>(first) {
                    assert_eq!(cell.get(), None, "{first:?}");
                }
                if let Some(cell) = made::<SetOnce<u32>, 8>(first) {
                    assert_eq!(cell.get(), None, "{first:?}");
                }
            }
        }
        assert!(made::<Late<u32>, 0>([]).is_some() && made::<SetOnce<u32>, 0>([]).is_some());
    }

    #[test]
    fn a_second_entrant_is_refused_and_its_note_is_found() {
        let cell: Exclusive<u32> = Exclusive::new_zeroed();
        let mut first = cell.enter_or_note().unwrap();
        assert!(!cell.has_note(), "who enters takes its own note");
        *first = 7;
        assert!(cell.try_enter().is_none());
        assert!(cell.try_enter().is_none(), "a refusal lets nobody in");
        assert!(!cell.has_note());
        assert!(cell.enter_or_note().is_none());
        drop(first);
        assert!(cell.has_note());
        assert_eq!(*cell.enter_or_note().unwrap(), 7);
        assert!(!cell.has_note());
    }

    #[test]
    fn no_work_is_lost() {
        use core::sync::atomic::AtomicU64;
        const TIMES: u64 = 20_000;
        let cell: Exclusive<u64> = Exclusive::new_zeroed();
        let left = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..TIMES {
                        left.fetch_add(1, Ordering::Relaxed);
                        while let Some(mut done) = cell.enter_or_note() {
                            *done += left.swap(0, Ordering::Relaxed);
                            drop(done);
                            if !cell.has_note() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(*cell.try_enter().unwrap(), 2 * TIMES);
    }
}
