//! The callbacks.

use core::time::Duration;

use nvme_core::control::{Failure, Outcome, Request};
use storport::{
    Miniport,
    context::{
        Control, Dpc, Initialize, MessageInterrupt, PassiveInitialize, ResetBus, StartIo, Timer, UnitControl,
    },
    control::{NotDone, UnitControls, UnitEvent},
    find_adapter::{FindAdapter, Limits},
    miniport::{Claim, ConcurrentChannels, FindError, InitializeError, PerMessage, ResetOutcome, Slots},
    performance::{OfferedPerformance, Performance},
    srb::{Address, Built, Fresh, Preparing, Srb, SrbStatus, Started},
};

use crate::{
    FerroNvme,
    adapter::{Adapter, DpcState, StartIoState, State},
    control::{self, CONTROL_DPC, FIRST_IO_DPC},
    events, exchange,
    io::{self, Doorbells, Pair, Shadows},
    memory::{self, IO_ENTRIES, MAX_PAIRS, MAX_QUEUES, Memory},
    request::{self, MAX_SEGMENTS, MAX_TRANSFER},
    reset::{self, Cause, Stop},
    start_io,
    trace::{self, Event},
    units::MAX_UNITS,
};

/// CAP.TO is 127.5 s at most; the commands that follow have limits of their own.
const BRING_UP_BUDGET: Duration = Duration::from_secs(140);
/// Creating queues and reading namespaces.
const QUEUES_BUDGET: Duration = Duration::from_mins(1);

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
    type UnitExtension = ();
    type Slots = Slots<1, 2, { FIRST_IO_DPC + MAX_QUEUES }>;
    type Interrupts = PerMessage;
    type Channels = ConcurrentChannels;

    const FEATURES: u32 = FULL_PNP_DEVICE_CAPABILITIES | ADAPTER_NOT_REQUIRE_IO_PORT;
    const UNIT_CONTROLS: UnitControls = UnitControls::START
        .and(UnitControls::REMOVE)
        .and(UnitControls::SURPRISE_REMOVAL);

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        trace::open(cx, adapter);
        let found = find(cx, adapter);
        if found.is_err() {
            trace::start_failed(cx, adapter, 1);
        }
        trace::publish(cx, adapter);
        found
    }

    fn initialize<'dev>(
        cx: &mut Initialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        // Line interrupts are not served: the INF asks for messages.
        if cx.message_count() == 0 {
            trace::start_failed(cx, adapter, 2);
            reset::disable(cx, adapter, Stop::Removal);
            return Err(InitializeError);
        }
        Ok(())
    }

    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        let started = start(cx, adapter);
        if started.is_err() {
            trace::start_failed(cx, adapter, 3);
            reset::disable(cx, adapter, Stop::Removal);
        }
        trace::publish(cx, adapter);
        started
    }

    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    fn build_io(srb: Preparing<'_, Self>) -> Built<'_> {
        request::build(srb)
    }

    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
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
        let message = cx.message();
        if message == 0 {
            cx.issue_dpc(CONTROL_DPC);
        }
        #[cfg(ferroport_broken = "lost-wake-up")]
        if crate::broken::wake_up::is_needless(message.saturating_sub(1) as usize) {
            return Claim::Claimed;
        }
        if cx.message_count() < 2 {
            cx.issue_dpc(FIRST_IO_DPC);
        } else if let Some(pair) = message.checked_sub(1) {
            cx.issue_dpc(FIRST_IO_DPC.wrapping_add(pair as usize));
        }
        Claim::Claimed
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        if let Some(pair) = cx.index().checked_sub(FIRST_IO_DPC) {
            #[cfg(ferroport_broken = "lost-wake-up")]
            crate::broken::wake_up::reaps(pair, true);
            if pair == adapter.channels() {
                exchange::pump(cx, adapter);
            } else {
                io::reap(cx, adapter, pair);
            }
            #[cfg(ferroport_broken = "lost-wake-up")]
            crate::broken::wake_up::reaps(pair, false);
            return;
        }
        control_dpc(cx, adapter);
    }

    fn timer<'dev>(cx: &mut Timer<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        if cx.index() == CONTROL_TIMER {
            control::pump(cx, adapter);
            if control::publish_units(cx, adapter) {
                events::tell(cx, adapter);
            }
            reset::resume(cx, adapter);
            events::queue(cx, adapter);
        } else {
            // In this order: the reset wants the timer sooner again.
            reset::watch_unit(cx, adapter);
            exchange::go_on(cx, adapter);
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
        match reset::bus(cx, adapter, Cause::Callback) {
            Ok(()) => ResetOutcome::Done,
            Err(_) => ResetOutcome::Failed,
        }
    }

    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter, Stop::Pause);
    }

    fn restart<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Result<(), InitializeError> {
        // Possibly at DIRQL: nothing is waited for here. Requests are pushed back until DPC and timer are done.
        adapter.set_state(State::Recovering);
        trace::begin(cx, adapter);
        trace::event(cx, adapter, Event::AdapterRestarting, trace::NONE);
        if control::recover(cx, adapter) {
            return Ok(());
        }
        adapter.set_state(State::Failed);
        trace::adapter_failed(cx, adapter);
        Err(InitializeError)
    }

    fn unit_control<'dev>(
        _cx: &mut UnitControl<'dev, Self>,
        _adapter: &'dev Adapter<'dev>,
        _unit: Address,
        _event: UnitEvent<'_>,
    ) -> Result<(), NotDone> {
        // A namespace has nothing to be started or removed.
        Ok(())
    }

    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        reset::stop(cx, adapter, Stop::Removal);
        reset::resume(cx, adapter);
        trace::publish(cx, adapter);
    }
}

/// The DPC of the admin queue. By itself, so that those of the pairs do not carry its frame.
#[cold]
#[inline(never)]
fn control_dpc<'dev>(cx: &mut Dpc<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) {
    control::pump(cx, adapter);
    exchange::pump(cx, adapter);
    if control::settle(cx, adapter) {
        events::tell(cx, adapter);
    }
    reset::resume(cx, adapter);
    events::queue(cx, adapter);
    trace::publish(cx, adapter);
}

/// Maps the controller, identifies it and says what it can do.
fn find<'dev>(
    cx: &mut FindAdapter<'_, 'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
) -> Result<Limits, FindError> {
    const BAR0: usize = 0;
    let registers = cx.map_registers(BAR0).ok_or(FindError::BadConfig)?;
    // The upper bound: how many pairs the controller has is known when they are made.
    let pairs = processors(cx).clamp(1, MAX_PAIRS);
    let queues = pairs.saturating_add(1);
    let whole = cx
        .uncached_extension(memory::total(queues), &LARGEST)
        .ok_or(FindError::Error)?;
    let memory = Memory::cut(whole, queues).ok_or(FindError::Error)?;
    let capabilities = nvme::Capabilities::from_bits(registers.read64(nvme::Register::Capabilities.offset()));
    let admin = Doorbells::new(registers, capabilities, 0).ok_or(FindError::NotFound)?;
    let life = cx.times_found().wrapping_sub(1);
    memory.prepare_exchanges();
    for index in 0..queues {
        let doorbells = Doorbells::new(registers, capabilities, io::queue_id(index));
        let shadows = Shadows::new(&memory.shadow, capabilities, io::queue_id(index));
        let pair = memory
            .pair(index)
            .zip(doorbells)
            .and_then(|(memory, doorbells)| Pair::new(&memory, doorbells, shadows));
        match (adapter.queue(index), pair) {
            (Some(queue), Some(pair)) => {
                queue.table.salt(life);
                queue.pair.set(pair)
            }
            _ if index == 0 => return Err(FindError::NotFound),
            // Fewer pairs have doorbells: the control machine sees that, too.
            _ => break,
        };
    }
    adapter.registers.set(registers);
    adapter.memory.set(memory);
    adapter.admin_doorbells.set(admin);
    let configured =
        control::enter(cx, adapter).is_some_and(|mut path| path.configure(registers, &memory, life));
    if !configured {
        return Err(FindError::Error);
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
        Ok(_) | Err(_) => {
            // The memory goes with the adapter: the controller must not reach it any more.
            reset::disable(cx, adapter, Stop::Removal);
            return Err(FindError::Error);
        }
    }
    let Some(info) = control::enter(cx, adapter).map(|path| path.info()) else {
        reset::disable(cx, adapter, Stop::Removal);
        return Err(FindError::Error);
    };
    let version = registers.read32(nvme::Register::Version.offset());
    let values = [
        version.into(),
        capabilities.into_bits(),
        info.max_transfer_bytes.into(),
        life.into(),
    ];
    trace::event(cx, adapter, Event::AdapterFound, values);
    // What one pair takes, since all requests may come from one processor.
    let entries = u32::from(IO_ENTRIES).min(info.capabilities.max_queue_entries());
    let max_io = entries.saturating_sub(1).max(1);
    Ok(Limits {
        maximum_transfer_length: MAX_TRANSFER.min(info.max_transfer_bytes),
        caches_data: info.write_cache_present,
        max_io,
        max_io_per_unit: max_io,
        ..LARGEST
    })
}

/// The part of the start that needs `PASSIVE_LEVEL`: timers, the worker, queues, namespaces.
fn start<'dev>(
    cx: &mut PassiveInitialize<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
) -> Result<(), InitializeError> {
    adapter
        .control_timer
        .set(cx.create_timer().map_err(|_| InitializeError)?);
    adapter
        .watch_timer
        .set(cx.create_timer().map_err(|_| InitializeError)?);
    adapter
        .event_worker
        .set(cx.create_worker().map_err(|_| InitializeError)?);
    // A pair for each channel, with a message of its own beside the admin queue's.
    let own_messages = cx.message_count().saturating_sub(1);
    let offered = cx.offered_performance().ok();
    let channels = offered.filter(OfferedPerformance::concurrent_channels);
    let channels = channels.map_or(1, |offered| offered.concurrent_channels);
    let wanted = channels.min(own_messages).max(1);
    let most = u16::try_from(MAX_PAIRS).unwrap_or(1);
    let wanted = u16::try_from(wanted).unwrap_or(most).min(most);
    if own_messages != 0
        && let Some(mut path) = control::enter(cx, adapter)
    {
        path.set_own_vectors(wanted);
    }
    let request = Request::Queues {
        // One more, for exchanges.
        pairs: wanted.saturating_add(1),
    };
    match control::run(cx, adapter, request, QUEUES_BUDGET, SrbStatus::BusReset) {
        Ok(Outcome::Ready { .. }) => {}
        Ok(_) | Err(_) => return Err(InitializeError),
    }
    let pairs = u32::try_from(adapter.channels()).unwrap_or(1);
    if let Some(offered) = offered {
        let mut performance = Performance::new();
        if pairs > 1 {
            performance = performance.concurrent_channels(pairs);
        }
        if own_messages != 0 && offered.interrupt_message_ranges() {
            performance = performance.messages(1..=pairs);
            if offered.dpc_redirection() {
                performance = performance.dpc_redirection();
            }
        }
        if offered.completion_during_start_io() {
            performance = performance.completion_during_start_io();
        }
        // Without them all requests come on the first channel.
        let _ = cx.set_performance(&performance);
    }
    control::publish_first_units(cx, adapter);
    let units = u64::from(cx.start_io_state().units.luns().len());
    let values = [pairs.into(), cx.message_count().into(), units, 0];
    trace::event(cx, adapter, Event::AdapterStarted, values);
    #[cfg(feature = "dev")]
    wdk::println!("ferronvme: started with {} message(s)", cx.message_count());
    Ok(())
}

/// Processors in use, of all groups.
fn processors<M: Miniport>(cx: &FindAdapter<'_, '_, M>) -> usize {
    let groups = cx.active_group_count().unwrap_or(1);
    let processors: u32 = (0..groups)
        .filter_map(|group| cx.group_affinity(group).ok())
        .map(|affinity| affinity.mask.count_ones())
        .fold(0, u32::saturating_add);
    processors as usize
}
