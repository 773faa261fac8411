//! An NVMe controller in the lab's own process: `lab:nvme`.
//!
//! | file | idea |
//! | --- | --- |
//! | `config_space` | the PCI function |
//! | `runner` | what moves the controller |
//!
//! The controller itself is the crate [`nvme_controller`]. It needs no emulator, starts in milliseconds, has what QEMU's lacks
//! (reservations, Abort, a write cache that loses what was not flushed) and misbehaves by plan.

mod config_space;
mod runner;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use nvme_controller::{
    Controller, Seen, Witness,
    fault::Kind,
    namespace::Namespace,
    store::{self, Sparse, Store},
};
use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use self::{
    config_space::{ConfigSpace, Identity},
    runner::{BusMemory, Runner, Shared, Time},
};
use super::{
    Bar, Device, DeviceError, DmaRegion, DmaWatch, InterruptSink, LineSink, Movable, Width,
    image::{Image, ImageError},
    spec::{Backing, Interrupts, LabNvmeSpec},
};
use crate::{
    memory::SharedMemory,
    observe::{DeviceEvent, DeviceSink},
};

/// Bus address of BAR 0.
const BAR_ADDRESS: u64 = 0xc000_0000;
/// Bus address of the memory shared with the driver: not its offset, so that nobody mistakes one for the other.
const MEMORY_ADDRESS: u64 = 0x1_0000_0000;
/// Where the MSI-X table and its pending bits lie in BAR 0.
const TABLE: u64 = 0x4000;
const PENDING: u64 = 0xE000;
/// Length of BAR 0.
const BAR_LENGTH: u64 = 0x1_0000;
/// The PCI id: QEMU's NVMe controller's, whose drivers this stands in for.
const DEVICE_ID: u16 = 0x0010;

/// Why the controller could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There is no memory for the device.
    #[error("the device's memory: {0}; give a smaller ram=")]
    Memory(io::Error),
    /// An image cannot be opened a second time.
    #[error("image: {0}")]
    Share(io::Error),
    /// There is no thread for the device.
    #[error("the device's thread: {0}")]
    Thread(io::Error),
}

/// An NVMe controller in this process.
pub struct InProcessNvme {
    name: String,
    shared: Arc<Shared>,
    runner: Mutex<Option<Runner>>,
    config_space: Mutex<ConfigSpace>,
    /// The MSI-X table's bytes: the lab programs delivery itself, a driver may look.
    table: Mutex<Box<[u8]>>,
    bars: [Bar; 1],
    dma: DmaRegion,
    /// Messages that the lab may use; none where the line is asked for.
    messages: u16,
}

impl std::fmt::Debug for InProcessNvme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcessNvme")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is behind namespace `number`: a file if one was named, else memory.
fn store(backing: &Backing, number: u8) -> Result<Box<dyn Store>, OpenError> {
    if backing.image.is_none() {
        return Ok(Box::new(Sparse::new(backing.new_image_size())));
    }
    let image = Image::open(backing, number)?;
    let file = image.share().map_err(OpenError::Share)?;
    Ok(Box::new(store::Image::new(file, image.length())))
}

impl InProcessNvme {
    /// Switches a controller on. `seed` decides what a power cut takes.
    ///
    /// # Errors
    /// If an image cannot be used, or there is no memory or thread for it.
    pub fn open(spec: &LabNvmeSpec, seed: u64) -> Result<Self, OpenError> {
        Self::open_with(spec, seed, Time::Host(Instant::now()))
    }

    /// As [`InProcessNvme::open`], without a thread: it moves when it is told to, by the time it is told
    /// ([`Device::movable`]).
    ///
    /// # Errors
    /// If an image cannot be used, or there is no memory for it.
    pub fn open_movable(spec: &LabNvmeSpec, seed: u64) -> Result<Self, OpenError> {
        Self::open_with(spec, seed, Time::Told(AtomicU64::new(0)))
    }

    fn open_with(spec: &LabNvmeSpec, seed: u64, time: Time) -> Result<Self, OpenError> {
        let backing = &spec.backing;
        let ram = backing.ram;
        let memory = || -> io::Result<(OwnedFd, SharedMemory)> {
            let file = memfd_create("portlab device memory", MemfdFlags::CLOEXEC)?;
            ftruncate(&file, ram)?;
            let mapped = SharedMemory::new(file.as_fd(), 0, ram)?;
            Ok((file, mapped))
        };
        let (file, mapped) = memory().map_err(OpenError::Memory)?;
        let mut namespaces = Vec::new();
        for number in 1..=backing.units {
            // A locally made identifier: no vendor has this prefix.
            let eui64 = 0xFE11_0000_0000_0000 | u64::from(number);
            namespaces.push(Namespace::new(store(backing, number)?, backing.block, eui64));
        }
        let config = spec.config(seed);
        let (vectors, stride, vendor) = (config.vectors, config.stride, config.vendor);
        let plan = spec.faults.clone().unwrap_or_default();
        let controller = Controller::new(config, namespaces, plan);
        let shared = Arc::new(Shared::new(
            controller,
            BusMemory::new(MEMORY_ADDRESS, mapped),
            stride,
            time,
        ));
        let runner = if shared.is_told() {
            None
        } else {
            Some(Runner::start(&shared).map_err(OpenError::Thread)?)
        };
        let identity = Identity {
            vendor,
            device: DEVICE_ID,
            bar: BAR_ADDRESS,
            vectors,
            table: u32::try_from(TABLE).unwrap_or(0),
            pending: u32::try_from(PENDING).unwrap_or(0),
        };
        Ok(Self {
            name: backing.text.clone(),
            shared,
            runner: Mutex::new(runner),
            config_space: Mutex::new(ConfigSpace::new(&identity)),
            table: Mutex::new(vec![0; 16 * usize::from(vectors)].into_boxed_slice()),
            bars: [Bar {
                index: 0,
                address: BAR_ADDRESS,
                length: BAR_LENGTH,
            }],
            dma: DmaRegion {
                memory: file,
                offset: 0,
                device_address: MEMORY_ADDRESS,
                length: ram,
            },
            messages: match backing.interrupts {
                Interrupts::Messages => vectors,
                Interrupts::Line => 0,
            },
        })
    }

    /// Uses the controller directly, for faults and events that come from outside; it looks at what changed afterwards.
    pub fn with_controller<R>(&self, change: impl FnOnce(&mut Controller) -> R) -> R {
        let result = change(&mut self.shared.controller());
        self.shared.look();
        result
    }

    /// How often a kind of fault was set off; the values within it do not count.
    #[must_use]
    pub fn injected(&self, kind: Kind) -> u64 {
        let controller = self.shared.controller();
        let mut injected = controller.injected().iter();
        injected
            .find(|(name, _)| *name == kind.name())
            .map_or(0, |(_, count)| *count)
    }

    /// Reads what is durable of a namespace, as a power cut would leave it.
    ///
    /// # Errors
    /// If there is no such namespace, or its medium cannot be read.
    pub fn read_durable(&self, id: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let controller = self.shared.controller();
        let namespace = controller.peek(id).ok_or(io::ErrorKind::NotFound)?;
        namespace.read_durable(offset, buffer)
    }

    fn access_table(&self, offset: u64, width: Width, value: Option<u64>) -> Option<u64> {
        let at = usize::try_from(offset.checked_sub(TABLE)?).ok()?;
        let mut table = self.table.lock();
        let place = table.get_mut(at..at + width.bytes())?;
        if let Some(value) = value {
            place.copy_from_slice(&value.to_le_bytes()[..width.bytes()]);
            return Some(0);
        }
        let mut bytes = [0; 8];
        bytes[..width.bytes()].copy_from_slice(place);
        Some(u64::from_le_bytes(bytes))
    }
}

fn bytes(width: Width) -> u8 {
    u8::try_from(width.bytes()).unwrap_or(8)
}

impl Device for InProcessNvme {
    fn name(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        if !self.alive() {
            buffer.fill(0xff);
            return;
        }
        let line = self.shared.controller().line();
        self.config_space.lock().read(offset, buffer, line);
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        if self.alive() {
            self.config_space.lock().write(offset, data);
        }
    }

    fn bars(&self) -> &[Bar] {
        &self.bars
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        let aligned = offset.is_multiple_of(width.bytes() as u64);
        if bar != 0 || !aligned || offset >= BAR_LENGTH {
            return u64::MAX >> (64 - 8 * width.bytes());
        }
        let mut controller = self.shared.controller();
        if controller.is_gone() {
            return controller.read(0, bytes(width));
        }
        if let Some(value) = self.access_table(offset, width, None) {
            return value;
        }
        controller.read(offset, bytes(width))
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        let aligned = offset.is_multiple_of(width.bytes() as u64);
        if bar != 0
            || !aligned
            || offset >= BAR_LENGTH
            || self.access_table(offset, width, Some(value)).is_some()
        {
            return;
        }
        self.shared.write(offset, bytes(width), value);
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn watch_dma(&self, watch: Arc<dyn DmaWatch>) -> bool {
        self.shared.memory.watch(watch);
        true
    }

    fn message_count(&self) -> u16 {
        self.messages
    }

    fn enable_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        if count > self.messages {
            return Err(DeviceError::Unsupported("so many MSI-X messages"));
        }
        if !self.alive() {
            return Err(DeviceError::Gone("it left the bus".to_owned()));
        }
        self.shared.sinks.lock().messages = Some((count, sink));
        Ok(())
    }

    fn disable_messages(&self) {
        // Sinks are called with this lock held: no call is under way after it.
        self.shared.sinks.lock().messages = None;
    }

    fn enable_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        if self.shared.line() {
            sink();
        }
        self.shared.sinks.lock().line = Some(sink);
        Ok(())
    }

    fn disable_line(&self) {
        self.shared.sinks.lock().line = None;
    }

    fn line_asserted(&self) -> bool {
        self.shared.line()
    }

    fn alive(&self) -> bool {
        !self.shared.controller().is_gone()
    }

    fn pull(&self) -> Result<(), DeviceError> {
        self.with_controller(Controller::vanish);
        Ok(())
    }

    fn cycle_power(&self) -> Result<(), DeviceError> {
        if !self.alive() {
            return Err(DeviceError::Gone("it left the bus".to_owned()));
        }
        self.with_controller(Controller::cut_power);
        Ok(())
    }

    fn observe(&self, sink: Option<DeviceSink>) {
        let witness = sink.map(|sink| {
            Witness(Arc::new(move |seen| {
                sink(match seen {
                    Seen::Fetched {
                        queue,
                        command_id,
                        opcode,
                        namespace,
                    } => DeviceEvent::Fetched {
                        queue,
                        command_id,
                        opcode,
                        namespace,
                    },
                    Seen::Posted {
                        queue,
                        command_id,
                        status,
                    } => DeviceEvent::Posted {
                        queue,
                        command_id,
                        status,
                    },
                    Seen::Forgotten => DeviceEvent::Forgotten,
                });
            }))
        });
        self.shared.controller().set_witness(witness);
    }

    fn movable(self: Arc<Self>) -> Option<Arc<dyn Movable>> {
        let told = self.shared.is_told();
        told.then_some(self as Arc<dyn Movable>)
    }
}

impl Movable for InProcessNvme {
    fn wants_to_move(&self) -> bool {
        self.shared.is_wanted()
    }

    fn advance(&self, now: Duration) -> Option<Duration> {
        self.shared.advance_at(now)
    }
}

impl Drop for InProcessNvme {
    fn drop(&mut self) {
        if let Some(mut runner) = self.runner.lock().take() {
            runner.stop(&self.shared);
        }
    }
}
