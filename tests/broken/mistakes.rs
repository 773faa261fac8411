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

    /// What the table calls the request in a slot.
    static NAMES: [AtomicU16; 1024] = [const { AtomicU16::new(0) }; 1024];

    /// The identifier that the controller is told.
    pub(crate) fn short(slot: u16, name: u16) -> u16 {
        if let Some(place) = NAMES.get(usize::from(slot)) {
            place.store(name, Ordering::SeqCst);
        }
        slot
    }

    /// What the table calls it.
    pub(crate) fn long(slot: u16) -> u16 {
        NAMES
            .get(usize::from(slot))
            .map_or(slot, |place| place.load(Ordering::SeqCst))
    }
}

/// A unit's reset completes its requests without waiting for the controller, which still has them and their buffers.
#[cfg(ferroport_broken = "buffer-freed-under-dma")]
pub(crate) fn complete_unit<'dev>(
    cx: &storport::context::StartIo<'dev, crate::FerroNvme>,
    adapter: &'dev crate::adapter::Adapter<'dev>,
    namespace: u32,
) {
    // 0 stands for all.
    let namespaces = if namespace == 0 { 1..=64 } else { namespace..=namespace };
    for namespace in namespaces {
        for command_id in adapter.io.table.in_flight(namespace) {
            let Ok(taken) = adapter.io.table.take(command_id) else {
                continue;
            };
            if let Some(srb) = adapter.io.srbs.take(cx, usize::from(taken.index())) {
                srb.complete(
                    cx,
                    storport::srb::Completion::Status(storport::srb::SrbStatus::Aborted),
                );
            }
            adapter.io.table.release(taken);
        }
    }
}
