//! A controller that writes any completion entries at any time: a request is given back at most once, and only one that is in flight.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use nvme_core::{
    Epoch,
    command_table::{CommandTable, Published},
    queue::{CompletionMemory, CompletionRing},
};

const SLOTS: usize = 16;
const ENTRIES: u16 = 8;

struct Memory(RefCell<[[u32; 4]; ENTRIES as usize]>);

impl CompletionMemory for Memory {
    fn read(&self, index: u16, dword: u8) -> u32 {
        self.0.borrow()[usize::from(index)][usize::from(dword)]
    }
}

fuzz_target!(|data: &[u8]| {
    let table = Box::new(CommandTable::<SLOTS>::new());
    table.start(1, Epoch::default(), 64).expect("a new table");
    let memory = Memory(RefCell::new([[0; 4]; ENTRIES as usize]));
    let mut ring = CompletionRing::new(ENTRIES).expect("eight entries");
    // Payloads of the requests in flight; each is a number of its own.
    let mut in_flight = Vec::new();
    let mut next = 1_usize;
    let mut bytes = data.iter().copied();
    while let Some(step) = bytes.next() {
        match step % 4 {
            0 => {
                if let Ok(claim) = table.claim() {
                    let id = claim.command_id();
                    assert_ne!(id, 0xFFFF);
                    assert!(in_flight.iter().all(|(other, _)| *other != id), "an identifier in use");
                    assert_eq!(table.publish(claim, 1, next), Ok(Published::InFlight));
                    in_flight.push((id, next));
                    next += 1;
                } else {
                    assert_eq!(in_flight.len(), SLOTS);
                }
            }
            1 => {
                // An entry of the controller's making, often with an identifier that is in flight.
                let place = usize::from(step >> 4) % usize::from(ENTRIES);
                let mut dwords = [0; 4];
                for dword in &mut dwords {
                    let word = [bytes.next(), bytes.next(), bytes.next(), bytes.next()];
                    *dword = u32::from_le_bytes(word.map(|byte| byte.unwrap_or(0)));
                }
                if step & 4 != 0
                    && let Some((id, _)) = in_flight.get(usize::from(step >> 3) % in_flight.len().max(1))
                {
                    dwords[3] = dwords[3] & 0xFFFF_0000 | u32::from(*id);
                }
                memory.0.borrow_mut()[place] = dwords;
            }
            _ => {
                let popped = if step & 4 == 0 { ring.pop(&memory) } else { ring.pop_status(&memory) };
                assert!(ring.head() < ENTRIES);
                if let Some(completion) = popped
                    && let Ok(taken) = table.take(completion.command_id())
                {
                    let place = in_flight.iter().position(|(id, _)| *id == completion.command_id());
                    let (_, payload) = in_flight.swap_remove(place.expect("it is in flight"));
                    assert_eq!(taken.payload(), payload);
                    assert_eq!(table.key(&taken), 1);
                    table.release(taken);
                }
            }
        }
        assert_eq!(table.used() as usize, in_flight.len());
    }
});
