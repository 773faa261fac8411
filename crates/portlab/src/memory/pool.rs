//! Ordinary memory: pool, extensions, SRBs, sense buffers.

use std::{io, sync::Arc};

use super::{
    AllocateError, Block, Damage, FreeError, Request,
    arena::{Backing, Core, Policy},
    region::{self, Described},
    reservation::Reservation,
};

/// How a [`PoolArena`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// One object in this many gets pages of its own (1: each).
    pub guard_every: u32,
    /// Decides what is left open (which ones are guarded, which end).
    pub seed: u64,
    /// Bytes of freed objects that are held back.
    pub quarantine: usize,
    /// Whether addresses are handed out again after the quarantine.
    pub reuse_addresses: bool,
    /// Address space to set aside, in bytes.
    pub address_space: usize,
    /// Where it goes; `None` for the lab's choice, which is the same in each run.
    pub address: Option<usize>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            guard_every: 16,
            seed: 0,
            quarantine: 16 << 20,
            reuse_addresses: true,
            address_space: 64 << 30,
            address: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Anonymous;

impl Backing for Anonymous {
    type Want = ();

    fn kind((): &()) -> Option<u8> {
        Some(0)
    }

    fn map(
        &mut self,
        space: &Reservation,
        address: u64,
        length: usize,
        (): &(),
    ) -> Result<usize, AllocateError> {
        space
            .map_anonymous(address, length)
            .map_err(|error| AllocateError::System(error.to_string()))?;
        Ok(1)
    }

    fn retire(&mut self, _: &Reservation, _: u64, _: usize) {}

    fn release(&mut self, _: u64, _: usize) -> (Option<(u64, u8)>, usize) {
        // The pages went away when the object was freed: nobody can have changed them.
        (None, 1)
    }
}

/// Guarded memory that the device does not see. Safe to use from any thread.
#[derive(Debug)]
pub struct PoolArena {
    core: Arc<Core<Anonymous>>,
}

impl PoolArena {
    /// Sets address space aside; memory is taken as it is asked for.
    ///
    /// # Errors
    /// If the system refuses the address space.
    pub fn new(options: &PoolOptions) -> io::Result<Self> {
        let policy = Policy {
            guard_every: options.guard_every,
            seed: options.seed,
            quarantine: options.quarantine,
            reuse_addresses: options.reuse_addresses,
        };
        let core = Arc::new(Core::new(
            options.address_space,
            options.address,
            policy,
            Anonymous,
        )?);
        region::enter(Arc::downgrade(&core) as std::sync::Weak<dyn Described>);
        Ok(Self { core })
    }

    /// Hands out memory.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate(&self, request: &Request) -> Result<Block, AllocateError> {
        self.core.allocate(request, &())
    }

    /// Takes the object at `address` back. Damage to its canaries is kept for [`PoolArena::take_damages`].
    ///
    /// # Errors
    /// If `address` is no live object's beginning.
    pub fn free(&self, address: u64) -> Result<Block, FreeError> {
        self.core.free(address)
    }

    /// The live object that holds `address`.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Block> {
        self.core.read().live(address, 1).map(|object| object.block)
    }

    /// Checks the canaries of all live objects; what was found now and at earlier frees.
    #[must_use]
    pub fn check(&self) -> Vec<Damage> {
        self.core.check()
    }

    /// Releases the freed objects that are held back: what was written to them is found ([`PoolArena::take_damages`]).
    pub fn flush(&self) {
        self.core.flush();
    }

    /// Damages found when objects were freed or left their quarantine, since the last call.
    #[must_use]
    pub fn take_damages(&self) -> Vec<Damage> {
        self.core.take_damages()
    }

    /// Number of live objects and their bytes.
    #[must_use]
    pub fn live(&self) -> (usize, usize) {
        self.core.read().live_objects()
    }

    /// The live objects with their labels, by address: what has leaked, at the end of a run.
    #[must_use]
    pub fn live_objects(&self) -> Vec<(Block, super::Label)> {
        self.core
            .read()
            .all_live()
            .map(|object| (object.block, object.label.clone()))
            .collect()
    }
}
