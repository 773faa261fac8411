//! SRBs as values that must be used up.

use core::{ffi::c_void, marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

use wdk_sys::{
    STOR_SCATTER_GATHER_ELEMENT, STOR_SCATTER_GATHER_LIST,
    storage::{StorPortGetPhysicalAddress, StorPortGetScatterGatherList},
};

use super::{
    function::{AUTOSENSE_VALID, Function, PnpAction, SrbStatus, is_read_or_write},
    view::{Address, Cdb, Direction, View},
};
use crate::{
    brand::Brand,
    context::{Context, Exclusion, Irql},
    extension::Extension,
    ffi,
    miniport::Miniport,
};

/// `SRB_PNP_FLAGS_ADAPTER_REQUEST`.
const SRB_PNP_FLAGS_ADAPTER_REQUEST: u32 = 1;

/// What goes with `SRB_STATUS_INTERNAL_ERROR`.
const STATUS_INTERNAL_ERROR: u32 = 0xC000_00E5;

/// Framework's proof that a request was dealt with: completed, or parked in flight.
#[must_use]
pub struct Started(());

/// How a request ends.
#[derive(Debug, Clone, Copy)]
pub enum Completion<'a> {
    /// Success; with the number of bytes that were transferred.
    Success {
        /// Bytes transferred; never more than asked for.
        transferred: u32,
    },
    /// A SCSI status other than GOOD, with sense data if there is any: `SRB_STATUS_ERROR`, and
    /// `SRB_STATUS_AUTOSENSE_VALID` if the sense data was stored: there was room, and the request did not set
    /// `SRB_FLAGS_DISABLE_AUTOSENSE`.
    Scsi {
        /// SCSI status.
        status: u8,
        /// Sense data.
        sense: &'a [u8],
    },
    /// Any other status.
    Status(SrbStatus),
}

/// One SRB that belongs to the miniport.
///
/// # Invariants
/// Exactly one `Srb` exists for a request between `HwStorStartIo` and its completion, unless it is parked; completing
/// and parking consume it.
pub struct Srb<'dev, M: Miniport> {
    view: View,
    device: Brand<'dev, M>,
}

// SAFETY: an SRB may be completed on any processor; its owner is unique.
unsafe impl<M: Miniport> Send for Srb<'_, M> {}

impl<'dev, M: Miniport> Srb<'dev, M> {
    /// # Safety
    /// `srb` is NULL or an SRB of this adapter that the caller owns.
    pub(crate) unsafe fn new(_extension: &'dev Extension<'dev, M>, srb: *mut c_void) -> Option<Self> {
        // SAFETY: the caller's promise.
        let view = unsafe { View::new(srb) }?;
        Some(Self {
            view,
            device: PhantomData,
        })
    }

    /// The pointer to publish in a table.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.view.pointer()
    }

    /// The pointer is published: whoever takes it from the table owns the request now.
    pub(crate) fn parked(self) -> Started {
        let _ = ManuallyDrop::new(self);
        Started(())
    }

    /// What is asked for.
    #[must_use]
    pub fn function(&self) -> Function {
        self.view.function()
    }

    /// Which unit is addressed; `None` if the address is malformed.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.view.address()
    }

    /// A copy of the CDB; `None` if there is none or it is malformed.
    #[must_use]
    pub fn cdb(&self) -> Option<Cdb> {
        self.view.cdb()
    }

    /// Direction of the data phase.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.view.direction()
    }

    /// `DataTransferLength`: bytes of the data buffer.
    #[must_use]
    pub fn data_length(&self) -> u32 {
        self.view.data_transfer_length()
    }

    /// Action of a PNP SRB, and whether it addresses the adapter (`SRB_PNP_FLAGS_ADAPTER_REQUEST`).
    #[must_use]
    pub fn pnp(&self) -> Option<(PnpAction, bool)> {
        if self.function() != Function::Pnp {
            return None;
        }
        self.view
            .pnp()
            .map(|(action, flags)| (action, flags & SRB_PNP_FLAGS_ADAPTER_REQUEST != 0))
    }

    /// Action of a PNP SRB that addresses the adapter.
    pub(crate) fn pnp_of_adapter(&self) -> Option<PnpAction> {
        self.pnp().and_then(|(action, adapter)| adapter.then_some(action))
    }

    /// The SRB extension, as `HwStorBuildIo` left it.
    pub fn extension(&mut self) -> Option<&mut M::SrbExtension> {
        extension_of::<M>(self.view)
    }

    /// The data buffer of a request that the port driver maps: everything but the families of READ and WRITE
    /// (`STOR_MAP_NON_READ_WRITE_BUFFERS`), and no SCSI request without a readable CDB.
    pub fn data_buffer(&mut self) -> Option<DataBuffer<'_>> {
        if self.view.function() == Function::ExecuteScsi && is_read_or_write(self.view.cdb()?.bytes()) {
            return None;
        }
        let base = NonNull::new(self.view.data_buffer())?;
        Some(DataBuffer {
            base,
            length: self.view.data_transfer_length() as usize,
            srb: PhantomData,
        })
    }

    /// Completes the request. Any IRQL up to DIRQL. Nothing of the SRB is touched afterwards.
    pub fn complete<I: Irql, X: Exclusion>(
        self,
        cx: &Context<'dev, M, I, X>,
        completion: Completion<'_>,
    ) -> Started {
        let srb = ManuallyDrop::new(self);
        finish(srb.view, cx.raw(), completion);
        Started(())
    }
}

/// Writes the outcome and gives the SRB back to the port driver.
fn finish(view: View, extension: *mut c_void, completion: Completion<'_>) {
    match completion {
        Completion::Success { transferred } => {
            view.set_data_transfer_length(transferred.min(view.data_transfer_length()));
            if view.function() == Function::ExecuteScsi {
                view.set_scsi_status(0);
            }
            view.set_srb_status(SrbStatus::Success as u8);
        }
        Completion::Scsi { status, sense } => {
            let stored = view.set_sense(sense);
            view.set_scsi_status(status);
            view.set_data_transfer_length(0);
            let flag = if stored { AUTOSENSE_VALID } else { 0 };
            view.set_srb_status(SrbStatus::Error as u8 | flag);
        }
        // BUSY leaves DataTransferLength alone: the request comes again.
        Completion::Status(SrbStatus::Busy) => view.set_srb_status(SrbStatus::Busy as u8),
        Completion::Status(status) => {
            if status == SrbStatus::InternalError {
                view.set_internal_status(STATUS_INTERNAL_ERROR);
            }
            view.set_data_transfer_length(0);
            view.set_srb_status(status as u8);
        }
    }
    // SAFETY: the caller gave the SRB up; its status is set.
    unsafe { ffi::request_complete(extension, view.pointer().cast()) };
}

/// Completes the removal SRB that the rundown held.
///
/// # Safety
/// `srb` is the SRB that was held, `extension` its adapter's device extension.
pub(crate) unsafe fn complete_held(extension: *mut c_void, srb: *mut u8) {
    // SAFETY: the caller's promise.
    if let Some(view) = unsafe { View::new(srb.cast()) } {
        finish(view, extension, Completion::Success { transferred: 0 });
    }
}

/// Completes an SRB that has no readable form.
///
/// # Safety
/// `srb` is an SRB that the port driver handed to the miniport.
pub(crate) unsafe fn complete_malformed(extension: *mut c_void, srb: *mut c_void) {
    let Some(srb) = NonNull::new(srb.cast::<wdk_sys::SCSI_REQUEST_BLOCK>()) else {
        return;
    };
    // SAFETY: both forms keep SrbStatus at the same place.
    unsafe { (*srb.as_ptr()).SrbStatus = SrbStatus::InvalidRequest as u8 };
    // SAFETY: the SRB is ours until here.
    unsafe { ffi::request_complete(extension, srb.as_ptr()) };
}

impl<M: Miniport> Drop for Srb<'_, M> {
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

/// The SRB and its extension, as `HwStorBuildIo` may see them: no adapter, no lock.
pub struct Preparing<'srb, M: Miniport> {
    view: View,
    extension: *mut c_void,
    srb: Brand<'srb, M>,
}

/// Proof that `HwStorBuildIo` has prepared its SRB.
#[must_use]
pub struct Built<'srb>(PhantomData<&'srb mut &'srb ()>);

impl<'srb, M: Miniport> Preparing<'srb, M> {
    /// # Safety
    /// `HwStorBuildIo` is running for `srb` of the adapter of `extension`.
    pub(crate) unsafe fn new(extension: *mut c_void, srb: *mut c_void) -> Option<Self> {
        // SAFETY: the caller's promise.
        let view = unsafe { View::new(srb) }?;
        Some(Self {
            view,
            extension,
            srb: PhantomData,
        })
    }

    /// What is asked for.
    #[must_use]
    pub fn function(&self) -> Function {
        self.view.function()
    }

    /// A copy of the CDB; `None` if there is none or it is malformed.
    #[must_use]
    pub fn cdb(&self) -> Option<Cdb> {
        self.view.cdb()
    }

    /// `DataTransferLength`.
    #[must_use]
    pub fn data_length(&self) -> u32 {
        self.view.data_transfer_length()
    }

    /// The SRB extension; its contents are arbitrary.
    pub fn extension(&mut self) -> Option<&mut M::SrbExtension> {
        extension_of::<M>(self.view)
    }

    /// The bus address of the byte at `offset` of the SRB extension, and how many bytes are contiguous from there
    /// (`StorPortGetPhysicalAddress`; extensions are translated without naming the SRB).
    #[must_use]
    pub fn extension_bus_address(&self, offset: usize) -> Option<(u64, u32)> {
        if offset >= size_of::<M::SrbExtension>() {
            return None;
        }
        let base = extension_base::<M>(self.view)?;
        // SAFETY: the offset lies within the extension.
        let address = unsafe { base.add(offset) };
        let mut contiguous = 0_u32;
        // SAFETY: the address lies in the SRB extension of a live SRB.
        let bus_address = unsafe {
            StorPortGetPhysicalAddress(
                self.extension,
                core::ptr::null_mut(),
                address.as_ptr().cast(),
                &raw mut contiguous,
            )
        };
        // SAFETY: every bit pattern of the union is an i64.
        let bus_address = unsafe { bus_address.QuadPart }.cast_unsigned();
        (bus_address != 0 && contiguous != 0).then_some((bus_address, contiguous))
    }

    /// The scatter/gather list of the data buffer (`StorPortGetScatterGatherList`).
    #[must_use]
    pub fn scatter_gather(&self) -> Option<ScatterGather<'srb>> {
        // SAFETY: the SRB is valid and ours.
        let list = unsafe { StorPortGetScatterGatherList(self.extension, self.view.pointer().cast()) };
        Some(ScatterGather {
            list: NonNull::new(list)?,
            srb: PhantomData,
        })
    }

    /// The request is prepared: `HwStorStartIo` follows.
    pub fn proceed(self) -> Built<'srb> {
        Built(PhantomData)
    }
}

/// One contiguous piece of a data buffer, as the device sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Bus address.
    pub bus_address: u64,
    /// Length in bytes.
    pub length: u32,
}

/// A scatter/gather list: read-only, valid until its SRB is completed.
#[derive(Clone, Copy)]
pub struct ScatterGather<'srb> {
    list: NonNull<STOR_SCATTER_GATHER_LIST>,
    srb: PhantomData<&'srb ()>,
}

impl<'srb> ScatterGather<'srb> {
    /// The pieces, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + 'srb {
        // SAFETY: the list is valid until the SRB is completed.
        let count = unsafe { (*self.list.as_ptr()).NumberOfElements } as usize;
        // SAFETY: the elements follow the list's head.
        let elements = unsafe { self.list.add(1) }.cast::<STOR_SCATTER_GATHER_ELEMENT>();
        (0..count).map(move |index| {
            // SAFETY: the list has `count` elements.
            let element = unsafe { elements.add(index) };
            // SAFETY: as above.
            let element = unsafe { element.read() };
            // SAFETY: every bit pattern of the union is an i64.
            let bus_address = unsafe { element.PhysicalAddress.QuadPart }.cast_unsigned();
            Segment {
                bus_address,
                length: element.Length,
            }
        })
    }
}

/// A data buffer that the port driver has mapped.
///
/// User threads may write it at any time: it is copied, never borrowed.
pub struct DataBuffer<'srb> {
    base: NonNull<u8>,
    length: usize,
    srb: PhantomData<&'srb mut ()>,
}

impl DataBuffer<'_> {
    /// Copies `source` to the buffer from `offset` on, cut to its length. Returns the number of bytes.
    pub fn write(&mut self, offset: usize, source: &[u8]) -> usize {
        let mut count = 0_usize;
        for (offset, byte) in (offset..self.length).zip(source) {
            // SAFETY: `offset` lies within the buffer.
            let place = unsafe { self.base.add(offset) };
            // SAFETY: as above.
            unsafe { place.write_volatile(*byte) };
            count = count.wrapping_add(1);
        }
        count
    }

    /// Copies the beginning of the buffer to `target`, cut to its length. Returns the number of bytes.
    pub fn read(&self, target: &mut [u8]) -> usize {
        let mut count = 0_usize;
        for (offset, byte) in (0..self.length).zip(target) {
            // SAFETY: `offset` lies within the buffer.
            let place = unsafe { self.base.add(offset) };
            // SAFETY: as above.
            *byte = unsafe { place.read_volatile() };
            count = count.wrapping_add(1);
        }
        count
    }
}

/// Where the aligned extension begins in the memory that the port driver provides.
fn extension_base<M: Miniport>(view: View) -> Option<NonNull<u8>> {
    let memory = NonNull::new(view.extension())?;
    let skip = memory.as_ptr().align_offset(align_of::<M::SrbExtension>());
    if skip >= align_of::<M::SrbExtension>() {
        return None;
    }
    // SAFETY: `SRB_EXTENSION_SIZE` leaves room for the alignment.
    Some(unsafe { memory.add(skip) })
}

fn extension_of<'srb, M: Miniport>(view: View) -> Option<&'srb mut M::SrbExtension> {
    let base = extension_base::<M>(view)?.cast::<M::SrbExtension>();
    // SAFETY: the memory is the SRB's own, long enough, aligned, any contents are a value (`FromBytes`), and the
    // caller owns the SRB and borrows it for as long.
    Some(unsafe { &mut *base.as_ptr() })
}

/// Bytes asked for each SRB extension: with room to align it.
pub(crate) const fn srb_extension_size<M: Miniport>() -> usize {
    size_of::<M::SrbExtension>()
        .saturating_add(align_of::<M::SrbExtension>())
        .saturating_sub(1)
}
