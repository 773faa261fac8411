//! Log pages and asynchronous events.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nvme::{
    AsyncEventResult, Completion,
    log::{ERROR_LOG_ENTRY_SIZE, ErrorLogEntry, LogPageId, SMART_LOG_SIZE, SmartLog},
};
use nvme_core::async_event::{Reaction, reaction};

fn padded<const N: usize>(data: &[u8]) -> [u8; N] {
    let mut page = [0; N];
    let length = data.len().min(N);
    page[..length].copy_from_slice(&data[..length]);
    page
}

fuzz_target!(|data: &[u8]| {
    let page: [u8; SMART_LOG_SIZE] = padded(data);
    let smart = SmartLog::new(&page);
    let _ = (
        smart.critical_warning(),
        smart.temperature_kelvins(),
        smart.available_spare(),
        smart.available_spare_threshold(),
        smart.percentage_used(),
        smart.data_units_read(),
        smart.data_units_written(),
        smart.power_on_hours(),
        smart.unsafe_shutdowns(),
        smart.media_errors(),
    );
    for entry in data.chunks(ERROR_LOG_ENTRY_SIZE) {
        let entry: [u8; ERROR_LOG_ENTRY_SIZE] = padded(entry);
        let entry = ErrorLogEntry::new(&entry);
        let _ = (
            entry.error_count(),
            entry.submission_queue_id(),
            entry.command_id(),
            entry.status().is_success(),
            entry.lba(),
            entry.namespace().is_single(),
        );
    }
    for chunk in data.chunks(16) {
        let chunk: [u8; 16] = padded(chunk);
        let (words, _) = chunk.as_chunks::<4>();
        let mut dwords = [0; 4];
        for (dword, word) in dwords.iter_mut().zip(words) {
            *dword = u32::from_le_bytes(*word);
        }
        let completion = Completion::from_dwords(dwords);
        let event = AsyncEventResult::from_bits(completion.result);
        let _ = (event.event(), event.log_page_id());
        // Only pages that every controller has are read, whatever the event names.
        if let Reaction::ReadLog(page) = reaction(completion.status(), completion.result) {
            assert!([LogPageId::SMART, LogPageId::ERROR, LogPageId::FIRMWARE_SLOT].contains(&page));
        }
        let _ = scsi_nvme::outcome(completion.status());
    }
});
