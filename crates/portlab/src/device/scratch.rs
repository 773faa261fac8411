//! A PCI function whose registers are memory: for drivers that need a device and nothing of it.
//!
//! What is written to its one BAR is read back; it sends no interrupts. A driver may leave results there, where
//! whoever holds the device reads them, whatever the driver's IRQL.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{Bar, Device, DeviceError, DmaRegion, InterruptSink, Width};

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

/// See the module's documentation.
pub struct ScratchDevice {
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
        let memory = memfd_create("scratch", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, SHARED)?;
        let mut configuration = [0; 256];
        for (offset, value) in [(0, IDS), (4, COMMAND), (8, CLASS), (0x10, BAR_ADDRESS)] {
            write(&mut configuration, offset, &value.to_le_bytes());
        }
        Ok(Self {
            dma: DmaRegion {
                memory,
                offset: 0,
                device_address: 0x1_0000_0000,
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
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        1
    }

    fn enable_messages(&self, _count: u16, _sink: InterruptSink) -> Result<(), DeviceError> {
        // It never sends any.
        Ok(())
    }

    fn disable_messages(&self) {}

    fn alive(&self) -> bool {
        true
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
