//! The controller by raw registers, without any Windows driver: what firmware does before an operating system
//! starts. The lab uses it to leave a controller enabled, to attach and detach namespaces through a second
//! controller, and to test its own devices.
//!
//! Source: NVM Express Base 1.4, 3.1 (registers), 7.6.1 (initialization), 5 (admin commands).

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    sync::atomic::{Ordering, fence},
    thread,
    time::{Duration, Instant},
};

use super::QemuDevice;
use crate::device::{Device as _, Width};

const CAP: u64 = 0x00;
const CC: u64 = 0x14;
const CSTS: u64 = 0x1c;
const AQA: u64 = 0x24;
const ASQ: u64 = 0x28;
const ACQ: u64 = 0x30;
const DOORBELLS: u64 = 0x1000;

/// Controller ready, and controller fatal status.
const CSTS_RDY: u64 = 1;
const CSTS_CFS: u64 = 2;
/// Enable, with submission entries of 64 and completion entries of 16 bytes.
const CC_ENABLED: u64 = 4 << 20 | 6 << 16 | 1;

/// Entries of every queue.
const DEPTH: u16 = 16;
/// How long the controller may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Layout of the firmware's memory, from its base.
const ADMIN_SQ: u64 = 0x0000;
const ADMIN_CQ: u64 = 0x1000;
const IO_SQ: u64 = 0x2000;
const IO_CQ: u64 = 0x3000;
const DATA: u64 = 0x4000;

/// Length of the data page in bytes.
pub const PAGE: usize = 4096;

/// Why the controller did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// CSTS.RDY did not become what CC.EN asks for.
    #[error("the controller is not ready after {} s: CSTS is {csts:#x}", PATIENCE.as_secs())]
    NotReady {
        /// The status register.
        csts: u64,
    },
    /// A command was not completed.
    #[error("command {opcode:#04x} was not completed after {} s", PATIENCE.as_secs())]
    NoCompletion {
        /// Its opcode.
        opcode: u8,
    },
    /// A command was completed with an error.
    #[error("command {opcode:#04x} failed: status code type {:#x}, code {:#04x}", status >> 8 & 7, status & 0xff)]
    Status {
        /// Its opcode.
        opcode: u8,
        /// Status field without the phase bit.
        status: u16,
    },
    /// The memory shared with the device cannot be used.
    #[error("the device's memory: {0}")]
    Memory(#[from] io::Error),
}

/// Registers of one controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers<'a> {
    device: &'a QemuDevice,
    base: u64,
}

impl<'a> Registers<'a> {
    pub(super) fn new(device: &'a QemuDevice, base: u64) -> Self {
        Self { device, base }
    }

    fn read(&self, offset: u64, width: Width) -> u64 {
        self.device.fetch(self.base + offset, width)
    }

    fn write(&self, offset: u64, width: Width, value: u64) {
        self.device.post(self.base + offset, width, value);
    }
}

/// One queue pair.
#[derive(Debug, Clone, Copy)]
struct Queue {
    id: u16,
    submissions: u64,
    completions: u64,
    tail: u16,
    head: u16,
    phase: bool,
}

impl Queue {
    const fn new(id: u16, submissions: u64, completions: u64) -> Self {
        Self {
            id,
            submissions,
            completions,
            tail: 0,
            head: 0,
            phase: true,
        }
    }
}

/// A controller driven by raw registers from memory of its own.
#[derive(Debug)]
pub struct Firmware<'a> {
    registers: Registers<'a>,
    memory: &'a OwnedFd,
    base: u64,
    admin: Queue,
    io: Queue,
    next_id: u16,
}

impl<'a> Firmware<'a> {
    pub(super) fn new(registers: Registers<'a>, memory: &'a OwnedFd, base: u64) -> Self {
        Self {
            registers,
            memory,
            base,
            admin: Queue::new(0, base + ADMIN_SQ, base + ADMIN_CQ),
            io: Queue::new(1, base + IO_SQ, base + IO_CQ),
            next_id: 0,
        }
    }

    /// Resets the controller and enables it with an admin queue of 16 entries.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn enable(&mut self) -> Result<(), FirmwareError> {
        self.disable()?;
        self.admin = Queue::new(0, self.base + ADMIN_SQ, self.base + ADMIN_CQ);
        self.io = Queue::new(1, self.base + IO_SQ, self.base + IO_CQ);
        self.store(self.base, &[0; 0x4000])?;
        let entries = u64::from(DEPTH - 1);
        self.registers.write(AQA, Width::Dword, entries << 16 | entries);
        self.registers.write(ASQ, Width::Qword, self.admin.submissions);
        self.registers.write(ACQ, Width::Qword, self.admin.completions);
        self.registers.write(CC, Width::Dword, CC_ENABLED);
        self.await_ready(true)
    }

    /// Resets the controller.
    ///
    /// # Errors
    /// If it stays ready.
    pub fn disable(&mut self) -> Result<(), FirmwareError> {
        self.registers.write(CC, Width::Dword, 0);
        self.await_ready(false)
    }

    /// Whether the controller is enabled and ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.registers.read(CSTS, Width::Dword) & CSTS_RDY != 0
    }

    fn await_ready(&self, ready: bool) -> Result<(), FirmwareError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let csts = self.registers.read(CSTS, Width::Dword);
            if csts & CSTS_CFS == 0 && (csts & CSTS_RDY != 0) == ready {
                return Ok(());
            }
            if Instant::now() > deadline || csts == 0xffff_ffff {
                return Err(FirmwareError::NotReady { csts });
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Identify; the page that the controller returned.
    ///
    /// # Errors
    /// If the command fails.
    pub fn identify(&mut self, structure: u8, namespace: u32) -> Result<Vec<u8>, FirmwareError> {
        self.admin(0x06, namespace, [structure.into(), 0])?;
        let mut page = vec![0; PAGE];
        self.load(self.base + DATA, &mut page)?;
        Ok(page)
    }

    /// Makes I/O queue pair 1 with 16 entries; its completions raise interrupt message `vector`.
    ///
    /// # Errors
    /// If a command fails.
    pub fn create_io_queue(&mut self, vector: u16) -> Result<(), FirmwareError> {
        let size = u32::from(DEPTH - 1) << 16 | u32::from(self.io.id);
        // Completion queue: physically contiguous, interrupts on.
        let pages = [self.io.completions, self.io.submissions];
        self.admin_at(0x05, 0, pages[0], [size, u32::from(vector) << 16 | 3])?;
        self.admin_at(0x01, 0, pages[1], [size, u32::from(self.io.id) << 16 | 1])?;
        Ok(())
    }

    /// Writes (`0x01`) or reads (`0x02`) the data page on namespace 1, starting at `block`, `blocks` long.
    ///
    /// # Errors
    /// If the command fails.
    pub fn transfer(&mut self, opcode: u8, block: u64, blocks: u16) -> Result<(), FirmwareError> {
        let [low, high] =
            [block & 0xffff_ffff, block >> 32].map(|half| u32::try_from(half).unwrap_or_default());
        let entry = self.entry(
            opcode,
            1,
            self.base + DATA,
            [low, high, u32::from(blocks.saturating_sub(1))],
        );
        let mut queue = self.io;
        let result = self.run(&mut queue, opcode, entry);
        self.io = queue;
        result.map(drop)
    }

    /// The data page.
    ///
    /// # Errors
    /// If the memory cannot be read.
    pub fn data(&self) -> Result<Vec<u8>, FirmwareError> {
        let mut page = vec![0; PAGE];
        self.load(self.base + DATA, &mut page)?;
        Ok(page)
    }

    /// Fills the data page.
    ///
    /// # Errors
    /// If the memory cannot be written.
    pub fn set_data(&mut self, bytes: &[u8]) -> Result<(), FirmwareError> {
        self.store(self.base + DATA, &bytes[..bytes.len().min(PAGE)])
    }

    /// An admin command with the data page; command dwords 10 and 11; returns completion dword 0.
    ///
    /// # Errors
    /// If the command fails.
    pub fn admin(&mut self, opcode: u8, namespace: u32, dwords: [u32; 2]) -> Result<u32, FirmwareError> {
        self.admin_at(opcode, namespace, self.base + DATA, dwords)
    }

    fn admin_at(
        &mut self,
        opcode: u8,
        namespace: u32,
        page: u64,
        dwords: [u32; 2],
    ) -> Result<u32, FirmwareError> {
        let entry = self.entry(opcode, namespace, page, [dwords[0], dwords[1], 0]);
        let mut queue = self.admin;
        let result = self.run(&mut queue, opcode, entry);
        self.admin = queue;
        result
    }

    fn entry(&mut self, opcode: u8, namespace: u32, page: u64, dwords: [u32; 3]) -> [u8; 64] {
        self.next_id = self.next_id.wrapping_add(1);
        let mut entry = [0; 64];
        entry[0] = opcode;
        entry[2..4].copy_from_slice(&self.next_id.to_le_bytes());
        entry[4..8].copy_from_slice(&namespace.to_le_bytes());
        entry[24..32].copy_from_slice(&page.to_le_bytes());
        for (index, dword) in dwords.into_iter().enumerate() {
            entry[40 + 4 * index..44 + 4 * index].copy_from_slice(&dword.to_le_bytes());
        }
        entry
    }

    /// Submits one entry and waits for its completion.
    fn run(&self, queue: &mut Queue, opcode: u8, entry: [u8; 64]) -> Result<u32, FirmwareError> {
        self.store(queue.submissions + 64 * u64::from(queue.tail), &entry)?;
        fence(Ordering::SeqCst);
        queue.tail = (queue.tail + 1) % DEPTH;
        self.registers
            .write(self.doorbell(queue.id, 0), Width::Dword, queue.tail.into());
        let deadline = Instant::now() + PATIENCE;
        let mut completion = [0; 16];
        loop {
            self.load(queue.completions + 16 * u64::from(queue.head), &mut completion)?;
            if (completion[14] & 1 == 1) == queue.phase {
                break;
            }
            if Instant::now() > deadline || !self.registers.device.alive() {
                return Err(FirmwareError::NoCompletion { opcode });
            }
            thread::sleep(Duration::from_micros(100));
        }
        queue.head = (queue.head + 1) % DEPTH;
        queue.phase ^= queue.head == 0;
        self.registers
            .write(self.doorbell(queue.id, 1), Width::Dword, queue.head.into());
        let status = u16::from_le_bytes([completion[14], completion[15]]) >> 1;
        if status & 0x7ff != 0 {
            return Err(FirmwareError::Status { opcode, status });
        }
        Ok(u32::from_le_bytes([
            completion[0],
            completion[1],
            completion[2],
            completion[3],
        ]))
    }

    /// Offset of a queue's tail (0) or head (1) doorbell, for the stride the controller reports.
    fn doorbell(&self, queue: u16, which: u64) -> u64 {
        let stride = 4 << (self.registers.read(CAP, Width::Qword) >> 32 & 0xf);
        DOORBELLS + (2 * u64::from(queue) + which) * stride
    }

    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), FirmwareError> {
        self.file()?.write_all_at(bytes, address).map_err(Into::into)
    }

    fn load(&self, address: u64, bytes: &mut [u8]) -> Result<(), FirmwareError> {
        self.file()?.read_exact_at(bytes, address).map_err(Into::into)
    }

    /// The memory as a file: the machine's RAM begins at bus address 0 and offset 0.
    fn file(&self) -> io::Result<File> {
        self.memory.try_clone().map(File::from)
    }
}
