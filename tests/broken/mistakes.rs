// Mistakes that drivers are known to make, one to a build. `src/lib.rs` takes this file from the directory of the package
// that is being built: the shipped package has none, so that its build with a mistake cannot compile.

/// Lost wake-up: a pair's DPC looks at its ring once, when it begins, and the interrupt routine leaves whatever comes while
/// it runs to it. What came meanwhile stays until the pair's next interrupt, which may never be.
#[cfg(ferroport_broken = "lost-wake-up")]
pub(crate) mod wake_up {
    use core::sync::atomic::{AtomicBool, Ordering};

    use nvme_core::queue::{CompletionMemory, CompletionRing};

    use crate::memory::{IO_ENTRIES, MAX_PAIRS};

    static REAPING: [AtomicBool; MAX_PAIRS] = [const { AtomicBool::new(false) }; MAX_PAIRS];

    /// The pair's DPC begins or ends.
    pub(crate) fn reaps(pair: usize, now: bool) {
        if let Some(reaping) = REAPING.get(pair) {
            reaping.store(now, Ordering::SeqCst);
        }
    }

    /// Whether the interrupt routine need not queue it.
    pub(crate) fn is_needless(pair: usize) -> bool {
        REAPING
            .get(pair)
            .is_some_and(|reaping| reaping.load(Ordering::SeqCst))
    }

    /// Whether the entry at the head was there when the DPC began; `left` counts those that were.
    pub(crate) fn was_there(
        left: &mut Option<u16>,
        ring: &CompletionRing,
        memory: &impl CompletionMemory,
    ) -> bool {
        let there = left.unwrap_or_else(|| {
            let mut ahead = ring.clone();
            let entries = (0..IO_ENTRIES).map_while(|_| ahead.pop_status(memory));
            u16::try_from(entries.count()).unwrap_or(IO_ENTRIES)
        });
        *left = there.checked_sub(1);
        there != 0
    }
}

/// Command identifiers are used again at once, after a reset too: they are the slots' numbers.
#[cfg(ferroport_broken = "command-id-reuse")]
pub(crate) mod identifiers {
    use core::sync::atomic::{AtomicU16, Ordering};

    /// What its pair's table calls the request in a slot.
    static NAMES: [AtomicU16; 8192] = [const { AtomicU16::new(0) }; 8192];

    fn place(pair: u32, slot: u16) -> Option<&'static AtomicU16> {
        NAMES.get((pair as usize).wrapping_mul(256).wrapping_add(usize::from(slot)))
    }

    /// The identifier that the controller is told.
    pub(crate) fn short(pair: u32, slot: u16, name: u16) -> u16 {
        if let Some(place) = place(pair, slot) {
            place.store(name, Ordering::SeqCst);
        }
        slot
    }

    /// What the table calls it.
    pub(crate) fn long(pair: u32, slot: u16) -> u16 {
        place(pair, slot).map_or(slot, |place| place.load(Ordering::SeqCst))
    }
}

/// A unit's reset completes its requests without waiting for the controller, which still has them and their buffers.
#[cfg(ferroport_broken = "buffer-freed-under-dma")]
pub(crate) fn complete_unit<'dev>(
    cx: &crate::Locked<'dev>,
    adapter: &'dev crate::adapter::Adapter<'dev>,
    namespace: u32,
) {
    // 0 stands for all.
    let namespaces = if namespace == 0 { 1..=64 } else { namespace..=namespace };
    for (namespace, (_, queue)) in namespaces.flat_map(|id| adapter.queues().map(move |queue| (id, queue))) {
        for command_id in queue.table.in_flight(namespace) {
            let Ok(taken) = queue.table.take(command_id) else {
                continue;
            };
            if let Some(srb) = queue.srbs.take(cx, usize::from(taken.index())) {
                srb.complete(
                    cx,
                    storport::srb::Completion::Status(storport::srb::SrbStatus::Aborted),
                );
            }
            queue.table.release(taken);
        }
    }
}

/// UNMAP checks its parameter list, says GOOD, and unmaps nothing.
#[cfg(ferroport_broken = "unmap-does-nothing")]
pub(crate) fn without_unmap(next: scsi_nvme::Next) -> scsi_nvme::Next {
    match next {
        scsi_nvme::Next::Submit(command)
            if command.entry.opcode() == nvme::io_opcode::DATASET_MANAGEMENT =>
        {
            scsi_nvme::Next::Done { transferred: 24 }
        }
        other => other,
    }
}

/// Blocks beyond the end are called an invalid field.
#[cfg(ferroport_broken = "wrong-sense-out-of-range")]
pub(crate) fn mistaken(outcome: scsi_nvme::Outcome) -> scsi_nvme::Outcome {
    use scsi::sense::{FieldPointer, Sense};
    if outcome.sense == Some(Sense::LBA_OUT_OF_RANGE) {
        return scsi_nvme::Outcome::check_condition(Sense::invalid_field(FieldPointer::byte(2)));
    }
    outcome
}
