//! Rings in the host's memory (Base 1.4, 4.1).

use std::collections::VecDeque;

use crate::{
    Memory, OutOfRange,
    command::{COMPLETION_BYTES, SUBMISSION_BYTES},
};

/// A submission queue.
#[derive(Debug, Clone)]
pub(crate) struct SubmissionQueue {
    pub(crate) base: u64,
    pub(crate) entries: u32,
    pub(crate) completion_queue: u16,
    pub(crate) head: u32,
    pub(crate) tail: u32,
}

impl SubmissionQueue {
    pub(crate) fn new(base: u64, entries: u32, completion_queue: u16) -> Self {
        Self {
            base,
            entries,
            completion_queue,
            head: 0,
            tail: 0,
        }
    }

    /// Takes the next entry's bytes, if the host has put one.
    pub(crate) fn fetch(
        &mut self,
        memory: &dyn Memory,
    ) -> Result<Option<[u8; SUBMISSION_BYTES]>, OutOfRange> {
        if self.head == self.tail {
            return Ok(None);
        }
        let mut bytes = [0; SUBMISSION_BYTES];
        memory.read(
            self.base + u64::from(self.head) * SUBMISSION_BYTES as u64,
            &mut bytes,
        )?;
        self.head = (self.head + 1) % self.entries;
        Ok(Some(bytes))
    }
}

/// A completion on its way to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) result: u32,
    pub(crate) submission_queue: u16,
    pub(crate) command_id: u16,
    /// Status field, without the phase.
    pub(crate) status: u16,
    /// Whether it raises an interrupt.
    pub(crate) interrupts: bool,
}

/// A completion queue.
#[derive(Debug, Clone)]
pub(crate) struct CompletionQueue {
    pub(crate) base: u64,
    pub(crate) entries: u32,
    /// Where interrupts go, if they are enabled.
    pub(crate) vector: Option<u16>,
    pub(crate) head: u32,
    tail: u32,
    phase: bool,
    /// Completions for which there was no room.
    pub(crate) waiting: VecDeque<Completion>,
}

impl CompletionQueue {
    pub(crate) fn new(base: u64, entries: u32, vector: Option<u16>) -> Self {
        Self {
            base,
            entries,
            vector,
            head: 0,
            tail: 0,
            phase: true,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        (self.tail + 1) % self.entries == self.head
    }

    /// Whether the host has entries that it has not taken.
    pub(crate) fn has_entries(&self) -> bool {
        self.tail != self.head
    }

    /// Posts an entry; the caller has seen that there is room.
    pub(crate) fn post(
        &mut self,
        memory: &dyn Memory,
        completion: Completion,
        submission_head: u32,
    ) -> Result<(), OutOfRange> {
        let at = self.base + u64::from(self.tail) * COMPLETION_BYTES as u64;
        let mut start = [0; 12];
        start[0..4].copy_from_slice(&completion.result.to_le_bytes());
        let head = u16::try_from(submission_head).unwrap_or(0);
        start[8..10].copy_from_slice(&head.to_le_bytes());
        start[10..12].copy_from_slice(&completion.submission_queue.to_le_bytes());
        memory.write(at, &start)?;
        let status = completion.status | u16::from(self.phase);
        let last = u32::from(completion.command_id) | u32::from(status) << 16;
        // The phase goes last: who sees it sees the rest.
        memory.publish(at + 12, last)?;
        self.tail = (self.tail + 1) % self.entries;
        self.phase ^= self.tail == 0;
        Ok(())
    }
}
