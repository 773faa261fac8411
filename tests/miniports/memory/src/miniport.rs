//! The callbacks: each runs the checks that its context allows, and keeps what they came to.

use core::{
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
    time::Duration,
};

use storport::{
    Miniport,
    cell::{Exclusive, Late, SetOnce},
    context::{
        AtMostDispatch, Context, Control, Dispatch, Dpc, Exclusion, Initialize, Irql, MessageInterrupt,
        PassiveInitialize, ResetBus, StartIo, Timer, WorkItem,
    },
    dma::Dma,
    dump::DumpDriver,
    find_adapter::{FindAdapter, Limits},
    memory::{Contiguous, ContiguousRequest, Pool},
    miniport::{Claim, FindError, InitializeError, OneChannel, PerMessage, ResetOutcome, Slots},
    port::Ports,
    register::Registers,
    srb::{Built, Completion, Fresh, Function, Preparing, Srb, SrbStatus, Started},
    timer::TimerHandle,
    work_item::{Work, Worker},
};
use zerocopy::FromZeros;

use crate::{
    MemoryMiniport,
    checks::{self, Check, Pending, TAG, WORDS},
    protocol::{
        BUS, CHECKS, CONTIGUOUS, DMA_MEMORY, DPC, DUMP_BUFFER, DUMP_DRIVER, DUMP_MEMORY, DUMP_NAME, EXCHANGE,
        FIND_ADAPTER, FIRST_BYTE, HOST_BUFFER, INITIALIZE, KEPT, MDL, MESSAGE, NOT_RUN, PASSED,
        PASSIVE_INITIALIZE, PLACES, POOL, PORTS, RAISE, REGISTERS, REPORT, REQUEST, RESET_BUS, RESTART, RUN,
        SCATTER_GATHER, START_IO, TIMER, UNCACHED, WORK_ITEM,
    },
};

/// `STOR_FEATURE_DUMP_POINTERS`.
const DUMP_POINTERS: u32 = 0x8;
/// The DPC that runs checks, and the one that looks at lists.
const CHECK_DPC: usize = 0;
const LIST_DPC: usize = 1;
/// Segments of a request that are looked at.
const SEGMENTS: usize = 8;
/// Bytes of an EXCHANGE that are looked at.
const EXCHANGED: usize = 3 * 4096;
/// Bytes of the uncached extension.
const UNCACHED_BYTES: usize = 8192;

const LIMITS: Limits = Limits {
    maximum_transfer_length: 64 << 10,
    physical_breaks: 17,
    alignment_mask: 3,
    targets: 1,
    logical_units: 1,
    caches_data: false,
    max_io: 16,
    max_io_per_unit: 16,
};

/// State that the callbacks share.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Adapter<'dev> {
    registers: SetOnce<Registers<'dev>>,
    ports: SetOnce<Ports<'dev>>,
    pub(crate) uncached: SetOnce<Dma<'dev>>,
    pub(crate) words: SetOnce<Pool<'dev, MemoryMiniport, AtomicU32>>,
    pub(crate) memory: SetOnce<Contiguous<'dev, MemoryMiniport>>,
    timer: SetOnce<TimerHandle<'dev>>,
    worker: SetOnce<Worker<'dev, MemoryMiniport, Run>>,
    pending: Exclusive<[Late<Pending<'dev>>; PLACES.len()]>,
    results: [[AtomicU8; CHECKS.len()]; PLACES.len()],
}

impl<'dev> Adapter<'dev> {
    fn keep(&self, place: usize, check: usize, result: Check) {
        let cell = self.results.get(place).and_then(|results| results.get(check));
        if let Some(cell) = cell {
            let code = result.err().unwrap_or(PASSED);
            // A check that failed once has failed.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                (before == NOT_RUN || before == PASSED).then_some(code)
            });
        }
    }

    /// What is legal at any IRQL.
    fn anywhere<I: Irql, X: Exclusion>(&self, cx: &Context<'dev, MemoryMiniport, I, X>, place: usize) {
        let Some(registers) = self.registers.get() else {
            return;
        };
        self.keep(place, KEPT, checks::kept(cx, self, registers));
        self.keep(place, UNCACHED, checks::uncached(cx, self, registers));
        self.keep(place, REGISTERS, checks::registers(registers, 0x100));
        if let Some(ports) = self.ports.get() {
            self.keep(place, PORTS, checks::ports(ports));
        }
    }

    /// What is legal up to DISPATCH_LEVEL.
    fn up_to_dispatch<I: AtMostDispatch, X: Exclusion>(
        &self,
        cx: &Context<'dev, MemoryMiniport, I, X>,
        place: usize,
    ) {
        let Some(registers) = self.registers.get() else {
            return;
        };
        self.anywhere(cx, place);
        self.keep(place, POOL, checks::pool(cx));
        self.keep(place, CONTIGUOUS, checks::contiguous(cx, registers));
        self.keep(place, DMA_MEMORY, checks::dma_memory(cx, registers));
        self.keep(place, HOST_BUFFER, checks::host_buffer(cx, registers));
        self.keep(place, MDL, checks::mdl(cx));
    }

    /// What is legal at DISPATCH_LEVEL.
    fn at_dispatch<X: Exclusion>(&self, cx: &Context<'dev, MemoryMiniport, Dispatch, X>, place: usize) {
        self.up_to_dispatch(cx, place);
        match checks::begin_list(cx, LIST_DPC) {
            Ok(pending) => self.end_or_put_off(cx, place, pending),
            Err(step) => self.keep(place, SCATTER_GATHER, Err(step)),
        }
    }

    fn end_or_put_off<X: Exclusion>(
        &self,
        cx: &Context<'dev, MemoryMiniport, Dispatch, X>,
        place: usize,
        pending: Pending<'dev>,
    ) {
        let Some(registers) = self.registers.get() else {
            return;
        };
        if let Some(result) = checks::end_list(cx, registers, pending) {
            self.keep(place, SCATTER_GATHER, result);
            return;
        }
        let mut all = self.pending.try_enter();
        let kept = all.as_mut().and_then(|all| all.get_mut(place));
        match kept {
            Some(late) => {
                late.put(pending);
            }
            None => self.keep(place, SCATTER_GATHER, Err(99)),
        }
    }

    /// The lists that were put off are there.
    fn end_lists<X: Exclusion>(&self, cx: &Context<'dev, MemoryMiniport, Dispatch, X>) {
        let Some(registers) = self.registers.get() else {
            return;
        };
        let Some(mut all) = self.pending.try_enter() else {
            return;
        };
        for (place, late) in all.iter_mut().enumerate() {
            let ended = late
                .get()
                .and_then(|pending| checks::end_list(cx, registers, *pending));
            if let Some(result) = ended {
                late.clear();
                self.keep(place, SCATTER_GATHER, result);
            }
        }
    }
}

/// The work item's payload: nothing.
pub(crate) struct Run;

impl Work<MemoryMiniport> for Run {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, MemoryMiniport>,
        adapter: &'dev Adapter<'dev>,
        _worker: Worker<'dev, MemoryMiniport, Self>,
    ) {
        adapter.up_to_dispatch(cx, WORK_ITEM);
    }
}

impl MemoryMiniport {
    /// Has the checks of `place` run there.
    fn start<'dev>(cx: &StartIo<'dev, Self>, adapter: &'dev Adapter<'dev>, place: usize) -> bool {
        match place {
            START_IO => {
                adapter.at_dispatch(cx, START_IO);
                true
            }
            MESSAGE => {
                let raised = adapter
                    .registers
                    .get()
                    .map(|registers| registers.write32(RAISE, 0));
                raised.is_some()
            }
            DPC => cx.issue_dpc(CHECK_DPC),
            TIMER => {
                let timer = adapter.timer.get();
                timer.is_some_and(|timer| cx.start_timer(timer, Duration::from_millis(1)).is_ok())
            }
            WORK_ITEM => {
                let worker = adapter.worker.get();
                worker.is_some_and(|worker| cx.queue(worker, Run).is_ok())
            }
            _ => false,
        }
    }

    fn report(adapter: &Adapter<'_>, srb: &mut Srb<'_, Self, Fresh<'_>>) -> Option<u32> {
        let mut buffer = srb.data_buffer()?;
        let mut offset = 0;
        for result in adapter.results.as_flattened() {
            offset += buffer.write(offset, &[result.load(Ordering::Relaxed)]);
        }
        u32::try_from(offset).ok()
    }

    /// The pages of a request's MDL are those of its list.
    fn pages<'dev>(
        cx: &StartIo<'dev, Self>,
        srb: &Srb<'dev, Self, Fresh<'_>>,
        segments: &[[u64; 2]; SEGMENTS],
    ) -> Check {
        let [first, ..] = segments;
        let mdl = srb.original_mdl(cx).map_err(|_| 4)?.ok_or(5)?;
        let pages = mdl.pages(cx).map_err(|_| 6)?;
        if u64::from(pages.offset()) != first[0] & 0xFFF {
            return Err(7);
        }
        let (mut frames, mut counted) = (pages.numbers(), 0);
        for [bus_address, bytes] in segments.iter().take_while(|segment| segment[1] != 0) {
            for page in bus_address >> 12..=(bus_address + bytes - 1) >> 12 {
                if frames.next() != Some(page) {
                    return Err(8);
                }
            }
            counted += bytes;
        }
        if frames.next().is_some() || counted != u64::from(srb.data_length()) {
            return Err(9);
        }
        Ok(())
    }

    /// Looks at a request's data by its MDL, its list and its mapping.
    fn exchange<'dev>(
        cx: &StartIo<'dev, Self>,
        registers: Registers<'dev>,
        srb: &mut Srb<'dev, Self, Fresh<'_>>,
    ) -> Check {
        let segments = *srb.extension().ok_or(2)?;
        if srb.data_length() as usize != EXCHANGED || srb.data_buffer().is_some() {
            return Err(3);
        }
        let [first, ..] = segments;
        Self::pages(cx, srb, &segments)?;
        let mut mapped = srb.map_data_buffer(cx).map_err(|_| 10)?;
        let mut data = [0; 256];
        if mapped.length() != EXCHANGED || mapped.read(&mut data) != data.len() {
            return Err(11);
        }
        let first_word = u32::from_le_bytes([data[0], data[1], data[2], data[3]]);
        let rising = data
            .iter()
            .zip(FIRST_BYTE..=u8::MAX)
            .all(|(byte, wanted)| *byte == wanted);
        if !rising || checks::device_reads(registers, first[0]) != first_word {
            return Err(12);
        }
        for offset in 0..EXCHANGED {
            let value = FIRST_BYTE.wrapping_add(offset.to_le_bytes()[0]);
            if mapped.write(offset, &[!value]) != 1 {
                return Err(13);
            }
        }
        if checks::device_reads(registers, first[0]) == !first_word {
            Ok(())
        } else {
            Err(14)
        }
    }
}

impl Miniport for MemoryMiniport {
    type Adapter<'dev> = Adapter<'dev>;
    type StartIoState<'dev> = u32;
    type DpcState<'dev> = u32;
    type SrbExtension = [[u64; 2]; SEGMENTS];
    type UnitExtension = u32;
    type Slots = Slots<1, 1, 2, 24>;
    type Interrupts = PerMessage;
    type Channels = OneChannel;

    const FEATURES: u32 = DUMP_POINTERS;

    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<Limits, FindError> {
        let registers = cx.map_registers(0).ok_or(FindError::BadConfig)?;
        let ports = cx.map_ports(1).ok_or(FindError::BadConfig)?;
        let uncached = cx
            .uncached_extension(UNCACHED_BYTES, &LIMITS)
            .ok_or(FindError::Error)?;
        let words = cx.allocate_pool(WORDS, TAG).map_err(|_| FindError::Error)?;
        let memory = cx
            .allocate_contiguous(&ContiguousRequest::anywhere(8192))
            .map_err(|_| FindError::Error)?;
        let timer = cx.create_timer().map_err(|_| FindError::Error)?;
        let worker = cx.create_worker().map_err(|_| FindError::Error)?;
        adapter.registers.set(registers);
        adapter.ports.set(ports);
        adapter.uncached.set(uncached);
        adapter.words.set(words);
        adapter.memory.set(memory);
        adapter.timer.set(timer);
        adapter.worker.set(worker);
        adapter.up_to_dispatch(cx, FIND_ADAPTER);
        adapter.keep(FIND_ADAPTER, BUS, checks::bus(cx));
        let marked = cx.mark_dump_memory(&uncached).map_err(|_| 2);
        adapter.keep(FIND_ADAPTER, DUMP_MEMORY, marked);
        Ok(LIMITS)
    }

    fn initialize<'dev>(
        cx: &mut Initialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        adapter.anywhere(cx, INITIALIZE);
        Ok(())
    }

    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        adapter.up_to_dispatch(cx, PASSIVE_INITIALIZE);
        Ok(())
    }

    fn build_io(mut srb: Preparing<'_, Self>) -> Built<'_> {
        let mut kept = [[0; 2]; SEGMENTS];
        if let Some(list) = srb.scatter_gather() {
            for (place, segment) in kept.iter_mut().zip(list.segments()) {
                *place = [segment.bus_address, u64::from(segment.length)];
            }
        }
        if let Some(extension) = srb.extension() {
            *extension = kept;
        }
        srb.proceed()
    }

    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        mut srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb> {
        let done = |transferred: Option<u32>| match transferred {
            Some(transferred) => Completion::Success { transferred },
            None => Completion::Status(SrbStatus::Error),
        };
        let cdb = srb.cdb();
        let mut bytes = cdb.as_ref().map_or(&[][..], |cdb| cdb.bytes()).iter().copied();
        let completion = match (srb.function(), bytes.next()) {
            (Function::DumpPointers, _) => {
                let said = srb.describe_dump_driver(&DumpDriver {
                    name: DUMP_NAME,
                    common_buffer: DUMP_BUFFER,
                    maximum_transfer_length: Some(4096),
                });
                adapter.keep(START_IO, DUMP_DRIVER, said.map_err(|_| 2));
                done(said.ok().map(|()| srb.data_length()))
            }
            (Function::Pnp | Function::FreeDumpPointers, _) => Completion::Success { transferred: 0 },
            (Function::ExecuteScsi, Some(RUN)) => {
                let place = bytes.next().map_or(PLACES.len(), usize::from);
                done(Self::start(cx, adapter, place).then_some(0))
            }
            (Function::ExecuteScsi, Some(REPORT)) => done(Self::report(adapter, &mut srb)),
            (Function::ExecuteScsi, Some(EXCHANGE)) => {
                let result = adapter
                    .registers
                    .get()
                    .map_or(Err(99), |registers| Self::exchange(cx, registers, &mut srb));
                adapter.keep(START_IO, REQUEST, result);
                done(result.ok().map(|()| srb.data_length()))
            }
            _ => Completion::Status(SrbStatus::InvalidRequest),
        };
        srb.complete(cx, completion)
    }

    fn message_interrupt<'dev>(cx: &mut MessageInterrupt<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Claim {
        adapter.anywhere(cx, MESSAGE);
        Claim::Claimed
    }

    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        if cx.index() == LIST_DPC {
            adapter.end_lists(&**cx);
        } else {
            adapter.at_dispatch(&**cx, DPC);
        }
    }

    fn timer<'dev>(cx: &mut Timer<'dev, Self>, adapter: &'dev Adapter<'dev>) {
        adapter.at_dispatch(&**cx, TIMER);
    }

    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Adapter<'dev>,
        _path: u8,
    ) -> ResetOutcome {
        adapter.at_dispatch(cx, RESET_BUS);
        ResetOutcome::Done
    }

    fn stop<'dev>(_cx: &Control<'dev, Self>, _adapter: &'dev Adapter<'dev>) {}

    fn restart<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Adapter<'dev>) -> Result<(), InitializeError> {
        adapter.anywhere(cx, RESTART);
        Ok(())
    }

    fn remove<'dev>(_cx: &mut StartIo<'dev, Self>, _adapter: &'dev Adapter<'dev>) {}
}
