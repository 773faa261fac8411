//! Disks that come and go: the adapter's messages, told to the port driver, which then looks for disks again.

use core::sync::atomic::Ordering;

use storport::{
    Context,
    context::{Exclusion, Irql, StartIo, StateChange},
    srb::Address,
};

use crate::{Pvscsi, adapter::Adapter, memory::SLOTS, rings::Message};

/// Takes what is in the message ring.
pub(crate) fn listen<'dev>(cx: &StartIo<'dev, Pvscsi>, adapter: &'dev Adapter<'dev>) {
    let Some(memory) = adapter.memory.get() else {
        return;
    };
    // A ring's worth at most; messages are rare.
    for message in (0..SLOTS).map_while(|_| memory.pop_message()) {
        if message == Message::DisksChanged {
            adapter.disks_changed.store(1, Ordering::Relaxed);
        }
    }
    tell(cx, adapter);
}

/// Tells the port driver what it does not know yet. Called again when it has dealt with the last notification.
pub(crate) fn tell<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, Pvscsi, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    if adapter.disks_changed.swap(0, Ordering::Relaxed) == 0 {
        return;
    }
    let bus = Address {
        path: 0,
        target: 0,
        lun: 0,
    };
    if cx.state_change_detected(bus, StateChange::Bus).is_err() {
        // One notification may be outstanding.
        adapter.disks_changed.store(1, Ordering::Relaxed);
    }
}
