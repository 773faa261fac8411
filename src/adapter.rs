//! The state of one adapter.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use scsi_nvme::Controller;
use storport::{
    cell::{Exclusive, Late, SetOnce},
    context::StartIo,
    register::Registers,
    srb::{Completion, Fresh, InFlight, Srb, SrbStatus, Started},
    timer::TimerHandle,
    work_item::Worker,
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    control::Path,
    events::EventWork,
    io::{Doorbells, IoCompletion, IoQueue, IoSubmission},
    memory::Memory,
    units::Units,
};

/// Shared by all callbacks. All zeroes: nothing found yet.
#[derive(FromZeros)]
pub(crate) struct Adapter<'dev> {
    /// BAR 0.
    pub(crate) registers: SetOnce<Registers<'dev>>,
    /// Queues and the admin data page.
    pub(crate) memory: SetOnce<Memory<'dev>>,
    /// The I/O queue pair.
    pub(crate) io: IoQueue<'dev>,
    pub(crate) io_doorbells: SetOnce<Doorbells<'dev>>,
    pub(crate) admin_doorbells: SetOnce<Doorbells<'dev>>,
    /// The control path: one caller at a time steps it.
    pub(crate) control: Exclusive<Path>,
    /// Wakes the control path.
    pub(crate) control_timer: SetOnce<TimerHandle<'dev>>,
    /// Watches a unit's reset.
    pub(crate) reset_timer: SetOnce<TimerHandle<'dev>>,
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

impl Adapter<'_> {
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

    /// Gives back a request that cannot be issued now: the port driver tries again, unless there is no hope.
    pub(crate) fn push_back<'dev, 'srb>(
        &self,
        cx: &StartIo<'dev, FerroNvme>,
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
    pub(crate) submission: IoSubmission,
    /// The controller as the translation sees it.
    pub(crate) controller: Late<Controller>,
    pub(crate) units: Units,
}

/// Belongs to a DPC; only that of the I/O queue pair uses it.
#[derive(FromZeros)]
pub(crate) struct DpcState {
    pub(crate) ring: IoCompletion,
}
