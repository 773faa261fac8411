//! A PCI function whose registers are memory: for drivers that need a device and nothing of it.
//!
//! What is written to its one BAR is read back. A driver may leave results there, where whoever holds the device reads
//! them, whatever the driver's IRQL. It does nothing by itself, and three things when a driver tells it to:
//!
//! | register | a 32-bit write |
//! | --- | --- |
//! | 0x800 | sends the interrupt message of that number |
//! | 0x804 | sets the level of the interrupt line: 0 or 1 |
//! | 0x80C | fills memory with that byte: as many bytes as 0x808 says, at the bus address in 0x810 (64 bits) |

use std::{
    collections::VecDeque,
    io,
    os::fd::AsFd as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{Bar, Device, DeviceError, DmaRegion, InterruptSink, LineSink, Movable, Width};
use crate::memory::SharedMemory;

/// Bus address of BAR 0.
const BAR_ADDRESS: u32 = 0xFE00_0000;
/// Length of BAR 0.
const REGISTERS: usize = 4096;
/// Bytes of memory shared with the driver.
const SHARED: u64 = 16 << 20;
/// Vendor and device id: the vendor id is that of QEMU's own inventions.
const IDS: u32 = 0x5C7A_1234;
/// Memory space and bus mastering are enabled.
const COMMAND: u32 = 0x6;
/// Mass storage controller, of no other sub-class.
const CLASS: u32 = 0x0180_0000;

/// The registers that do something.
const MESSAGE: u64 = 0x800;
const LINE: u64 = 0x804;
const FILL_LENGTH: u64 = 0x808;
const FILL: u64 = 0x80C;
const FILL_ADDRESS: u64 = 0x810;
/// Bus address of the memory shared with the driver.
const MEMORY_ADDRESS: u64 = 0x1_0000_0000;

/// Who hears of interrupts.
#[derive(Default)]
struct Sinks {
    messages: Option<(u16, InterruptSink)>,
    line: Option<LineSink>,
}

/// See the module's documentation.
pub struct ScratchDevice {
    memory: SharedMemory,
    sinks: Mutex<Sinks>,
    /// Moves when it is told to: what it is to do until then. `None`: it does everything at once.
    pending: Option<Mutex<VecDeque<(u64, u32)>>>,
    line: AtomicBool,
    dma: DmaRegion,
    bars: [Bar; 1],
    configuration: Mutex<[u8; 256]>,
    registers: Mutex<Box<[u8; REGISTERS]>>,
}

impl ScratchDevice {
    /// A device with all registers zero.
    ///
    /// # Errors
    /// If the host has no memory for it.
    pub fn new() -> io::Result<Self> {
        Self::make(None)
    }

    /// As [`ScratchDevice::new`]; what it does it does when it is moved ([`Device::movable`]).
    ///
    /// # Errors
    /// If the host has no memory for it.
    pub fn new_movable() -> io::Result<Self> {
        Self::make(Some(Mutex::default()))
    }

    fn make(pending: Option<Mutex<VecDeque<(u64, u32)>>>) -> io::Result<Self> {
        let memory = memfd_create("scratch", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, SHARED)?;
        let mut configuration = [0; 256];
        for (offset, value) in [(0, IDS), (4, COMMAND), (8, CLASS), (0x10, BAR_ADDRESS)] {
            write(&mut configuration, offset, &value.to_le_bytes());
        }
        Ok(Self {
            memory: SharedMemory::new(memory.as_fd(), 0, SHARED)?,
            sinks: Mutex::default(),
            pending,
            line: AtomicBool::new(false),
            dma: DmaRegion {
                memory,
                offset: 0,
                device_address: MEMORY_ADDRESS,
                length: SHARED,
            },
            bars: [Bar {
                index: 0,
                address: u64::from(BAR_ADDRESS),
                length: REGISTERS as u64,
            }],
            configuration: Mutex::new(configuration),
            registers: Mutex::new(Box::new([0; REGISTERS])),
        })
    }

    /// The 32-bit register at `offset`; all ones beyond the last.
    #[must_use]
    pub fn register(&self, offset: u64) -> u32 {
        u32::try_from(self.read(0, offset, Width::Dword)).unwrap_or(u32::MAX)
    }

    /// Sets the 32-bit register at `offset`.
    pub fn set_register(&self, offset: u64, value: u32) {
        self.write(0, offset, Width::Dword, u64::from(value));
    }

    fn act(&self, register: u64, value: u32) {
        match register {
            MESSAGE => self.send(value),
            LINE => self.set_line(value & 1 != 0),
            _ => self.fill(value),
        }
    }

    fn send(&self, message: u32) {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, sink)) = &sinks.messages
            && let Ok(message) = u16::try_from(message)
            && message < *count
        {
            sink(message);
        }
    }

    fn set_line(&self, level: bool) {
        let before = self.line.swap(level, Ordering::AcqRel);
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if level
            && !before
            && let Some(sink) = &sinks.line
        {
            sink();
        }
    }

    /// As a bus master: what lies outside the shared memory goes nowhere.
    fn fill(&self, byte: u32) {
        let address = self.read(0, FILL_ADDRESS, Width::Qword);
        let length = usize::try_from(self.register(FILL_LENGTH)).unwrap_or(0);
        let [byte, ..] = byte.to_le_bytes();
        let place = address
            .checked_sub(MEMORY_ADDRESS)
            .filter(|offset| offset.saturating_add(length as u64) <= SHARED);
        if let Some(offset) = place {
            let _ = self.memory.write(offset, &vec![byte; length]);
        }
    }
}

fn read(memory: &[u8], offset: usize, buffer: &mut [u8]) {
    let source = memory.iter().skip(offset).chain(std::iter::repeat(&0xFF));
    for (target, byte) in buffer.iter_mut().zip(source) {
        *target = *byte;
    }
}

fn write(memory: &mut [u8], offset: usize, data: &[u8]) {
    for (target, byte) in memory.iter_mut().skip(offset).zip(data) {
        *target = *byte;
    }
}

impl Device for ScratchDevice {
    fn name(&self) -> &'static str {
        "scratch"
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        let configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        read(&*configuration, usize::from(offset), buffer);
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        // Identification, class and BAR are fixed.
        if (4..8).contains(&offset) || offset >= 0x14 {
            let mut configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
            write(&mut *configuration, usize::from(offset), data);
        }
    }

    fn bars(&self) -> &[Bar] {
        &self.bars
    }

    fn read(&self, _bar: u8, offset: u64, width: Width) -> u64 {
        let registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = [0; 8];
        let length = width.bytes().min(bytes.len());
        read(
            &**registers,
            usize::try_from(offset).unwrap_or(usize::MAX),
            &mut bytes[..length],
        );
        u64::from_le_bytes(bytes)
    }

    fn write(&self, _bar: u8, offset: u64, width: Width, value: u64) {
        let mut registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = value.to_le_bytes();
        let length = width.bytes().min(bytes.len());
        write(
            &mut **registers,
            usize::try_from(offset).unwrap_or(usize::MAX),
            &bytes[..length],
        );
        drop(registers);
        if !matches!(offset, MESSAGE | LINE | FILL) {
            return;
        }
        let value = u32::try_from(value & 0xFFFF_FFFF).unwrap_or(0);
        match &self.pending {
            Some(pending) => pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back((offset, value)),
            None => self.act(offset, value),
        }
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        1
    }

    fn enable_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.messages = Some((count, sink));
        Ok(())
    }

    fn disable_messages(&self) {
        // Sinks are called with this lock held: no call is under way after it.
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.messages = None;
    }

    fn enable_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        if self.line_asserted() {
            sink();
        }
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.line = Some(sink);
        Ok(())
    }

    fn disable_line(&self) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.line = None;
    }

    fn line_asserted(&self) -> bool {
        self.line.load(Ordering::Acquire)
    }

    fn alive(&self) -> bool {
        true
    }

    fn movable(self: Arc<Self>) -> Option<Arc<dyn Movable>> {
        self.pending.is_some().then_some(self as Arc<dyn Movable>)
    }
}

impl Movable for ScratchDevice {
    fn wants_to_move(&self) -> bool {
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| !pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    fn advance(&self, _now: Duration) -> Option<Duration> {
        let pending = self.pending.as_ref()?;
        loop {
            // Acting may tell somebody who writes again: not under the lock.
            let next = pending.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let (register, value) = next?;
            self.act(register, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_keep_what_is_written() {
        let device = ScratchDevice::new().expect("memory");
        device.write(0, 8, Width::Qword, 0x1122_3344_5566_7788);
        device.write(0, 9, Width::Byte, 0);
        assert_eq!(device.read(0, 8, Width::Qword), 0x1122_3344_5566_0088);
        device.set_register(0xFFC, 7);
        assert_eq!((device.register(0xFFC), device.register(0x1000)), (7, u32::MAX));
    }

    #[test]
    fn it_does_what_it_is_told() {
        use std::sync::atomic::AtomicU32;
        for device in [ScratchDevice::new(), ScratchDevice::new_movable()] {
            let device = Arc::new(device.expect("memory"));
            let heard = Arc::new(AtomicU32::new(0));
            let theirs = Arc::clone(&heard);
            let sink = Arc::new(move |message| {
                theirs.fetch_add(1 + u32::from(message), Ordering::Relaxed);
            });
            device.enable_messages(1, sink).expect("messages");
            let theirs = Arc::clone(&heard);
            device
                .enable_line(Arc::new(move || {
                    theirs.fetch_add(100, Ordering::Relaxed);
                }))
                .expect("line");
            // Message 1 does not exist.
            for (register, value) in [(MESSAGE, 0), (MESSAGE, 1), (LINE, 1), (LINE, 1)] {
                device.set_register(register, value);
            }
            device.write(0, FILL_ADDRESS, Width::Qword, MEMORY_ADDRESS + 0x10);
            device.set_register(FILL_LENGTH, 4);
            device.set_register(FILL, 0x5A);
            if device.pending.is_some() {
                assert_eq!(heard.load(Ordering::Relaxed), 0);
                assert!(device.wants_to_move());
                device.advance(Duration::ZERO);
                assert!(!device.wants_to_move());
            }
            assert_eq!(heard.load(Ordering::Relaxed), 101);
            assert!(device.line_asserted());
            let mut bytes = [0; 6];
            assert!(device.memory.read(0xF, &mut bytes));
            assert_eq!(bytes, [0, 0x5A, 0x5A, 0x5A, 0x5A, 0]);
        }
    }

    #[test]
    fn identification_is_fixed() {
        let device = ScratchDevice::new().expect("memory");
        let mut before = [0; 64];
        device.config_read(0, &mut before);
        device.config_write(0, &[0xAA; 4]);
        device.config_write(0x10, &[0xAA; 4]);
        let mut after = [0; 64];
        device.config_read(0, &mut after);
        assert_eq!(before, after);
        assert_eq!(after[..4], [0x34, 0x12, 0x7A, 0x5C]);
    }
}
