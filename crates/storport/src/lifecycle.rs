//! The adapter's ends: removal, a start that failed, a repeated `HwStorFindAdapter`.
//!
//! Removal, under the StartIo lock:
//!
//! 1. the rundown is closed, with the SRB held and one reference of its own: nothing new begins;
//! 2. the miniport masks the device and completes what it has; then its interrupts are not listened to any more;
//! 3. the interrupt lock is passed once: interrupt routines that began before have ended after;
//! 4. every slot is shut: timers are cancelled, what is idle is freed, what is queued or running frees itself at the end
//!    of its run;
//! 5. the reference is dropped. Whoever drops the last one completes the SRB.
//!
//! A DPC has a reference from its issue to the end of its run. Where nothing can be held (a start that failed) the slots are shut and
//! what is outstanding is waited for, for a bounded time.

use core::{ffi::c_void, ptr, sync::atomic::Ordering, time::Duration};

use wdk_sys::{_STOR_SPINLOCK, PVOID, STOR_DPC, STOR_LOCK_HANDLE, storage::StorPortStallExecution};

use crate::{
    context::StartIo,
    debugger::ADAPTERS,
    extension::{DpcSlot, Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{
        Reference,
        dpc_slot::{self, DpcDdi},
    },
    srb::complete_held,
};

/// How long a failed start waits for work items and DPC routines to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// One look at what is outstanding; a stall stays below 1 ms.
const LOOK: Duration = Duration::from_micros(999);

/// Looks at what is outstanding before a failed start gives up waiting.
const LOOKS: u128 = match PATIENCE.as_micros().checked_div(LOOK.as_micros()) {
    Some(looks) => looks,
    None => 0,
};

/// The port driver's half of a DPC that is initialised and lies in the live extension.
struct Ddi {
    extension: PVOID,
    dpc: *mut STOR_DPC,
    index: usize,
}

impl DpcDdi for Ddi {
    fn issue(&self) -> bool {
        let argument = ptr::without_provenance_mut::<c_void>(self.index);
        // SAFETY: who makes a `Ddi` has seen that the DPC is initialised; whoever issues it keeps the extension.
        unsafe { ffi::issue_dpc(self.extension, self.dpc, argument) }
    }
}

/// Completes the removal SRB: once in an adapter's life, and not where references are dropped.
///
/// # Safety
/// `srb` is the SRB that was held, `extension` its adapter's device extension, and nothing of it is used afterwards.
#[cold]
#[inline(never)]
unsafe fn complete_removal(extension: PVOID, srb: *mut u8) {
    ADAPTERS.remove(extension);
    // SAFETY: the caller's promise.
    unsafe { complete_held(extension, srb) };
}

impl<'dev, M: Miniport> Extension<'dev, M> {
    /// Drops a rundown reference; the last one completes the held removal SRB.
    ///
    /// # Safety
    /// `extension` is live, the caller owns the reference, and uses nothing of the extension afterwards unless something
    /// else keeps it.
    pub(crate) unsafe fn release_reference(extension: PVOID) {
        let this = extension.cast::<Self>();
        // SAFETY: the reference that is dropped keeps the extension until the drop.
        let rundown = unsafe { &raw const (*this).header.rundown };
        // SAFETY: as above; the rundown consists of atomics, and promises to touch nothing after its last decrement.
        let held = unsafe { (*rundown).release() };
        if let Some(srb) = held {
            // SAFETY: the rundown gives the SRB that it held to exactly one caller.
            unsafe { complete_removal(extension, srb) };
        }
    }

    /// The DPC objects are initialised.
    #[cfg(feature = "inferred-ddi")]
    pub(crate) fn dpcs_are_ready(&self) -> bool {
        self.header.dpcs_ready.load(Ordering::Acquire) != 0
    }

    /// The port driver's half of DPC `index`, once the objects are initialised.
    fn dpc(&self, index: usize) -> Option<(&DpcSlot<M::DpcState<'dev>>, Ddi)> {
        let slot = self.table.dpcs().get(index)?;
        let ddi = Ddi {
            extension: self.raw(),
            dpc: slot.dpc.get(),
            index,
        };
        (self.header.dpcs_ready.load(Ordering::Acquire) != 0).then_some((slot, ddi))
    }

    /// Issues DPC `index` of an adapter that is started: its routine begins after this. False if there is no such DPC, the
    /// adapter is being removed, or the port driver refused.
    pub(crate) fn issue_dpc(&self, index: usize) -> bool {
        let Some((slot, ddi)) = self.dpc(index) else {
            return false;
        };
        let (issued, reference) = dpc_slot::issue(&slot.issued, &self.header.rundown, &ddi);
        if reference == Reference::Drop {
            // SAFETY: the reference of the issue that failed; whoever issues keeps the extension besides.
            unsafe { Self::release_reference(self.raw()) };
        }
        issued
    }

    /// The routine of DPC `index`.
    ///
    /// # Safety
    /// The port driver calls it, and nothing of the extension is used after this.
    pub(crate) unsafe fn run_dpc(
        &'dev self,
        index: usize,
        routine: impl FnOnce(&'dev DpcSlot<M::DpcState<'dev>>),
    ) {
        let Some((slot, ddi)) = self.dpc(index) else {
            return;
        };
        let extension = self.raw();
        let work = || {
            if self.header.started.pass_or_note() {
                routine(slot);
            }
        };
        if dpc_slot::run(&slot.issued, &self.header.rundown, &ddi, work) == Reference::Drop {
            // SAFETY: the reference that went with this run; the caller promises the rest.
            unsafe { Self::release_reference(extension) };
        }
    }

    /// Tears the adapter down for its removal SRB, up to dropping the caller's reference.
    ///
    /// # Safety
    /// The caller closed the rundown and has its reference. IRQL is DISPATCH, the StartIo lock is held and no other.
    pub(crate) unsafe fn remove(&'dev self, cx: &mut StartIo<'dev, M>) {
        if self.header.started.is_open() {
            M::remove(cx, self.adapter());
            self.header.deaf.store(1, Ordering::Release);
            // SAFETY: the caller's promise.
            unsafe { self.pass_interrupt_lock() };
        }
        // SAFETY: IRQL is DISPATCH.
        unsafe { self.shut_slots() };
        // SAFETY: as above; the caller's reference keeps the extension.
        unsafe { self.shut_memory(true) };
    }

    /// Takes and releases the interrupt lock: interrupt routines that began before have ended after.
    ///
    /// With a lock for each message this call takes all of them, in the right order (page of
    /// `StorPortAcquireMSISpinLock`); under the StartIo lock it may be taken (page of `StorPortAcquireSpinLock`).
    ///
    /// # Safety
    /// The StartIo lock is held, and no interrupt lock.
    unsafe fn pass_interrupt_lock(&self) {
        let mut handle = STOR_LOCK_HANDLE {
            Lock: _STOR_SPINLOCK::InterruptLock,
            ..Default::default()
        };
        // SAFETY: the caller's promise; the handle stays in this frame.
        unsafe {
            ffi::acquire_spin_lock(
                self.raw(),
                _STOR_SPINLOCK::InterruptLock,
                ptr::null_mut(),
                &raw mut handle,
            );
        };
        // SAFETY: acquired just before.
        unsafe { ffi::release_spin_lock(self.raw(), &raw mut handle) };
    }

    /// Shuts every slot; frees what may be freed now.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, the rundown is closed, and something besides the slots keeps the extension.
    unsafe fn shut_slots(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.shut_timers() };
        // SAFETY: the caller's promise.
        unsafe { self.shut_work_items() };
    }

    /// Ends an adapter for which no removal SRB comes: nothing new begins, what is idle is freed, what is outstanding is
    /// waited for. False if it is still outstanding after that.
    ///
    /// # Safety
    /// IRQL is PASSIVE, in a callback that starts the adapter.
    pub(crate) unsafe fn run_down(&self) -> bool {
        self.header.rundown.close_without_srb();
        // SAFETY: PASSIVE_LEVEL; the callback keeps the extension.
        unsafe { self.shut_slots() };
        // SAFETY: as above.
        unsafe { self.shut_memory(false) };
        for _ in 0..LOOKS {
            if self.header.rundown.is_idle() {
                break;
            }
            // SAFETY: an export without pointers.
            unsafe { StorPortStallExecution(u32::try_from(LOOK.as_micros()).unwrap_or(0)) };
        }
        self.header.rundown.is_idle()
    }

    /// Makes an adapter that was found before like new, for a repeated `HwStorFindAdapter`. False, and the adapter stays
    /// closed, if something of it is still outstanding.
    ///
    /// What the port driver may still have is left in place: the DPC objects, and the address of a state-change
    /// notification.
    ///
    /// # Safety
    /// `HwStorFindAdapter` is running, and the port driver runs no other callback of this adapter but what was started
    /// here: work items, timers, DPC routines.
    pub(crate) unsafe fn revive(&self) -> bool {
        // First of all: what was mapped for the earlier life is gone, whether this one begins or not.
        self.header.started.shut();
        // SAFETY: HwStorFindAdapter runs at PASSIVE_LEVEL.
        if !unsafe { self.run_down() } {
            return false;
        }
        self.header.deaf.store(0, Ordering::Release);
        for slot in self.table.timers() {
            slot.reopen();
        }
        for slot in self.table.work_items() {
            slot.reopen();
        }
        #[cfg(feature = "inferred-ddi")]
        for slot in &self.header.events {
            slot.reopen();
        }
        // SAFETY: no reference is outstanding and none can be taken, so that no work item, timer or DPC routine runs; the
        // caller promises that nothing else does.
        unsafe { self.clear() };
        self.header.rundown.reopen()
    }
}
