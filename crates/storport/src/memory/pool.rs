//! Non-paged pool: `StorPortAllocatePool`, `StorPortFreePool`.

use core::{marker::PhantomData, ptr, ptr::NonNull, sync::atomic::Ordering};

use zerocopy::FromZeros;

use super::{
    ownership::Generation,
    slot::{Kind, Made, NoMaking, NotFreed},
};
use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Irql},
    ffi,
    miniport::Miniport,
    status::AllocatePoolError,
};

/// Alignment of pool memory (`MEMORY_ALLOCATION_ALIGNMENT`, 64-bit).
const POOL_ALIGNMENT: usize = 16;

/// A pool tag: four characters, as a debugger shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTag(u32);

impl PoolTag {
    /// The tag of four characters between 1 and 127.
    ///
    /// # Panics
    /// If one is not; a tag is made at compile time:
    ///
    /// ```ignore
    /// const TAG: PoolTag = PoolTag::new(*b"Miny");
    /// ```
    #[must_use]
    pub const fn new(characters: [u8; 4]) -> Self {
        let tag = u32::from_le_bytes(characters);
        assert!(tag & 0x8080_8080 == 0, "a pool tag consists of ASCII characters");
        Self(tag)
    }
}

/// A slice of `T` in non-paged pool. A handle: copies are the same memory.
pub struct Pool<'dev, M, T> {
    pub(crate) index: u32,
    pub(crate) generation: Generation,
    count: usize,
    kind: Brand<'dev, (M, T)>,
}

impl<M, T> Clone for Pool<'_, M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, T> Copy for Pool<'_, M, T> {}

impl<M, T> Pool<'_, M, T> {
    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// Why there is no pool memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolError {
    /// All memory slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// No bytes, or more than 32 bits count.
    Size,
    /// `StorPortAllocatePool` said so.
    Allocate(AllocatePoolError),
}

impl From<NoMaking> for PoolError {
    fn from(none: NoMaking) -> Self {
        match none {
            NoMaking::NoSlot => Self::NoSlot,
            NoMaking::Removing => Self::Removing,
        }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Allocates `count` zeroed values in non-paged pool (`StorPortAllocatePool`; IRQL <= DISPATCH).
    ///
    /// The values are shared between callbacks by reference, and nobody drops them.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, the size is impossible, or there is no memory.
    pub fn allocate_pool<T: FromZeros + Send + Sync>(
        &self,
        count: usize,
        tag: PoolTag,
    ) -> Result<Pool<'dev, M, T>, PoolError> {
        const {
            assert!(
                !core::mem::needs_drop::<T>(),
                "nobody would run the drop glue of what lies in pool memory"
            );
            assert!(
                align_of::<T>() <= POOL_ALIGNMENT,
                "pool memory is aligned to 16 bytes"
            );
        }
        let length = size_of::<T>()
            .checked_mul(count)
            .filter(|length| *length != 0)
            .ok_or(PoolError::Size)?;
        let bytes = u32::try_from(length).map_err(|_| PoolError::Size)?;
        let making = self.make()?;
        let memory = match self.pool_memory(bytes, tag) {
            Ok(memory) => memory,
            Err(error) => {
                self.unmake(&making);
                return Err(PoolError::Allocate(error));
            }
        };
        let made = Made {
            kind: Kind::Pool,
            object: memory.as_ptr().cast(),
            length,
            detail: 0,
            bus_address: 0,
            below: None,
        };
        self.record(&making, &made);
        if !self.made(&making) {
            return Err(PoolError::Removing);
        }
        Ok(Pool {
            index: making.index,
            generation: making.generation,
            count,
            kind: PhantomData,
        })
    }

    /// Zeroed pool memory that no slot owns yet.
    pub(crate) fn pool_memory(&self, bytes: u32, tag: PoolTag) -> Result<NonNull<u8>, AllocatePoolError> {
        let mut memory = ptr::null_mut();
        // SAFETY: the extension is live; IRQL is at most DISPATCH.
        AllocatePoolError::check(unsafe {
            ffi::memory::allocate_pool(self.raw(), bytes, tag.0, &mut memory)
        })?;
        let memory = NonNull::new(memory.cast::<u8>())
            .filter(|memory| memory.as_ptr().addr().trailing_zeros() >= POOL_ALIGNMENT.trailing_zeros())
            .ok_or(AllocatePoolError::InsufficientResources)?;
        // SAFETY: the memory has that many bytes, and nobody else knows it.
        unsafe { memory.write_bytes(0, bytes as usize) };
        Ok(memory)
    }

    /// Frees pool memory (`StorPortFreePool`; IRQL <= DISPATCH), now or when the last closure that uses it ends.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn free_pool<T>(&self, pool: Pool<'dev, M, T>) -> Result<(), NotFreed> {
        self.close_slot(pool.index, pool.generation)
    }
}

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Runs `f` on the values in pool memory; any IRQL. `None` if the memory is gone.
    pub fn with_pool<T, R>(&self, pool: Pool<'dev, M, T>, f: impl FnOnce(&[T]) -> R) -> Option<R> {
        self.with_slot(pool.index, pool.generation, |slot| {
            let base = slot.object.load(Ordering::Relaxed).cast::<T>();
            // SAFETY: the slot is pinned: it owns `count` values of T, zeroed at first, which are only shared.
            let values = unsafe { core::slice::from_raw_parts(base.cast_const(), pool.count) };
            f(values)
        })
    }
}
