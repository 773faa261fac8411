//! Rings and command table together against a controller that fetches and posts through the same memory.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};

use nvme::{Completion, SubmissionEntry, io_opcode};
use nvme_core::command_table::{ClaimError, CommandTable, Published, Rejected};
use nvme_core::queue::{
    CompletionMemory, CompletionRing, HeadOutOfRange, RingFull, RingTooSmall, SubmissionHead,
    SubmissionMemory, SubmissionRing,
};
use proptest::prelude::*;

/// Memory of one queue pair and the controller at its other end.
struct Device {
    entries: u16,
    submissions: RefCell<Vec<[u32; 16]>>,
    completions: RefCell<Vec<[u32; 4]>>,
    reads: RefCell<Vec<u8>>,
    fetched: u16,
    posted: u16,
    phase: bool,
    executing: VecDeque<u16>,
}

impl SubmissionMemory for Device {
    fn write(&self, index: u16, entry: &[u32; 16]) {
        self.submissions.borrow_mut()[usize::from(index)] = *entry;
    }
}

impl CompletionMemory for Device {
    fn read(&self, index: u16, dword: u8) -> u32 {
        self.reads.borrow_mut().push(dword);
        self.completions.borrow()[usize::from(index)][usize::from(dword)]
    }
}

impl Device {
    fn new(entries: u16) -> Self {
        Self {
            entries,
            submissions: RefCell::new(vec![[0; 16]; usize::from(entries)]),
            completions: RefCell::new(vec![[0; 4]; usize::from(entries)]),
            reads: RefCell::default(),
            fetched: 0,
            posted: 0,
            phase: true,
            executing: VecDeque::new(),
        }
    }

    fn doorbell(&mut self, tail: u16) {
        while self.fetched != tail {
            let entry = SubmissionEntry::from_dwords(&self.submissions.borrow()[usize::from(self.fetched)]);
            assert_eq!(entry.opcode(), io_opcode::READ);
            self.executing.push_back(entry.command_id());
            self.fetched = (self.fetched + 1) % self.entries;
        }
    }

    fn post(&mut self, command_id: u16, head: u16) {
        let dword3 = u32::from(command_id) | (u32::from(self.phase) << 16);
        self.completions.borrow_mut()[usize::from(self.posted)] = [0, 0, u32::from(head) | (1 << 16), dword3];
        self.posted = (self.posted + 1) % self.entries;
        self.phase ^= self.posted == 0;
    }

    /// Completes one of the commands that it executes.
    fn complete(&mut self, choice: usize) -> bool {
        if self.executing.is_empty() {
            return false;
        }
        let id = self.executing.remove(choice % self.executing.len()).unwrap();
        self.post(id, self.fetched);
        true
    }
}

fn opened<const N: usize>(entries: u16) -> CommandTable<N> {
    let table = CommandTable::new();
    table.start(1, nvme_core::Epoch::NONE, entries).unwrap();
    table
}

#[test]
fn a_ring_has_at_least_two_entries() {
    for entries in [0, 1] {
        assert_eq!(SubmissionRing::new(entries).unwrap_err(), RingTooSmall);
        assert_eq!(CompletionRing::new(entries).unwrap_err(), RingTooSmall);
    }
}

/// Base 2.0, section 3.3.1: a ring is full with one entry fewer than it has.
#[test]
fn a_ring_is_full_one_short_of_its_size() {
    let device = Device::new(4);
    let head = SubmissionHead::new();
    let mut ring = SubmissionRing::new(4).unwrap();
    let entry = SubmissionEntry::new(io_opcode::READ);
    for tail in 1..4 {
        assert_eq!(ring.push(&head, &device, &entry), Ok(tail));
    }
    assert_eq!(ring.push(&head, &device, &entry), Err(RingFull));
    let fetched_two = Completion::from_dwords([0, 0, 2, 0]);
    head.update(fetched_two, 4).unwrap();
    assert_eq!(ring.free(&head), 2);
    assert_eq!(ring.push(&head, &device, &entry), Ok(0), "the tail wraps");
}

#[test]
fn a_head_outside_the_ring_is_refused() {
    let head = SubmissionHead::new();
    let lie = Completion::from_dwords([0, 0, 4, 0]);
    assert_eq!(head.update(lie, 4), Err(HeadOutOfRange { head: 4 }));
    assert_eq!(SubmissionRing::new(4).unwrap().free(&head), 3);
}

/// Base 2.0, section 3.3.3.2: the phase tag decides, so it is read first, and nothing else if it is old.
#[test]
fn the_phase_is_read_before_anything_else() {
    let mut device = Device::new(2);
    let mut ring = CompletionRing::new(2).unwrap();
    assert_eq!(ring.pop(&device), None);
    assert_eq!(*device.reads.borrow(), [3]);
    device.reads.borrow_mut().clear();
    device.post(5, 1);
    assert_eq!(ring.pop(&device).unwrap().command_id(), 5);
    assert_eq!(*device.reads.borrow(), [3, 0, 1, 2]);
}

/// Memory in which every entry is always new: a controller that posts without end.
struct Endless;

impl CompletionMemory for Endless {
    fn read(&self, _: u16, _: u8) -> u32 {
        ENDLESS.with_borrow_mut(|reads| {
            *reads += 1;
            u32::from(*reads <= 8 * 4) << 16
        })
    }
}

thread_local!(static ENDLESS: RefCell<u32> = const { RefCell::new(0) });

#[test]
fn one_reap_handles_at_most_one_ring() {
    let mut ring = CompletionRing::new(8).unwrap();
    let mut count = 0;
    assert_eq!(ring.reap(&Endless, |_| count += 1), 8);
    assert_eq!(count, 8);
}

proptest! {
    /// Every request completes exactly once with its own payload, in any order, over many turns of the rings.
    #[test]
    fn requests_and_completions_match(
        entries in 2..40_u16, actions in proptest::collection::vec((0..3_u8, any::<usize>()), 1..600),
    ) {
        let mut device = Device::new(entries);
        let table: CommandTable<24> = opened(entries);
        let head = SubmissionHead::new();
        let mut submissions = SubmissionRing::new(entries).unwrap();
        let mut completions = CompletionRing::new(entries).unwrap();
        let mut in_flight = HashSet::new();
        let mut next = 0_usize;
        let room = usize::from(entries - 1).min(24);
        for (action, choice) in actions {
            match action {
                0 => match table.claim() {
                    Ok(claim) => {
                        prop_assert!(in_flight.len() < room);
                        let mut entry = SubmissionEntry::new(io_opcode::READ);
                        entry.set_command_id(claim.command_id());
                        prop_assert_eq!(table.publish(claim, 7, next), Ok(Published::InFlight));
                        // The head lags behind, yet the table admits no more than the ring can hold.
                        let tail = submissions.push(&head, &device, &entry);
                        prop_assert!(tail.is_ok());
                        device.doorbell(tail.unwrap());
                        in_flight.insert(next);
                        next += 1;
                    }
                    Err(error) => {
                        prop_assert_eq!(error, ClaimError::Full);
                        prop_assert_eq!(in_flight.len(), room);
                    }
                },
                1 => { device.complete(choice); }
                _ => {
                    let mut done = Vec::new();
                    completions.reap(&device, |completion| done.push(completion));
                    for completion in done {
                        head.update(completion, entries).unwrap();
                        let taken = table.take(completion.command_id()).unwrap();
                        prop_assert!(in_flight.remove(&taken.payload()));
                        prop_assert_eq!(table.take(completion.command_id()).unwrap_err(), Rejected::AlreadyTaken);
                        table.release(taken);
                        prop_assert_eq!(table.take(completion.command_id()).unwrap_err(), Rejected::StaleGeneration);
                    }
                }
            }
        }
    }

    /// A controller that completes identifiers of its own invention never gets a payload twice or out of thin air.
    #[test]
    fn invented_identifiers_are_rejected(
        actions in proptest::collection::vec((any::<bool>(), any::<u16>()), 1..400),
    ) {
        let table: CommandTable<8> = opened(9);
        let mut live: HashMap<u16, usize> = HashMap::new();
        let mut next = 1_usize;
        for (submit, id) in actions {
            if submit {
                if let Ok(claim) = table.claim() {
                    let id = claim.command_id();
                    prop_assert_ne!(id, u16::MAX);
                    prop_assert_eq!(table.publish(claim, 0, next), Ok(Published::InFlight));
                    prop_assert_eq!(live.insert(id, next), None, "an identifier in use was given out");
                    next += 1;
                }
            } else {
                // Half of the guesses hit slots in plausible generations.
                let id = if id & 0x8000 != 0 { id & 0x3F } else { id };
                match table.take(id) {
                    Ok(taken) => {
                        prop_assert_eq!(live.remove(&id), Some(taken.payload()));
                        table.release(taken);
                    }
                    Err(_) => prop_assert!(!live.contains_key(&id)),
                }
            }
            prop_assert_eq!(table.used() as usize, live.len());
        }
    }
}
