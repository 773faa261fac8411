//! `HwStorFindAdapter`: the resources of the adapter, and the limits that the miniport answers with.

use core::{marker::PhantomData, ops::Deref, ptr::NonNull, sync::atomic::Ordering};

use wdk_sys::{
    _DMA_WIDTH, _STOR_SYNCHRONIZATION_MODEL, PORT_CONFIGURATION_INFORMATION,
    storage::{StorPortGetPhysicalAddress, StorPortGetUncachedExtension},
};

use crate::{
    context::{Context, Passive},
    dma::Dma,
    extension::{Extension, Uncached},
    ffi,
    lock::Finding,
    miniport::{InterruptMode, Miniport},
    srb::srb_extension_size,
};

/// What the miniport tells of itself: fields of `PORT_CONFIGURATION_INFORMATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `MaximumTransferLength`, in bytes.
    pub maximum_transfer_length: u32,
    /// `NumberOfPhysicalBreaks`: the longest scatter/gather list.
    pub physical_breaks: u32,
    /// `AlignmentMask` of data buffers: 0, 1, 3, 7, ... 0x1FF.
    pub alignment_mask: u32,
    /// `MaximumNumberOfTargets`.
    pub targets: u8,
    /// `MaximumNumberOfLogicalUnits` of a target.
    pub logical_units: u8,
    /// `CachesData`: FLUSH and SHUTDOWN SRBs are wanted.
    pub caches_data: bool,
    /// `MaxNumberOfIO` of the adapter.
    pub max_io: u32,
    /// `MaxIOsPerLun`.
    pub max_io_per_unit: u32,
}

/// The context of `HwStorFindAdapter`: PASSIVE_LEVEL, nothing else of this adapter runs. Timers and workers can be made
/// here; they are started and queued once the adapter is started.
pub struct FindAdapter<'call, 'dev, M: Miniport> {
    context: Context<'dev, M, Passive, Finding>,
    configuration: NonNull<PORT_CONFIGURATION_INFORMATION>,
    call: PhantomData<&'call mut ()>,
}

impl<'dev, M: Miniport> Deref for FindAdapter<'_, 'dev, M> {
    type Target = Context<'dev, M, Passive, Finding>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<'dev, M: Miniport> FindAdapter<'_, 'dev, M> {
    /// # Safety
    /// `HwStorFindAdapter` is running for `extension` with `configuration`, which nobody else touches.
    pub(crate) unsafe fn new(
        extension: &'dev Extension<'dev, M>,
        configuration: NonNull<PORT_CONFIGURATION_INFORMATION>,
    ) -> Self {
        // SAFETY: the caller's promise.
        let given = unsafe { configuration.as_ref() };
        extension
            .header
            .bus_number
            .store(given.SystemIoBusNumber, Ordering::Release);
        extension
            .header
            .slot_number
            .store(given.SlotNumber, Ordering::Release);
        // SAFETY: HwStorFindAdapter runs at PASSIVE_LEVEL (restart is supported) and alone.
        let context = unsafe { Context::new(extension) };
        Self {
            context,
            configuration,
            call: PhantomData,
        }
    }

    /// How often the port driver has begun `HwStorFindAdapter` for this adapter, from 1. The rest of the adapter begins as zeroes
    /// each time; what must not be the same again in the next life, such as names that a device knows, is told apart by this.
    #[must_use]
    pub fn times_found(&self) -> u32 {
        self.context
            .extension()
            .header
            .times_found
            .load(Ordering::Relaxed)
    }

    pub(crate) fn configuration(&self) -> &PORT_CONFIGURATION_INFORMATION {
        // SAFETY: valid for the call, and written only through `&mut self`.
        unsafe { self.configuration.as_ref() }
    }

    fn configuration_mut(&mut self) -> &mut PORT_CONFIGURATION_INFORMATION {
        // SAFETY: valid for the call, and ours alone.
        unsafe { self.configuration.as_mut() }
    }

    /// The uncached extension: at least `length` bytes of DMA memory, page-aligned on the bus, zeroed
    /// (`StorPortGetUncachedExtension`, then `StorPortGetPhysicalAddress`). If the adapter is found again, the port driver
    /// may answer with the memory of before; then a longer wish than that gets none.
    ///
    /// The configuration that decides how DMA is done is set before, as the page demands: bus master, 64-bit
    /// addresses, scatter/gather, and `largest` as the upper bound of what [`Limits`] will say.
    pub fn uncached_extension(&mut self, length: usize, largest: &Limits) -> Option<Dma<'dev>> {
        const PAGE: u64 = 4096;
        const PAGE_BYTES: usize = 4096;
        self.apply(largest);
        let asked = length.checked_add(PAGE_BYTES)?;
        let uncached = self.obtain_uncached(asked)?;
        // SAFETY: obtained with this length and contiguous on the bus, as checked; it lasts until the adapter is removed.
        let whole = unsafe {
            Dma::new(
                NonNull::new(uncached.base)?,
                uncached.bus_address,
                uncached.length,
            )
        };
        let misaligned = uncached.bus_address & PAGE.wrapping_sub(1);
        let skip = usize::try_from(PAGE.wrapping_sub(misaligned) & PAGE.wrapping_sub(1)).ok()?;
        let memory = whole.slice(skip, length)?;
        memory.zero();
        Some(memory)
    }

    fn obtain_uncached(&mut self, wanted: usize) -> Option<Uncached> {
        let bytes = u32::try_from(wanted).ok()?;
        // SAFETY: HwStorFindAdapter is running, and SrbExtensionSize was set at registration.
        let base =
            unsafe { StorPortGetUncachedExtension(self.context.raw(), self.configuration.as_ptr(), bytes) };
        let base = NonNull::new(base.cast::<u8>())?;
        // Memory that was obtained before is not made longer by asking again.
        let length = match self.context.extension().uncached() {
            Some(before) if before.base == base.as_ptr() => before.length,
            _ => wanted,
        };
        let mut contiguous = 0_u32;
        // SAFETY: the uncached extension is translated without an SRB.
        let bus_address = unsafe {
            StorPortGetPhysicalAddress(
                self.context.raw(),
                core::ptr::null_mut(),
                base.as_ptr().cast(),
                &raw mut contiguous,
            )
        };
        // SAFETY: every bit pattern of the union is an i64.
        let bus_address = unsafe { bus_address.QuadPart }.cast_unsigned();
        if bus_address == 0 || (contiguous as usize) < length {
            return None;
        }
        let uncached = Uncached {
            base: base.as_ptr(),
            bus_address,
            length,
        };
        // SAFETY: HwStorFindAdapter runs alone.
        unsafe { self.context.extension().header.uncached.get().write(uncached) };
        Some(uncached)
    }

    /// Writes what is the framework's to decide and what the miniport answered.
    pub(crate) fn apply(&mut self, limits: &Limits) {
        const SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED: u8 = 2;
        const STOR_MAP_NON_READ_WRITE_BUFFERS: u8 = 2;
        let yes = ffi::boolean(true);
        let srb_extension_size = srb_extension_size::<M>();
        let configuration = self.configuration_mut();
        configuration.SrbExtensionSize = u32::try_from(srb_extension_size).unwrap_or(u32::MAX);
        // A PCI bus master: width and 32-bit addresses as the page of StorPortGetUncachedExtension wants them filled in;
        // the members for a DMA controller's channel are left as they are.
        configuration.DmaWidth = _DMA_WIDTH::Width32Bits;
        configuration.Dma32BitAddresses = yes;
        configuration.Master = yes;
        configuration.ScatterGather = yes;
        configuration.NeedPhysicalAddresses = yes;
        configuration.TaggedQueuing = yes;
        configuration.AutoRequestSense = yes;
        configuration.MultipleRequestPerLu = yes;
        configuration.WmiDataProvider = ffi::boolean(false);
        configuration.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
        configuration.Dma64BitAddresses = SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED;
        configuration.SynchronizationModel = _STOR_SYNCHRONIZATION_MODEL::StorSynchronizeFullDuplex;
        // Without a routine for messages the port driver takes line interrupts; with one it takes those if the platform
        // grants no messages.
        configuration.HwMSInterruptRoutine = if M::Interrupts::MESSAGES {
            Some(crate::entry::message_interrupt::<M>)
        } else {
            None
        };
        configuration.InterruptSynchronizationMode = M::Interrupts::SYNCHRONIZATION;
        configuration.SpecificLuExtensionSize =
            u32::try_from(size_of::<M::UnitExtension>()).unwrap_or(u32::MAX);
        configuration.NumberOfBuses = 1;
        configuration.MaximumTransferLength = limits.maximum_transfer_length;
        configuration.NumberOfPhysicalBreaks = limits.physical_breaks;
        configuration.AlignmentMask = limits.alignment_mask;
        configuration.MaximumNumberOfTargets = limits.targets;
        configuration.MaximumNumberOfLogicalUnits = limits.logical_units;
        configuration.CachesData = ffi::boolean(limits.caches_data);
        configuration.MaxNumberOfIO = limits.max_io;
        configuration.MaxIOsPerLun = limits.max_io_per_unit;
        configuration.InitialLunQueueDepth = limits.max_io_per_unit;
    }
}
