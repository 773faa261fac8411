//! Arithmetic of submission and completion rings (Base 2.0, section 3.3.1). No memory of their own: entries go
//! through [`SubmissionMemory`] and [`CompletionMemory`], which the miniport implements over DMA memory.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use nvme::{Completion, SubmissionEntry};
use zerocopy::FromZeros;

use crate::sync::AtomicU32 as SyncU32;

/// Where submission entries are written.
pub trait SubmissionMemory {
    /// Stores the sixteen dwords of entry `index`, which is below the ring's size. The stores must be performed
    /// before a doorbell write that follows.
    fn write(&self, index: u16, entry: &[u32; 16]);
}

/// Where completion entries are read.
pub trait CompletionMemory {
    /// Reads one dword of entry `index` once, as a volatile access; `index` is below the ring's size, `dword` below 4.
    fn read(&self, index: u16, dword: u8) -> u32;

    /// Reads dwords 2 and 3 of entry `index`; the first is no older than the second, which has the phase tag.
    ///
    /// Memory that reads both in one access says so; else the tag is read first.
    #[inline]
    fn read_status(&self, index: u16) -> [u32; 2] {
        let tagged = self.read(index, 3);
        fence(Ordering::Acquire);
        [self.read(index, 2), tagged]
    }
}

/// A ring of fewer than two entries cannot hold one (Base 2.0, section 3.3.1: full is size - 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingTooSmall;

/// No free entry in the submission ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFull;

/// The controller reported a submission queue head outside the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadOutOfRange {
    /// SQHD of the completion.
    pub head: u16,
}

/// How far the controller has fetched from a submission ring; written where completions are reaped, read where
/// commands are submitted, so it stands outside the submission lock. All zeroes is the state after creation.
#[derive(Debug, Default, FromZeros)]
#[repr(transparent)]
pub struct SubmissionHead(AtomicU32);

impl SubmissionHead {
    /// The head of a ring just created.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Back to the state after creation.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Takes SQHD of a completion.
    ///
    /// # Errors
    /// It is not an index of a ring of `entries`; the head keeps its value.
    pub fn update(&self, completion: Completion, entries: u16) -> Result<(), HeadOutOfRange> {
        let head = completion.submission_queue_head();
        if head >= entries {
            return Err(HeadOutOfRange { head });
        }
        self.0.store(u32::from(head), Ordering::Relaxed);
        Ok(())
    }

    /// Nothing is outstanding on `ring`: the controller has fetched all of it, whatever head was heard of last.
    pub fn catch_up(&self, ring: &SubmissionRing) {
        self.0.store(u32::from(ring.tail), Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The producer's side of a submission ring. All zeroes is a ring without entries: always full.
///
/// A false head only makes the controller lose commands of its own queue: how many are outstanding is bounded by
/// the command table, never by SQHD.
#[derive(Debug, FromZeros)]
#[repr(C)]
pub struct SubmissionRing {
    entries: u16,
    tail: u16,
}

impl SubmissionRing {
    /// An empty ring of `entries` entries.
    ///
    /// # Errors
    /// Fewer than two entries.
    pub const fn new(entries: u16) -> Result<Self, RingTooSmall> {
        if entries < 2 {
            return Err(RingTooSmall);
        }
        Ok(Self { entries, tail: 0 })
    }

    /// Entries of the ring; one fewer can be outstanding.
    #[must_use]
    pub const fn entries(&self) -> u16 {
        self.entries
    }

    /// Entries that can be pushed now.
    #[must_use]
    pub fn free(&self, head: &SubmissionHead) -> u16 {
        let entries = u32::from(self.entries);
        let used = ring_distance(head.get(), u32::from(self.tail), entries);
        u16::try_from(entries.saturating_sub(1).saturating_sub(used)).unwrap_or(0)
    }

    /// Writes an entry at the tail and returns the new tail, which is what the doorbell is to be told.
    ///
    /// Several entries may be pushed before one doorbell write.
    ///
    /// # Errors
    /// The ring is full; nothing was written.
    pub fn push(
        &mut self,
        head: &SubmissionHead,
        memory: &impl SubmissionMemory,
        entry: &SubmissionEntry,
    ) -> Result<u16, RingFull> {
        if self.free(head) == 0 {
            return Err(RingFull);
        }
        memory.write(self.tail, &entry.to_dwords());
        self.tail = successor(self.tail, self.entries);
        Ok(self.tail)
    }

    /// The tail as the doorbell was last to be told: where the next entry goes.
    #[must_use]
    pub const fn tail(&self) -> u16 {
        self.tail
    }

    /// Moves past an entry that was written at the tail and returns the new tail, which is what the doorbell is to be
    /// told.
    ///
    /// For a ring whose command table admits fewer requests than it has entries: what is not completed bounds what is not
    /// fetched, so that the entry at the tail is free whenever a slot was claimed, and no head is looked at.
    pub const fn advance(&mut self) -> u16 {
        self.tail = successor(self.tail, self.entries);
        self.tail
    }
}

/// Whether somebody is just writing an entry and ringing the doorbell; one producer at a time.
///
/// What a reset waits for before the queue begins anew: a producer that was held up before the doorbell would ring that of
/// the next life. All zeroes: nobody.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(transparent)]
pub struct Submitting(SyncU32);

impl Submitting {
    /// Before the request is published ([`CommandTable::publish`](crate::command_table::CommandTable::publish), whose
    /// fence orders it against [`CommandTable::close`](crate::command_table::CommandTable::close)), until after the
    /// doorbell.
    #[must_use]
    pub fn begin(&self) -> InProgress<'_> {
        self.0.store(1, Ordering::Relaxed);
        InProgress(self)
    }

    /// Nobody is: asked after the command table was closed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// A submission under way, for as long as this lives.
#[derive(Debug)]
pub struct InProgress<'a>(&'a Submitting);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Release);
    }
}

/// The consumer's side of a completion ring. All zeroes is a ring without entries, which never yields any.
#[derive(Debug, Clone, FromZeros)]
#[repr(C)]
pub struct CompletionRing {
    entries: u16,
    reserved: u16,
    /// The head below, and in [`PHASE`] the phase of entries that are new in this pass, where dword 3 has it; the first pass over
    /// zeroed memory looks for 1.
    cursor: u32,
}

/// The phase tag in dword 3 (Base 2.0, section 3.3.3.2).
const PHASE: u32 = 1 << 16;

impl CompletionRing {
    /// An empty ring of `entries` entries over memory that was zeroed (Base 2.0, section 3.3.3.2, phase tag).
    ///
    /// # Errors
    /// Fewer than two entries.
    pub const fn new(entries: u16) -> Result<Self, RingTooSmall> {
        if entries < 2 {
            return Err(RingTooSmall);
        }
        Ok(Self {
            entries,
            reserved: 0,
            cursor: PHASE,
        })
    }

    /// Entries of the ring.
    #[must_use]
    pub const fn entries(&self) -> u16 {
        self.entries
    }

    /// Whether dword 3 is that of a new entry at the head.
    #[inline]
    const fn is_new(&self, tagged: u32) -> bool {
        (tagged ^ self.cursor) & PHASE == 0 && self.entries != 0
    }

    /// Moves past the entry at the head.
    #[inline]
    const fn advance(&mut self) {
        self.cursor = self.cursor.wrapping_add(1);
        if self.head() == self.entries {
            self.begin_next_pass();
        }
    }

    #[cold]
    const fn begin_next_pass(&mut self) {
        self.cursor = (self.cursor & PHASE) ^ PHASE;
    }

    /// The next completion, if the controller has posted one, and moves past it.
    ///
    /// The dword with the phase tag is read first and alone; only if it is new are the others read, after an acquire
    /// fence, so that none of them can be older than the tag. Each dword is read once. On processors that order
    /// device writes and loads less strictly than x64 the memory's `read` has to add the barrier for DMA.
    #[inline]
    pub fn pop(&mut self, memory: &impl CompletionMemory) -> Option<Completion> {
        if self.entries == 0 {
            return None;
        }
        let head = self.head();
        let tagged = memory.read(head, 3);
        if !self.is_new(tagged) {
            return None;
        }
        fence(Ordering::Acquire);
        let completion = Completion::from_dwords([
            memory.read(head, 0),
            memory.read(head, 1),
            memory.read(head, 2),
            tagged,
        ]);
        self.advance();
        Some(completion)
    }

    /// As [`CompletionRing::pop`], without the dwords that only some commands use: 0 and 1 are zeroes.
    #[inline]
    pub fn pop_status(&mut self, memory: &impl CompletionMemory) -> Option<Completion> {
        let [queue, tagged] = memory.read_status(self.head());
        if !self.is_new(tagged) {
            return None;
        }
        fence(Ordering::Acquire);
        self.advance();
        Some(Completion::from_dwords([0, 0, queue, tagged]))
    }

    /// Hands up to one ring's worth of completions to `each` and returns how many there were. If more than none, the
    /// completion doorbell is to be told [`CompletionRing::head`], once.
    ///
    /// A controller that posts as fast as it is reaped cannot hold the caller for longer than one pass.
    pub fn reap(&mut self, memory: &impl CompletionMemory, mut each: impl FnMut(Completion)) -> u16 {
        let mut count = 0_u16;
        for _ in 0..self.entries {
            let Some(completion) = self.pop(memory) else { break };
            count = count.wrapping_add(1);
            each(completion);
        }
        count
    }

    /// The head, which is what the completion doorbell is to be told.
    #[must_use]
    #[inline]
    pub const fn head(&self) -> u16 {
        let [low, high, ..] = self.cursor.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// The index after `index` in a ring of `entries`.
const fn successor(index: u16, entries: u16) -> u16 {
    let next = index.wrapping_add(1);
    if next >= entries { 0 } else { next }
}

/// How many entries lie from `head` up to `tail`; both are below `entries`, or the ring counts as full.
const fn ring_distance(head: u32, tail: u32, entries: u32) -> u32 {
    if head >= entries || tail >= entries {
        return entries;
    }
    if tail >= head {
        tail.wrapping_sub(head)
    } else {
        tail.wrapping_add(entries).wrapping_sub(head)
    }
}
