//! The arenas: what is handed out, what is noticed.

mod dma;
mod pool;
mod random;

use std::{fs, os::fd::OwnedFd};

use super::{PoolOptions, Request};
use crate::device::DmaRegion;

const DEVICE_BASE: u64 = 0x1_0000_0000;

/// Device memory of `length` bytes that begins one page into its file.
fn region(length: u64) -> DmaRegion {
    let file = tempfile::tempfile().unwrap();
    file.set_len(length + 4096).unwrap();
    DmaRegion {
        memory: OwnedFd::from(file),
        offset: 4096,
        device_address: DEVICE_BASE,
        length,
    }
}

/// The device's view of the region.
fn device_view(region: &DmaRegion) -> fs::File {
    region.memory.try_clone().unwrap().into()
}

/// All packed, unless asked otherwise.
fn packed() -> PoolOptions {
    PoolOptions {
        guard_every: u32::MAX,
        quarantine: 1 << 20,
        ..PoolOptions::default()
    }
}

fn object(length: usize) -> Request {
    Request::new(length, "an object")
}
