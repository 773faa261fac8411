//! Identify data as a controller may send it: nothing of it panics, and what is believed is within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nvme::identify::{IDENTIFY_SIZE, IdentifyController, IdentifyNamespace, NamespaceList, namespace_identifiers};

fuzz_target!(|data: &[u8]| {
    let mut page = [0; IDENTIFY_SIZE];
    let length = data.len().min(IDENTIFY_SIZE);
    page[..length].copy_from_slice(&data[..length]);

    let controller = IdentifyController::new(&page);
    if let Some(bytes) = controller.max_transfer_bytes(4096) {
        assert!(bytes >= 4096 && bytes.is_power_of_two());
    }
    let _ = (
        controller.version(),
        controller.rtd3_entry_micros(),
        controller.controller_type(),
        controller.abort_limit(),
        controller.async_event_limit(),
        controller.volatile_write_cache(),
        controller.supports_64_byte_submissions(),
        controller.supports_16_byte_completions(),
        controller.namespace_count(),
        controller.atomic_write_blocks_power_fail(),
    );

    let namespace = IdentifyNamespace::new(&page);
    if let Ok(format) = namespace.format() {
        assert!((9..64).contains(&format.block_shift), "{}", format.block_shift);
    }
    let _ = (
        namespace.nguid(),
        namespace.eui64(),
        namespace.protection_type(),
        namespace.is_thin_provisioned(),
    );

    let list = NamespaceList::new(&page);
    assert!(list.iter().count() <= 1024);
    assert!(list.iter().all(|id| id.is_single()));
    let _ = list.is_overflowed();
    let _ = namespace_identifiers(&page);
});
