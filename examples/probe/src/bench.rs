//! What the callbacks share, and how results are reported.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

use probe_rows::{ANSWER_REGISTER, EFFECT_REGISTER, NOT_CALLED, WRONG};
use storport::{cell::SetOnce, register::Registers};
use wdk_sys::STOR_DPC;
use zerocopy::FromZeros;

use crate::ddi::PVOID;

/// Room for a `STOR_DPC`, which lies in the device extension.
const DPC_WORDS: usize = 16;
const _: () = assert!(size_of::<STOR_DPC>() <= size_of::<[u64; DPC_WORDS]>());
const _: () = assert!(align_of::<STOR_DPC>() <= align_of::<u64>());

/// The adapter. All zeroes: nothing found yet.
#[derive(FromZeros)]
pub(crate) struct Bench<'dev> {
    pub(crate) registers: SetOnce<Registers<'dev>>,
    /// The worker and the timer that the current case has.
    pub(crate) worker: AtomicPtr<c_void>,
    pub(crate) timer: AtomicPtr<c_void>,
    /// The removal is to queue a work item.
    pub(crate) queue_when_removing: AtomicU32,
    effect: AtomicU32,
    dpc: UnsafeCell<[u64; DPC_WORDS]>,
}

// SAFETY: the DPC object is the port driver's, and everything else is atomic.
unsafe impl Sync for Bench<'_> {}

/// The one adapter: the contexts of callbacks are marks that may arrive wrong, so that nothing is found by them.
static ADAPTER: AtomicPtr<Bench<'static>> = AtomicPtr::new(ptr::null_mut());
/// Its device extension.
static EXTENSION: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// The adapter and its device extension, for callbacks.
pub(crate) fn current() -> Option<(&'static Bench<'static>, PVOID)> {
    // SAFETY: set when the adapter was found; it lives as long as its callbacks may come.
    let bench = unsafe { ADAPTER.load(Ordering::Acquire).as_ref() }?;
    Some((bench, EXTENSION.load(Ordering::Acquire)))
}

impl Bench<'_> {
    /// The adapter was found.
    pub(crate) fn publish(&self, extension: PVOID) {
        EXTENSION.store(extension, Ordering::Release);
        ADAPTER.store(ptr::from_ref(self).cast_mut().cast(), Ordering::Release);
    }

    fn write(&self, register: u32, value: u32) {
        if let Some(registers) = self.registers.get() {
            registers.write32(register, value);
        }
    }

    /// A new case begins.
    pub(crate) fn begin(&self) {
        self.effect.store(0, Ordering::Release);
        self.write(EFFECT_REGISTER, 0);
        self.write(ANSWER_REGISTER, NOT_CALLED);
    }

    /// What the call answered.
    pub(crate) fn answer(&self, answer: u32) {
        self.write(ANSWER_REGISTER, answer);
    }

    /// Counts an effect, or notes that it is wrong. Returns the number of effects so far.
    pub(crate) fn effect(&self, right: bool) -> u32 {
        if !right {
            self.effect.fetch_or(WRONG, Ordering::AcqRel);
        }
        let effect = self.effect.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.write(EFFECT_REGISTER, effect);
        effect & !WRONG
    }

    /// The DPC object.
    pub(crate) fn dpc(&self) -> *mut STOR_DPC {
        self.dpc.get().cast()
    }
}
