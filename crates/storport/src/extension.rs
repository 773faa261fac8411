//! The device extension: the framework's tables before the miniport's adapter.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use wdk_sys::{STOR_ADDR_BTL8, STOR_DPC};

use crate::{
    gate::Gate,
    memory::MemorySlot,
    miniport::Miniport,
    rundown::Rundown,
    slot::{dpc_state::DpcState, timer_slot::TimerSlot, timer_state::MAX_SLOTS, work_slot::WorkSlot},
};

/// How many work items, timers, DPCs and allocations a miniport uses at most: an argument of [`Miniport::Slots`].
pub struct Slots<const WORK_ITEMS: usize, const TIMERS: usize, const DPCS: usize, const MEMORY: usize = 0>;

/// The tables that go with a [`Slots`].
pub trait SlotCounts {
    /// The tables, with `S` beside each DPC.
    type Table<S>: SlotTable<S>;
}

impl<const WORK_ITEMS: usize, const TIMERS: usize, const DPCS: usize, const MEMORY: usize> SlotCounts
    for Slots<WORK_ITEMS, TIMERS, DPCS, MEMORY>
{
    type Table<S> = Table<S, WORK_ITEMS, TIMERS, DPCS, MEMORY>;
}

/// Framework-owned slots.
///
/// # Safety
/// All zeroes is a valid value, and there is no drop glue.
pub unsafe trait SlotTable<S> {
    /// Work items.
    fn work_items(&self) -> &[WorkSlot];
    /// Timers.
    fn timers(&self) -> &[TimerSlot];
    /// DPCs.
    fn dpcs(&self) -> &[DpcSlot<S>];
    /// Allocations.
    fn memory(&self) -> &[MemorySlot];
}

/// The tables of a [`Slots`].
#[repr(C)]
pub struct Table<S, const WORK_ITEMS: usize, const TIMERS: usize, const DPCS: usize, const MEMORY: usize> {
    work_items: [WorkSlot; WORK_ITEMS],
    timers: [TimerSlot; TIMERS],
    dpcs: [DpcSlot<S>; DPCS],
    memory: [MemorySlot; MEMORY],
}

// SAFETY: each slot is valid as zeroes (atomics, NULL pointers, `MaybeUninit`, and an S that the framework only
// instantiates with a `FromZeros` type without drop glue).
unsafe impl<S, const WORK_ITEMS: usize, const TIMERS: usize, const DPCS: usize, const MEMORY: usize>
    SlotTable<S> for Table<S, WORK_ITEMS, TIMERS, DPCS, MEMORY>
{
    fn work_items(&self) -> &[WorkSlot] {
        &self.work_items
    }

    fn timers(&self) -> &[TimerSlot] {
        const {
            assert!(
                (TIMERS as u64) < MAX_SLOTS,
                "a request's number has no room for so many timers"
            );
        }
        &self.timers
    }

    fn dpcs(&self) -> &[DpcSlot<S>] {
        &self.dpcs
    }

    fn memory(&self) -> &[MemorySlot] {
        &self.memory
    }
}

/// A DPC object and the state that belongs to its routine.
#[repr(C)]
pub struct DpcSlot<S> {
    pub(crate) dpc: UnsafeCell<STOR_DPC>,
    /// One run of the routine at a time, and no issue lost.
    pub(crate) issued: DpcState,
    pub(crate) state: UnsafeCell<S>,
}

/// What the framework itself keeps.
///
/// `dpcs_ready`, `state_change`, `state_change_used` and `latest` outlast a repeated `HwStorFindAdapter`: the port driver may
/// still have the DPC objects and the address, and the clock does not go back.
#[repr(C)]
pub(crate) struct Header {
    /// [`FRESH`], [`LIVE`].
    pub(crate) life: AtomicU32,
    /// How often `HwStorFindAdapter` began: outlasts its repetitions.
    pub(crate) times_found: AtomicU32,
    /// The DPC objects are initialised.
    pub(crate) dpcs_ready: AtomicU32,
    pub(crate) rundown: Rundown,
    /// Open once `HwStorPassiveInitialize` has ended well. Until then nothing runs that holds, or takes, the StartIo lock:
    /// no request, no timer, no work item, no DPC routine.
    pub(crate) started: Gate,
    /// The miniport has masked the device for removal: line interrupts are not ours any more.
    pub(crate) deaf: AtomicU32,
    pub(crate) uncached: UnsafeCell<Uncached>,
    /// The address of the one outstanding state-change notification, and whether it is in use.
    pub(crate) state_change: UnsafeCell<STOR_ADDR_BTL8>,
    pub(crate) state_change_used: AtomicU32,
    /// Messages that the platform granted.
    pub(crate) messages: AtomicU32,
    /// Concurrent channels that the port driver grants; with less than two it holds the StartIo lock around
    /// `HwStorStartIo`. Outlasts a repeated `HwStorFindAdapter`, as the options do that it was asked for.
    pub(crate) channels: AtomicU32,
    /// Where the adapter's function lies: `SystemIoBusNumber`, `SlotNumber`.
    pub(crate) bus_number: AtomicU32,
    pub(crate) slot_number: AtomicU32,
    /// The latest time that was told, in microseconds.
    pub(crate) latest: AtomicU64,
    /// Event objects.
    #[cfg(feature = "inferred-ddi")]
    pub(crate) events: [crate::event::EventSlot; crate::event::MOST_EVENTS],
}

impl Header {
    /// Requests are started on several channels at a time, without the StartIo lock.
    #[inline]
    pub(crate) fn has_channels(&self) -> bool {
        self.channels.load(Ordering::Relaxed) > 1
    }
}

const STOR_FEATURE_VIRTUAL_MINIPORT: u32 = 0x1;
const STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER: u32 = 0x100;

/// Never found before.
pub(crate) const FRESH: u32 = 0;
/// Found: the tables are in use.
pub(crate) const LIVE: u32 = 0x4C49_5645;

/// The uncached extension that `HwStorFindAdapter` obtained last.
#[derive(Clone, Copy)]
pub(crate) struct Uncached {
    pub(crate) base: *mut u8,
    pub(crate) bus_address: u64,
    pub(crate) length: usize,
}

/// The device extension of a miniport.
///
/// # Invariants
/// Lives from the first `HwStorFindAdapter` until the port driver frees the adapter. All zeroes is valid.
#[repr(C)]
pub(crate) struct Extension<'dev, M: Miniport> {
    pub(crate) header: Header,
    pub(crate) table: <M::Slots as SlotCounts>::Table<M::DpcState<'dev>>,
    pub(crate) start_io: UnsafeCell<M::StartIoState<'dev>>,
    /// In a cell only because a repeated `HwStorFindAdapter` zeroes it.
    adapter: UnsafeCell<M::Adapter<'dev>>,
}

// SAFETY: the port driver calls on all processors. What is not an atomic lies in cells that one party at a time uses, as
// each of them says; the miniport's types are `Sync`, or `Send` and behind such a cell.
unsafe impl<M: Miniport> Sync for Extension<'_, M> {}

impl<'dev, M: Miniport> Extension<'dev, M> {
    /// What must hold of every miniport's types.
    pub(crate) const CHECKS: () = {
        assert!(
            !core::mem::needs_drop::<M::Adapter<'static>>(),
            "an adapter has no drop glue: nobody would run it"
        );
        assert!(
            !core::mem::needs_drop::<M::StartIoState<'static>>(),
            "lock-guarded state has no drop glue"
        );
        assert!(
            !core::mem::needs_drop::<M::DpcState<'static>>(),
            "a DPC's state has no drop glue"
        );
        assert!(
            !core::mem::needs_drop::<M::SrbExtension>(),
            "an SRB extension has no drop glue"
        );
        assert!(
            !core::mem::needs_drop::<M::UnitExtension>(),
            "a unit's extension has no drop glue"
        );
        assert!(
            align_of::<M::UnitExtension>() <= 16,
            "the port driver aligns units' extensions to 16 bytes at most"
        );
        assert!(
            align_of::<Self>() <= 16,
            "the port driver aligns device extensions to 16 bytes at most"
        );
        assert!(
            align_of::<M::SrbExtension>() <= 64,
            "SRB extensions are aligned by the framework up to 64 bytes"
        );
        assert!(
            M::FEATURES & STOR_FEATURE_VIRTUAL_MINIPORT == 0,
            "this framework is for physical miniports"
        );
        assert!(
            M::FEATURES & STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER == 0,
            "no callback runs before HwStorFindAdapter"
        );
    };

    /// The extension behind the port driver's pointer.
    ///
    /// # Safety
    /// `extension` is the device extension of an adapter of `M` in which `find_adapter` has begun, and no `&mut` to
    /// any of it exists while the result is used; `'dev` ends before the callback returns.
    pub(crate) unsafe fn from_raw(extension: *mut c_void) -> &'dev Self {
        // SAFETY: the caller's promise.
        unsafe { &*extension.cast::<Self>() }
    }

    /// The miniport's adapter.
    pub(crate) fn adapter(&self) -> &M::Adapter<'dev> {
        // SAFETY: it is written only by `clear`, whose caller promises that nobody uses it.
        unsafe { &*self.adapter.get() }
    }

    /// Puts everything that is the miniport's back to zeroes.
    ///
    /// # Safety
    /// Nobody uses the adapter, the StartIo state or a DPC's state, nor has a reference to one.
    pub(crate) unsafe fn clear(&self) {
        for slot in self.table.dpcs() {
            // SAFETY: the caller's promise; zeroes are valid (`FromZeros`).
            unsafe { slot.state.get().write_bytes(0, 1) };
        }
        // SAFETY: as above.
        unsafe { self.start_io.get().write_bytes(0, 1) };
        // SAFETY: as above.
        unsafe { self.adapter.get().write_bytes(0, 1) };
    }

    /// The pointer that the DDI wants.
    pub(crate) fn raw(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    pub(crate) fn uncached(&self) -> Option<Uncached> {
        // SAFETY: written only in HwStorFindAdapter, during which no other callback runs.
        let uncached = unsafe { self.header.uncached.get().read() };
        NonNull::new(uncached.base).map(|_| uncached)
    }
}
