//! The state of one adapter.

use core::sync::atomic::{AtomicU32, Ordering};

use storport::{
    cell::{Exclusive, SetOnce},
    srb::{Address, InFlight},
};
use zerocopy::FromZeros;

use crate::{
    Pvscsi,
    memory::{Memory, SLOT_COUNT, SLOTS},
    registers::Hardware,
};

/// Shared by all callbacks. All zeroes: nothing found yet.
#[derive(FromZeros)]
pub(crate) struct Adapter<'dev> {
    pub(crate) hardware: SetOnce<Hardware<'dev>>,
    pub(crate) memory: SetOnce<Memory<'dev>>,
    /// The SRBs in flight, at the index of their slot.
    pub(crate) srbs: InFlight<'dev, Pvscsi, SLOT_COUNT>,
    /// A command and its data are several register writes, which nobody else may come between.
    pub(crate) commands: Exclusive<()>,
    /// The port driver is to be told that disks came or went.
    pub(crate) disks_changed: AtomicU32,
    running: AtomicU32,
}

impl Adapter<'_> {
    /// Whether requests are taken.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_running(&self, running: bool) {
        self.running.store(u32::from(running), Ordering::Release);
    }
}

/// Guarded by the StartIo lock, as the rings are: what is known of the slots.
#[derive(FromZeros)]
pub(crate) struct Slots {
    table: [Slot; SLOT_COUNT],
    generation: u32,
    next: u32,
}

/// The bits of a context that are the slot's index; the others count generations.
const INDEX: u32 = SLOTS - 1;
const _: () = assert!(SLOTS.is_power_of_two());

/// One place for a request.
#[derive(Debug, Clone, Copy, FromZeros)]
struct Slot {
    /// What the adapter knows the request by; 0 when it is not in flight.
    context: u32,
    target: u8,
    lun: u8,
}

/// Which requests are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Unit { target: u8, lun: u8 },
    Target(u8),
    All,
}

impl Slots {
    /// Claims a free slot for a request of `unit`: its index, and a context that no request had for a long time. A
    /// context is never 0 and has 32 bits, of which the lowest are the index.
    pub(crate) fn claim(&mut self, unit: Address) -> Option<(usize, u32)> {
        for _ in 0..SLOTS {
            self.next = self.next.wrapping_add(1) & INDEX;
            let index = usize::try_from(self.next).ok()?;
            let slot = self.table.get_mut(index)?;
            if slot.context == 0 {
                // Generation 0 is left out, so that no context is 0.
                self.generation = self.generation.wrapping_add(SLOTS).max(SLOTS);
                let context = self.generation | self.next;
                *slot = Slot {
                    context,
                    target: unit.target,
                    lun: unit.lun,
                };
                return Some((index, context));
            }
        }
        None
    }

    /// Ends the request that the adapter names; [`None`] if it names none that is in flight.
    pub(crate) fn release(&mut self, context: u64) -> Option<usize> {
        let context = u32::try_from(context).ok().filter(|context| *context != 0)?;
        let index = usize::try_from(context & INDEX).ok()?;
        let slot = self.table.get_mut(index)?;
        (slot.context == context).then(|| slot.context = 0)?;
        Some(index)
    }

    /// Forgets what is in flight.
    pub(crate) fn clear(&mut self) {
        for slot in &mut self.table {
            slot.context = 0;
        }
    }

    /// Context and target of the requests in flight within `scope`.
    pub(crate) fn in_flight(&self, scope: Scope) -> impl Iterator<Item = (u32, u8)> {
        let within = move |slot: &&Slot| match scope {
            Scope::Unit { target, lun } => slot.target == target && slot.lun == lun,
            Scope::Target(target) => slot.target == target,
            Scope::All => true,
        };
        let busy = self.table.iter().filter(|slot| slot.context != 0);
        busy.filter(within).map(|slot| (slot.context, slot.target))
    }
}
