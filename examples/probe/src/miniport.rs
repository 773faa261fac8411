//! The callbacks of the miniport.

use probe_rows::{CLEAN_UP, Case, PROVOKE};
use storport::{
    Miniport,
    context::{Control, PassiveInitialize, ResetBus, StartIo, Timer},
    find_adapter::{FindAdapter, Limits},
    miniport::{FindError, InitializeError, OneChannel, PerMessage, ResetOutcome, Slots},
    srb::{Completion, Fresh, Function, Srb, SrbStatus, Started},
};

use crate::{Probe, bench::Bench, dpcs, safe, timers, workers};

/// `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
const ADAPTER_NOT_REQUIRE_IO_PORT: u32 = 0x200;
/// Register window of the lab's scratch device.
const BAR0: usize = 0;

impl Miniport for Probe {
    type Adapter<'dev> = Bench<'dev>;
    type StartIoState<'dev> = ();
    type DpcState<'dev> = ();
    type SrbExtension = u64;
    type UnitExtension = ();
    type Slots = Slots<1, 2, 0>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    const FEATURES: u32 = ADAPTER_NOT_REQUIRE_IO_PORT;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        bench: &'dev Bench<'dev>,
    ) -> Result<Limits, FindError> {
        let registers = cx.map_registers(BAR0).ok_or(FindError::BadConfig)?;
        bench.registers.set(registers);
        bench.publish(cx.device_extension());
        Ok(Limits {
            maximum_transfer_length: 4096,
            physical_breaks: 2,
            alignment_mask: 3,
            targets: 1,
            logical_units: 1,
            caches_data: false,
            max_io: 1,
            max_io_per_unit: 1,
        })
    }

    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        bench: &'dev Bench<'dev>,
    ) -> Result<(), InitializeError> {
        dpcs::initialize(cx.device_extension(), bench);
        Ok(())
    }

    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        bench: &'dev Bench<'dev>,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        let done = match srb.function() {
            Function::ExecuteScsi => srb.cdb().is_some_and(|cdb| execute(cx, bench, cdb.bytes())),
            Function::Pnp | Function::Power => true,
            _ => false,
        };
        let completion = if done {
            Completion::Success { transferred: 0 }
        } else {
            Completion::Status(SrbStatus::InvalidRequest)
        };
        srb.complete(cx, completion)
    }

    fn timer<'dev>(_cx: &mut Timer<'dev, Self>, bench: &'dev Bench<'dev>) {
        bench.effect(true);
    }

    fn reset_bus<'dev>(_cx: &mut ResetBus<'dev, Self>, _bench: &'dev Bench<'dev>, _path: u8) -> ResetOutcome {
        // Every request is completed where it is started.
        ResetOutcome::Done
    }

    fn stop<'dev>(_cx: &Control<'dev, Self>, _bench: &'dev Bench<'dev>) {}

    fn restart<'dev>(_cx: &Control<'dev, Self>, _bench: &'dev Bench<'dev>) -> Result<(), InitializeError> {
        Ok(())
    }

    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, bench: &'dev Bench<'dev>) {
        workers::remove(cx.device_extension(), bench);
        timers::clean_up(cx.device_extension(), bench);
    }
}

/// Obeys a command; false if it is none that the probe knows.
fn execute<'dev>(cx: &mut StartIo<'dev, Probe>, bench: &'dev Bench<'dev>, cdb: &[u8]) -> bool {
    let extension = cx.device_extension();
    match *cdb {
        [PROVOKE, case, ..] => Case::from_byte(case).is_some_and(|case| {
            bench.begin();
            workers::provoke(case, extension, bench)
                || timers::provoke(case, extension, bench)
                || dpcs::provoke(case, extension, bench)
                || safe::provoke(case, cx, bench)
        }),
        [CLEAN_UP, ..] => {
            workers::clean_up(extension, bench);
            timers::clean_up(extension, bench);
            true
        }
        _ => false,
    }
}
