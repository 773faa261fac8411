//! QEMU's controllers over qtest.
//!
//! | file | idea |
//! | --- | --- |
//! | `image` | the files behind the units |
//! | `process` | the QEMU process: what it inherits, how it ends |
//! | `machine` | the virtual machine around the controller |
//! | `controller` | what makes one controller differ from another |
//! | `qtest` | register access: posted writes, drained before reads |
//! | `qmp` | the machine's monitor: events and faults |
//! | `pci` | what firmware does with the bus |
//! | `interrupts` | MSI-X, MSI or the line |
//! | `ivshmem` | messages as event counters |
//! | `line` | the line as the I/O APIC sees it |
//! | `faults` | what can be made to happen from outside |
//! | [`firmware`] | what firmware does with an NVMe controller, by raw registers |

mod controller;
mod faults;
pub mod firmware;
mod interrupts;
mod ivshmem;
mod line;
mod machine;
mod pci;
mod process;
mod qmp;
mod qtest;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use self::{faults::FaultError, machine::OpenError, process::QEMU_VARIABLE, qmp::QmpError};
use self::{
    firmware::{Firmware, Registers},
    ivshmem::{Delivery, Doorbell},
    line::{Line, Watch},
    machine::Machine,
    pci::Function,
    process::Process,
    qmp::Qmp,
    qtest::{Qtest, Space},
};
use super::{
    Bar, Device, DeviceError, DmaRegion, InterruptSink, LineSink, Width,
    image::Image,
    spec::{Interrupts, QemuSpec},
};

/// Vendor and device id of `ivshmem-doorbell`.
const ID_IVSHMEM: u32 = 0x1110_1af4;

/// Memory below this address is left to the PC's legacy regions.
const LOW_MEMORY: u64 = 1 << 20;
/// Memory kept for [`Firmware`]; the driver's begins behind it.
const FIRMWARE_MEMORY: u64 = 1 << 20;

/// How long QEMU may take to write its images out when it quits.
const QUIT_PATIENCE: Duration = Duration::from_secs(30);

/// One of QEMU's controllers.
#[derive(Debug)]
pub struct QemuDevice {
    name: String,
    // Delivery and watch first: their threads end before what they use does.
    delivery: Delivery,
    watch: Mutex<Option<Watch>>,
    line: Arc<Line>,
    /// The line was asked for: no messages are offered.
    line_only: bool,
    qtest: Arc<Mutex<Qtest>>,
    qmp: Mutex<Qmp>,
    process: Process,
    doorbell: Arc<Doorbell>,
    doorbell_address: u64,
    function: Function,
    second: Option<Function>,
    dma: DmaRegion,
    images: Vec<Image>,
    gone: Arc<AtomicBool>,
    transport_error: Mutex<Option<String>>,
}

impl QemuDevice {
    /// Starts QEMU, brings up its bus and finds the controller.
    ///
    /// # Errors
    /// If QEMU is not installed, an image cannot be used, or the machine does not come up. Nothing is left
    /// running or on disk then.
    pub fn open(spec: &QemuSpec) -> Result<Self, OpenError> {
        let gone = Arc::new(AtomicBool::new(false));
        let on_exit = Arc::clone(&gone);
        let mut machine = Machine::start(spec, move || on_exit.store(true, Ordering::SeqCst))?;
        let functions = pci::bring_up(&mut machine.qtest)?;
        let mut controllers = functions
            .iter()
            .filter(|function| controller::is_it(spec, function));
        let function = controllers
            .next()
            .cloned()
            .ok_or(OpenError::Lacking(controller::name(spec)))?;
        let second = controllers.next().cloned();
        let doorbell_address = functions
            .iter()
            .find(|function| function.id == ID_IVSHMEM)
            .and_then(|function| function.bars.first())
            .map(|bar| bar.address + ivshmem::DOORBELL)
            .ok_or(OpenError::Lacking("doorbell"))?;
        let doorbell = Arc::new(machine.doorbell);
        let backing = spec.backing();
        let device = Self {
            name: backing.text.clone(),
            delivery: Delivery::start(Arc::clone(&doorbell))?,
            watch: Mutex::new(None),
            line: Arc::new(Line::of_slot(function.slot)),
            line_only: backing.interrupts == Interrupts::Line,
            qtest: Arc::new(Mutex::new(machine.qtest)),
            qmp: Mutex::new(machine.qmp),
            process: machine.process,
            doorbell,
            doorbell_address,
            function,
            second,
            dma: DmaRegion {
                memory: machine.memory,
                offset: LOW_MEMORY + FIRMWARE_MEMORY,
                device_address: LOW_MEMORY + FIRMWARE_MEMORY,
                length: backing.ram - LOW_MEMORY - FIRMWARE_MEMORY,
            },
            images: machine.images,
            gone,
            transport_error: Mutex::new(None),
        };
        device.await_doorbell()?;
        device.prepare_messages();
        Ok(device)
    }

    /// Waits until QEMU has taken up the last event counter: rings for it until it is heard.
    fn await_doorbell(&self) -> Result<(), OpenError> {
        let last = u16::try_from(self.doorbell.len() - 1).unwrap_or(u16::MAX);
        let (sender, heard) = std::sync::mpsc::channel();
        self.delivery.set_sink(Some(Arc::new(move |vector| {
            let _ = sender.send(vector);
        })));
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.alive() {
            self.post(
                self.doorbell_address,
                Width::Dword,
                ivshmem::message_data(last).into(),
            );
            if heard.recv_timeout(Duration::from_millis(20)) == Ok(last) {
                self.settle();
                self.delivery.set_sink(None);
                return Ok(());
            }
        }
        Err(OpenError::Refused(
            self.gone_reason()
                .unwrap_or_else(|| "its doorbell does not ring".to_owned()),
        ))
    }

    /// Lets every message on its way arrive, after the writes posted so far were carried out.
    fn settle(&self) {
        self.guard(Qtest::drain);
        // An event counter is set before qtest replies, and the delivery thread needs a moment to take it.
        thread::sleep(Duration::from_millis(2));
    }

    /// Runs one step on the connection; a failure means that the device is gone.
    fn guard<T>(&self, step: impl FnOnce(&mut Qtest) -> io::Result<T>) -> Option<T> {
        if !self.alive() {
            return None;
        }
        let mut qtest = lock(&self.qtest);
        match step(&mut qtest) {
            Ok(value) => Some(value),
            Err(error) => {
                drop(qtest);
                self.lose(&error);
                None
            }
        }
    }

    fn lose(&self, error: &io::Error) {
        self.gone.store(true, Ordering::SeqCst);
        self.transport_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| format!("QEMU does not answer: {error}"));
        // A QEMU that hangs holds the images: it is of no use to anybody.
        self.process.kill();
    }

    fn post(&self, address: u64, width: Width, value: u64) {
        self.guard(|qtest| qtest.write(Space::Memory, address, width, value));
    }

    fn fetch(&self, address: u64, width: Width) -> u64 {
        self.guard(|qtest| qtest.read(Space::Memory, address, width))
            .unwrap_or_else(|| ones(width))
    }

    fn monitor(&self) -> MutexGuard<'_, Qmp> {
        self.qmp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the device is gone, if it is.
    #[must_use]
    pub fn gone_reason(&self) -> Option<String> {
        if self.alive() {
            return None;
        }
        // The process's own end says more than the broken connection that it caused.
        let ending = self.process.wait(Duration::from_secs(2));
        let transport = || {
            self.transport_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        ending
            .or_else(transport)
            .or_else(|| Some("QEMU is gone".to_owned()))
    }

    /// Ends QEMU in order, so that its images are complete on disk. The device is gone afterwards.
    ///
    /// # Errors
    /// If QEMU was gone already or does not quit; it is killed then.
    pub fn power_off(&self) -> Result<(), DeviceError> {
        self.delivery.set_sink(None);
        if let Some(reason) = self.gone_reason() {
            return Err(DeviceError::Gone(reason));
        }
        // The reply may be lost in the quitting.
        let _ = self.monitor().execute("quit", &serde_json::json!({}));
        let ending = self.process.wait(QUIT_PATIENCE);
        self.gone.store(true, Ordering::SeqCst);
        match ending {
            Some(reason) if reason.starts_with("QEMU quit") => Ok(()),
            Some(reason) => Err(DeviceError::Gone(reason)),
            None => {
                self.process.kill();
                Err(DeviceError::Gone(
                    "QEMU did not quit when asked and was killed".to_owned(),
                ))
            }
        }
    }

    /// Kills QEMU at once: a surprise removal, and a power cut for what it had not written out.
    pub fn kill(&self) {
        self.process.kill();
        self.process.wait(Duration::from_secs(5));
        self.gone.store(true, Ordering::SeqCst);
    }

    /// The image behind the unit with number `unit`, from 1: a namespace or a disk.
    #[must_use]
    pub fn image(&self, unit: u32) -> Option<&Image> {
        usize::try_from(unit.checked_sub(1)?)
            .ok()
            .and_then(|index| self.images.get(index))
    }

    /// An NVMe controller as firmware would use it, before the driver: raw registers and memory of its own.
    #[must_use]
    pub fn firmware(&self) -> Firmware<'_> {
        Firmware::new(self.registers(&self.function), &self.dma.memory, LOW_MEMORY)
    }

    fn registers(&self, function: &Function) -> Registers<'_> {
        let base = function.bars.first().map_or(0, |bar| bar.address);
        Registers::new(self, base)
    }
}

impl Device for QemuDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        let mut address = u64::from(offset);
        let mut rest = buffer;
        while !rest.is_empty() {
            let width = widest(address, rest.len());
            let (piece, tail) = std::mem::take(&mut rest).split_at_mut(width.bytes());
            let value = if address < pci::CONFIG_LENGTH as u64 {
                self.fetch(self.function.config + address, width)
            } else {
                ones(width)
            };
            piece.copy_from_slice(&value.to_le_bytes()[..width.bytes()]);
            address += width.bytes() as u64;
            rest = tail;
        }
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        let mut address = u64::from(offset);
        let mut rest = data;
        while !rest.is_empty() && address < pci::CONFIG_LENGTH as u64 {
            let width = widest(address, rest.len());
            let (piece, tail) = rest.split_at(width.bytes());
            let mut value = [0_u8; 8];
            value[..piece.len()].copy_from_slice(piece);
            self.post(self.function.config + address, width, u64::from_le_bytes(value));
            address += width.bytes() as u64;
            rest = tail;
        }
    }

    fn bars(&self) -> &[Bar] {
        &self.function.bars
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        match self.function.bars.iter().find(|known| known.index == bar) {
            Some(bar) if inside(bar, offset, width) => self.fetch(bar.address + offset, width),
            _ => ones(width),
        }
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        if let Some(bar) = self.function.bars.iter().find(|known| known.index == bar)
            && inside(bar, offset, width)
        {
            self.post(bar.address + offset, width, value);
        }
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        self.offered_messages()
    }

    fn enable_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        self.connect_messages(count, sink)
    }

    fn disable_messages(&self) {
        self.disconnect_messages();
    }

    fn enable_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        self.connect_line(sink)
    }

    fn disable_line(&self) {
        self.disconnect_line();
    }

    fn line_asserted(&self) -> bool {
        self.line_level()
    }

    fn pull(&self) -> Result<(), DeviceError> {
        self.kill();
        Ok(())
    }

    fn alive(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }
}

impl Drop for QemuDevice {
    fn drop(&mut self) {
        if self.alive() {
            // Images that were named by the user are to be complete; a failure ends in the kill of Process.
            let _ = self.power_off();
        }
    }
}

fn lock(qtest: &Mutex<Qtest>) -> MutexGuard<'_, Qtest> {
    qtest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The widest aligned access of at most four bytes at `address` within `length` bytes.
fn widest(address: u64, length: usize) -> Width {
    if address.is_multiple_of(4) && length >= 4 {
        Width::Dword
    } else if address.is_multiple_of(2) && length >= 2 {
        Width::Word
    } else {
        Width::Byte
    }
}

fn inside(bar: &Bar, offset: u64, width: Width) -> bool {
    offset
        .checked_add(width.bytes() as u64)
        .is_some_and(|end| end <= bar.length)
}

/// What a read of `width` from a function that is gone returns.
const fn ones(width: Width) -> u64 {
    u64::MAX >> (64 - 8 * width.bytes())
}
