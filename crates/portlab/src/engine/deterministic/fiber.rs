//! Activities as coroutines, each with a stack of its own at a fixed address.
//!
//! The switch itself is the crate `corosensei`'s. A fiber that is inside the driver is never unwound: PE frames have no
//! landing pads. It is reset, and what its frames owned is lost.
#![expect(
    unsafe_code,
    reason = "maps stacks, switches them, and drops them without unwinding"
)]

use std::{cell::Cell, io, num::NonZeroUsize, ptr};

use corosensei::{
    Coroutine, CoroutineResult, Yielder,
    stack::{Stack, StackPointer},
};
use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use crate::memory::KnownRegion;

/// Bytes of a stack: the driver's own frames need little, the lab's model runs on the same stack.
const SIZE: usize = 1 << 20;
const GUARD: usize = 4096;
/// Bytes from the top that are filled with a pattern; Windows' kernel stacks are 24 KiB.
const FILLED: usize = 128 << 10;
/// Where stacks go: the same addresses in each run, far from images and arenas.
const FIRST: usize = 0x6100_0000_0000;
const DISTANCE: usize = 16 << 20;
const PLACES: usize = 4096;

/// A mapped stack.
struct FiberStack {
    limit: usize,
    /// Drivers pass pointers to their own stack.
    _known: KnownRegion,
}

impl FiberStack {
    fn new(place: Option<usize>, fill: u64) -> io::Result<Self> {
        let map = |address: usize| {
            let hint = ptr::with_exposed_provenance_mut(address);
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
            // SAFETY: NOREPLACE: nothing that exists is touched.
            unsafe { mm::mmap_anonymous(hint, SIZE, access, flags) }.ok()
        };
        let memory = match place {
            Some(place) => map(place),
            None => (0..PLACES).find_map(|index| map(FIRST + index * DISTANCE)),
        };
        let memory = memory.ok_or_else(|| io::Error::other("no address is left for a stack"))?;
        // SAFETY: the lowest page of the fresh mapping becomes its guard.
        unsafe { mm::mprotect(memory, GUARD, MprotectFlags::empty()) }?;
        let limit = memory.expose_provenance();
        // Who reads what it never wrote finds the same in each such life, and something else in others.
        let words = FILLED / size_of::<u64>();
        let top = ptr::with_exposed_provenance_mut::<u64>(limit + SIZE - FILLED);
        for (index, word) in (0..words).zip(0_u64..) {
            let value = fill.rotate_left(8).wrapping_add(word);
            // SAFETY: within the fresh mapping, above its guard, aligned.
            unsafe { top.wrapping_add(index).write(value) };
        }
        let usable = (limit + GUARD) as u64..(limit + SIZE) as u64;
        Ok(Self {
            limit,
            _known: KnownRegion::new(usable, true, "a thread's stack"),
        })
    }
}

// SAFETY: `limit..limit + SIZE` is mapped as long as the value lives, aligned to pages, with a guard page at its low end.
unsafe impl Stack for FiberStack {
    fn base(&self) -> StackPointer {
        NonZeroUsize::new(self.limit + SIZE).unwrap_or(NonZeroUsize::MIN)
    }

    fn limit(&self) -> StackPointer {
        NonZeroUsize::new(self.limit).unwrap_or(NonZeroUsize::MIN)
    }
}

impl Drop for FiberStack {
    fn drop(&mut self) {
        // SAFETY: the coroutine on it is done or was reset: no frame on it is used again.
        let unmapped = unsafe { mm::munmap(ptr::with_exposed_provenance_mut(self.limit), SIZE) };
        debug_assert!(unmapped.is_ok());
    }
}

thread_local! {
    /// How the fiber that runs gives way; null outside of fibers.
    static GIVE_WAY: Cell<*const Yielder<(), ()>> = const { Cell::new(ptr::null()) };
}

/// An activity.
pub(super) struct Fiber(Coroutine<(), (), (), FiberStack>);

// SAFETY: the engine resumes and drops fibers on one host thread only, which it checks.
unsafe impl Send for Fiber {}

impl Fiber {
    /// A fiber that will run `body`, on a stack at `place` or wherever there is room.
    pub(super) fn new(place: Option<usize>, fill: u64, body: impl FnOnce() + 'static) -> io::Result<Self> {
        let stack = FiberStack::new(place, fill)?;
        Ok(Self(Coroutine::with_stack(stack, move |yielder, ()| {
            GIVE_WAY.set(yielder);
            body();
        })))
    }

    /// Runs it until it gives way; `false` once its body has returned.
    pub(super) fn resume(&mut self) -> bool {
        let before = GIVE_WAY.get();
        let result = self.0.resume(());
        GIVE_WAY.set(before);
        matches!(result, CoroutineResult::Yield(()))
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if self.0.started() && !self.0.done() {
            // SAFETY: nothing runs on its stack any more. What the frames there own is forgotten, not dropped; nothing
            // outside refers to it.
            unsafe { self.0.force_reset() };
        }
    }
}

/// Gives way to the engine; returns when the fiber is resumed.
pub(super) fn give_way() {
    let own = GIVE_WAY.get();
    if own.is_null() {
        return;
    }
    // SAFETY: set by the fiber that runs, whose yielder lives on its stack as long as its body runs.
    let yielder = unsafe { &*own };
    yielder.suspend(());
    GIVE_WAY.set(own);
}
