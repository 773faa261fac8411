//! The page that Windows shows to everybody, `KUSER_SHARED_DATA`: time and version without a call.
//!
//! `KeQueryInterruptTime`, `KeQueryTickCount` and `KeQuerySystemTime` are reads of it in the kit's headers. No process of Linux can
//! map anything there, so that each read traps. Source: public kernel symbols (offsets), Microsoft Learn (`KUSER_SHARED_DATA`).

use std::{io, sync::Arc};

use super::activity;
use crate::{
    device::Width,
    trap::{Mmio, Window},
};

/// Where it is in kernel mode.
const ADDRESS: u64 = 0xFFFF_F780_0000_0000;
const LENGTH: usize = 0x1000;
/// 100 ns units of a clock tick.
const TICK: u64 = 156_250;
/// Milliseconds of a tick, as a fixed-point number with 24 bits of fraction.
const TICK_MULTIPLIER: u32 = 0x0FA0_0000;
/// Windows 10 1809, a work station.
const BUILD: [u32; 2] = [17763, 1];
const VERSION: [u32; 2] = [10, 0];

struct SharedUserData;

fn page() -> Vec<u8> {
    let mut page = vec![0; LENGTH];
    let mut put = |offset: usize, bytes: &[u8]| {
        if let Some(place) = page.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    // KSYSTEM_TIME: low part, high part, high part again.
    let time = |value: u64| -> [u8; 12] {
        let mut bytes = [0; 12];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&value.to_le_bytes());
        high.copy_from_slice(&value.to_le_bytes()[4..]);
        bytes
    };
    if let Some(machine) = activity::machine() {
        let now = u64::try_from(machine.engine.now().as_nanos() / 100).unwrap_or(u64::MAX);
        put(0x008, &time(now));
        put(0x014, &time(machine.system_time()));
        put(0x320, &time(now / TICK));
        put(0x3C0, &machine.engine.processors().to_le_bytes());
    }
    put(0x004, &TICK_MULTIPLIER.to_le_bytes());
    put(0x260, BUILD.map(u32::to_le_bytes).as_flattened());
    put(0x26C, VERSION.map(u32::to_le_bytes).as_flattened());
    page
}

impl Mmio for SharedUserData {
    fn read(&self, offset: u64, width: Width) -> u64 {
        // Who waits for time to pass may look here only.
        if let Some(machine) = activity::machine() {
            machine.engine.register_accessed();
        }
        let mut bytes = [0; 8];
        let start = usize::try_from(offset).unwrap_or(LENGTH);
        let page = page();
        let read = page.get(start..start + width.bytes()).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(read) {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    }

    fn write(&self, offset: u64, _width: Width, _value: u64) {
        if let Some(machine) = activity::machine() {
            machine.violate(&super::rules::GUARD_PAGE, || {
                format!("a write to the shared user data page, offset {offset:#x}, which is read-only")
            });
        }
    }
}

/// Shows the page, for as long as the process lives.
pub(super) fn show() -> io::Result<()> {
    Window::fixed(ADDRESS, LENGTH as u64, Arc::new(SharedUserData))
}
