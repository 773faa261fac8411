//! What bring-downs mean.

use crate::memory::GuestMemory;

/// wdk-panic's bug check: "RPNC".
const RUST_PANIC: u32 = 0x5250_4E43;

/// Longest file name of a panic.
const NAME: u64 = 512;

/// Words for a bug check.
pub(super) fn meaning(code: u32, parameters: [u64; 4]) -> String {
    let [file, length, line, column] = parameters;
    if code == RUST_PANIC && file != 0 {
        // wdk-panic: file name (pointer, length), line, column.
        let mut name = vec![0; usize::try_from(length.min(NAME)).unwrap_or(0)];
        if GuestMemory::read(file, &mut name).is_ok() {
            let name = String::from_utf8_lossy(&name);
            return format!("a panic in the driver's Rust code at {name}:{line}:{column}");
        }
    }
    let known = match code {
        RUST_PANIC => "a panic in the driver's Rust code",
        0x0A => "IRQL_NOT_LESS_OR_EQUAL",
        0x1E => "KMODE_EXCEPTION_NOT_HANDLED",
        0x50 => "PAGE_FAULT_IN_NONPAGED_AREA",
        0x7E => "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
        0xD1 => "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
        0xE6 => "DRIVER_VERIFIER_DMA_VIOLATION",
        0xF0 => "STORAGE_MINIPORT_ERROR",
        0xF1 => "SCSI_VERIFIER_DETECTED_VIOLATION",
        _ => "ordered by the driver",
    };
    let [a, b, c, d] = parameters;
    format!("{known} (parameters {a:#x} {b:#x} {c:#x} {d:#x})")
}
