//! Dump mode: a crash dump, or hibernation, through a second load of the driver.
//!
//! The system is halted but for one processor. The dump stack loads the same image again, with data of its own, under the name
//! `dump_DRIVER.sys` (`hiber_DRIVER.sys`), calls `DriverEntry` with NULL arguments, then `HwStorFindAdapter` with "dump=1" and
//! `DumpMode`, then `HwStorInitialize`, all at HIGH_LEVEL. There are no interrupt messages; after a request has gone to
//! `HwStorBuildIo` and `HwStorStartIo` the port driver calls `HwStorInterrupt` and stalls until it is complete. One request
//! at a time.
//!
//! Sources: Microsoft Learn, "Restrictions on Miniport Drivers that Manage the Boot Drive", `HW_FIND_ADAPTER`,
//! `PORT_CONFIGURATION_INFORMATION` (`DumpMode`), `StorPortMarkDumpMemory`. Which IRQL `DriverEntry` and `HwStorInitialize`
//! have ("higher than PASSIVE"), that `HwStorInterrupt` is what is polled, and the times allowed, are inferred.

use std::{
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use serde::Serialize;

use super::{
    activity::{self, Activity},
    adapter::Phase,
    buffer::DataBuffer,
    driver,
    error::{LabError, StartError},
    lab::{Lab, Slot},
    machine::Machine,
    options::LabOptions,
    request::{Address, Direction, Outcome, Request},
    rules,
};
use crate::{
    abi::entry::{Routine, ulong},
    device::{Bar, Device, DeviceError, DmaRegion, InterruptSink, Movable, Width},
    engine::{Engine, Irql, halted::HaltedEngine},
    memory::{DmaRequest, Request as MemoryRequest},
    trap,
    workload::cdb,
};

/// Memory that the device can reach in dump mode, at most: the dump stack's buffers, and the 32 KiB of the miniport.
const DUMP_MEMORY: u64 = 8 << 20;
/// What a miniport may allocate in dump mode.
const MOST_ALLOCATED: usize = 32 << 10;
/// Bytes of one write, at most: what the dump stack's buffer holds.
const CHUNK: usize = 64 << 10;
/// What a request gets.
const TIMEOUT: Duration = if cfg!(test) {
    Duration::from_secs(1)
} else {
    Duration::from_secs(10)
};
/// Bytes of standard INQUIRY data, and where a unit's names begin in it.
const INQUIRY_LENGTH: u16 = 36;
const IDENTITY: usize = 8;
/// What a whole dump gets, by the host's clock.
const PATIENCE: Duration = Duration::from_mins(5);

/// What dump mode is for (`DUMP_MODE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpMode {
    /// A crash dump.
    Crash,
    /// Writing the hibernation file.
    Hibernate,
    /// Only to mark the memory that is needed.
    MarkMemory,
    /// Reading the hibernation file.
    Resume,
}

impl DumpMode {
    /// `PORT_CONFIGURATION_INFORMATION.DumpMode`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Crash => 1,
            Self::Hibernate => 2,
            Self::MarkMemory => 3,
            Self::Resume => 4,
        }
    }
}

/// What is to be written, and where.
#[derive(Debug, Clone)]
pub struct DumpPlan {
    /// The disk.
    pub unit: Address,
    /// Length of its blocks in bytes.
    pub block_bytes: u32,
    /// First block.
    pub first_block: u64,
    /// The data: whole blocks. In mode [`DumpMode::Resume`] it is what is expected to be there.
    pub contents: Vec<u8>,
}

/// How a dump went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DumpReport {
    /// Bytes that the disk took.
    pub bytes_written: u64,
    /// Bytes that read back as they were written.
    pub bytes_verified: u64,
    /// Requests.
    pub requests: u64,
    /// Calls of `HwStorInterrupt`.
    pub polls: u64,
    /// Bytes that the miniport allocated.
    pub allocated: usize,
    /// `StorPortMarkDumpMemory` calls.
    pub marked: u64,
}

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The adapter never ran, or the machine is down already.
    #[error("there is no adapter that was started")]
    NotStarted,
    /// No memory, or no second image.
    #[error("the dump stack cannot be set up: {0}")]
    SetUp(LabError),
    /// `DriverEntry` refuses NULL arguments: the driver has no dump mode.
    #[error("DriverEntry with NULL arguments returned {0:#010x}: the driver has no dump mode")]
    Refused(u32),
    /// The adapter does not start.
    #[error("in dump mode: {0}")]
    Start(#[from] StartError),
    /// A request failed.
    #[error("in dump mode {what} failed: {outcome}")]
    Failed {
        /// The request.
        what: String,
        /// How it came back.
        outcome: Outcome,
    },
    /// A request never completes.
    #[error("in dump mode {0} never completes")]
    Lost(String),
    /// What was written does not read back.
    #[error("in dump mode block {0} does not read back as it was written")]
    Mismatch(u64),
    /// The driver has not come back.
    #[error("the driver did not come back in dump mode")]
    Hung,
}

/// The device as the dump stack has it: a part of the memory, and no interrupts.
struct DumpDevice {
    device: Arc<dyn Device>,
    dma: DmaRegion,
}

impl Device for DumpDevice {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        self.device.config_read(offset, buffer);
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        self.device.config_write(offset, data);
    }

    fn bars(&self) -> &[Bar] {
        self.device.bars()
    }

    fn ports(&self) -> &[Bar] {
        self.device.ports()
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        self.device.read(bar, offset, width)
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        self.device.write(bar, offset, width, value);
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        0
    }

    fn enable_messages(&self, _count: u16, _sink: InterruptSink) -> Result<(), DeviceError> {
        Err(DeviceError::Unsupported("interrupts in dump mode"))
    }

    fn disable_messages(&self) {}

    fn alive(&self) -> bool {
        self.device.alive()
    }

    fn movable(self: Arc<Self>) -> Option<Arc<dyn Movable>> {
        Arc::clone(&self.device).movable()
    }
}

impl Lab {
    /// Crashes the system under the driver, wherever it is, and writes a dump. The lab takes no more requests afterwards.
    ///
    /// # Errors
    /// See [`DumpError`].
    pub fn crash_dump(&self, plan: &DumpPlan) -> Result<DumpReport, DumpError> {
        if self.machine.phase() != Phase::Running {
            return Err(DumpError::NotStarted);
        }
        let identity = self.identity(plan.unit);
        self.machine.journal.halt();
        // Whoever was in the driver gets to its next call, which never returns.
        thread::sleep(Duration::from_millis(50));
        let report = self.dump_from(None, DumpMode::Crash, plan, identity);
        self.machine.abandon_requests();
        report
    }

    /// Dump mode while the adapter is in D3 or stopped: what hibernation does in between.
    ///
    /// # Errors
    /// See [`DumpError`].
    pub fn hibernation_pass(
        &self,
        mode: DumpMode,
        plan: &DumpPlan,
        identity: Option<Vec<u8>>,
    ) -> Result<DumpReport, DumpError> {
        if !matches!(self.machine.phase(), Phase::PoweredDown | Phase::Stopped) {
            return Err(DumpError::NotStarted);
        }
        // Power is there for whoever writes the hibernation file.
        let off = self.machine.powered_down.swap(false, Ordering::AcqRel);
        let report = self.dump_from(None, mode, plan, identity);
        self.machine.powered_down.store(off, Ordering::Release);
        report
    }

    /// What a unit says of itself: vendor, product, revision.
    #[must_use]
    pub fn identity(&self, unit: Address) -> Option<Vec<u8>> {
        let buffer = self.buffer(INQUIRY_LENGTH.into()).ok()?;
        let outcome = self.execute(Request {
            processor: 0,
            address: unit,
            cdb: cdb::inquiry(None, INQUIRY_LENGTH),
            direction: Direction::In,
            buffer: Some(buffer.clone()),
            timeout: TIMEOUT,
        });
        outcome.is_success().then(|| buffer.to_vec().split_off(IDENTITY))
    }

    /// Runs the dump stack with the driver's second image; `entry` replaces its `DriverEntry`.
    pub(super) fn dump_from(
        &self,
        entry: Option<Routine>,
        mode: DumpMode,
        plan: &DumpPlan,
        identity: Option<Vec<u8>>,
    ) -> Result<DumpReport, DumpError> {
        self.machine.disconnect();
        let dump = Arc::new(Dump::set_up(&self.machine, mode, plan, identity)?);
        let machine = Arc::clone(&dump.lab.machine);
        let image = entry.is_none().then(|| self.machine.options.image.clone());
        let (sender, receiver) = channel();
        let started = thread::Builder::new()
            .name(String::from("dump stack"))
            .spawn(move || {
                // The receiver waits unless the driver has hung.
                let _ = sender.send(dump.run(entry, image.as_deref()));
            });
        started.map_err(|error| DumpError::SetUp(error.into()))?;
        let mut left = PATIENCE;
        let turn = Duration::from_millis(50);
        let result = loop {
            match receiver.recv_timeout(turn) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Timeout) if !machine.journal.is_down() && !left.is_zero() => {
                    left = left.saturating_sub(turn);
                }
                Err(_) => break Err(DumpError::Hung),
            }
        };
        self.machine.journal.absorb(&machine.journal);
        result
    }
}

/// The dump stack.
struct Dump {
    lab: Lab,
    engine: Arc<HaltedEngine>,
    mode: DumpMode,
    plan: DumpPlan,
    identity: Option<Vec<u8>>,
}

impl Dump {
    fn set_up(
        machine: &Arc<Machine>,
        mode: DumpMode,
        plan: &DumpPlan,
        identity: Option<Vec<u8>>,
    ) -> Result<Self, DumpError> {
        let device = Arc::clone(&machine.options.device);
        let whole = device.dma();
        let length = DUMP_MEMORY.min(whole.length / 4) / 4096 * 4096;
        let wanted = usize::try_from(length).unwrap_or(0);
        let request = MemoryRequest::new(wanted, "the dump stack's memory").aligned(4096);
        let no_memory = || DumpError::SetUp(LabError::Memory(wanted));
        let block = machine
            .memory
            .port_dma(&DmaRequest::contiguous(request))
            .ok_or_else(no_memory)?;
        let segment = machine
            .memory
            .dma
            .translate(block.address)
            .ok_or_else(no_memory)?;
        let dma = DmaRegion {
            memory: whole
                .memory
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| DumpError::SetUp(error.into()))?,
            offset: whole.offset + (segment.device_address - whole.device_address),
            device_address: segment.device_address,
            length,
        };
        let moved = Arc::clone(&device).movable();
        let options = LabOptions {
            device: Arc::new(DumpDevice { device, dma }),
            processors: 1,
            ..machine.options.clone()
        };
        let engine = Arc::new(HaltedEngine::new(Arc::clone(&machine.engine), moved));
        let dump = Machine::for_dump(options, Arc::clone(&engine) as Arc<dyn Engine>, mode)
            .map_err(|error| DumpError::SetUp(error.into()))?;
        Ok(Self {
            lab: Lab::around(dump, Arc::clone(&engine) as Arc<dyn Engine>),
            engine,
            mode,
            plan: plan.clone(),
            identity,
        })
    }

    /// On a thread of its own.
    fn run(&self, entry: Option<Routine>, image: Option<&Path>) -> Result<DumpReport, DumpError> {
        let machine = &self.lab.machine;
        trap::prepare_thread().map_err(|error| DumpError::SetUp(error.into()))?;
        activity::bind(machine);
        machine.raise(Irql::HIGH);
        let report = self.enter(entry, image).and_then(|()| self.dump());
        self.engine.set_poll(None);
        machine.lower(Irql::PASSIVE);
        activity::unbind();
        report
    }

    fn enter(&self, entry: Option<Routine>, image: Option<&Path>) -> Result<(), DumpError> {
        let machine = &self.lab.machine;
        let image: Option<PathBuf> = image.map(Path::to_path_buf);
        if let Some(path) = image {
            driver::load(machine, &path).map_err(DumpError::SetUp)?;
        }
        let own = || {
            machine
                .image
                .get()
                .and_then(|loaded| driver::entry(&loaded.image))
        };
        let entry = entry
            .or_else(own)
            .ok_or(DumpError::SetUp(LabError::NotAMiniport))?;
        let result = machine.call(Activity::DriverEntry, Irql::HIGH, &[], entry, &[0, 0]);
        let status = ulong(result.ok_or_else(|| machine.down())?);
        if status & 0x8000_0000 != 0 || machine.phase() != Phase::Loaded {
            return Err(DumpError::Refused(status));
        }
        machine.find_adapter()?;
        Ok(())
    }

    fn dump(&self) -> Result<DumpReport, DumpError> {
        let machine = &self.lab.machine;
        self.judge_marks();
        if self.mode != DumpMode::MarkMemory {
            machine.initialize()?;
        }
        let allocated = machine.memory.allocated() + machine.setup().uncached.map_or(0, |(_, length)| length);
        if allocated > MOST_ALLOCATED {
            machine.violate(&rules::DUMP_MEMORY, || {
                format!("{allocated} bytes are allocated; {MOST_ALLOCATED} are the most")
            });
        }
        let mut report = DumpReport {
            allocated,
            marked: machine.marked.load(Ordering::Relaxed),
            ..DumpReport::default()
        };
        if self.mode == DumpMode::MarkMemory {
            return Ok(report);
        }
        machine.adapter.enter(Phase::Running);
        let polled = Arc::downgrade(machine);
        self.engine.set_poll(Some(Box::new(move || {
            if let Some(machine) = polled.upgrade() {
                machine.poll_interrupt();
            }
        })));
        self.look_at_the_disk()?;
        if self.mode != DumpMode::Resume {
            self.write(&mut report)?;
        }
        self.verify(&mut report)?;
        let statistics = self.lab.statistics();
        report.requests = statistics.srbs_issued;
        report.polls = self.engine.polls();
        Ok(report)
    }

    fn judge_marks(&self) {
        let machine = &self.lab.machine;
        let marking = matches!(self.mode, DumpMode::MarkMemory | DumpMode::Hibernate);
        if marking && machine.marked.load(Ordering::Relaxed) == 0 {
            machine.violate(&rules::DUMP_UNMARKED, || {
                format!("HwStorFindAdapter with DumpMode {}", self.mode.code())
            });
        }
    }

    /// The first request, directly after `HwStorInitialize`.
    fn look_at_the_disk(&self) -> Result<(), DumpError> {
        let machine = &self.lab.machine;
        let unit = self.plan.unit;
        let issued = self.lab.statistics().busy_retries;
        let buffer = self.buffer(INQUIRY_LENGTH.into())?;
        let command = cdb::inquiry(None, INQUIRY_LENGTH);
        let looked = self.execute("the first INQUIRY", command, Direction::In, Some(buffer.clone()));
        if let Err(error) = looked {
            machine.violate(&rules::DUMP_NOT_READY, || {
                format!("the first INQUIRY to unit {unit} failed")
            });
            return Err(error);
        }
        let found = buffer.to_vec().split_off(IDENTITY);
        if self.lab.statistics().busy_retries > issued {
            machine.violate(&rules::DUMP_NOT_READY, || {
                format!("the first INQUIRY to unit {unit} found it busy")
            });
        }
        if self.identity.as_ref().is_some_and(|before| *before != found) {
            machine.violate(&rules::DUMP_ADDRESS, || {
                format!("unit {unit} is not the disk that it was before")
            });
        }
        self.command("TEST UNIT READY", cdb::test_unit_ready(), Direction::None, None)
    }

    fn write(&self, report: &mut DumpReport) -> Result<(), DumpError> {
        for (block, data) in self.chunks() {
            let blocks = u32::try_from(data.len() as u64 / u64::from(self.plan.block_bytes)).unwrap_or(0);
            let command = cdb::write(cdb::Form::Ten, block, blocks);
            self.command(
                &format!("a write at block {block}"),
                command,
                Direction::Out,
                Some(data),
            )?;
            report.bytes_written += data.len() as u64;
        }
        self.command(
            "SYNCHRONIZE CACHE",
            cdb::synchronize_cache_10(),
            Direction::None,
            None,
        )
    }

    fn verify(&self, report: &mut DumpReport) -> Result<(), DumpError> {
        for (block, data) in self.chunks() {
            let blocks = u32::try_from(data.len() as u64 / u64::from(self.plan.block_bytes)).unwrap_or(0);
            let buffer = self.buffer(data.len())?;
            let command = cdb::read(cdb::Form::Ten, block, blocks);
            self.execute(
                &format!("a read at block {block}"),
                command,
                Direction::In,
                Some(buffer.clone()),
            )?;
            if buffer.to_vec() != data {
                return Err(DumpError::Mismatch(block));
            }
            report.bytes_verified += data.len() as u64;
        }
        Ok(())
    }

    fn chunks(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let most = CHUNK.min(self.lab.limits().max_transfer as usize);
        let block = self.plan.block_bytes.max(1) as usize;
        let chunk = (most / block).max(1) * block;
        let blocks = (chunk / block) as u64;
        let starts = (0..).map(move |index: u64| self.plan.first_block + index * blocks);
        starts.zip(self.plan.contents.chunks(chunk))
    }

    fn command(
        &self,
        what: &str,
        cdb: Vec<u8>,
        direction: Direction,
        data: Option<&[u8]>,
    ) -> Result<(), DumpError> {
        let buffer = match data {
            None => None,
            Some(data) => {
                let buffer = self.buffer(data.len())?;
                buffer.write(0, data);
                Some(buffer)
            }
        };
        self.execute(what, cdb, direction, buffer)
    }

    fn buffer(&self, length: usize) -> Result<DataBuffer, DumpError> {
        self.lab.buffer(length).map_err(DumpError::SetUp)
    }

    fn execute(
        &self,
        what: &str,
        cdb: Vec<u8>,
        direction: Direction,
        buffer: Option<DataBuffer>,
    ) -> Result<(), DumpError> {
        let request = Request {
            processor: 0,
            address: self.plan.unit,
            cdb,
            direction,
            buffer,
            timeout: TIMEOUT,
        };
        let outcome = Slot::default();
        let slot = outcome.clone();
        self.lab
            .submit(request, Box::new(move |outcome| slot.fill(outcome)));
        let Some(outcome) = outcome.take(&*self.engine, TIMEOUT) else {
            let machine = &self.lab.machine;
            machine.violate(&rules::DUMP_LOST, || what.to_owned());
            return Err(DumpError::Lost(what.to_owned()));
        };
        if outcome.is_success() {
            return Ok(());
        }
        Err(DumpError::Failed {
            what: what.to_owned(),
            outcome,
        })
    }
}

impl Machine {
    /// `HwStorInterrupt`, called because nothing interrupts in dump mode.
    fn poll_interrupt(&self) {
        let setup = self.setup();
        let Some(routine) = Routine::new(setup.registration.hw_interrupt) else {
            return;
        };
        let lock = Arc::clone(&self.adapter.interrupt);
        self.call(
            Activity::LineInterrupt,
            Irql::DEVICE,
            &[&lock],
            routine,
            &[setup.extension],
        );
    }
}
