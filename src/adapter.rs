//! The state of one adapter.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nvme_core::snapshot::Snapshot;
use scsi_nvme::{Controller, Geometry};
use storport::{
    Context,
    cell::{Exclusive, Late, SetOnce},
    context::{Exclusion, Irql},
    lock::PerChannelState,
    register::Registers,
    srb::{Address, Completion, Fresh, InFlight, Srb, SrbStatus, Started},
    timer::TimerHandle,
    work_item::Worker,
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    control::Path,
    events::EventWork,
    exchange::Exchanges,
    io::{Doorbells, IoCompletion, IoQueue, IoSubmission},
    memory::{EXCHANGES, MAX_PAIRS, MAX_QUEUES, Memory},
    trace::Trace,
    units::{MAX_UNITS, Units},
};

/// Shared by all callbacks. All zeroes: nothing found yet.
#[derive(FromZeros)]
pub(crate) struct Adapter<'dev> {
    /// BAR 0.
    pub(crate) registers: SetOnce<Registers<'dev>>,
    /// Queues and the admin data page.
    pub(crate) memory: SetOnce<Memory<'dev>>,
    /// The I/O queue pairs: one for each channel, and behind them that of the exchanges.
    queues: [IoQueue<'dev>; MAX_QUEUES],
    /// The producer's end of each.
    pub(crate) producers: PerChannelState<'dev, FerroNvme, IoSubmission, MAX_PAIRS>,
    /// How many pairs the controller has, that of the exchanges among them; 0 before they are made.
    pairs: AtomicU32,
    /// What the usual requests need of each unit, by LUN; written under the StartIo lock.
    geometries: [Snapshot; MAX_UNITS as usize],
    pub(crate) admin_doorbells: SetOnce<Doorbells<'dev>>,
    /// The control path: one caller at a time steps it.
    pub(crate) control: Exclusive<Path>,
    /// Wakes the control path.
    pub(crate) control_timer: SetOnce<TimerHandle<'dev>>,
    /// Watches a unit's reset, and goes on with exchanges that wait.
    pub(crate) watch_timer: SetOnce<TimerHandle<'dev>>,
    /// Does what needs PASSIVE_LEVEL.
    pub(crate) event_worker: SetOnce<Worker<'dev, FerroNvme, EventWork>>,
    /// Work for it that is not done yet: bits of [`crate::events`].
    pub(crate) events: AtomicU32,
    /// It is to be queued.
    pub(crate) worker_wanted: AtomicU32,
    /// The namespaces of the control path are newer than those that StartIo sees.
    pub(crate) units_outdated: AtomicU32,
    /// The port driver was asked to hold requests back.
    pub(crate) paused: AtomicU32,
    /// A unit reset that waits for the unit's commands, its namespace (0: all), and when it fails.
    pub(crate) unit_reset: InFlight<'dev, FerroNvme, 1>,
    pub(crate) unit_reset_namespace: AtomicU32,
    pub(crate) unit_reset_deadline: AtomicU64,
    /// What was told.
    pub(crate) trace: Trace,
    /// The requests of the exchanges, their namespaces, and the noted ends of their admin commands.
    pub(crate) exchange_srbs: InFlight<'dev, FerroNvme, EXCHANGES>,
    exchange_namespaces: [AtomicU32; EXCHANGES],
    pub(crate) exchange_results: [AtomicU32; EXCHANGES],
    state: AtomicU32,
}

/// How the adapter stands towards new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// Not up yet.
    Down = 0,
    /// Requests are taken.
    Ready,
    /// A reset is under way: requests come again later.
    Recovering,
    /// Stopped by the port driver.
    Stopped,
    /// The controller cannot be used any more.
    Failed,
}

impl<'adapter> Adapter<'adapter> {
    /// I/O queue pair `index`; `None` beyond what there can be.
    #[inline]
    pub(crate) fn queue(&self, index: usize) -> Option<&IoQueue<'adapter>> {
        self.queues.get(index)
    }

    /// The I/O queue pairs that the controller has.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (usize, &IoQueue<'adapter>)> {
        self.queues.iter().enumerate().take(self.pairs())
    }

    /// Number of I/O queue pairs; 0 before they are made.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs.load(Ordering::Acquire) as usize
    }

    /// I/O queue pairs that belong to channels.
    pub(crate) fn channels(&self) -> usize {
        match self.pairs() {
            pairs @ (0 | 1) => pairs,
            pairs => pairs.saturating_sub(1),
        }
    }

    /// The queue pair of the exchanges; a controller that has one pair only has none.
    pub(crate) fn exchange_queue(&self) -> Option<&IoQueue<'adapter>> {
        let index = self.channels();
        if index == self.pairs() {
            return None;
        }
        self.queue(index)
    }

    /// The queue pair by whose life exchanges are admitted: their own, or where there is none that of the only channel, through
    /// which none of their commands goes.
    pub(crate) fn exchange_gate(&self) -> Option<&IoQueue<'adapter>> {
        self.exchange_queue().or_else(|| self.queue(0))
    }

    /// Its identifier.
    pub(crate) fn exchange_queue_id(&self) -> u16 {
        crate::io::queue_id(self.channels())
    }

    /// The exchange at `place` is of `namespace`.
    pub(crate) fn set_exchange(&self, place: usize, namespace: u32) {
        if let Some(entry) = self.exchange_namespaces.get(place) {
            entry.store(namespace, Ordering::Relaxed);
        }
    }

    /// The namespace of the exchange at `place`.
    pub(crate) fn exchange_namespace(&self, place: usize) -> Option<u32> {
        Some(self.exchange_namespaces.get(place)?.load(Ordering::Relaxed))
    }

    pub(crate) fn set_pairs(&self, pairs: u16) {
        self.pairs.store(u32::from(pairs), Ordering::Release);
    }

    /// No request is admitted, and no ring is to be touched, until the pairs are opened again.
    pub(crate) fn close_queues(&self) {
        for (_, queue) in self.queues() {
            queue.close();
        }
    }

    /// Whether a command of `namespace` is in flight on any pair; 0: of any namespace.
    pub(crate) fn is_any_in_flight(&self, namespace: u32) -> bool {
        self.queues().any(|(_, queue)| queue.is_any_in_flight(namespace))
            || crate::exchange::is_any_open(self, namespace)
    }

    /// Commands in flight on all pairs.
    pub(crate) fn in_flight(&self) -> u64 {
        self.queues()
            .map(|(_, queue)| u64::from(queue.table.used()))
            .sum()
    }

    /// What the usual requests need of the unit at `address`; `None` if there is no such unit, or it is just changing.
    #[inline]
    pub(crate) fn geometry(&self, address: Address) -> Option<Geometry> {
        if address.path != 0 || address.target != 0 {
            return None;
        }
        let words = self.geometries.get(usize::from(address.lun))?.read()?;
        Some(Geometry::from_words(words))
    }

    /// Publishes what the usual requests need of the units, LUN by LUN. Under the StartIo lock, or before the adapter is
    /// started.
    pub(crate) fn publish_geometries(&self, of: impl Fn(u8) -> Option<Geometry>) {
        for (lun, place) in (0..MAX_UNITS).zip(&self.geometries) {
            place.write(of(lun).map_or([0; 2], Geometry::to_words));
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            1 => State::Ready,
            2 => State::Recovering,
            3 => State::Stopped,
            4 => State::Failed,
            _ => State::Down,
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u32, Ordering::Release);
    }

    /// A reset begins, or goes on. False if the adapter is not up or was stopped, perhaps just now: then it stays so, and its
    /// registers are not the reset's to touch.
    #[must_use]
    pub(crate) fn begin_recovery(&self) -> bool {
        self.leave_for(State::Recovering, &[State::Down, State::Stopped])
    }

    /// The controller cannot be used any more. An adapter that was stopped stays so.
    pub(crate) fn give_up(&self) {
        let _ = self.leave_for(State::Failed, &[State::Stopped]);
    }

    fn leave_for(&self, next: State, but_not_from: &[State]) -> bool {
        let change = |state| {
            let stays = but_not_from.iter().any(|&other| other as u32 == state);
            (!stays).then_some(next as u32)
        };
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_ok()
    }

    /// Gives back a request that cannot be issued now: the port driver tries again, unless there is no hope.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_back<'dev, 'srb, I: Irql, X: Exclusion>(
        &self,
        cx: &Context<'dev, FerroNvme, I, X>,
        srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
    ) -> Started<'srb> {
        match self.state() {
            State::Ready | State::Recovering => srb.busy(cx),
            State::Down | State::Stopped | State::Failed => {
                srb.complete(cx, Completion::Status(SrbStatus::NoDevice))
            }
        }
    }
}

/// Guarded by the StartIo lock.
#[derive(FromZeros)]
pub(crate) struct StartIoState {
    /// The controller as the translation sees it.
    pub(crate) controller: Late<Controller>,
    pub(crate) units: Units,
    pub(crate) exchanges: Exchanges,
}

/// Belongs to a DPC; those of the I/O queue pairs use it.
#[derive(FromZeros)]
pub(crate) struct DpcState {
    pub(crate) ring: IoCompletion,
    /// Another pair's state begins in another cache line.
    apart: [u64; 16],
}
