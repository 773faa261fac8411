//! The callbacks.

use core::sync::atomic::{AtomicU64, Ordering};

use storport::{
    Miniport,
    context::{Control, Dpc, Initialize, PassiveInitialize, ResetBus, StartIo, WorkItem},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, OneChannel, PerMessage, ResetOutcome, Slots},
    srb::{Completion, Fresh, Function, Srb, SrbStatus, Started},
    version::Windows,
    work_item::{Work, Worker},
};
use zerocopy::FromZeros;

use crate::{System, checks};

/// `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
const ADAPTER_NOT_REQUIRE_IO_PORT: u32 = 0x200;

/// What the callbacks share.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Adapter {
    started: AtomicU64,
}

/// The checks of a running adapter at `PASSIVE_LEVEL`.
struct Later;

impl Work<System> for Later {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, System>,
        _: &'dev Adapter,
        worker: Worker<'dev, System, Self>,
    ) {
        checks::work_item(cx);
        cx.close_worker(worker);
    }
}

impl Miniport for System {
    type Adapter<'dev> = Adapter;
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = u64;
    type UnitExtension = ();
    type Slots = Slots<1, 1, 1>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    const FEATURES: u32 = ADAPTER_NOT_REQUIRE_IO_PORT;
    const OLDEST_WINDOWS: Windows = Windows::V11_22H2;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        _adapter: &'dev Adapter,
    ) -> Result<Limits, FindError> {
        checks::find_adapter(cx);
        Ok(Limits {
            maximum_transfer_length: 4096,
            physical_breaks: 2,
            alignment_mask: 3,
            targets: 1,
            logical_units: 1,
            caches_data: false,
            max_io: 8,
            max_io_per_unit: 8,
        })
    }

    fn initialize<'dev>(
        cx: &mut Initialize<'dev, Self>,
        _adapter: &'dev Adapter,
    ) -> Result<(), InitializeError> {
        checks::initialize(cx);
        Ok(())
    }

    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        _adapter: &'dev Adapter,
    ) -> Result<(), InitializeError> {
        checks::passive_initialize(cx);
        Ok(())
    }

    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        // The second command: Storport takes a queue depth from the first INQUIRY on.
        if srb.function() == Function::ExecuteScsi && adapter.started.fetch_add(1, Ordering::Relaxed) == 1 {
            checks::start_io(cx, &srb);
            let _ = cx.issue_dpc(0);
            if let Ok(worker) = cx.create_worker() {
                checks::report(cx, cx.queue(worker, Later).is_ok(), c"the work item is queued");
            }
        }
        match srb.function() {
            Function::ExecuteScsi | Function::Pnp | Function::Power => {
                srb.complete(cx, Completion::Success { transferred: 0 })
            }
            _ => srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
        }
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, _adapter: &'dev Adapter) {
        checks::dpc(cx);
    }

    fn reset_bus<'dev>(_: &mut ResetBus<'dev, Self>, _: &'dev Adapter, _path: u8) -> ResetOutcome {
        ResetOutcome::Done
    }

    fn stop<'dev>(_: &Control<'dev, Self>, _: &'dev Adapter) {}

    fn restart<'dev>(_: &Control<'dev, Self>, _: &'dev Adapter) -> Result<(), InitializeError> {
        Ok(())
    }

    fn remove<'dev>(_: &mut StartIo<'dev, Self>, _: &'dev Adapter) {}
}
