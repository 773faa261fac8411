//! SRBs as values that must be used up.

use core::{ffi::c_void, marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};

use wdk_sys::storage::StorPortGetLogicalUnit;

use super::{
    completion::{Completion, finish, refuse},
    data_buffer::DataBuffer,
    extension_memory::extension_of,
    fields::Fields,
    function::{Function, is_read_or_write},
    io_control::IoControl,
    token::{Fresh, Issued, Stage, Started, Token, completed, parked},
    view::View,
};
use crate::{
    brand::Brand,
    context::{AtMostDispatch, BelowInterruptLock, Context, Exclusion, Irql},
    miniport::Miniport,
};

/// One SRB that belongs to the miniport.
///
/// `S` says where it came from: [`Fresh`] in `HwStorStartIo`, which returns the token that completing, refusing or
/// parking it gives; [`Issued`] where it was taken from its place, where no token is asked for.
///
/// # Invariants
/// Exactly one `Srb` exists for a request between `HwStorStartIo` and its completion, unless it is parked; completing,
/// refusing and parking consume it.
pub struct Srb<'dev, M: Miniport, S: Stage = Issued> {
    fields: Fields,
    device: Brand<'dev, M>,
    stage: PhantomData<S>,
}

// SAFETY: an SRB may be completed on any processor; its owner is unique.
unsafe impl<M: Miniport, S: Stage> Send for Srb<'_, M, S> {}

impl<M: Miniport, S: Stage> Deref for Srb<'_, M, S> {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl<'dev, M: Miniport, S: Stage> Srb<'dev, M, S> {
    /// # Safety
    /// `srb` is NULL or an SRB of the adapter of `'dev` that the caller owns, in stage `S`.
    pub(crate) unsafe fn new(srb: *mut c_void) -> Option<Self> {
        // SAFETY: the caller's promise.
        let view = unsafe { View::new(srb) }?;
        Some(Self {
            fields: Fields { view },
            device: PhantomData,
            stage: PhantomData,
        })
    }

    /// The pointer to publish in a table.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.fields.view.pointer()
    }

    /// The pointer is published: whoever takes it from the table owns the request now.
    pub(crate) fn parked(self) -> Token<S> {
        let srb = ManuallyDrop::new(self);
        parked::<S>(srb.pointer())
    }

    /// The SRB extension, as `HwStorBuildIo` left it.
    pub fn extension(&mut self) -> Option<&mut M::SrbExtension> {
        extension_of::<M>(self.fields.view)
    }

    /// The memory of the logical unit that the request addresses (`StorPortGetLogicalUnit`); `None` if the port driver knows
    /// no such unit. The request keeps the unit.
    ///
    /// Its page says that at `DISPATCH_LEVEL` the call takes the interrupt lock: so it is not for interrupt routines, and
    /// not free. Keep what each request needs elsewhere.
    #[must_use]
    pub fn unit_extension<I: AtMostDispatch, X: Exclusion + BelowInterruptLock>(
        &self,
        cx: &Context<'dev, M, I, X>,
    ) -> Option<&M::UnitExtension> {
        let unit = self.address()?;
        // SAFETY: the extension is live; no interrupt lock is held.
        let memory = unsafe { StorPortGetLogicalUnit(cx.raw(), unit.path, unit.target, unit.lun) };
        let memory = NonNull::new(memory.cast::<M::UnitExtension>()).filter(|memory| memory.is_aligned())?;
        // SAFETY: LuExtensionSize bytes, zeroed when the unit was made (`FromZeros`), shared only as `&` (`Sync`); the unit
        // stays while a request of it is outstanding, and the result borrows this one.
        Some(unsafe { memory.as_ref() })
    }

    /// The data buffer of a request that the port driver maps: everything but the families of READ and WRITE
    /// (`STOR_MAP_NON_READ_WRITE_BUFFERS`), and no SCSI request without a readable CDB.
    pub fn data_buffer(&mut self) -> Option<DataBuffer<'_>> {
        self.mapped_buffer()
    }

    fn mapped_buffer<'a>(&self) -> Option<DataBuffer<'a>> {
        let view = self.fields.view;
        if view.function() == Function::ExecuteScsi && is_read_or_write(view.cdb()?.bytes()) {
            return None;
        }
        let base = NonNull::new(view.data_buffer())?;
        // SAFETY: the port driver has mapped the buffer, for as long as the SRB is the miniport's; callers bind it to a
        // borrow of the SRB.
        Some(unsafe { DataBuffer::new(base, view.data_transfer_length() as usize) })
    }

    /// The header and data of an `IO_CONTROL` request; `None` for other functions, and if the header does not fit the buffer.
    pub fn io_control(&mut self) -> Option<IoControl<'_>> {
        if self.function() != Function::IoControl {
            return None;
        }
        IoControl::new(self.mapped_buffer()?, self.mapped_buffer()?)
    }

    /// Completes the request. Any IRQL up to DIRQL. Nothing of the SRB is touched afterwards.
    #[expect(
        clippy::must_use_candidate,
        reason = "the token of a fresh SRB says so itself"
    )]
    pub fn complete<I: Irql, X: Exclusion>(
        self,
        cx: &Context<'dev, M, I, X>,
        completion: Completion<'_>,
    ) -> Token<S> {
        let srb = ManuallyDrop::new(self);
        finish(srb.fields.view, cx.raw(), completion);
        completed::<S>()
    }
}

impl<'dev, 'srb, M: Miniport> Srb<'dev, M, Fresh<'srb>> {
    /// Refuses the request for now (`SRB_STATUS_BUSY`): the port driver tries again, with another extension. Nothing was
    /// issued for it; `DataTransferLength` stays as it is.
    pub fn busy<I: Irql, X: Exclusion>(self, cx: &Context<'dev, M, I, X>) -> Started<'srb> {
        let srb = ManuallyDrop::new(self);
        refuse(srb.fields.view, cx.raw());
        completed::<Fresh<'srb>>()
    }
}

impl<M: Miniport, S: Stage> Drop for Srb<'_, M, S> {
    fn drop(&mut self) {
        lost_request();
    }
}

/// A request was dropped without completing or parking it.
#[cfg(feature = "dev")]
#[cold]
#[inline(never)]
#[expect(clippy::panic, reason = "the development flavour stops at a lost request")]
fn lost_request() {
    panic!("an SRB was dropped: complete it or park it");
}

/// A request was dropped without completing or parking it: the image does not link.
#[cfg(not(feature = "dev"))]
fn lost_request() {
    unsafe extern "C" {
        fn storport_an_srb_was_dropped_complete_it_or_park_it();
    }
    // SAFETY: the symbol does not exist, so no image with this call links.
    unsafe { storport_an_srb_was_dropped_complete_it_or_park_it() };
}
