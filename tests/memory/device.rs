//! A PCI function in memory: registers and ports that are memory, a DMA engine of one word, one interrupt message.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::{Arc, Mutex, PoisonError},
};

use portlab::device::{Bar, Device, DeviceError, DmaRegion, InterruptSink, Width};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::protocol::{
    ADDER_PORT, CAPABILITY, COUNTER_PORT, DMA_ADDRESS, DMA_VALUE, IDENTITY, PORT_BYTES, RAISE,
    REGISTER_BYTES, SCRATCH_OFFSET,
};

/// Memory shared with the lab.
const SHARED: u64 = 64 << 20;
const DMA_BASE: u64 = 0x1_0000_0000;
const REGISTERS: u8 = 0;
const PORTS: u8 = 1;

struct State {
    configuration: Vec<u8>,
    registers: Vec<u8>,
    ports: Vec<u8>,
    counter: u64,
    adder: u64,
    sink: Option<InterruptSink>,
}

/// See the module's documentation.
pub(crate) struct Scratch {
    dma: DmaRegion,
    memory: File,
    bars: [Bar; 1],
    ports: [Bar; 1],
    state: Mutex<State>,
}

impl Scratch {
    /// Switched on.
    pub(crate) fn new() -> Arc<Self> {
        let memory: OwnedFd = memfd_create("scratch", MemfdFlags::CLOEXEC).expect("a memfd");
        ftruncate(&memory, SHARED).expect("its size");
        let mut configuration = vec![0; 4096];
        configuration[0..2].copy_from_slice(&IDENTITY.0.to_le_bytes());
        configuration[2..4].copy_from_slice(&IDENTITY.1.to_le_bytes());
        configuration[6] = 0x10;
        configuration[usize::from(SCRATCH_OFFSET)] = 0xA5;
        configuration[0x34] = CAPABILITY.1;
        configuration[usize::from(CAPABILITY.1)] = CAPABILITY.0;
        Arc::new(Self {
            memory: memory.try_clone().expect("a handle").into(),
            dma: DmaRegion {
                memory,
                offset: 0,
                device_address: DMA_BASE,
                length: SHARED,
            },
            bars: [Bar {
                index: REGISTERS,
                address: 0xFE00_0000,
                length: u64::from(REGISTER_BYTES),
            }],
            ports: [Bar {
                index: PORTS,
                address: 0xC000,
                length: u64::from(PORT_BYTES),
            }],
            state: Mutex::new(State {
                configuration,
                registers: vec![0; REGISTER_BYTES as usize],
                ports: vec![0; PORT_BYTES as usize],
                counter: 0,
                adder: 0,
                sink: None,
            }),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dma_offset(state: &State) -> u64 {
        load(&state.registers, u64::from(DMA_ADDRESS), 8).wrapping_sub(DMA_BASE)
    }
}

fn load(bytes: &[u8], offset: u64, count: usize) -> u64 {
    let start = usize::try_from(offset).expect("an offset");
    let mut value = [0; 8];
    value[..count].copy_from_slice(&bytes[start..start + count]);
    u64::from_le_bytes(value)
}

fn store(bytes: &mut [u8], offset: u64, count: usize, value: u64) {
    let start = usize::try_from(offset).expect("an offset");
    bytes[start..start + count].copy_from_slice(&value.to_le_bytes()[..count]);
}

impl Device for Scratch {
    fn name(&self) -> &'static str {
        "scratch"
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        let start = usize::from(offset);
        buffer.copy_from_slice(&self.state().configuration[start..start + buffer.len()]);
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        let start = usize::from(offset);
        self.state().configuration[start..start + data.len()].copy_from_slice(data);
    }

    fn bars(&self) -> &[Bar] {
        &self.bars
    }

    fn ports(&self) -> &[Bar] {
        &self.ports
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        let mut state = self.state();
        if bar == PORTS {
            if offset == u64::from(COUNTER_PORT) {
                state.counter += 1;
                return state.counter;
            }
            if offset == u64::from(ADDER_PORT) {
                return state.adder;
            }
            return load(&state.ports, offset, width.bytes());
        }
        if offset == u64::from(DMA_VALUE) {
            let mut value = [0; 4];
            let read = self.memory.read_exact_at(&mut value, Self::dma_offset(&state));
            return read.map_or(u64::from(u32::MAX), |()| u64::from(u32::from_le_bytes(value)));
        }
        load(&state.registers, offset, width.bytes())
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        let mut state = self.state();
        if bar == PORTS {
            if offset == u64::from(ADDER_PORT) {
                state.adder = (state.adder + value) & 0xFFFF_FFFF;
            } else {
                store(&mut state.ports, offset, width.bytes(), value);
            }
            return;
        }
        if offset == u64::from(DMA_VALUE) {
            let place = Self::dma_offset(&state);
            if place < SHARED {
                let bytes = value.to_le_bytes();
                self.memory.write_all_at(&bytes[..4], place).expect("DMA");
            }
        } else if offset == u64::from(RAISE) {
            let sink = state.sink.clone();
            drop(state);
            if let Some(sink) = sink {
                sink(u16::try_from(value).unwrap_or(0));
            }
        } else {
            store(&mut state.registers, offset, width.bytes(), value);
        }
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        1
    }

    fn enable_messages(&self, _count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        self.state().sink = Some(sink);
        Ok(())
    }

    fn disable_messages(&self) {
        self.state().sink = None;
    }

    fn alive(&self) -> bool {
        true
    }
}
