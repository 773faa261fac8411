//! The callbacks.

use core::sync::atomic::{AtomicU32, Ordering};

use storport::{
    Context, Miniport,
    cell::SetOnce,
    context::{Control, Dpc, Exclusion, Irql, PassiveInitialize, ResetBus, StartIo, WorkItem},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, OneChannel, ResetOutcome, Slots, SynchronizeAll},
    register::Registers,
    srb::{Completion, Fresh, Function, InFlight, Srb, SrbStatus, Started},
    work_item::{Work, Worker},
};
use zerocopy::FromZeros;

use crate::answers::{Answer, BLOCK, CHECK_CONDITION, answer};

// ANCHOR: adapter
/// The miniport.
pub(crate) struct Zero;

/// Requests in flight at a time.
const DEPTH: usize = 32;
/// The DPC that completes reads.
const READS: usize = 0;

/// Shared by all callbacks. All zeroes at first.
#[derive(FromZeros)]
pub(crate) struct Adapter<'dev> {
    registers: SetOnce<Registers<'dev>>,
    /// Reads that wait for the DPC.
    reads: InFlight<'dev, Zero, DEPTH>,
    teller: SetOnce<Worker<'dev, Zero, Tell>>,
    done: AtomicU32,
}
// ANCHOR_END: adapter

// ANCHOR: types
impl Miniport for Zero {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = Waiting;
    type DpcState<'dev> = ();
    type SrbExtension = ();
    type UnitExtension = ();
    type Slots = Slots<1, 0, 1>;
    type Interrupts = SynchronizeAll;
    type Channels = OneChannel;
    // ANCHOR_END: types

    // ANCHOR: find_adapter
    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        let registers = cx.map_registers(0).ok_or(FindError::NotFound)?;
        adapter.registers.set(registers);
        Ok(Limits {
            maximum_transfer_length: 64 * 1024,
            physical_breaks: 17,
            alignment_mask: 0,
            targets: 1,
            logical_units: 1,
            caches_data: false,
            max_io: 32,
            max_io_per_unit: 32,
        })
    }
    // ANCHOR_END: find_adapter

    // ANCHOR: passive_initialize
    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        let worker = cx.create_worker().map_err(|_| InitializeError)?;
        adapter.teller.set(worker);
        Ok(())
    }
    // ANCHOR_END: passive_initialize

    // ANCHOR: start_io
    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        match srb.function() {
            Function::ExecuteScsi => execute(cx, adapter, srb),
            // What is parked is completed by the DPC whatever happens: there is nothing to abort.
            Function::ResetLogicalUnit | Function::ResetDevice | Function::Pnp | Function::Power => {
                srb.complete(cx, Completion::Success { transferred: 0 })
            }
            _ => srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
        }
    }
    // ANCHOR_END: start_io

    // ANCHOR: dpc
    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        for place in 0..DEPTH {
            if let Some(srb) = adapter.reads.take(cx, place) {
                fill(cx, srb);
                adapter.done.fetch_add(1, Ordering::Relaxed);
            }
        }
        if adapter.done.load(Ordering::Relaxed) >= 64
            && let Some(teller) = adapter.teller.get()
        {
            let reads = adapter.done.swap(0, Ordering::Relaxed);
            if let Err(refused) = cx.queue(teller, Tell { reads }) {
                // It is queued already: what it does not tell now is told with the next.
                adapter.done.fetch_add(refused.payload.reads, Ordering::Relaxed);
            }
        }
    }
    // ANCHOR_END: dpc

    // ANCHOR: reset
    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        _path: u8,
    ) -> ResetOutcome {
        give_back(cx, adapter, SrbStatus::BusReset);
        ResetOutcome::Done
    }

    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        give_back(cx, adapter, SrbStatus::NoDevice);
    }

    fn restart<'dev>(_: &Control<'dev, Self>, _: &'dev Adapter<'dev>) -> Result<(), InitializeError> {
        Ok(())
    }

    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        give_back(cx, adapter, SrbStatus::NoDevice);
    }
    // ANCHOR_END: reset
}

// ANCHOR: execute
/// Guarded by the StartIo lock: where the next read is parked.
#[derive(FromZeros)]
pub(crate) struct Waiting {
    next: usize,
}

fn execute<'dev, 'srb>(
    cx: &mut StartIo<'dev, Zero>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, Zero, Fresh<'srb>>,
) -> Started<'srb> {
    let (Some(cdb), Some(unit)) = (srb.cdb(), srb.address()) else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    if (unit.path, unit.target, unit.lun) != (0, 0, 0) {
        return srb.complete(cx, Completion::Status(SrbStatus::NoDevice));
    }
    match answer(cdb.bytes()) {
        Answer::Data(data, length) => {
            let data = data.get(..length).unwrap_or_default();
            let written = srb.data_buffer().map_or(0, |mut buffer| buffer.write(0, data));
            let transferred = u32::try_from(written).unwrap_or(0);
            srb.complete(cx, Completion::Success { transferred })
        }
        Answer::Fail(sense) => srb.complete(
            cx,
            Completion::Scsi {
                status: CHECK_CONDITION,
                sense: &sense,
            },
        ),
        Answer::Zeroes(_) => park(cx, adapter, srb),
    }
}
// ANCHOR_END: execute

// ANCHOR: park
/// Leaves a read to the DPC, as a device would be left to work.
fn park<'dev, 'srb>(
    cx: &mut StartIo<'dev, Zero>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, Zero, Fresh<'srb>>,
) -> Started<'srb> {
    let waiting = cx.start_io_state();
    let place = waiting.next;
    waiting.next = if place < DEPTH - 1 {
        place.wrapping_add(1)
    } else {
        0
    };
    match adapter.reads.park(place, srb) {
        Ok(started) => {
            cx.issue_dpc(READS);
            started
        }
        Err(srb) => srb.busy(cx),
    }
}

/// Fills a read's buffer with zeroes and completes it.
fn fill<'dev>(cx: &mut Dpc<'dev, Zero>, mut srb: Srb<'dev, Zero>) {
    let length = match srb.cdb().map(|cdb| answer(cdb.bytes())) {
        Some(Answer::Zeroes(bytes)) => bytes.min(srb.data_length()),
        _ => 0,
    };
    let Ok(mut buffer) = srb.map_data_buffer(cx) else {
        srb.complete(cx, Completion::Status(SrbStatus::Error));
        return;
    };
    for offset in (0..length as usize).step_by(BLOCK as usize) {
        let rest = (length as usize).saturating_sub(offset);
        let zeroes = [0; BLOCK as usize];
        buffer.write(offset, zeroes.get(..rest).unwrap_or(&zeroes));
    }
    srb.complete(cx, Completion::Success { transferred: length });
}
// ANCHOR_END: park

// ANCHOR: give_back
/// Completes every read that waits.
fn give_back<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, Zero, I, X>,
    adapter: &'dev Adapter<'dev>,
    status: SrbStatus,
) {
    for place in 0..DEPTH {
        if let Some(srb) = adapter.reads.take(cx, place) {
            srb.complete(cx, Completion::Status(status));
        }
    }
}
// ANCHOR_END: give_back

// ANCHOR: work
/// Tells how many reads there were.
pub(crate) struct Tell {
    reads: u32,
}

impl Work<Zero> for Tell {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, Zero>,
        adapter: &'dev Adapter<'dev>,
        _: Worker<'dev, Zero, Self>,
    ) {
        let parked = cx.with_start_io_lock(|cx| cx.start_io_state().next);
        let mapped = adapter.registers.get().map_or(0, |registers| registers.length());
        if self.reads != 0 && parked < DEPTH && mapped != 0 {
            cx.debug_print(0, c"zero: another round of reads is done\n");
        }
    }
}
// ANCHOR_END: work
