//! The line interrupt, where the platform grants no messages: a level, which is up while a completion queue that is not masked
//! has entries.
//!
//! The routine masks the line (INTMS) and leaves the rest to the DPCs, the last of which unmasks it (INTMC). These registers
//! are for line interrupts and single messages: nothing here runs under MSI-X, where they must not be touched
//! (Base 1.4, 3.1.3). Whose interrupt it is on a line that is shared say the phase tags of entries that the routine has
//! not seen yet.

use core::sync::atomic::{AtomicU32, Ordering};

use nvme::Register;
use storport::{
    Context,
    context::{Exclusion, Irql, LineInterrupt},
    dma::Entries,
    miniport::Claim,
    register::Registers,
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    adapter::Adapter,
    control::{self, CONTROL_DPC, FIRST_IO_DPC},
    io,
    memory::ADMIN_ENTRIES,
};

/// The admin queue, the pair of the only channel, and that of the exchanges.
const QUEUES: usize = 3;
/// The phase tag in dword 3 of a completion entry, and in a cursor the one that is old.
const PHASE: u32 = 1 << 16;
/// Of all vectors the first: the only one there is.
const VECTOR: u32 = 1;
/// After so many interrupts in which nothing new was seen the next one is taken for ours all the same: a line that nobody takes
/// back stops the processor.
const PATIENCE: u32 = 8;

/// How far the routine has looked. Written under the interrupt lock, and while the queue cannot interrupt. All zeroes: at the
/// beginning of every queue.
#[derive(FromZeros)]
pub(crate) struct Line {
    /// The next entry of each queue below, [`PHASE`] above.
    cursors: [AtomicU32; QUEUES],
    /// Interrupts since the last one of ours.
    refused: AtomicU32,
    /// The adapter was stopped, with the line masked: the registers may be gone.
    closed: AtomicU32,
}

impl Line {
    /// Queue `id` begins anew, over zeroed memory.
    pub(crate) fn begin(&self, id: u16) {
        if let Some(cursor) = self.cursors.get(usize::from(id)) {
            cursor.store(0, Ordering::Relaxed);
        }
    }

    /// Whether completion queue `id` has entries that were not there at the last look.
    fn is_new(&self, id: u16, ring: &Entries<'_, 2>, entries: u16) -> bool {
        let Some(cursor) = self.cursors.get(usize::from(id)) else {
            return false;
        };
        let before = cursor.load(Ordering::Relaxed);
        let mut at = before;
        for _ in 0..entries {
            let [low, high, ..] = at.to_le_bytes();
            let index = u16::from_le_bytes([low, high]);
            if (ring.read32(index, 3) ^ at) & PHASE == 0 {
                break;
            }
            at = if index.wrapping_add(1) < entries {
                at.wrapping_add(1)
            } else {
                (at & PHASE) ^ PHASE
            };
        }
        cursor.store(at, Ordering::Relaxed);
        at != before
    }
}

/// Whether a queue has something new.
fn is_ours(adapter: &Adapter<'_>) -> bool {
    let line = &adapter.line;
    let admin = adapter
        .memory
        .get()
        .and_then(|memory| memory.admin_completion.entries());
    let mut ours = admin.is_some_and(|ring| line.is_new(0, &ring, ADMIN_ENTRIES));
    for (index, queue) in adapter.queues().take(QUEUES) {
        let entries = io::entries_of(queue.life());
        let Some(pair) = queue.pair.get() else { break };
        // A pair that was just closed interrupts until the controller is stopped.
        ours |= if entries == 0 {
            queue.table.used() != 0
        } else {
            line.is_new(io::queue_id(index), &pair.completions, entries)
        };
    }
    ours
}

/// `HwStorInterrupt`.
#[cold]
pub(crate) fn interrupt<'dev>(cx: &LineInterrupt<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) -> Claim {
    let Some(registers) = adapter.registers.get() else {
        return Claim::NotMine;
    };
    if adapter.line.closed.load(Ordering::Acquire) != 0 {
        return Claim::NotMine;
    }
    // Masked, the line is not up for us; a device that is gone reads as all ones.
    if registers.read32(Register::InterruptMaskSet.offset()) & VECTOR != 0 {
        return Claim::NotMine;
    }
    if !is_ours(adapter) && adapter.line.refused.fetch_add(1, Ordering::Relaxed) < PATIENCE {
        return Claim::NotMine;
    }
    adapter.line.refused.store(0, Ordering::Relaxed);
    registers.write32(Register::InterruptMaskSet.offset(), VECTOR);
    // In this order on the processor's queue: the second unmasks.
    cx.issue_dpc(FIRST_IO_DPC);
    cx.issue_dpc(CONTROL_DPC);
    Claim::Claimed
}

/// The end of the control DPC: what had come is dealt with.
#[cold]
pub(crate) fn unmask<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    // Whoever is just stepping the control path has not taken what has come for it, and could not go on under an interrupt
    // that comes again at once. The DPC comes again when the path is left.
    let Some(path) = adapter.control.enter_or_note() else {
        return;
    };
    if adapter.line.closed.load(Ordering::Acquire) == 0
        && let Some(registers) = adapter.registers.get()
    {
        registers.write32(Register::InterruptMaskClear.offset(), VECTOR);
    }
    control::leave(cx, adapter, path);
}

/// The adapter is being stopped: masks the line, until [`reopen`].
#[cold]
pub(crate) fn close<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    // Held, so that no DPC is just unmasking it. Who does not leave within a second does not unmask either.
    let path = control::enter(cx, adapter);
    if let Some(registers) = adapter.registers.get() {
        registers.write32(Register::InterruptMaskSet.offset(), VECTOR);
    }
    adapter.line.closed.store(1, Ordering::Release);
    if let Some(path) = path {
        control::leave(cx, adapter, path);
    }
}

/// The controller, which is disabled, begins anew: unmasks a line that was closed.
pub(crate) fn reopen(adapter: &Adapter<'_>, registers: Registers<'_>) {
    if adapter.line.closed.swap(0, Ordering::AcqRel) != 0 {
        registers.write32(Register::InterruptMaskClear.offset(), VECTOR);
    }
}
