//! The callbacks.

use storport::{
    Miniport,
    context::{Control, Dpc, Initialize, LineInterrupt, MessageInterrupt, ResetBus, StartIo, StateChanged},
    find_adapter::{FindAdapter, Limits},
    miniport::{
        Claim, FindError, InitializeError, OneChannel, ResetOutcome, Slots as SlotCounts, SynchronizeAll,
    },
    srb::{Built, Fresh, Preparing, Srb, Started},
    status::CallError,
};

use crate::{
    Pvscsi,
    adapter::{Adapter, Slots},
    build_io::{self, Extension, MAX_PIECES, MAX_TRANSFER},
    completion, hot_plug,
    memory::{self, Memory, SLOTS},
    registers::Hardware,
    reset, start_io,
};

/// `STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES`.
const FULL_PNP_DEVICE_CAPABILITIES: u32 = 0x4;
/// `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
const ADAPTER_NOT_REQUIRE_IO_PORT: u32 = 0x200;

/// The one DPC.
const DPC: usize = 0;
/// Memory ranges of a PCI function.
const BARS: usize = 6;

const LIMITS: Limits = Limits {
    maximum_transfer_length: MAX_TRANSFER,
    physical_breaks: MAX_PIECES,
    // Data may begin anywhere; classes align to dwords.
    alignment_mask: 3,
    targets: 64,
    // Every target has one unit.
    logical_units: 1,
    caches_data: false,
    max_io: SLOTS,
    max_io_per_unit: SLOTS,
};

impl Miniport for Pvscsi {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = Slots;
    type DpcState<'dev> = ();
    type SrbExtension = Extension;
    type UnitExtension = ();
    type Slots = SlotCounts<0, 0, 1>;
    // One message or the line: a lock for each message would be one lock more.
    type Interrupts = SynchronizeAll;
    type Channels = OneChannel;

    const FEATURES: u32 = FULL_PNP_DEVICE_CAPABILITIES | ADAPTER_NOT_REQUIRE_IO_PORT;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        // The registers are in a memory BAR and again in an I/O BAR, in an order that differs.
        let hardware = (0..BARS)
            .find_map(|bar| cx.map_registers(bar).and_then(Hardware::new))
            .ok_or(FindError::BadConfig)?;
        // Firmware may have left the adapter with rings of its own.
        hardware.mask();
        hardware.reset_adapter().map_err(|_| FindError::NotFound)?;
        let memory = cx
            .uncached_extension(memory::TOTAL, &LIMITS)
            .and_then(Memory::cut)
            .ok_or(FindError::Error)?;
        adapter.hardware.set(hardware);
        adapter.memory.set(memory);
        Ok(LIMITS)
    }

    fn initialize<'dev>(
        _cx: &mut Initialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        reset::start(adapter).map_err(|_| InitializeError)
    }

    fn build_io(srb: Preparing<'_, Self>) -> Built<'_> {
        build_io::build(srb)
    }

    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        start_io::start(cx, adapter, srb)
    }

    fn message_interrupt<'dev>(
        cx: &mut MessageInterrupt<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
    ) -> Claim {
        // A message says by itself that there is work: no register is touched.
        cx.issue_dpc(DPC);
        Claim::Claimed
    }

    fn line_interrupt<'dev>(cx: &mut LineInterrupt<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Claim {
        // The line may be shared: only the cause register knows whose interrupt it is.
        if !adapter.hardware.get().is_some_and(Hardware::acknowledge) {
            return Claim::NotMine;
        }
        cx.issue_dpc(DPC);
        Claim::Claimed
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        // The rings belong to who holds the StartIo lock.
        cx.with_start_io_lock(|cx| {
            completion::reap(cx, adapter);
            hot_plug::listen(cx, adapter);
        });
    }

    fn state_changed<'dev>(
        cx: &mut StateChanged<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        _outcome: Result<(), CallError>,
    ) {
        hot_plug::tell(cx, adapter);
    }

    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        path: u8,
    ) -> ResetOutcome {
        if path == 0 && reset::bus(cx, adapter).is_ok() {
            ResetOutcome::Done
        } else {
            ResetOutcome::Failed
        }
    }

    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter);
    }

    fn restart<'dev>(_cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Result<(), InitializeError> {
        reset::start(adapter).map_err(|_| InitializeError)
    }

    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter);
    }
}
