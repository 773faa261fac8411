//! Cells for adapters that are shared by reference and begin as zeroes.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU8, Ordering},
};

use zerocopy::FromZeros;

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const SET: u8 = 2;

/// A value that is set once in an adapter's life and read without locks afterwards.
#[derive(FromZeros)]
#[repr(C)]
pub struct SetOnce<T> {
    state: AtomicU8,
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
    pub fn get(&self) -> Option<T> {
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: SET was published after the write, and no write follows it.
        let value = unsafe { self.value.get().read() };
        // SAFETY: SET means that the value is initialised.
        Some(unsafe { value.assume_init() })
    }
}

/// A plain value that begins as zeroes and so is none at first: an `Option` for zeroed memory.
#[derive(FromZeros)]
#[repr(C)]
pub struct Late<T> {
    present: u8,
    value: MaybeUninit<T>,
}

impl<T> Late<T> {
    const NO_DROP_GLUE: () = assert!(!core::mem::needs_drop::<T>(), "nobody would run its drop glue");

    /// The value, if there is one.
    pub const fn get(&self) -> Option<&T> {
        if self.present == 0 {
            return None;
        }
        // SAFETY: `present` is set only after the value was written.
        Some(unsafe { self.value.assume_init_ref() })
    }

    /// The value, if there is one.
    pub const fn get_mut(&mut self) -> Option<&mut T> {
        if self.present == 0 {
            return None;
        }
        // SAFETY: `present` is set only after the value was written.
        Some(unsafe { self.value.assume_init_mut() })
    }

    /// Puts a value in, in place of what was there.
    pub const fn put(&mut self, value: T) -> &mut T {
        const { Self::NO_DROP_GLUE }
        self.present = 1;
        self.value.write(value)
    }

    /// None again.
    pub const fn clear(&mut self) {
        self.present = 0;
    }
}

/// State that one caller at a time uses, at any IRQL, without raising it: whoever comes second is told so and
/// leaves a note, and whoever comes first looks for notes before it leaves.
///
/// This is not a spin lock: it never waits, so that it may be tried where the documentation leaves open which
/// locks are held.
#[derive(FromZeros)]
#[repr(C)]
pub struct Exclusive<T> {
    held: AtomicU8,
    noted: AtomicU8,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through the one guard that `held` admits.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// The value, unless somebody has it.
    pub fn try_enter(&self) -> Option<Entered<'_, T>> {
        self.held
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
            .then_some(Entered { cell: self })
    }

    /// Leaves a note for the present holder: there is work for it.
    pub fn note(&self) {
        self.noted.store(1, Ordering::SeqCst);
    }

    /// Whether there is a note.
    #[must_use]
    pub fn has_note(&self) -> bool {
        self.noted.load(Ordering::SeqCst) != 0
    }

    /// Takes the note, if there is one.
    pub fn take_note(&self) -> bool {
        self.noted.swap(0, Ordering::SeqCst) != 0
    }
}

/// The right to use the value of an [`Exclusive`].
pub struct Entered<'a, T> {
    cell: &'a Exclusive<T>,
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
        // Sequentially consistent against `note`: whoever was refused left its note before, so it is found.
        self.cell.held.store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
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
    fn a_second_entrant_is_refused_and_its_note_is_found() {
        let cell: Exclusive<u32> = Exclusive::new_zeroed();
        let mut first = cell.try_enter().unwrap();
        *first = 7;
        assert!(cell.try_enter().is_none());
        cell.note();
        drop(first);
        assert!(cell.take_note());
        assert!(!cell.take_note());
        assert_eq!(*cell.try_enter().unwrap(), 7);
    }
}
