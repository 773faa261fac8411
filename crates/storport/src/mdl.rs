//! Memory descriptor lists: of pool memory (`StorPortAllocateMdl`, `StorPortBuildMdlForNonPagedPool`, `StorPortFreeMdl`),
//! and of a request's data (`StorPortGetOriginalMdl`, `StorPortGetDataInBufferMdl`, `StorPortGetPfns`).

use core::{ffi::c_void, marker::PhantomData, ptr, ptr::NonNull, sync::atomic::Ordering};

use wdk_sys::PVOID;

use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Irql},
    ffi,
    memory::{
        NotFreed, Pool,
        ownership::Generation,
        slot::{Kind, Made, NoMaking},
    },
    miniport::Miniport,
    srb::{DataBuffer, ScatterGather, Srb, Stage},
    status::{
        AllocateMdlError, BuildMdlError, GetDataInAddressError, GetDataInError, GetMdlError,
        GetSystemAddressError,
    },
};

/// An MDL that describes pool memory, and keeps it. A handle: copies are the same MDL.
pub struct Mdl<'dev, M> {
    pub(crate) index: u32,
    pub(crate) generation: Generation,
    device: Brand<'dev, M>,
}

impl<M> Clone for Mdl<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Mdl<'_, M> {}

/// Why there is no MDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MdlError {
    /// All memory slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// The pool memory is gone.
    Gone,
    /// `StorPortAllocateMdl` said so.
    Allocate(AllocateMdlError),
    /// `StorPortBuildMdlForNonPagedPool` said so.
    Build(BuildMdlError),
}

impl From<NoMaking> for MdlError {
    fn from(none: NoMaking) -> Self {
        match none {
            NoMaking::NoSlot => Self::NoSlot,
            NoMaking::Removing => Self::Removing,
        }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Describes pool memory by an MDL (`StorPortAllocateMdl`, `StorPortBuildMdlForNonPagedPool`; IRQL <= DISPATCH). The memory is
    /// kept as long as the MDL.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, the memory is gone, or the port driver refuses.
    pub fn describe_pool<T>(&self, pool: Pool<'dev, M, T>) -> Result<Mdl<'dev, M>, MdlError> {
        let making = self.make()?;
        if !self.keep(pool.index, pool.generation) {
            self.unmake(&making);
            return Err(MdlError::Gone);
        }
        let mdl = self
            .extension()
            .memory_slot(pool.index)
            .map_or(Err(MdlError::Gone), |described| {
                let length = described.length.load(Ordering::Relaxed);
                self.build_mdl(described.object.load(Ordering::Relaxed), length)
            });
        let mdl = match mdl {
            Ok(mdl) => mdl,
            Err(error) => {
                self.let_go(pool.index);
                self.unmake(&making);
                return Err(error);
            }
        };
        let made = Made {
            kind: Kind::Mdl,
            object: mdl.as_ptr(),
            length: 0,
            detail: 0,
            bus_address: 0,
            below: Some(pool.index),
        };
        self.record(&making, &made);
        if !self.made(&making) {
            return Err(MdlError::Removing);
        }
        Ok(Mdl {
            index: making.index,
            generation: making.generation,
            device: PhantomData,
        })
    }

    fn build_mdl(&self, memory: PVOID, length: usize) -> Result<NonNull<c_void>, MdlError> {
        let mut mdl = ptr::null_mut();
        // Pool memory has a length of 32 bits.
        let bytes = u32::try_from(length).unwrap_or(0);
        // SAFETY: the extension is live; the memory is pool memory of that length, and kept.
        let status = unsafe { ffi::memory::allocate_mdl(self.raw(), memory, bytes, &mut mdl) };
        AllocateMdlError::check(status).map_err(MdlError::Allocate)?;
        let mdl = NonNull::new(mdl).ok_or(MdlError::Allocate(AllocateMdlError::InsufficientResources))?;
        // SAFETY: the MDL was just allocated for memory that is kept.
        let status = unsafe { ffi::memory::build_mdl(self.raw(), mdl.as_ptr()) };
        if let Err(error) = BuildMdlError::check(status) {
            // SAFETY: nobody else knows the MDL. If it is not freed, it is leaked.
            let _ = unsafe { ffi::memory::free_mdl(self.raw(), mdl.as_ptr()) };
            return Err(MdlError::Build(error));
        }
        Ok(mdl)
    }

    /// Frees an MDL (`StorPortFreeMdl`; IRQL <= DISPATCH), now or when no scatter/gather list needs it any more.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn free_mdl(&self, mdl: Mdl<'dev, M>) -> Result<(), NotFreed> {
        self.close_slot(mdl.index, mdl.generation)
    }
}

/// The MDL of a request's data: the port driver's, as long as the request is the miniport's.
pub struct SrbMdl<'srb, 'dev, M> {
    mdl: NonNull<c_void>,
    srb: PVOID,
    owner: PhantomData<&'srb ()>,
    device: Brand<'dev, M>,
}

/// The physical pages of a request's data (`StorPortGetPfns`), read-only.
///
/// They are the processor's page frames: where DMA is remapped a device gets its addresses from the scatter/gather list.
pub struct Pages<'srb> {
    numbers: NonNull<u64>,
    count: usize,
    offset: u32,
    srb: PhantomData<&'srb ()>,
}

impl<'srb> Pages<'srb> {
    /// Number of pages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Offset of the first byte in the first page.
    #[must_use]
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// The page frame numbers, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + 'srb {
        let numbers = self.numbers;
        (0..self.count).map(move |index| {
            // SAFETY: the port driver gave an array of `count` numbers.
            let place = unsafe { numbers.add(index) };
            // SAFETY: as above; it stays as it is until the request is completed.
            unsafe { place.read() }
        })
    }
}

impl<'srb, 'dev, M: Miniport> SrbMdl<'srb, 'dev, M> {
    fn new(mdl: PVOID, srb: PVOID) -> Option<Self> {
        Some(Self {
            mdl: NonNull::new(mdl)?,
            srb,
            owner: PhantomData,
            device: PhantomData,
        })
    }

    /// The pages that the MDL lists (`StorPortGetPfns`, Windows 10). Its page names no IRQL: this keeps to <= DISPATCH.
    ///
    /// # Errors
    /// What the port driver says.
    pub fn pages<I: AtMostDispatch, X: Exclusion>(
        &self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<Pages<'srb>, GetMdlError> {
        // SAFETY: the SRB is the miniport's, and the MDL is one of its own.
        let (status, frames) = unsafe { ffi::memory::get_pfns(cx.raw(), self.srb, self.mdl.as_ptr()) };
        GetMdlError::check(status)?;
        let numbers = NonNull::new(frames.numbers.cast_mut()).ok_or(GetMdlError::InvalidParameter)?;
        Ok(Pages {
            numbers,
            count: frames.count as usize,
            offset: frames.offset,
            srb: PhantomData,
        })
    }
}

impl<'dev, M: Miniport, S: Stage> Srb<'dev, M, S> {
    /// The MDL of the data buffer (`StorPortGetOriginalMdl`); `None` if the request has none. The page names no IRQL: this keeps to
    /// <= DISPATCH.
    ///
    /// # Errors
    /// What the port driver says.
    pub fn original_mdl<I: AtMostDispatch, X: Exclusion>(
        &self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<Option<SrbMdl<'_, 'dev, M>>, GetMdlError> {
        let mut mdl = ptr::null_mut();
        // SAFETY: the SRB is the miniport's.
        let status = unsafe { ffi::memory::get_original_mdl(cx.raw(), self.pointer(), &mut mdl) };
        GetMdlError::check(status)?;
        Ok(SrbMdl::new(mdl, self.pointer()))
    }

    /// The data buffer, mapped (`StorPortGetSystemAddress`; IRQL <= DISPATCH): also that of a READ or WRITE, which the port driver does
    /// not map by itself.
    ///
    /// # Errors
    /// If the request has no data buffer, or it cannot be mapped.
    pub fn map_data_buffer<I: AtMostDispatch, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<DataBuffer<'_>, GetSystemAddressError> {
        let mut address = ptr::null_mut();
        // SAFETY: the SRB is the miniport's.
        let status = unsafe { ffi::memory::get_system_address(cx.raw(), self.pointer(), &mut address) };
        GetSystemAddressError::check(status)?;
        let base = NonNull::new(address.cast::<u8>()).ok_or(GetSystemAddressError::InvalidParameter)?;
        let length = self.data_length() as usize;
        // SAFETY: the port driver maps the data buffer until the request is completed.
        Ok(unsafe { DataBuffer::new(base, length) })
    }

    /// The MDL of the input buffer of a bidirectional request (`StorPortGetDataInBufferMdl`; any IRQL).
    ///
    /// # Errors
    /// What the port driver says.
    pub fn data_in_mdl<I: Irql, X: Exclusion>(
        &self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<Option<SrbMdl<'_, 'dev, M>>, GetDataInError> {
        let mut mdl = ptr::null_mut();
        // SAFETY: the SRB is the miniport's.
        let status = unsafe { ffi::memory::get_data_in_mdl(cx.raw(), self.pointer(), &mut mdl) };
        GetDataInError::check(status)?;
        Ok(SrbMdl::new(mdl, self.pointer()))
    }

    /// The scatter/gather list of the input buffer of a bidirectional request
    /// (`StorPortGetDataInBufferScatterGatherList`; any IRQL).
    ///
    /// # Errors
    /// What the port driver says.
    pub fn data_in_scatter_gather<I: Irql, X: Exclusion>(
        &self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<Option<ScatterGather<'_>>, GetDataInError> {
        let mut list = ptr::null_mut();
        // SAFETY: the SRB is the miniport's.
        let status = unsafe { ffi::memory::get_data_in_scatter_gather(cx.raw(), self.pointer(), &mut list) };
        GetDataInError::check(status)?;
        // SAFETY: the list is the port driver's, and stays as it is until the request is completed.
        Ok(NonNull::new(list.cast()).map(|list| unsafe { ScatterGather::from_raw(list) }))
    }

    /// The input buffer of a bidirectional request, mapped (`StorPortGetDataInBufferSystemAddress`; IRQL <= DISPATCH).
    /// `length` is what `SRBEX_DATA_BIDIRECTIONAL` says.
    ///
    /// # Errors
    /// If it cannot be mapped, or the request is not bidirectional.
    pub fn map_data_in_buffer<I: AtMostDispatch, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, M, I, X>,
    ) -> Result<DataBuffer<'_>, GetDataInAddressError> {
        let length = self
            .data_in_length()
            .ok_or(GetDataInAddressError::InvalidParameter)?;
        let mut address = ptr::null_mut();
        // SAFETY: the SRB is the miniport's.
        let status =
            unsafe { ffi::memory::get_data_in_system_address(cx.raw(), self.pointer(), &mut address) };
        GetDataInAddressError::check(status)?;
        let base = NonNull::new(address.cast::<u8>()).ok_or(GetDataInAddressError::InvalidParameter)?;
        // SAFETY: the port driver maps the input buffer, of the length that the SRB says, until the request is completed.
        Ok(unsafe { DataBuffer::new(base, length as usize) })
    }
}
