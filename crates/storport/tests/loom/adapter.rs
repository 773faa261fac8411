//! An adapter with one slot of each kind, and the port driver's side of its end.

use core::cell::UnsafeCell;

use loom::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use storport::{
    rundown::Rundown,
    slot::{Reference, dpc_state::DpcState, timer_slot::TimerSlot, work_slot::WorkSlot},
};

/// What the framework keeps in the device extension.
#[derive(Default)]
pub(crate) struct Extension {
    pub(crate) rundown: Rundown,
    pub(crate) work: WorkSlot,
    pub(crate) timer: TimerSlot,
    pub(crate) dpc: DpcState,
}

/// An adapter: its extension, which goes with the removal SRB, and what the test counts.
pub(crate) struct Adapter {
    extension: UnsafeCell<Extension>,
    /// The port driver's own holds on the extension: one until the removal SRB is completed, and one for each timer
    /// routine that it has begun to call.
    holds: AtomicUsize,
    /// The rest of the extension's memory: read by whoever uses it, written when it goes.
    pub(crate) memory: loom::cell::UnsafeCell<()>,
    /// Removal SRBs completed.
    pub(crate) completed: AtomicUsize,
}

// SAFETY: the extension is shared by reference until it goes, and then used by whoever makes it go: loom checks that.
unsafe impl Sync for Adapter {}
// SAFETY: as above.
unsafe impl Send for Adapter {}

impl Adapter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            extension: UnsafeCell::default(),
            holds: AtomicUsize::new(1),
            memory: loom::cell::UnsafeCell::new(()),
            completed: AtomicUsize::new(0),
        })
    }

    /// The extension. Whoever has it after it is gone, or while it goes, is found by `Extension::reclaim`.
    pub(crate) fn extension(&self) -> &Extension {
        // SAFETY: the memory itself lasts; loom tells who uses it too late.
        unsafe { &*self.extension.get() }
    }

    /// Takes a rundown reference for a callback that is about to run.
    pub(crate) fn callback(&self) {
        assert!(self.extension().rundown.acquire());
    }

    pub(crate) fn settle(&self, reference: Reference) {
        if reference == Reference::Drop {
            self.release();
        }
    }

    /// Drops a rundown reference; the last completes the removal SRB.
    pub(crate) fn release(&self) {
        self.memory.with(|_| ());
        if self.extension().rundown.release().is_some() {
            assert_eq!(
                self.completed.fetch_add(1, Ordering::Relaxed),
                0,
                "one SRB, completed once"
            );
            self.let_go();
        }
    }

    /// The port driver begins to call a routine by itself; false if the adapter is gone.
    pub(crate) fn hold(&self) -> bool {
        self.holds
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |holds| {
                (holds != 0).then(|| holds + 1)
            })
            .is_ok()
    }

    /// The port driver is done with the extension.
    pub(crate) fn let_go(&self) {
        if self.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.memory.with_mut(|_| ());
            // SAFETY: that nobody uses it any more is what loom checks in here.
            let extension = unsafe { &mut *self.extension.get() };
            extension.rundown.reclaim();
            extension.work.reclaim();
            extension.timer.reclaim();
            extension.dpc.reclaim();
        }
    }

    /// What the adapter's removal SRB leads to, up to dropping its own reference.
    pub(crate) fn remove(&self, shut: impl FnOnce(&Extension)) {
        let mut srb = 0_u8;
        assert!(self.extension().rundown.close(&raw mut srb));
        shut(self.extension());
        self.release();
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.completed.load(Ordering::Relaxed) == 1
    }
}
