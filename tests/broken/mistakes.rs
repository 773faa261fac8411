// Mistakes that drivers are known to make, one to a build. `src/lib.rs` takes this file from the directory of the package
// that is being built: the shipped package has none, so that its build with a mistake cannot compile.

/// Lost wake-up: the interrupt routine leaves it to the DPC that is running, which has looked for the last time.
#[cfg(ferroport_broken = "lost-wake-up")]
pub(crate) mod wake_up {
    use core::sync::atomic::{AtomicBool, Ordering};

    static REAPING: AtomicBool = AtomicBool::new(false);

    /// The DPC begins or ends.
    pub(crate) fn reaps(now: bool) {
        REAPING.store(now, Ordering::SeqCst);
    }

    /// Whether the interrupt routine need not queue it.
    pub(crate) fn is_needless() -> bool {
        REAPING.load(Ordering::SeqCst)
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
