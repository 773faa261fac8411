//! SRBs that the device has.

use core::{
    ffi::c_void,
    ptr,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};

use zerocopy::FromZeros;

use super::{
    completion::finish_whole,
    request::Srb,
    token::{Fresh, Issued, Stage, Started, Token},
};
use crate::{
    brand::Brand,
    context::{Context, Exclusion, Irql},
    miniport::Miniport,
};

/// A table of `N` places for SRBs in flight. All zeroes is empty.
///
/// # Invariants
/// A place that is not NULL holds an SRB of this adapter whose token was given as *pended*; whoever swaps it out
/// owns it, and only one caller can.
#[derive(FromZeros)]
#[repr(transparent)]
pub struct InFlight<'dev, M, const N: usize> {
    places: [AtomicPtr<c_void>; N],
    device: Brand<'dev, M>,
}

impl<'dev, M: Miniport, const N: usize> InFlight<'dev, M, N> {
    /// Parks `srb` at `place`: publish it here before the doorbell is rung.
    ///
    /// # Errors
    /// Gives the SRB back if the place does not exist or is taken.
    #[inline]
    pub fn park<S: Stage>(&self, place: usize, srb: Srb<'dev, M, S>) -> Result<Token<S>, Srb<'dev, M, S>> {
        let Some(entry) = self.places.get(place) else {
            return Err(srb);
        };
        match entry.compare_exchange(
            ptr::null_mut(),
            srb.pointer(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(_) => Ok(srb.parked()),
            Err(_) => Err(srb),
        }
    }

    /// Takes the SRB at `place`: it now belongs to the caller, who completes it.
    #[inline]
    pub fn take<I: Irql, X: Exclusion>(
        &self,
        _cx: &Context<'dev, M, I, X>,
        place: usize,
    ) -> Option<Srb<'dev, M, Issued>> {
        let pointer = self.places.get(place)?.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the swap made this caller its owner; the context proves that the adapter is this one and lives.
        unsafe { Srb::new(pointer) }
    }

    /// Completes the SRB at `place` with [`Completion::Whole`](super::Completion::Whole), if there is one: as
    /// [`InFlight::take`] and [`Srb::complete`](super::Srb::complete), but without a look at its form.
    #[inline]
    pub fn complete_whole<I: Irql, X: Exclusion>(&self, cx: &Context<'dev, M, I, X>, place: usize) {
        let Some(entry) = self.places.get(place) else {
            return;
        };
        if let Some(srb) = NonNull::new(entry.swap(ptr::null_mut(), Ordering::AcqRel)) {
            // SAFETY: the swap made this caller its owner; the context proves that the adapter is this one and lives.
            unsafe { finish_whole(srb.cast(), cx.raw()) };
        }
    }

    /// Takes back what was parked at `place` in this very `HwStorStartIo`, before anything was issued for it: it is fresh
    /// again, in exchange for its token.
    ///
    /// # Errors
    /// Gives the token back if somebody has taken the SRB meanwhile, who completes it.
    pub fn withdraw<'srb, I: Irql, X: Exclusion>(
        &self,
        _cx: &Context<'dev, M, I, X>,
        place: usize,
        token: Started<'srb>,
    ) -> Result<Srb<'dev, M, Fresh<'srb>>, Started<'srb>> {
        let parked = token.parked();
        let Some(entry) = self.places.get(place).filter(|_| !parked.is_null()) else {
            return Err(token);
        };
        let exchanged = entry.compare_exchange(parked, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
        if exchanged.is_err() {
            return Err(token);
        }
        // SAFETY: the exchange made this caller its owner; the context proves that the adapter is this one and lives.
        unsafe { Srb::new(parked) }.ok_or(token)
    }

    /// Whether there is an SRB at `place` at this moment.
    #[must_use]
    pub fn is_taken(&self, place: usize) -> bool {
        self.places
            .get(place)
            .is_some_and(|entry| !entry.load(Ordering::Acquire).is_null())
    }

    /// Number of places.
    #[must_use]
    pub const fn places(&self) -> usize {
        N
    }
}
