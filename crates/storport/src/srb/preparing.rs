//! What `HwStorBuildIo` sees: one SRB and its extension.

use core::{ffi::c_void, marker::PhantomData, ops::Deref, ptr::NonNull};

use wdk_sys::{
    STOR_SCATTER_GATHER_ELEMENT, STOR_SCATTER_GATHER_LIST,
    storage::{StorPortGetPhysicalAddress, StorPortGetScatterGatherList},
};

use super::{
    completion::{Completion, record},
    extension_memory::{extension_base, extension_of},
    fields::Fields,
    view::View,
};
use crate::{brand::Brand, miniport::Miniport};

/// The SRB and its extension, as `HwStorBuildIo` may see them: no adapter, no lock.
pub struct Preparing<'srb, M: Miniport> {
    fields: Fields,
    extension: *mut c_void,
    srb: Brand<'srb, M>,
}

/// Proof that `HwStorBuildIo` has dealt with its SRB, and with no other.
#[must_use = "HwStorBuildIo returns it"]
pub struct Built<'srb> {
    proceeds: bool,
    srb: PhantomData<&'srb mut &'srb ()>,
}

impl Built<'_> {
    /// `HwStorStartIo` is to get the SRB.
    pub(crate) fn proceeds(&self) -> bool {
        self.proceeds
    }
}

impl<M: Miniport> Deref for Preparing<'_, M> {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl<'srb, M: Miniport> Preparing<'srb, M> {
    /// # Safety
    /// `HwStorBuildIo` is running for `srb` of the adapter of `extension`.
    pub(crate) unsafe fn new(extension: *mut c_void, srb: *mut c_void) -> Option<Self> {
        // SAFETY: the caller's promise.
        let view = unsafe { View::new(srb) }?;
        Some(Self {
            fields: Fields { view },
            extension,
            srb: PhantomData,
        })
    }

    /// A copy of the CDB of a SCSI request, of at most 16 bytes, with what follows it there, and its length, if it lies where it
    /// does in most requests: no search. `None` says nothing; [`Fields::cdb`] finds the others as well.
    ///
    /// The SCSI status beside it is made GOOD, which lets the request end with [`Completion::Whole`].
    #[must_use]
    #[inline]
    pub fn begin_usual(&mut self) -> Option<([u8; 16], usize)> {
        if self.executes_scsi() {
            self.fields.view.begin_usual()
        } else {
            None
        }
    }

    /// The SRB extension; its contents are arbitrary.
    pub fn extension(&mut self) -> Option<&mut M::SrbExtension> {
        extension_of::<M>(self.fields.view)
    }

    /// The bus address of the byte at `offset` of the SRB extension, and how many bytes are contiguous from there
    /// (`StorPortGetPhysicalAddress`; extensions are translated without naming the SRB).
    #[must_use]
    pub fn extension_bus_address(&self, offset: usize) -> Option<(u64, u32)> {
        self.extension_on_bus()?.address(offset)
    }

    /// As [`Self::begin_usual`], of a request that moves data, with all that its description is made from: each is looked up once. The
    /// port driver is asked for the scatter/gather list first, so that nothing has to be kept meanwhile.
    #[must_use]
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    pub fn begin_usual_transfer(&mut self) -> Option<UsualTransfer<'_, M>> {
        let view = self.fields.view;
        if !view.executes_scsi() || view.data_transfer_length() == 0 {
            return None;
        }
        let list = self.list()?;
        let (cdb, cdb_length) = view.begin_usual()?;
        Some(UsualTransfer {
            fields: Fields { view },
            cdb,
            cdb_length,
            data: ScatterGather {
                list,
                srb: PhantomData,
            },
            adapter: self.extension,
            extension: extension_of::<M>(view)?,
        })
    }

    /// What a description of the data is made from: the SRB extension; what tells its bus addresses while it is written,
    /// a port call for each, so ask for those that are needed; and [`Self::scatter_gather`].
    pub fn extension_and_data(
        &mut self,
    ) -> Option<(&mut M::SrbExtension, ExtensionOnBus<'_>, ScatterGather<'_>)> {
        let list = self.list()?;
        let bus = self.extension_on_bus()?;
        let data = ScatterGather {
            list,
            srb: PhantomData,
        };
        Some((extension_of::<M>(self.fields.view)?, bus, data))
    }

    fn extension_on_bus<'a>(&self) -> Option<ExtensionOnBus<'a>> {
        Some(ExtensionOnBus {
            adapter: self.extension,
            base: extension_base::<M>(self.fields.view)?,
            length: size_of::<M::SrbExtension>(),
            srb: PhantomData,
        })
    }

    /// The scatter/gather list of the data buffer (`StorPortGetScatterGatherList`). A borrow of the SRB: who completes it
    /// has the list no more.
    #[must_use]
    pub fn scatter_gather(&self) -> Option<ScatterGather<'_>> {
        Some(ScatterGather {
            list: self.list()?,
            srb: PhantomData,
        })
    }

    fn list(&self) -> Option<NonNull<STOR_SCATTER_GATHER_LIST>> {
        // SAFETY: the SRB is valid and ours.
        NonNull::new(unsafe {
            StorPortGetScatterGatherList(self.extension, self.fields.view.pointer().cast())
        })
    }

    /// The request is prepared: `HwStorStartIo` follows.
    pub fn proceed(self) -> Built<'srb> {
        Built {
            proceeds: true,
            srb: PhantomData,
        }
    }

    /// Completes the request: `HwStorStartIo` does not get it (`HwStorBuildIo` returns FALSE). For what needs neither the
    /// adapter nor the device: removal may be under way.
    ///
    /// The outcome is written now; the port driver gets the SRB when [`Miniport::build_io`] has returned, and nothing that is
    /// bound to that call can outlive it.
    pub fn complete(self, completion: Completion<'_>) -> Built<'srb> {
        record(self.fields.view, completion);
        Built {
            proceeds: false,
            srb: PhantomData,
        }
    }
}

/// A SCSI request that moves data, whose CDB lies where it does in most; see [`Preparing::begin_usual_transfer`].
pub struct UsualTransfer<'a, M: Miniport> {
    fields: Fields,
    /// The CDB, with what follows it there.
    pub cdb: [u8; 16],
    /// Its length, at most 16.
    pub cdb_length: usize,
    /// The scatter/gather list of the data buffer.
    pub data: ScatterGather<'a>,
    /// The SRB extension; its contents are arbitrary.
    pub extension: &'a mut M::SrbExtension,
    adapter: *mut c_void,
}

impl<M: Miniport> Deref for UsualTransfer<'_, M> {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl<'a, M: Miniport> UsualTransfer<'a, M> {
    /// What tells the bus addresses of the SRB extension, a port call for each.
    #[must_use]
    pub fn extension_on_bus(&self) -> Option<ExtensionOnBus<'a>> {
        Some(ExtensionOnBus {
            adapter: self.adapter,
            base: extension_base::<M>(self.fields.view)?,
            length: size_of::<M::SrbExtension>(),
            srb: PhantomData,
        })
    }
}

/// Where an SRB extension lies on the bus.
#[derive(Clone, Copy)]
pub struct ExtensionOnBus<'srb> {
    adapter: *mut c_void,
    base: NonNull<u8>,
    length: usize,
    srb: PhantomData<&'srb ()>,
}

impl ExtensionOnBus<'_> {
    /// The bus address of the byte at `offset`, and how many bytes are contiguous from there
    /// (`StorPortGetPhysicalAddress`; extensions are translated without naming the SRB).
    #[must_use]
    pub fn address(&self, offset: usize) -> Option<(u64, u32)> {
        if offset >= self.length {
            return None;
        }
        // SAFETY: the offset lies within the extension.
        let address = unsafe { self.base.add(offset) };
        let mut contiguous = 0_u32;
        // SAFETY: the address lies in the SRB extension of a live SRB.
        let bus_address = unsafe {
            StorPortGetPhysicalAddress(
                self.adapter,
                core::ptr::null_mut(),
                address.as_ptr().cast(),
                &raw mut contiguous,
            )
        };
        // SAFETY: every bit pattern of the union is an i64.
        let bus_address = unsafe { bus_address.QuadPart }.cast_unsigned();
        (bus_address != 0 && contiguous != 0).then_some((bus_address, contiguous))
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
    /// # Safety
    /// `list` is a list of the port driver's that stays as it is for `'srb`.
    pub(crate) unsafe fn from_raw(list: NonNull<STOR_SCATTER_GATHER_LIST>) -> Self {
        Self {
            list,
            srb: PhantomData,
        }
    }

    /// The one piece, if there is but one.
    #[must_use]
    #[inline]
    pub fn only(&self) -> Option<Segment> {
        // SAFETY: the list is valid until the SRB is completed.
        let count = unsafe { (*self.list.as_ptr()).NumberOfElements };
        if count == 1 { self.segments().next() } else { None }
    }

    /// The pieces, in order.
    #[must_use]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + ExactSizeIterator + 'srb {
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
