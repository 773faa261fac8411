//! Registration, and the `unsafe extern "C"` side of every callback.

use core::{ffi::c_void, ptr, ptr::NonNull, sync::atomic::Ordering};

use wdk_sys::{
    _INTERFACE_TYPE, BOOLEAN, HW_INITIALIZATION_DATA, MESSAGE_INTERRUPT_INFORMATION, NTSTATUS, PCHAR,
    PPORT_CONFIGURATION_INFORMATION, PSCSI_REQUEST_BLOCK, PSTOR_DPC, PVOID, ULONG,
    storage::StorPortInitialize,
};

use crate::{
    context::{Context, Dispatch, Dpc, MessageInterrupt, StartIo, StateChanged, Unshared},
    control::{adapter_control, unit_control},
    debugger::ADAPTERS,
    extension::{Extension, FRESH, LIVE, SlotTable},
    ffi,
    find_adapter::FindAdapter,
    miniport::{Claim, FindError, InterruptMode, Miniport, ResetOutcome},
    srb::{Completion, Fresh, PnpAction, Preparing, Srb, SrbStatus, complete_malformed, srb_extension_size},
};

const SP_RETURN_NOT_FOUND: ULONG = 0;
const SP_RETURN_FOUND: ULONG = 1;
const SP_RETURN_ERROR: ULONG = 2;
const SP_RETURN_BAD_CONFIG: ULONG = 3;
const STATUS_INVALID_PARAMETER: NTSTATUS = 0xC000_000D_u32.cast_signed();

/// More messages than this are not asked for.
const MAX_MESSAGES: u32 = 2048;

/// Makes `DriverEntry` for a miniport.
///
/// ```ignore
/// storport::miniport!(MyMiniport);
/// ```
#[macro_export]
macro_rules! miniport {
    ($miniport:ty) => {
        /// `DriverEntry`: registers the miniport with the port driver.
        ///
        /// # Safety
        /// Called by the kernel.
        #[expect(unsafe_code, reason = "the kernel's way in")]
        #[unsafe(export_name = "DriverEntry")]
        pub unsafe extern "system" fn driver_entry(
            driver_object: *mut ::core::ffi::c_void,
            registry_path: *mut ::core::ffi::c_void,
        ) -> i32 {
            // SAFETY: the kernel's arguments, passed on.
            unsafe { $crate::entry::register::<$miniport>(driver_object, registry_path) }
        }
    };
}

/// Registers `M` with `StorPortInitialize`.
///
/// NULL arguments mean dump mode, which this registration refuses with `STATUS_INVALID_PARAMETER`.
///
/// # Safety
/// Called from `DriverEntry` with its arguments.
pub unsafe fn register<M: Miniport>(driver_object: *mut c_void, registry_path: *mut c_void) -> NTSTATUS {
    const PCI_BARS: ULONG = 6;
    const SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK: ULONG = 2;
    const ADDRESS_TYPE_FLAG_BTL8: ULONG = 1;
    const STOR_MAP_NON_READ_WRITE_BUFFERS: u8 = 2;
    const { Extension::<M>::CHECKS }
    if driver_object.is_null() || registry_path.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    let (Ok(extension_size), Ok(srb_extension_size), Ok(unit_extension_size), Ok(data_size)) = (
        ULONG::try_from(size_of::<Extension<'static, M>>()),
        ULONG::try_from(srb_extension_size::<M>()),
        ULONG::try_from(size_of::<M::UnitExtension>()),
        ULONG::try_from(size_of::<HW_INITIALIZATION_DATA>()),
    ) else {
        return STATUS_INVALID_PARAMETER;
    };
    let yes = ffi::boolean(true);
    let mut data = HW_INITIALIZATION_DATA {
        HwInitializationDataSize: data_size,
        AdapterInterfaceType: _INTERFACE_TYPE::PCIBus,
        HwInitialize: Some(initialize::<M>),
        HwStartIo: Some(start_io::<M>),
        HwInterrupt: Some(line_interrupt::<M>),
        HwFindAdapter: find_adapter::<M> as *mut c_void,
        HwResetBus: Some(reset_bus::<M>),
        HwAdapterControl: Some(adapter_control::<M>),
        HwUnitControl: Some(unit_control::<M>),
        HwBuildIo: Some(build_io::<M>),
        DeviceExtensionSize: extension_size,
        SpecificLuExtensionSize: unit_extension_size,
        SrbExtensionSize: srb_extension_size,
        NumberOfAccessRanges: PCI_BARS,
        MapBuffers: STOR_MAP_NON_READ_WRITE_BUFFERS,
        NeedPhysicalAddresses: yes,
        TaggedQueuing: yes,
        AutoRequestSense: yes,
        MultipleRequestPerLu: yes,
        FeatureSupport: M::FEATURES,
        SrbTypeFlags: SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        AddressTypeFlags: ADDRESS_TYPE_FLAG_BTL8,
        ..Default::default()
    };
    // SAFETY: DriverEntry's arguments; the data is copied by the call.
    let status = unsafe { StorPortInitialize(driver_object, registry_path, &raw mut data, ptr::null_mut()) };
    status.cast_signed()
}

/// `HwStorFindAdapter`.
unsafe extern "C" fn find_adapter<M: Miniport>(
    extension: PVOID,
    _context: PVOID,
    _bus_information: PVOID,
    _arguments: PCHAR,
    configuration: PPORT_CONFIGURATION_INFORMATION,
    _again: *mut BOOLEAN,
) -> ULONG {
    let Some(configuration) = NonNull::new(configuration) else {
        return SP_RETURN_BAD_CONFIG;
    };
    // SAFETY: the port driver's configuration for this call.
    if unsafe { (*configuration.as_ptr()).DumpMode } != 0 {
        return SP_RETURN_NOT_FOUND;
    }
    if extension.is_null() || !extension.cast::<Extension<'_, M>>().is_aligned() {
        return SP_RETURN_BAD_CONFIG;
    }
    // SAFETY: the extension is zeroed before the first call, and zeroes are valid; later it is what we left.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if live.header.life.swap(LIVE, Ordering::AcqRel) != FRESH {
        // SAFETY: PASSIVE_LEVEL, and the port driver starts nothing else on an adapter that it finds again.
        if !unsafe { live.revive() } {
            return SP_RETURN_ERROR;
        }
    }
    live.header.times_found.fetch_add(1, Ordering::Relaxed);
    ADAPTERS.add(extension);
    // SAFETY: HwStorFindAdapter is running with this configuration.
    let mut cx = unsafe { FindAdapter::new(live, configuration) };
    let error = match M::find_adapter(&mut cx, live.adapter()) {
        Ok(limits) => {
            cx.apply(&limits);
            return SP_RETURN_FOUND;
        }
        Err(FindError::NotFound) => SP_RETURN_NOT_FOUND,
        Err(FindError::Error) => SP_RETURN_ERROR,
        Err(FindError::BadConfig) => SP_RETURN_BAD_CONFIG,
    };
    // SAFETY: PASSIVE_LEVEL. No removal SRB follows.
    let _ = unsafe { live.run_down() };
    ADAPTERS.remove(extension);
    error
}

/// `HwStorInitialize`.
unsafe extern "C" fn initialize<M: Miniport>(extension: PVOID) -> BOOLEAN {
    // SAFETY: HwStorFindAdapter has succeeded.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    let messages = if M::Interrupts::MESSAGES {
        count_messages(extension)
    } else {
        0
    };
    live.header.messages.store(messages, Ordering::Release);
    // Without passive initialisation nothing at PASSIVE_LEVEL would run.
    let prepared = live.header.started.is_open()
        // SAFETY: HwStorInitialize is running.
        || unsafe { ffi::enable_passive_initialization(extension, Some(passive_initialize::<M>)) };
    // SAFETY: HwStorInitialize runs at DIRQL under the interrupt lock, and `started` is shut: an adapter that is started and
    // can be restarted, as all are here, is not initialised again without being found again.
    let mut cx = unsafe { Context::new(live) };
    let initialized = prepared && M::initialize(&mut cx, live.adapter()).is_ok();
    if !initialized {
        // Nothing runs yet. What exists cannot be freed at this IRQL: HwStorFindAdapter does it if it comes again; if it
        // does not, the port driver's objects are leaked.
        live.header.rundown.close_without_srb();
    }
    ffi::boolean(initialized)
}

/// Counts the messages that the platform granted (`StorPortGetMSIInfo` until it refuses).
fn count_messages(extension: PVOID) -> u32 {
    for message in 0..MAX_MESSAGES {
        let mut information = MESSAGE_INTERRUPT_INFORMATION::default();
        // SAFETY: the extension is live; `information` is of the documented type.
        let status = unsafe { ffi::get_msi_info(extension, message, (&raw mut information).cast()) };
        if status != crate::status::SUCCESS {
            return message;
        }
    }
    MAX_MESSAGES
}

/// `HwStorPassiveInitialize`.
unsafe extern "C" fn passive_initialize<M: Miniport>(extension: PVOID) -> BOOLEAN {
    // SAFETY: HwStorInitialize has succeeded.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if live.header.started.is_open() {
        // Asked for once, when the adapter was not started.
        return ffi::boolean(true);
    }
    if live.header.dpcs_ready.swap(1, Ordering::AcqRel) == 0 {
        for slot in live.table.dpcs() {
            // SAFETY: the DPC object lies in the extension and was never queued.
            unsafe { ffi::initialize_dpc(extension, slot.dpc.get(), Some(dpc::<M>)) };
        }
    }
    // SAFETY: HwStorPassiveInitialize runs at PASSIVE_LEVEL without a lock, and `started` is shut.
    let mut cx = unsafe { Context::new(live) };
    let started = M::passive_initialize(&mut cx, live.adapter()).is_ok();
    if !started {
        // SAFETY: PASSIVE_LEVEL. No removal SRB follows.
        let _ = unsafe { live.run_down() };
    } else if live.header.started.open() {
        // Which DPCs were issued meanwhile is not kept: a run too many does no harm.
        for index in 0..live.table.dpcs().len() {
            let _ = live.issue_dpc(index);
        }
    }
    ffi::boolean(started)
}

/// `HwStorBuildIo`.
unsafe extern "C" fn build_io<M: Miniport>(extension: PVOID, srb: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    // SAFETY: the port driver's SRB.
    let Some(preparing) = (unsafe { Preparing::<M>::new(extension, srb.cast()) }) else {
        return ffi::boolean(true);
    };
    // Apart, so that neither asks at each field which form the SRB has.
    if preparing.is_extended() {
        // SAFETY: it is the port driver's SRB that is prepared.
        unsafe { build::<M>(extension, srb, preparing) }
    } else {
        // SAFETY: as above.
        unsafe { build_classic::<M>(extension, srb, preparing) }
    }
}

/// # Safety
/// As [`build`].
#[cold]
#[inline(never)]
unsafe fn build_classic<M: Miniport>(
    extension: PVOID,
    srb: PSCSI_REQUEST_BLOCK,
    preparing: Preparing<'_, M>,
) -> BOOLEAN {
    // SAFETY: the caller's promise.
    unsafe { build(extension, srb, preparing) }
}

/// # Safety
/// `HwStorBuildIo` is running for `srb`, of which `preparing` is, of the adapter of `extension`.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
unsafe fn build<M: Miniport>(
    extension: PVOID,
    srb: PSCSI_REQUEST_BLOCK,
    preparing: Preparing<'_, M>,
) -> BOOLEAN {
    // What removes the adapter is not the miniport's to complete: HwStorStartIo runs the slots down first.
    if preparing.removes_adapter() {
        return ffi::boolean(true);
    }
    if M::build_io(preparing).proceeds() {
        return ffi::boolean(true);
    }
    // SAFETY: the miniport gave the SRB up, its outcome is written, and what was borrowed of it ended with its callback.
    unsafe { ffi::request_complete(extension, srb) };
    // HwStorStartIo does not get it.
    ffi::boolean(false)
}

/// `HwStorStartIo`.
unsafe extern "C" fn start_io<M: Miniport>(extension: PVOID, srb: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    // SAFETY: the adapter is started.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    // SAFETY: HwStorStartIo runs at DISPATCH_LEVEL, under the StartIo lock if there is one channel.
    let mut cx: StartIo<'_, M> = unsafe { Context::new(live) };
    // SAFETY: the port driver's SRB is ours until it is completed.
    let Some(request) = (unsafe { Srb::<M, Fresh<'_>>::new(srb.cast()) }) else {
        // SAFETY: the port driver's SRB is ours until it is completed.
        unsafe { complete_malformed(extension, srb.cast()) };
        return ffi::boolean(true);
    };
    // Apart, so that neither asks at each field which form the SRB has.
    if request.is_extended() {
        start(live, &mut cx, request);
    } else {
        start_classic(live, &mut cx, request);
    }
    ffi::boolean(true)
}

#[cold]
#[inline(never)]
fn start_classic<'dev, M: Miniport>(
    live: &'dev Extension<'dev, M>,
    cx: &mut StartIo<'dev, M>,
    request: Srb<'dev, M, Fresh<'_>>,
) {
    start(live, cx, request);
}

#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
fn start<'dev, M: Miniport>(
    live: &'dev Extension<'dev, M>,
    cx: &mut StartIo<'dev, M>,
    request: Srb<'dev, M, Fresh<'_>>,
) {
    if request.removes_adapter() {
        remove(live, cx, request);
    } else if live.header.rundown.is_closed() {
        refuse(cx, request);
    } else if live.header.started.is_open() {
        let _ = M::start_io(cx, live.adapter(), request);
    } else {
        let _ = request.busy(cx);
    }
}

/// The adapter is gone. Its units are removed after it when nobody was asked before; there is nothing left to be done for them.
#[cold]
#[inline(never)]
fn refuse<'dev, M: Miniport>(cx: &mut StartIo<'dev, M>, request: Srb<'dev, M, Fresh<'_>>) {
    let completion = match request.pnp() {
        Some((PnpAction::Remove | PnpAction::SurpriseRemoval, _)) => Completion::Success { transferred: 0 },
        _ => Completion::Status(SrbStatus::NoDevice),
    };
    let _ = request.complete(cx, completion);
}

/// The SRB that removes the adapter.
#[cold]
#[inline(never)]
fn remove<'dev, M: Miniport>(
    live: &'dev Extension<'dev, M>,
    cx: &mut StartIo<'dev, M>,
    request: Srb<'dev, M, Fresh<'_>>,
) {
    if live.header.rundown.close(request.pointer().cast()) {
        let _ = request.parked();
        let extension = live.raw();
        // SAFETY: DISPATCH_LEVEL; closing the rundown gave us a reference.
        unsafe { live.remove(cx) };
        // SAFETY: our reference; nothing of the extension is used after this.
        unsafe { Extension::<M>::release_reference(extension) };
    } else {
        // After a surprise removal comes a removal: the first of them is held until the adapter has run down.
        let _ = request.complete(cx, Completion::Success { transferred: 0 });
    }
}

/// `HwStorInterrupt`.
unsafe extern "C" fn line_interrupt<M: Miniport>(extension: PVOID) -> BOOLEAN {
    // SAFETY: the adapter was found.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    // Until the device is masked its level has to be taken back, or the routine would never end.
    if live.header.deaf.load(Ordering::Acquire) != 0 {
        return ffi::boolean(false);
    }
    // SAFETY: DIRQL under the interrupt lock.
    let mut cx = unsafe { Context::new(live) };
    ffi::boolean(M::line_interrupt(&mut cx, live.adapter()) == Claim::Claimed)
}

/// `HwMSInterruptRoutine`.
pub(crate) unsafe extern "C" fn message_interrupt<M: Miniport>(extension: PVOID, message: ULONG) -> BOOLEAN {
    // SAFETY: the adapter was found.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if live.header.rundown.is_closed() {
        return ffi::boolean(true);
    }
    // SAFETY: DIRQL under the message's lock, or the interrupt lock: as the miniport asked.
    let mut cx: MessageInterrupt<'_, M> = unsafe { MessageInterrupt::<M>::new(live, message) };
    ffi::boolean(M::message_interrupt(&mut cx, live.adapter()) == Claim::Claimed)
}

/// `HwStorDpcRoutine`: the first argument is the DPC's index.
unsafe extern "C" fn dpc<M: Miniport>(_dpc: PSTOR_DPC, extension: PVOID, index: PVOID, _argument: PVOID) {
    let index = index.addr();
    // SAFETY: the adapter was started, and a DPC that is queued has a rundown reference.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    let run = |slot| {
        // SAFETY: a DPC runs at DISPATCH_LEVEL; it takes no lock by itself.
        let context: Context<'_, M, Dispatch, Unshared> = unsafe { Context::new(live) };
        M::dpc(&mut Dpc { context, slot, index }, live.adapter());
    };
    // SAFETY: this is that routine, and its end.
    unsafe { live.run_dpc(index, run) };
}

/// `HwStorStateChange`: the notification is processed; another may follow.
pub(crate) unsafe extern "C" fn state_change<M: Miniport>(
    extension: PVOID,
    _context: PVOID,
    _address_type: i16,
    _address: PVOID,
    status: ULONG,
) {
    // SAFETY: the adapter was started.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    live.header.state_change_used.store(0, Ordering::Release);
    if !live.header.started.is_open() || !live.header.rundown.acquire() {
        return;
    }
    // SAFETY: HwStorStateChange runs at DISPATCH_LEVEL under the StartIo lock.
    let mut cx: StateChanged<'_, M> = unsafe { Context::new(live) };
    M::state_changed(&mut cx, live.adapter(), crate::status::CallError::check(status));
    // SAFETY: our reference; nothing of the extension is used after this.
    unsafe { Extension::<M>::release_reference(extension) };
}

/// `HwStorResetBus`.
unsafe extern "C" fn reset_bus<M: Miniport>(extension: PVOID, path: ULONG) -> BOOLEAN {
    // SAFETY: the adapter was started.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if !live.header.started.is_open() {
        return ffi::boolean(false);
    }
    // SAFETY: HwStorResetBus runs at DISPATCH_LEVEL under the StartIo lock.
    let mut cx = unsafe { Context::new(live) };
    let Ok(path) = u8::try_from(path) else {
        return ffi::boolean(false);
    };
    ffi::boolean(M::reset_bus(&mut cx, live.adapter(), path) == ResetOutcome::Done)
}
