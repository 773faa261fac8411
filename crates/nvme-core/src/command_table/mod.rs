//! Requests in flight on one submission queue, by command identifier.
//!
//! A command identifier is a slot's index in the low bits and that slot's generation above them, so that a late or
//! repeated completion of an earlier request does not name the present one.
//!
//! # Invariants
//!
//! * *One owner a slot*: the bit in the map is taken by one claimer and given back by whoever ends that use.
//! * *One taker*: a published payload is handed out exactly once: to the one who moves the slot from Published to
//!   Taken, be it a completion, a reclaim, or the publisher itself that finds the table closed.
//! * *None stranded*: a request published while the table is being closed is seen by the reclaim or withdrawn by its
//!   publisher. (Publisher: publish, fence, look at the gate. Reclaim: close the gate, fence, look at the slots.)
//! * *None given back early*: reclaiming takes a [`DmaStopped`] that covers this queue and life.

mod token;

pub use token::{Claim, ClaimError, NotCovered, Published, Rejected, StartError, Taken, Withdrawn};

use crate::dma_stopped::{DmaStopped, Epoch};
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// The most slots that a table can have; leaves six bits of generation.
pub const MAX_SLOTS: usize = 1024;
const WORDS: usize = MAX_SLOTS / 64;

const TAG_MASK: u32 = 3;
const FREE: u32 = 0;
const PUBLISHED: u32 = 1;
const TAKEN: u32 = 2;

/// One place for a request. All zeroes is free.
#[derive(Debug)]
#[cfg_attr(not(loom), derive(zerocopy::FromZeros))]
#[repr(C)]
struct Slot {
    /// Generation above, tag below.
    state: AtomicU32,
    key: AtomicU32,
    payload: AtomicUsize,
}

/// 64 slots: which of them are claimed, and which may be.
#[derive(Debug)]
#[cfg_attr(not(loom), derive(zerocopy::FromZeros))]
#[repr(C)]
struct Word {
    /// A set bit is a claimed slot.
    claimed: AtomicU64,
    /// A set bit is a slot within the limit.
    admitted: AtomicU64,
}

/// The requests in flight on one queue: `N` slots, 1 to [`MAX_SLOTS`]. All zeroes is an empty, closed table.
///
/// Every operation is lock-free, takes a bounded number of steps and may be called at any IRQL.
#[derive(Debug)]
#[cfg_attr(not(loom), derive(zerocopy::FromZeros))]
#[repr(C)]
pub struct CommandTable<const N: usize> {
    /// Bit 0 open; above it a count of starts and [`CommandTable::disturb`]s, so that a claim is of one of them.
    gate: AtomicU32,
    /// The life that the table was opened for last.
    epoch: AtomicU32,
    queue: AtomicU32,
    /// The map's word to look at first.
    hint: AtomicU32,
    map: [Word; WORDS],
    slots: [Slot; N],
}

impl<const N: usize> CommandTable<N> {
    const SLOTS: u16 = {
        assert!(N >= 1 && N <= MAX_SLOTS, "a command table has 1 to 1024 slots");
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        {
            N as u16
        }
    };
    /// Bits of the command identifier that hold the slot's index.
    const SLOT_BITS: u32 = 16_u32.wrapping_sub(Self::SLOTS.wrapping_sub(1).leading_zeros());
    /// Generations wrap before all ones: `FFFFh` is not an identifier to use (Base 2.0, section 3.3.3.1).
    const GENERATIONS: u32 = 0xFFFF_u32 >> Self::SLOT_BITS;

    /// A closed, empty table.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            gate: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            queue: AtomicU32::new(0),
            hint: AtomicU32::new(0),
            map: [const {
                Word {
                    claimed: AtomicU64::new(0),
                    admitted: AtomicU64::new(0),
                }
            }; WORDS],
            slots: [const {
                Slot {
                    state: AtomicU32::new(0),
                    key: AtomicU32::new(0),
                    payload: AtomicUsize::new(0),
                }
            }; N],
        }
    }

    /// A closed, empty table.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            gate: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            queue: AtomicU32::new(0),
            hint: AtomicU32::new(0),
            map: core::array::from_fn(|_| Word {
                claimed: AtomicU64::new(0),
                admitted: AtomicU64::new(0),
            }),
            slots: core::array::from_fn(|_| Slot {
                state: AtomicU32::new(0),
                key: AtomicU32::new(0),
                payload: AtomicUsize::new(0),
            }),
        }
    }

    /// Opens the table for submission queue `queue` in life `epoch`, once the ring of `entries` entries was prepared.
    ///
    /// As many requests as the ring can hold (entries less one) are admitted, at most `N`, so that a ring with a
    /// table never overflows, whatever head the controller reports.
    ///
    /// # Errors
    /// The table is open, or a request of an earlier life has not been reclaimed.
    pub fn start(&self, queue: u16, epoch: Epoch, entries: u16) -> Result<(), StartError> {
        if self.gate.load(Ordering::Acquire) & 1 != 0 {
            return Err(StartError::Open);
        }
        if self
            .slots
            .iter()
            .any(|slot| slot.state.load(Ordering::Acquire) & TAG_MASK != FREE)
        {
            return Err(StartError::InFlight);
        }
        self.queue.store(u32::from(queue), Ordering::Relaxed);
        let mut left = u32::from(entries.saturating_sub(1).min(Self::SLOTS));
        for word in &self.map {
            let here = left.min(64);
            left = left.saturating_sub(here);
            let admitted = u64::MAX.checked_shr(64_u32.wrapping_sub(here)).unwrap_or(0);
            word.admitted.store(admitted, Ordering::Relaxed);
        }
        self.epoch.store(epoch.number(), Ordering::Relaxed);
        self.gate.fetch_add(3, Ordering::Release);
        Ok(())
    }

    /// Begins a table of zeroes at generations of its own, for the `life`-th memory of the same controller, from 0: so that a
    /// completion that comes late from an earlier one does not name a request of this.
    ///
    /// Lives begin as far apart in the circle of generations as multiples of the golden ratio: with the 255 generations of 256
    /// slots, at least 20 between any of six lives. Changes nothing once the table was started.
    pub fn salt(&self, life: u32) {
        if self.gate.load(Ordering::Acquire) != 0 {
            return;
        }
        let place = u64::from(life.wrapping_mul(0x9E37_79B9)).wrapping_mul(u64::from(Self::GENERATIONS));
        let [_, _, _, _, a, b, c, d] = place.to_le_bytes();
        let generation = u32::from_le_bytes([a, b, c, d]);
        for slot in &self.slots {
            slot.state
                .store(generation.wrapping_shl(2) | FREE, Ordering::Relaxed);
        }
    }

    /// Closes the table: no request is claimed or published until the next start. Requests in flight stay so.
    pub fn close(&self) {
        self.gate.fetch_and(!1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Makes who has claimed a slot and not published it claim another one: after this, [`CommandTable::in_flight`] sees
    /// every request whose claim did not see what was written before it.
    pub fn disturb(&self) {
        self.gate.fetch_add(2, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Claims a free slot.
    ///
    /// # Errors
    /// See [`ClaimError`].
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    pub fn claim(&self) -> Result<Claim, ClaimError> {
        let gate = self.gate.load(Ordering::Acquire);
        if gate & 1 == 0 {
            return Err(ClaimError::Closed);
        }
        match self.claim_in(self.hint.load(Ordering::Relaxed), gate) {
            Some(claim) => Ok(claim),
            None => self.claim_anywhere(gate),
        }
    }

    /// Claims the first free slot of that word of the map. None if there is none, or another processor took it meanwhile.
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    fn claim_in(&self, word: u32, gate: u32) -> Option<Claim> {
        let place = self.map.get(word as usize)?;
        let free = !place.claimed.load(Ordering::Relaxed) & place.admitted.load(Ordering::Relaxed);
        if free == 0 {
            return None;
        }
        let bit = free.trailing_zeros();
        let flag = 1_u64.wrapping_shl(bit);
        if place.claimed.fetch_or(flag, Ordering::Acquire) & flag != 0 {
            return None;
        }
        let index = word.wrapping_mul(64) | bit;
        let slot = self.slots.get(index as usize)?;
        // The bit is this caller's alone, and whoever gave it back had stored the state before.
        let generation = slot.state.load(Ordering::Relaxed) >> 2;
        let [low, high, ..] = index.to_le_bytes();
        let index = u16::from_le_bytes([low, high]);
        Some(Claim {
            index,
            command_id: Self::command_id(index, generation),
            generation,
            gate,
        })
    }

    /// Claims a slot in whichever word has one.
    #[cold]
    #[inline(never)]
    fn claim_anywhere(&self, gate: u32) -> Result<Claim, ClaimError> {
        for (word, place) in (0_u32..).zip(&self.map) {
            // A turn fails only when another processor took the bit meanwhile; the word has 64 of them.
            for _ in 0..64 {
                let admitted = place.admitted.load(Ordering::Relaxed);
                if !place.claimed.load(Ordering::Relaxed) & admitted == 0 {
                    break;
                }
                if let Some(claim) = self.claim_in(word, gate) {
                    self.hint.store(word, Ordering::Relaxed);
                    return Ok(claim);
                }
            }
        }
        Err(ClaimError::Full)
    }

    /// Publishes the request in a claimed slot. To be called before the doorbell is rung.
    ///
    /// Publishing, writing the entry and ringing the doorbell belong under one lock, the one that also guards
    /// preparing the ring anew: else a processor that was held up between them could put an entry of a request that
    /// has been reclaimed into the ring of the next life.
    ///
    /// `key` serves [`CommandTable::in_flight`]; `payload` comes back when the request is taken.
    ///
    /// # Errors
    /// The table was closed or disturbed meanwhile: nothing is in flight, and the payload is the caller's again.
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a token that is not to be used again"
    )]
    pub fn publish(&self, claim: Claim, key: u32, payload: usize) -> Result<Published, Withdrawn> {
        let Some(slot) = self.slots.get(usize::from(claim.index)) else {
            return Err(Withdrawn);
        };
        slot.key.store(key, Ordering::Relaxed);
        slot.payload.store(payload, Ordering::Relaxed);
        let published = (claim.generation << 2) | PUBLISHED;
        slot.state.store(published, Ordering::Release);
        // Pairs with the fence of `close`: either the reclaim sees this request, or we see that the gate changed.
        fence(Ordering::SeqCst);
        if self.gate.load(Ordering::Relaxed) == claim.gate {
            return Ok(Published::InFlight);
        }
        let taken = (claim.generation << 2) | TAKEN;
        if slot
            .state
            .compare_exchange(published, taken, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            self.free(claim.index, claim.generation);
            return Err(Withdrawn);
        }
        Ok(Published::Reclaimed)
    }

    /// Gives a claimed slot back unused.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a token that is not to be used again"
    )]
    #[cold]
    #[inline(never)]
    pub fn cancel(&self, claim: Claim) {
        self.free(claim.index, claim.generation);
    }

    /// Takes the request that a completion names.
    ///
    /// # Errors
    /// See [`Rejected`].
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    pub fn take(&self, command_id: u16) -> Result<Taken, Rejected> {
        let index = command_id & 1_u16.wrapping_shl(Self::SLOT_BITS).wrapping_sub(1);
        let generation = u32::from(command_id).wrapping_shr(Self::SLOT_BITS);
        let slot = self.slots.get(usize::from(index)).ok_or(Rejected::UnknownSlot)?;
        let published = generation.wrapping_shl(2) | PUBLISHED;
        Self::take_slot(slot, index, published).map_err(|state| Self::rejected(state, generation))
    }

    /// Why the slot in this state is not that request's.
    #[cold]
    fn rejected(state: u32, generation: u32) -> Rejected {
        if state >> 2 != generation {
            return Rejected::StaleGeneration;
        }
        match state & TAG_MASK {
            PUBLISHED | TAKEN => Rejected::AlreadyTaken,
            _ => Rejected::NotInFlight,
        }
    }

    #[inline]
    fn take_slot(slot: &Slot, index: u16, published: u32) -> Result<Taken, u32> {
        let taken = (published & !TAG_MASK) | TAKEN;
        slot.state
            .compare_exchange(published, taken, Ordering::Acquire, Ordering::Relaxed)?;
        Ok(Taken {
            index,
            generation: published >> 2,
            payload: slot.payload.load(Ordering::Relaxed),
        })
    }

    /// What a request that was taken was published with as its key; asked before it is released.
    #[must_use]
    pub fn key(&self, taken: &Taken) -> u32 {
        let slot = self.slots.get(usize::from(taken.index));
        slot.map_or(0, |slot| slot.key.load(Ordering::Relaxed))
    }

    /// Ends the use of a slot: it may be claimed again, in its next generation.
    #[inline]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a token that is not to be used again"
    )]
    pub fn release(&self, taken: Taken) {
        self.free(taken.index, taken.generation);
    }

    #[inline]
    fn free(&self, index: u16, generation: u32) {
        let next = generation.wrapping_add(1);
        let next = if next >= Self::GENERATIONS { 0 } else { next };
        if let Some(slot) = self.slots.get(usize::from(index)) {
            // The map's release below orders it for the next claimer, and with it the payload that was read.
            slot.state.store((next << 2) | FREE, Ordering::Relaxed);
        }
        if let Some(word) = self.map.get(usize::from(index >> 6)) {
            word.claimed
                .fetch_and(!1_u64.wrapping_shl(u32::from(index & 63)), Ordering::Release);
        }
    }

    /// Closes the table and takes every request in flight: transfers have stopped, as `proof` says. `each` gets one
    /// request at a time, whose slot is released afterwards. Returns their number.
    ///
    /// # Errors
    /// The proof is not about this queue and life. The table is left as it was.
    pub fn reclaim(&self, proof: &DmaStopped, mut each: impl FnMut(&Taken)) -> Result<u32, NotCovered> {
        let _ = self.gate.load(Ordering::Acquire);
        let epoch = Epoch::from_number(self.epoch.load(Ordering::Relaxed));
        let queue = u16::try_from(self.queue.load(Ordering::Relaxed)).map_err(|_| NotCovered)?;
        if !proof.covers(epoch, queue) {
            return Err(NotCovered);
        }
        self.close();
        let mut count = 0_u32;
        for (index, slot) in (0..Self::SLOTS).zip(&self.slots) {
            let state = slot.state.load(Ordering::Relaxed);
            if state & TAG_MASK != PUBLISHED {
                continue;
            }
            if let Ok(taken) = Self::take_slot(slot, index, state) {
                each(&taken);
                self.release(taken);
                count = count.wrapping_add(1);
            }
        }
        Ok(count)
    }

    /// Command identifiers of the requests in flight whose key is `key`: what to abort for a unit's reset. A request
    /// may complete, or another begin, while this runs.
    pub fn in_flight(&self, key: u32) -> impl Iterator<Item = u16> + '_ {
        (0..Self::SLOTS)
            .zip(&self.slots)
            .filter_map(move |(index, slot)| {
                let state = slot.state.load(Ordering::Acquire);
                let matches = state & TAG_MASK == PUBLISHED && slot.key.load(Ordering::Relaxed) == key;
                matches.then(|| Self::command_id(index, state >> 2))
            })
    }

    /// Slots that are claimed, published or taken now.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.map.iter().fold(0, |sum, word| {
            sum.wrapping_add(word.claimed.load(Ordering::Relaxed).count_ones())
        })
    }

    #[inline]
    fn command_id(index: u16, generation: u32) -> u16 {
        let id = generation.wrapping_shl(Self::SLOT_BITS) | u32::from(index);
        let [low, high, _, _] = id.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

impl<const N: usize> Default for CommandTable<N> {
    fn default() -> Self {
        Self::new()
    }
}
