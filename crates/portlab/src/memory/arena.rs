//! Slots, cells, quarantine: what both arenas do alike.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    AllocateError, Block, Damage, FREED, FRESH, Fill, FreeError, Guarding, PAGE, PAGE_U64, Placement,
    Request,
    canary::{canary, canary_damage, set_canaries},
    object::Object,
    reservation::{Reservation, whole_pages},
    slab::{self, Cells, SLAB},
};

/// Mappings an arena may use; the kernel allows a process 65,530.
const MAPPINGS: usize = 16_000;

/// Objects after which fewer are guarded, and how many fewer.
const MANY: u64 = 20_000;
const RARER: u64 = 64;

/// What memory an arena's pages are made of.
pub(super) trait Backing: Send + Sync {
    /// What a request can ask of it.
    type Want;

    /// Whether objects that want this may share pages, and which kind of slab they share.
    fn kind(want: &Self::Want) -> Option<u8>;

    /// Maps `length` bytes of pages; returns the number of mappings it took.
    fn map(
        &mut self,
        space: &Reservation,
        address: u64,
        length: usize,
        want: &Self::Want,
    ) -> Result<usize, AllocateError>;

    /// Marks pages as freed, before they become inaccessible.
    fn retire(&mut self, space: &Reservation, address: u64, length: usize);

    /// Takes the pages back after their quarantine; the offset and content of the first byte that changed since
    /// [`Backing::retire`], and the number of mappings that were used.
    fn release(&mut self, address: u64, length: usize) -> (Option<(u64, u8)>, usize);
}

/// How an arena behaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) guard_every: u32,
    pub(super) seed: u64,
    pub(super) quarantine: usize,
    pub(super) reuse_addresses: bool,
}

#[derive(Debug)]
pub(super) struct State<B> {
    pub(super) backing: B,
    policy: Policy,
    random: fastrand::Rng,
    next: u64,
    free_slots: BTreeMap<usize, Vec<u64>>,
    cells: Cells,
    /// By the address of their homes.
    objects: BTreeMap<u64, Object>,
    /// Homes of freed objects, oldest first, with the objects' numbers.
    quarantine: VecDeque<(u64, u64)>,
    quarantined: usize,
    mappings: usize,
    number: u64,
    live: usize,
    live_bytes: usize,
    damages: Vec<Damage>,
}

/// An arena's address space and books.
#[derive(Debug)]
pub(super) struct Core<B> {
    space: Reservation,
    state: RwLock<State<B>>,
}

impl<B: Backing> Core<B> {
    pub(super) fn new(size: usize, address: Option<usize>, policy: Policy, backing: B) -> io::Result<Self> {
        let space = Reservation::new(size, address)?;
        let state = State {
            backing,
            policy: Policy {
                guard_every: policy.guard_every.max(1),
                ..policy
            },
            random: fastrand::Rng::with_seed(policy.seed),
            next: space.base(),
            free_slots: BTreeMap::new(),
            cells: Cells::default(),
            objects: BTreeMap::new(),
            quarantine: VecDeque::new(),
            quarantined: 0,
            mappings: 1,
            number: 0,
            live: 0,
            live_bytes: 0,
            damages: Vec::new(),
        };
        Ok(Self {
            space,
            state: RwLock::new(state),
        })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State<B>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Core::read`], without waiting.
    pub(super) fn try_read(&self) -> Option<RwLockReadGuard<'_, State<B>>> {
        self.state.try_read().ok()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<B>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn covers(&self, address: u64) -> bool {
        (self.space.base()..self.space.end()).contains(&address)
    }

    pub(super) fn allocate(&self, request: &Request, want: &B::Want) -> Result<Block, AllocateError> {
        if !request.alignment.is_power_of_two() || request.alignment > 1 << 30 {
            return Err(AllocateError::Request("the alignment is no power of two"));
        }
        let mut state = self.write();
        let object = match state.place(&self.space, request, want) {
            Err(AllocateError::Exhausted | AllocateError::TooManyMappings)
                if !state.quarantine.is_empty() =>
            {
                state.empty_quarantine(&self.space, 0);
                state.place(&self.space, request, want)?
            }
            placed => placed?,
        };
        // Nobody knows the object yet, but it is in the books: fill it before the lock is released.
        let Block { address, length } = object.block;
        match request.fill {
            Fill::Poison => self.space.fill(address, length, FRESH),
            Fill::Zero => self.space.fill(address, length, 0),
        }
        set_canaries(&self.space, &object);
        state.live += 1;
        state.live_bytes += length;
        let block = object.block;
        state.objects.insert(object.home.address, object);
        Ok(block)
    }

    pub(super) fn free(&self, address: u64) -> Result<Block, FreeError> {
        let mut state = self.write();
        let home = state.home_for_free(address)?;
        let Some(object) = state.objects.get_mut(&home) else {
            return Err(FreeError::Unknown(address));
        };
        object.freed = true;
        let object = object.clone();
        if let Some(damage) = canary_damage(&self.space, &object) {
            state.damages.push(damage);
        }
        state.live -= 1;
        state.live_bytes -= object.block.length;
        let Block {
            address: start,
            length,
        } = object.home;
        if object.guarded {
            state.backing.retire(&self.space, start, length);
            // Without it the pages stay accessible: a missed check, no harm to anybody.
            let _ = self.space.unmap(start, length);
        } else {
            self.space.fill(start, length, FREED);
        }
        state.quarantined += length;
        state.quarantine.push_back((start, object.number));
        let limit = state.policy.quarantine;
        state.empty_quarantine(&self.space, limit);
        Ok(object.block)
    }

    /// Checks every live object's canaries; the damages found, and those found at earlier frees.
    pub(super) fn check(&self) -> Vec<Damage> {
        let mut state = self.write();
        let mut damages = std::mem::take(&mut state.damages);
        for object in state.objects.values().filter(|object| !object.freed) {
            if let Some(damage) = canary_damage(&self.space, object) {
                self.space.write(damage.address, &[canary(damage.address)]);
                damages.push(damage);
            }
        }
        damages
    }

    /// Releases every freed object that is held back, which looks at what was written to it.
    pub(super) fn flush(&self) {
        self.write().empty_quarantine(&self.space, 0);
    }

    pub(super) fn take_damages(&self) -> Vec<Damage> {
        std::mem::take(&mut self.write().damages)
    }
}

impl<B: Backing> State<B> {
    /// The object, live or freed, whose home or leading guard holds `address`; else the one before a guard.
    pub(super) fn object_near(&self, address: u64) -> Option<&Object> {
        let end = |object: &Object| object.home.address + object.home.length as u64;
        let before = self
            .objects
            .range(..=address)
            .next_back()
            .map(|(_, object)| object);
        let behind = self.objects.range(address..).next().map(|(_, object)| object);
        let behind = behind.filter(|object| object.guarded && object.home.address - address <= PAGE_U64);
        match before {
            Some(object) if address < end(object) => Some(object),
            // In a guard: whichever object is nearer.
            Some(object) if object.guarded && address - end(object) < PAGE_U64 => match behind {
                Some(other) if other.block.address - address < address - end(object) => Some(other),
                _ => Some(object),
            },
            _ => behind,
        }
    }

    /// The live object that holds the whole range.
    pub(super) fn live(&self, address: u64, length: usize) -> Option<&Object> {
        let (_, object) = self.objects.range(..=address).next_back()?;
        (!object.freed && object.block.contains(address, length)).then_some(object)
    }

    pub(super) const fn live_objects(&self) -> (usize, usize) {
        (self.live, self.live_bytes)
    }

    pub(super) fn all_live(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(|object| !object.freed)
    }

    fn home_for_free(&self, address: u64) -> Result<u64, FreeError> {
        let (home, object) = self
            .objects
            .range(..=address)
            .next_back()
            .ok_or(FreeError::Unknown(address))?;
        let inside = address - home < object.home.length as u64;
        match (inside, address == object.block.address, object.freed) {
            (false, ..) => Err(FreeError::Unknown(address)),
            (_, true, false) => Ok(*home),
            (_, true, true) => Err(FreeError::Twice {
                label: object.label.clone(),
                address,
            }),
            (_, false, _) => Err(FreeError::Inside {
                label: object.label.clone(),
                address,
                object: object.block.address,
            }),
        }
    }

    fn place(
        &mut self,
        space: &Reservation,
        request: &Request,
        want: &B::Want,
    ) -> Result<Object, AllocateError> {
        let length = request.length.max(1);
        self.number += 1;
        let every = u64::from(self.policy.guard_every);
        // Pages of its own cost an object more than all the rest of a request: a run that is long samples less.
        let every = if self.number > MANY { every * RARER } else { every };
        let sampled = self.number.wrapping_add(self.policy.seed).is_multiple_of(every);
        let packed = B::kind(want).zip(slab::shape(request, length));
        let (home, address, guarded) = match packed {
            Some((kind, (cell, front))) if request.guarding == Guarding::Sampled && !sampled => {
                let address = self.cell(space, cell, kind, want)?;
                (
                    Block {
                        address,
                        length: cell,
                    },
                    address + front as u64,
                    false,
                )
            }
            _ => {
                let home = self.slot(space, request, length, want)?;
                (home, self.position(request, length, home), true)
            }
        };
        let block = Block { address, length };
        let kind = packed.map_or(0, |(kind, _)| kind);
        Ok(Object {
            block,
            label: request.label.clone(),
            home,
            guarded,
            freed: false,
            kind,
            number: self.number,
        })
    }

    /// Where in its pages an object lies.
    fn position(&mut self, request: &Request, length: usize, home: Block) -> u64 {
        let end = match request.placement {
            Placement::End => true,
            Placement::Start => false,
            Placement::Either => self.random.bool(),
        };
        if !end || request.alignment > PAGE {
            return home.address.next_multiple_of(request.alignment as u64);
        }
        let last = home.address + (home.length - length) as u64;
        last - last % request.alignment as u64
    }

    fn cell(
        &mut self,
        space: &Reservation,
        size: usize,
        kind: u8,
        want: &B::Want,
    ) -> Result<u64, AllocateError> {
        if let Some(address) = self.cells.take(size, kind) {
            return Ok(address);
        }
        let slab = self.pages(space, SLAB, size.max(PAGE), want)?;
        self.cells.add_slab(size, kind, slab);
        self.cells.take(size, kind).ok_or(AllocateError::Exhausted)
    }

    fn slot(
        &mut self,
        space: &Reservation,
        request: &Request,
        length: usize,
        want: &B::Want,
    ) -> Result<Block, AllocateError> {
        let length = whole_pages(length).ok_or(AllocateError::Request("the length is beyond all measure"))?;
        let address = self.pages(space, length, request.alignment.max(PAGE), want)?;
        Ok(Block { address, length })
    }

    /// Maps pages in a slot between guards.
    fn pages(
        &mut self,
        space: &Reservation,
        length: usize,
        alignment: usize,
        want: &B::Want,
    ) -> Result<u64, AllocateError> {
        if self.mappings > MAPPINGS {
            return Err(AllocateError::TooManyMappings);
        }
        let reused = if alignment == PAGE {
            self.free_slots.get_mut(&length).and_then(Vec::pop)
        } else {
            None
        };
        let address = match reused {
            Some(address) => address,
            None => self
                .fresh(space, length, alignment)
                .ok_or(AllocateError::Exhausted)?,
        };
        match self.backing.map(space, address, length, want) {
            Ok(mappings) => {
                self.mappings += mappings + 1;
                Ok(address)
            }
            Err(error) => {
                self.free_slots.entry(length).or_default().push(address);
                Err(error)
            }
        }
    }

    /// Addresses that were never used.
    fn fresh(&mut self, space: &Reservation, length: usize, alignment: usize) -> Option<u64> {
        // The page before is the guard; the next slot's guard, or the rest of the space, is behind.
        let address = (self.next + PAGE_U64).checked_next_multiple_of(alignment as u64)?;
        let end = address
            .checked_add(length as u64)
            .filter(|end| *end < space.end())?;
        self.next = end;
        Some(address)
    }

    /// Releases the oldest freed objects until at most `limit` bytes are held.
    fn empty_quarantine(&mut self, space: &Reservation, limit: usize) {
        while self.quarantined > limit {
            let Some((home, number)) = self.quarantine.pop_front() else {
                break;
            };
            let Some(object) = self
                .objects
                .get(&home)
                .filter(|object| object.number == number)
                .cloned()
            else {
                continue;
            };
            self.objects.remove(&home);
            self.quarantined -= object.home.length;
            let changed = if object.guarded {
                let (changed, mappings) = self.backing.release(home, object.home.length);
                self.mappings = self.mappings.saturating_sub(mappings + 1);
                if self.policy.reuse_addresses {
                    self.free_slots.entry(object.home.length).or_default().push(home);
                }
                changed
            } else {
                let changed = space.first_other_than(home, object.home.length, FREED);
                self.cells.give(object.home.length, object.kind, home);
                changed
            };
            if let Some((address, found)) = changed {
                self.damages.push(Damage {
                    label: object.label.clone(),
                    object: object.block.address,
                    length: object.block.length,
                    address,
                    after_free: true,
                    found,
                    expected: FREED,
                });
            }
        }
    }
}
