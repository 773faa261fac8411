//! Performs what the machine says: registers, rings, requests in flight.

use nvme::{Register, SubmissionEntry};
use nvme_core::{DmaStopped, Epoch, Instant, control};
use storport::{
    Context,
    cell::Late,
    context::{Exclusion, Irql},
    register::Registers,
    srb::SrbStatus,
    stepped::POLL,
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    adapter::Adapter,
    admin::{self, AdminQueue, Completed},
    io,
    memory::Memory,
};

/// Looks at a submission that is under way, [`POLL`] apart.
const PATIENCE: u32 = 400;

/// What stepping needs of the adapter. There is none before `HwStorFindAdapter` has mapped it.
#[derive(Clone, Copy)]
pub(super) struct Hardware<'dev> {
    registers: Registers<'dev>,
    pub(super) memory: Memory<'dev>,
    pub(super) doorbells: io::Doorbells<'dev>,
    /// What requests in flight are completed with that the machine takes from the controller.
    status: SrbStatus,
}

impl<'dev> Hardware<'dev> {
    pub(super) fn new(adapter: &'dev Adapter<'dev>, status: SrbStatus) -> Option<Self> {
        Some(Self {
            registers: adapter.registers.get()?,
            memory: adapter.memory.get()?,
            doorbells: adapter.admin_doorbells.get()?,
            status,
        })
    }
}

impl Hardware<'_> {
    /// What is performed brings the adapter to its end, or to a stop: requests will find no device.
    pub(super) fn stops(&self) -> bool {
        self.status == SrbStatus::NoDevice
    }
}

/// The rings that the machine has prepared, and what is outstanding on the admin queue. All zeroes: none.
#[derive(FromZeros)]
pub(super) struct Rings {
    pub(super) admin: AdminQueue,
    /// Entries and life of the I/O queue pairs.
    pub(super) io_entries: u16,
    pub(super) io_epoch: Epoch,
    /// Whether the completion of the machine's command needs the data page.
    pub(super) transfers: bool,
    /// Event requests that the controller has.
    pub(super) event_requests: u8,
    /// A completion of the machine's command that waits for the work item.
    pub(super) parked: Late<Completed>,
}

/// The time, as the machine counts it.
pub(super) fn now<M: storport::Miniport, I: Irql, X: Exclusion>(cx: &Context<'_, M, I, X>) -> Instant {
    Instant(u64::try_from(cx.now().as_micros()).unwrap_or(u64::MAX))
}

/// The hands of the machine for one row of actions.
pub(super) struct Performer<'a, 'dev, I: Irql, X: Exclusion> {
    pub(super) cx: &'a Context<'dev, FerroNvme, I, X>,
    pub(super) adapter: &'dev Adapter<'dev>,
    pub(super) hardware: &'a Hardware<'dev>,
    pub(super) rings: &'a mut Rings,
}

impl<I: Irql, X: Exclusion> control::Hardware for Performer<'_, '_, I, X> {
    fn now(&self) -> Instant {
        now(self.cx)
    }

    fn read(&mut self, register: Register) -> u64 {
        let registers = self.hardware.registers;
        if register.is_64_bit() {
            registers.read64(register.offset())
        } else {
            u64::from(registers.read32(register.offset()))
        }
    }

    fn write(&mut self, register: Register, value: u64) {
        let registers = self.hardware.registers;
        if register.is_64_bit() {
            registers.write64(register.offset(), value);
        } else {
            let [a, b, c, d, ..] = value.to_le_bytes();
            registers.write32(register.offset(), u32::from_le_bytes([a, b, c, d]));
        }
    }

    fn reclaim(&mut self, proof: DmaStopped) {
        io::reclaim(self.cx.weakest(), self.adapter, proof, self.hardware.status);
        self.rings.admin.reclaim(proof);
        self.rings.event_requests = 0;
        self.rings.parked.clear();
    }

    fn prepare_admin_queue(&mut self, entries: u16, epoch: Epoch) -> bool {
        // A processor that was held up between taking a slot and ringing the doorbell would ring that of the next life.
        let idle = (0..PATIENCE).any(|_| {
            let idle = self.adapter.queues().all(|(_, queue)| queue.is_idle());
            if !idle {
                self.cx.stall(POLL);
            }
            idle
        });
        // The controller is disabled: it neither reads nor writes them until it is told of them again.
        self.hardware.memory.shadow.doorbells.zero();
        self.hardware.memory.shadow.event_indices.zero();
        idle && self.rings.admin.prepare(&self.hardware.memory, entries, epoch)
    }

    fn prepare_queue_pair(&mut self, index: u16, entries: u16, epoch: Epoch) {
        if let Some(memory) = self.hardware.memory.pair(usize::from(index)) {
            memory.completion.zero();
        }
        self.rings.io_entries = entries;
        self.rings.io_epoch = epoch;
    }

    fn submit(&mut self, tag: u32, entry: SubmissionEntry, transfers: bool) {
        self.rings.transfers = transfers;
        // Without room the deadline comes; the ring has room for every command that is ever outstanding.
        let hardware = self.hardware;
        self.rings
            .admin
            .submit(&hardware.memory, &hardware.doorbells, entry, admin::MACHINE, tag);
    }
}
