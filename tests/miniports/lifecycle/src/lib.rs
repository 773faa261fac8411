//! `lifecycle`: a miniport that uses work items, timers and DPCs as it is told, so that tests see how they end.
//!
//! For the lab's scratch device. Orders come as vendor-specific commands (`C0h`, order, argument) and in a script
//! register; what happens is counted in registers, which the test reads whatever the driver's IRQL. The end of a payload,
//! which has no device, is told by a debug print.
#![no_std]
#![cfg(windows)]

mod orders;

use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use storport::{
    Miniport,
    cell::SetOnce,
    context::{Control, Dpc, Initialize, PassiveInitialize, ResetBus, StartIo, Timer, WorkItem},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, OneChannel, PerMessage, ResetOutcome, Slots},
    register::Registers,
    srb::{Built, Completion, Fresh, Function, PnpAction, Preparing, Srb, SrbStatus, Started},
    timer::TimerHandle,
    work_item::{Work, Worker},
};
use zerocopy::FromZeros;

extern crate miniport_rt;

/// What the test sets: `FAIL_INITIALIZE`, `FAIL_PASSIVE`, `LINGER`.
const SCRIPT: u32 = 0x00;
const FAIL_INITIALIZE: u32 = 1;
const FAIL_PASSIVE: u32 = 2;
/// Work items do not end.
const LINGER: u32 = 4;
/// Counters: work items begun and ended, timers, DPCs.
const BEGUN: u32 = 0x10;
const ENDED: u32 = 0x14;
const TIMERS: u32 = 0x18;
const DPCS: u32 = 0x1C;
/// How often the adapter was found, removed.
const FOUND: u32 = 0x20;
const REMOVED: u32 = 0x24;

/// The second timer that is made.
const PERIODIC: usize = 1;
const PERIOD: Duration = Duration::from_millis(2);
/// Longest that a work item lingers, in half milliseconds.
const LINGERS: u32 = 20_000;

/// The miniport.
struct Lifecycle;

storport::miniport!(Lifecycle);

/// The adapter. All zeroes: nothing found yet.
#[derive(FromZeros)]
struct Adapter<'dev> {
    registers: SetOnce<Registers<'dev>>,
    worker: SetOnce<Worker<'dev, Lifecycle, Job>>,
    once: SetOnce<TimerHandle<'dev>>,
    periodic: SetOnce<TimerHandle<'dev>>,
    /// The periodic timer closes itself.
    closes: AtomicU32,
}

impl Adapter<'_> {
    fn script(&self, flag: u32) -> bool {
        self.registers
            .get()
            .is_some_and(|registers| registers.read32(SCRIPT) & flag != 0)
    }

    fn count(&self, counter: u32) {
        if let Some(registers) = self.registers.get() {
            registers.write32(counter, registers.read32(counter).wrapping_add(1));
        }
    }
}

/// A payload, whose end is told.
struct Job {
    /// How often its run queues another.
    again: u8,
}

impl Drop for Job {
    fn drop(&mut self) {
        wdk::println!("payload dropped");
    }
}

impl Work<Lifecycle> for Job {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, Lifecycle>,
        adapter: &'dev Adapter<'dev>,
        worker: Worker<'dev, Lifecycle, Self>,
    ) {
        // A worker that queued itself may run again before this run has ended: the lock makes each count one.
        cx.with_start_io_lock(|_| adapter.count(BEGUN));
        for _ in 0..LINGERS {
            if !adapter.script(LINGER) {
                break;
            }
            cx.stall(Duration::from_micros(500));
        }
        if let Some(again) = self.again.checked_sub(1) {
            let _ = cx.queue(worker, Self { again });
        }
        cx.with_start_io_lock(|_| adapter.count(ENDED));
    }
}

impl Miniport for Lifecycle {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = ();
    type DpcState<'dev> = u32;
    type SrbExtension = u64;
    type UnitExtension = ();
    type Slots = Slots<1, 2, 1>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    /// `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
    const FEATURES: u32 = 0x200;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        adapter
            .registers
            .set(cx.map_registers(0).ok_or(FindError::BadConfig)?);
        adapter.count(FOUND);
        // As the pages advise, before they are needed; a repeated search must find these slots free again.
        adapter
            .worker
            .set(cx.create_worker().map_err(|_| FindError::Error)?);
        adapter.once.set(cx.create_timer().map_err(|_| FindError::Error)?);
        adapter
            .periodic
            .set(cx.create_timer().map_err(|_| FindError::Error)?);
        Ok(Limits {
            maximum_transfer_length: 4096,
            physical_breaks: 2,
            alignment_mask: 3,
            targets: 1,
            logical_units: 1,
            caches_data: false,
            max_io: 4,
            max_io_per_unit: 4,
        })
    }

    fn initialize<'dev>(
        _cx: &mut Initialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        if adapter.script(FAIL_INITIALIZE) {
            Err(InitializeError)
        } else {
            Ok(())
        }
    }

    fn passive_initialize<'dev>(
        _cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        if adapter.script(FAIL_PASSIVE) {
            Err(InitializeError)
        } else {
            Ok(())
        }
    }

    /// Completes the PNP requests that it sees, but for removals: the one of the adapter is not among them, and those of units after it are
    /// the framework's.
    fn build_io(srb: Preparing<'_, Self>) -> Built<'_> {
        let removal = matches!(
            srb.pnp(),
            Some((PnpAction::Remove | PnpAction::SurpriseRemoval, _))
        );
        if srb.function() == Function::Pnp && !removal {
            srb.complete(Completion::Success { transferred: 0 })
        } else {
            srb.proceed()
        }
    }

    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        let done = match srb.function() {
            Function::ExecuteScsi => srb.cdb().map(|cdb| orders::obey(cx, adapter, cdb.bytes())),
            Function::Pnp | Function::Power => Some(true),
            _ => None,
        };
        let completion = match done {
            Some(true) => Completion::Success { transferred: 0 },
            Some(false) => Completion::Status(SrbStatus::Error),
            None => Completion::Status(SrbStatus::InvalidRequest),
        };
        srb.complete(cx, completion)
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        let runs = cx.state();
        *runs = runs.wrapping_add(1);
        adapter.count(DPCS);
    }

    fn timer<'dev>(cx: &mut Timer<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        adapter.count(TIMERS);
        if cx.index() != PERIODIC {
            return;
        }
        if let Some(timer) = adapter.periodic.get() {
            let _ = cx.start_timer(timer, PERIOD);
            if adapter.closes.load(Ordering::Relaxed) != 0 {
                cx.close_timer(timer);
            }
        }
    }

    fn reset_bus<'dev>(
        _cx: &mut ResetBus<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
        _path: u8,
    ) -> ResetOutcome {
        // Every request is completed where it is started.
        ResetOutcome::Done
    }

    fn stop<'dev>(_cx: &Control<'dev, Self>, _adapter: &'dev Adapter<'dev>) {}

    fn restart<'dev>(
        _cx: &Control<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        Ok(())
    }

    fn remove<'dev>(_cx: &mut StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        adapter.count(REMOVED);
    }
}
