//! The functions that storport.sys and ntoskrnl.exe export to the driver.
//!
//! Each export is a shim that stores the four register arguments into the home space its caller must provide,
//! so that all arguments, of variadic functions too, form one array in memory; then every call goes through
//! one gate to the model. The memory routines and the stack probe are leaves of their own.
#![expect(unsafe_code, reason = "machine code entered by the driver")]

use std::{
    arch::naked_asm,
    sync::{OnceLock, atomic::AtomicU64},
};

use super::{GuestAddress, guest};
use crate::trap::step;

/// Arguments of one call, in order; each occupies eight bytes.
#[derive(Debug, Clone, Copy)]
pub struct Arguments(GuestAddress);

impl Arguments {
    /// Argument `index`, all 64 bits; the upper ones are garbage for narrower types.
    #[must_use]
    pub fn get(self, index: usize) -> u64 {
        guest::read(self.0.wrapping_add(8 * index as u64))
    }

    /// Replaces argument `index`: its place belongs to the function called.
    pub fn replace(self, index: usize, value: u64) {
        guest::write(self.0.wrapping_add(8 * index as u64), &value);
    }

    /// A pointer.
    #[must_use]
    pub fn pointer(self, index: usize) -> GuestAddress {
        self.get(index)
    }

    /// A ULONG or an enumeration.
    #[must_use]
    pub fn u32(self, index: usize) -> u32 {
        super::entry::ulong(self.get(index))
    }

    /// A UCHAR.
    #[must_use]
    pub fn u8(self, index: usize) -> u8 {
        (self.get(index) & 0xFF) as u8
    }

    /// A BOOLEAN.
    #[must_use]
    pub fn boolean(self, index: usize) -> bool {
        self.u8(index) != 0
    }

    /// The arguments of a `va_list`: it points to the first of them.
    #[must_use]
    pub const fn at(list: GuestAddress) -> Self {
        Self(list)
    }

    /// Where the array is: just above the return address on the driver's stack.
    #[must_use]
    pub const fn address(self) -> GuestAddress {
        self.0
    }
}

/// One call of the driver into the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// What it calls.
    pub export: Export,
    /// With what.
    pub arguments: Arguments,
    /// Where it returns to.
    pub return_address: GuestAddress,
}

/// Answers calls; the result is RAX.
pub type Handler = fn(Call) -> u64;

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Names the function that answers every call; the first one stays.
pub fn set_handler(handler: Handler) {
    let _ = HANDLER.set(handler);
}

extern "win64" fn gate(arguments: GuestAddress, return_address: GuestAddress, export: u32) -> u64 {
    let Some(&export) = ALL.get(export as usize) else {
        return 0;
    };
    let call = Call {
        export,
        arguments: Arguments(arguments),
        return_address,
    };
    // The model's instructions are none of the driver's.
    let counting = step::suspend();
    let result = HANDLER.get().map_or(0, |handler| handler(call));
    step::resume(counting);
    result
}

macro_rules! exports {
    ($( $module:literal : $( $name:ident ),+ ; )+) => {
        /// Everything that goes through the gate.
        #[expect(non_camel_case_types, reason = "the exported names")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Export {
            $( $( #[doc = concat!("`", stringify!($name), "` of ", $module, ".")] $name, )+ )+
        }

        const ALL: &[Export] = &[ $( $( Export::$name, )+ )+ ];

        impl Export {
            /// The exported name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( $( Self::$name => stringify!($name), )+ )+ }
            }

            /// The module that exports it.
            #[must_use]
            pub const fn module(self) -> &'static str {
                match self { $( $( Self::$name => $module, )+ )+ }
            }

            /// Entry address for the driver's import table.
            #[must_use]
            pub fn address(self) -> *const () {
                match self { $( $( Self::$name => shims::$name as *const (), )+ )+ }
            }
        }

        #[expect(non_snake_case, reason = "the exported names")]
        mod shims {
            use super::{Export, gate, naked_asm};
            $( $(
                /// Entered by the driver.
                #[unsafe(naked)]
                pub(super) extern "win64" fn $name() {
                    naked_asm!(
                        ".cfi_startproc",
                        "mov [rsp + 8], rcx",
                        "mov [rsp + 16], rdx",
                        "mov [rsp + 24], r8",
                        "mov [rsp + 32], r9",
                        "mov rdx, [rsp]",
                        "sub rsp, 40",
                        // For debuggers, which find the driver's frames by it.
                        ".cfi_adjust_cfa_offset 40",
                        "lea rcx, [rsp + 48]",
                        "mov r8d, {export}",
                        "call {gate}",
                        "add rsp, 40",
                        ".cfi_adjust_cfa_offset -40",
                        "ret",
                        ".cfi_endproc",
                        export = const Export::$name as u32,
                        gate = sym gate,
                    )
                }
            )+ )+
        }
    };
}

exports! {
    "storport.sys":
        StorPortAllocateRegistryBuffer, StorPortBusy, StorPortCompleteRequest, StorPortDebugPrint,
        StorPortDeviceBusy, StorPortDeviceReady, StorPortExtendedFunction, StorPortFreeDeviceBase,
        StorPortFreeRegistryBuffer, StorPortGetBusData, StorPortGetDeviceBase, StorPortGetLogicalUnit,
        StorPortGetPhysicalAddress, StorPortGetScatterGatherList, StorPortGetUncachedExtension,
        StorPortGetVirtualAddress, StorPortInitialize, StorPortLogError, StorPortMoveMemory,
        StorPortNotification, StorPortPause, StorPortPauseDevice, StorPortQuerySystemTime, StorPortReadPortUchar, StorPortReadPortUshort, StorPortReadPortUlong, StorPortReadPortBufferUchar, StorPortReadPortBufferUshort, StorPortReadPortBufferUlong,
        StorPortReadRegisterUchar, StorPortReadRegisterUshort, StorPortReadRegisterUlong,
        StorPortReadRegisterBufferUchar, StorPortReadRegisterBufferUshort, StorPortReadRegisterBufferUlong,
        StorPortReady,
        StorPortRegistryRead, StorPortRegistryWrite, StorPortResume, StorPortResumeDevice,
        StorPortSetBusDataByOffset, StorPortSetDeviceQueueDepth, StorPortStallExecution,
        StorPortSynchronizeAccess, StorPortValidateRange,
        StorPortWritePortUchar, StorPortWritePortUshort, StorPortWritePortUlong, StorPortWritePortBufferUchar, StorPortWritePortBufferUshort, StorPortWritePortBufferUlong,
        StorPortWriteRegisterUchar, StorPortWriteRegisterUshort, StorPortWriteRegisterUlong,
        StorPortWriteRegisterBufferUchar, StorPortWriteRegisterBufferUshort, StorPortWriteRegisterBufferUlong;
    "ntoskrnl.exe":
        DbgPrint, DbgPrintEx, ExAllocatePool2, ExAllocatePoolWithTag, ExFreePool, ExFreePoolWithTag,
        KeBugCheck, KeBugCheckEx, KeGetCurrentIrql, KeQueryPerformanceCounter, __C_specific_handler,
        DbgBreakPoint, vDbgPrintEx, KfRaiseIrql, KeRaiseIrqlToDpcLevel, KeLowerIrql,
        KeInitializeSpinLock, KeAcquireSpinLockRaiseToDpc, KeAcquireSpinLockAtDpcLevel, KeReleaseSpinLock,
        KeReleaseSpinLockFromDpcLevel, KeAcquireInStackQueuedSpinLock, KeReleaseInStackQueuedSpinLock,
        KeStallExecutionProcessor, KeDelayExecutionThread, KeQueryTimeIncrement, KeQuerySystemTimePrecise,
        KeQueryInterruptTimePrecise, KeQueryUnbiasedInterruptTime,
        KeQueryActiveProcessorCount, KeQueryActiveProcessorCountEx, KeQueryMaximumProcessorCount,
        KeQueryMaximumProcessorCountEx, KeQueryActiveProcessors, KeQueryActiveGroupCount, KeQueryMaximumGroupCount,
        KeQueryHighestNodeNumber, KeGetCurrentProcessorNumberEx, KeGetProcessorIndexFromNumber,
        KeGetProcessorNumberFromIndex,
        RtlGetVersion, PsGetVersion, MmGetSystemRoutineAddress,
        RtlCompareMemory, RtlInitUnicodeString, RtlInitAnsiString, RtlInitString, RtlCopyUnicodeString,
        RtlEqualUnicodeString,
        strlen, wcslen, strcmp, strncmp, _stricmp, _strnicmp, strstr, strchr, strcpy, strncpy,
        _snprintf, _vsnprintf, sprintf,
        EtwRegister, EtwUnregister, EtwWrite, EtwWriteTransfer, EtwSetInformation, EtwActivityIdControl,
        EtwEventEnabled, EtwProviderEnabled, WmiTraceMessage, IoWMIRegistrationControl,
        ExAllocatePool, ExInitializeNPagedLookasideList, ExDeleteNPagedLookasideList,
        ExInitializeLookasideListEx, ExDeleteLookasideListEx, ExFlushLookasideListEx,
        ExInitializePagedLookasideList, ExDeletePagedLookasideList, ExInterlockedInsertHeadList,
        ExInterlockedInsertTailList, ExInterlockedRemoveHeadList, ExInterlockedPushEntryList,
        ExInterlockedPopEntryList, InitializeSListHead, ExQueryDepthSList, ExpInterlockedPushEntrySList,
        ExpInterlockedPopEntrySList, ExpInterlockedFlushSList, KeAcquireInStackQueuedSpinLockAtDpcLevel,
        KeReleaseInStackQueuedSpinLockFromDpcLevel, KeInitializeEvent, KeReadStateEvent,
        KeInitializeSemaphore, KeReadStateSemaphore, KeSetEvent, KeResetEvent, KeClearEvent,
        KeReleaseSemaphore, KeWaitForSingleObject, KeWaitForMultipleObjects, KeInitializeDpc,
        KeInitializeThreadedDpc, KeInsertQueueDpc, KeRemoveQueueDpc, KeSetImportanceDpc,
        KeSetTargetProcessorDpc, KeSetTargetProcessorDpcEx, KeFlushQueuedDpcs, KeInitializeTimer,
        KeInitializeTimerEx, KeSetTimer, KeSetTimerEx, KeCancelTimer, KeReadStateTimer,
        PsCreateSystemThread, PsTerminateSystemThread, ObReferenceObjectByHandle, ZwClose,
        KeSetPriorityThread, ObfReferenceObject, ObfDereferenceObject, MmGetPhysicalAddress,
        MmSizeOfMdl, MmIsAddressValid, MmMapIoSpace, MmMapIoSpaceEx, MmUnmapIoSpace,
        MmAllocateContiguousMemory, MmAllocateContiguousMemorySpecifyCache,
        MmAllocateContiguousMemorySpecifyCacheNode, MmAllocateContiguousNodeMemory,
        MmFreeContiguousMemory, MmFreeContiguousMemorySpecifyCache, IoAllocateMdl, IoFreeMdl,
        IoBuildPartialMdl, MmBuildMdlForNonPagedPool, MmProbeAndLockPages, MmUnlockPages,
        MmMapLockedPages, MmMapLockedPagesSpecifyCache, MmUnmapLockedPages, ZwOpenKey, ZwQueryValueKey,
        KeQueryGroupAffinity, KeGetCurrentNodeNumber, KeGetRecommendedSharedDataAlignment,
        KeQueryNodeActiveAffinity, KeSetSystemAffinityThreadEx, KeRevertToUserAffinityThreadEx,
        KeSetSystemGroupAffinityThread, KeRevertToUserGroupAffinityThread, toupper, tolower, isdigit,
        isxdigit, isspace, isprint, isupper, islower, isalpha, isalnum, atoi, atol, strnlen, strcat,
        strncat, strrchr, strcpy_s, strncpy_s, strcat_s, wcscpy_s, wcscat_s, vsprintf, sprintf_s,
        vsprintf_s, _snprintf_s, _vsnprintf_s, wcsnlen, wcscmp, wcsncmp, _wcsicmp, _wcsnicmp, wcschr,
        wcsrchr, wcsstr, wcscpy, wcsncpy, wcscat, wcsncat, _snwprintf, _vsnwprintf, swprintf_s,
        RtlCompareUnicodeString, RtlCompareString, RtlEqualString, RtlAppendUnicodeToString,
        RtlAppendUnicodeStringToString, RtlIntegerToUnicodeString, RtlUnicodeStringToInteger,
        RtlAnsiStringToUnicodeString, RtlUnicodeStringToAnsiString, RtlFreeUnicodeString,
        RtlFreeAnsiString;
    "WppRecorder.sys":
        WppAutoLogStart, WppAutoLogStop, WppAutoLogTrace, imp_WppRecorderReplay;
}

/// Everything that goes through the gate.
#[must_use]
pub fn all() -> &'static [Export] {
    ALL
}

/// The entry address of `name` for the import table; `None` if neither module exports it here.
///
/// hal.dll forwards to ntoskrnl.exe, as in Windows 10.
///
/// Variables have [`variable`].
#[must_use]
pub fn resolve(module: &str, name: &str) -> Option<*const ()> {
    let kernel = module.eq_ignore_ascii_case("ntoskrnl.exe") || module.eq_ignore_ascii_case("hal.dll");
    if kernel {
        match name {
            "memcpy" | "memmove" | "RtlCopyMemory" | "RtlMoveMemory" => return Some(memmove as *const ()),
            "RtlZeroMemory" => return Some(zero_memory as *const ()),
            "RtlFillMemory" => return Some(fill_memory as *const ()),
            "memset" => return Some(memset as *const ()),
            "memcmp" => return Some(memcmp as *const ()),
            "__chkstk" => return Some(chkstk as *const ()),
            _ => {}
        }
    }
    ALL.iter()
        .find(|export| {
            export.name() == name
                && (module.eq_ignore_ascii_case(export.module())
                    || (kernel && export.module() == "ntoskrnl.exe"))
        })
        .map(|export| export.address())
}

/// What the kernel exports as variables: no debugger, a free build of Windows 10 1809 (17763), not in safe mode.
static KD_DEBUGGER_ENABLED: AtomicU64 = AtomicU64::new(0);
static KD_DEBUGGER_NOT_PRESENT: AtomicU64 = AtomicU64::new(1);
static NT_BUILD_NUMBER: AtomicU64 = AtomicU64::new(0xF000_4563);
static INIT_SAFE_BOOT_MODE: AtomicU64 = AtomicU64::new(0);

/// The address of a variable that the kernel exports; `None` if the model has none of that name.
#[must_use]
pub fn variable(module: &str, name: &str) -> Option<*const ()> {
    if !module.eq_ignore_ascii_case("ntoskrnl.exe") {
        return None;
    }
    let variable = match name {
        "KdDebuggerEnabled" => &KD_DEBUGGER_ENABLED,
        "KdDebuggerNotPresent" => &KD_DEBUGGER_NOT_PRESENT,
        "NtBuildNumber" => &NT_BUILD_NUMBER,
        "InitSafeBootMode" => &INIT_SAFE_BOOT_MODE,
        _ => return None,
    };
    Some(variable.as_ptr().cast_const().cast())
}

unsafe extern "win64" fn memmove(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the driver vouches for both ranges.
    unsafe { std::ptr::copy(source, target, length) };
    target
}

unsafe extern "win64" fn memset(target: *mut u8, byte: i32, length: usize) -> *mut u8 {
    let byte = byte.to_le_bytes()[0];
    // SAFETY: the driver vouches for the range.
    unsafe { std::ptr::write_bytes(target, byte, length) };
    target
}

unsafe extern "win64" fn zero_memory(target: *mut u8, length: usize) {
    // SAFETY: the driver vouches for the range.
    unsafe { std::ptr::write_bytes(target, 0, length) };
}

unsafe extern "win64" fn fill_memory(target: *mut u8, length: usize, byte: u8) {
    // SAFETY: the driver vouches for the range.
    unsafe { std::ptr::write_bytes(target, byte, length) };
}

unsafe extern "win64" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: the driver vouches for both ranges.
        let a = unsafe { left.wrapping_add(index).read() };
        // SAFETY: as above.
        let b = unsafe { right.wrapping_add(index).read() };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// Touches every page of a frame of RAX bytes, preserving all registers.
#[unsafe(naked)]
extern "win64" fn chkstk() {
    naked_asm!(
        "push rcx",
        "push rax",
        "lea rcx, [rsp + 24]",
        "2:",
        "cmp rax, 0x1000",
        "jb 3f",
        "sub rcx, 0x1000",
        "test [rcx], rcx",
        "sub rax, 0x1000",
        "jmp 2b",
        "3:",
        "sub rcx, rax",
        "test [rcx], rcx",
        "pop rax",
        "pop rcx",
        "ret",
    )
}
