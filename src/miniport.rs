//! The callbacks.

use nvme_core::{
    Micros,
    control::{Failure, Outcome, Request},
};
use scsi_nvme::Controller;
use storport::{
    Miniport,
    context::{
        Control, Dpc, Initialize, LineInterrupt, MessageInterrupt, PassiveInitialize, ResetBus, StartIo,
        Timer, UnitControl,
    },
    find_adapter::{FindAdapter, Limits},
    miniport::{Claim, FindError, InitializeError, ResetOutcome, Slots, UnitEvent},
    srb::{Address, Built, Preparing, Srb, SrbStatus, Started},
};

use crate::{
    FerroNvme,
    adapter::{Adapter, DpcState, StartIoState, State},
    control::{self, CONTROL_DPC, IO_DPC},
    events,
    io::{self, Doorbells},
    memory::{self, IO_ENTRIES, IO_QUEUES, Memory},
    request::{self, MAX_SEGMENTS, MAX_TRANSFER},
    reset, start_io,
    units::MAX_UNITS,
};

/// CAP.TO is 127.5 s at most; the commands that follow have limits of their own.
const BRING_UP_BUDGET: Micros = Micros::from_secs(140);
/// Creating queues and reading namespaces.
const QUEUES_BUDGET: Micros = Micros::from_secs(60);
/// A restart holds up whatever waits for it.
const RESTART_BUDGET: Micros = Micros::from_secs(20);

/// `STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES`.
const FULL_PNP_DEVICE_CAPABILITIES: u32 = 0x4;
/// `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
const ADAPTER_NOT_REQUIRE_IO_PORT: u32 = 0x200;

/// Timers, in the order of their making.
const CONTROL_TIMER: usize = 0;

/// What is told before the controller is asked: the upper bound.
const LARGEST: Limits = Limits {
    maximum_transfer_length: MAX_TRANSFER,
    physical_breaks: MAX_SEGMENTS,
    // PRP1 begins at a dword.
    alignment_mask: 3,
    targets: 1,
    logical_units: MAX_UNITS,
    caches_data: true,
    // One submission entry stays empty.
    max_io: IO_ENTRIES as u32 - 1,
    max_io_per_unit: IO_ENTRIES as u32 - 1,
};

impl Miniport for FerroNvme {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = StartIoState;
    type DpcState<'dev> = DpcState;
    type SrbExtension = request::Extension;
    type Slots = Slots<1, 2, 2>;

    const FEATURES: u32 = FULL_PNP_DEVICE_CAPABILITIES | ADAPTER_NOT_REQUIRE_IO_PORT;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        const BAR0: usize = 0;
        let registers = cx.map_registers(BAR0).ok_or(FindError::BadConfig)?;
        let whole = cx
            .uncached_extension(memory::TOTAL, &LARGEST)
            .ok_or(FindError::Error)?;
        let memory = Memory::cut(whole).ok_or(FindError::Error)?;
        let capabilities =
            nvme::Capabilities::from_bits(registers.read64(nvme::Register::Capabilities.offset()));
        let admin = Doorbells::new(registers, capabilities, 0).ok_or(FindError::NotFound)?;
        let io = Doorbells::new(registers, capabilities, io::QUEUE).ok_or(FindError::NotFound)?;
        adapter.registers.set(registers);
        adapter.memory.set(memory);
        adapter.admin_doorbells.set(admin);
        adapter.io_doorbells.set(io);
        {
            let mut path = control::enter(cx, adapter).ok_or(FindError::Error)?;
            if !path.configure(registers, &memory, 0) {
                return Err(FindError::Error);
            }
        }
        match control::run(
            cx,
            adapter,
            Request::Identify,
            BRING_UP_BUDGET,
            SrbStatus::BusReset,
        ) {
            Ok(Outcome::Identified) => {}
            Err(Failure::Gone) => return Err(FindError::NotFound),
            Ok(_) | Err(_) => return Err(FindError::Error),
        }
        let info = control::enter(cx, adapter)
            .map(|path| path.info())
            .ok_or(FindError::Error)?;
        let maximum_transfer_length = MAX_TRANSFER.min(info.max_transfer_bytes);
        Ok(Limits {
            maximum_transfer_length,
            caches_data: info.write_cache_present,
            ..LARGEST
        })
    }

    fn initialize<'dev>(
        cx: &Initialize<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        // Line interrupts are not served: the INF asks for messages.
        if cx.message_count() == 0 {
            Err(InitializeError)
        } else {
            Ok(())
        }
    }

    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        adapter
            .control_timer
            .set(cx.create_timer().map_err(|_| InitializeError)?);
        adapter
            .reset_timer
            .set(cx.create_timer().map_err(|_| InitializeError)?);
        adapter
            .event_worker
            .set(cx.create_worker().map_err(|_| InitializeError)?);
        if let Some(mut path) = control::enter(cx, adapter) {
            path.set_vector(if cx.message_count() > 1 { io::QUEUE } else { 0 });
        }
        let request = Request::Queues { pairs: IO_QUEUES };
        match control::run(cx, adapter, request, QUEUES_BUDGET, SrbStatus::BusReset) {
            Ok(Outcome::Ready { .. }) => {}
            Ok(_) | Err(_) => return Err(InitializeError),
        }
        let info = control::enter(cx, adapter)
            .map(|path| path.info())
            .ok_or(InitializeError)?;
        adapter.controller.set(Controller {
            serial_number: info.serial_number,
            model_number: info.model_number,
            firmware_revision: info.firmware_revision,
            volatile_write_cache: info.write_cache_present,
            write_cache_enabled: info.write_cache_enabled,
            max_transfer_bytes: MAX_TRANSFER.min(info.max_transfer_bytes),
        });
        control::publish_first_units(cx, adapter);
        Ok(())
    }

    fn build_io(srb: Preparing<'_, Self>) -> Built<'_> {
        request::build(srb)
    }

    fn start_io<'dev>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        srb: Srb<'dev, Self>,
    ) -> Started {
        start_io::start(cx, adapter, srb)
    }

    fn message_interrupt<'dev>(
        cx: &MessageInterrupt<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
        message: u32,
    ) -> Claim {
        if message == 0 {
            cx.issue_dpc(CONTROL_DPC);
        }
        if message == u32::from(io::QUEUE) || cx.message_count() < 2 {
            cx.issue_dpc(IO_DPC);
        }
        Claim::Claimed
    }

    fn line_interrupt<'dev>(_cx: &LineInterrupt<'dev, Self>, _adapter: &'dev Adapter<'dev>) -> Claim {
        Claim::NotMine
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        if cx.index() == IO_DPC {
            io::reap(cx, adapter);
            return;
        }
        control::pump(cx, adapter);
        control::settle(cx, adapter);
        reset::resume(cx, adapter);
        events::queue(cx, adapter);
    }

    fn timer<'dev>(cx: &mut Timer<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        if cx.index() == CONTROL_TIMER {
            control::pump(cx, adapter);
            control::publish_units(cx, adapter);
            reset::resume(cx, adapter);
            events::queue(cx, adapter);
        } else {
            reset::watch_unit(cx, adapter);
        }
    }

    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        path: u8,
    ) -> ResetOutcome {
        if path != 0 {
            return ResetOutcome::Failed;
        }
        match reset::bus(cx, adapter) {
            Ok(()) => ResetOutcome::Done,
            Err(_) => ResetOutcome::Failed,
        }
    }

    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter);
    }

    fn restart<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Result<(), InitializeError> {
        adapter.set_state(State::Recovering);
        let request = Request::Restart { pairs: IO_QUEUES };
        if let Ok(Outcome::Ready { .. }) =
            control::run(cx, adapter, request, RESTART_BUDGET, SrbStatus::BusReset)
        {
            // The StartIo lock cannot be taken here: the DPC publishes the units.
            cx.issue_dpc(CONTROL_DPC);
            return Ok(());
        }
        adapter.set_state(State::Failed);
        Err(InitializeError)
    }

    fn unit_control<'dev>(
        _cx: &mut UnitControl<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
        _unit: Address,
        _event: UnitEvent,
    ) {
        // A namespace has nothing to be started or removed.
    }

    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter);
    }
}
