//! The lifetime brand of what belongs to one adapter.

use core::marker::PhantomData;

/// Ties a value to the adapter of one callback (`'dev`, invariant) and to its miniport (invariant, too: a subtype may be
/// another miniport).
pub(crate) type Brand<'dev, M> = PhantomData<(&'dev mut &'dev (), fn(M) -> M)>;
