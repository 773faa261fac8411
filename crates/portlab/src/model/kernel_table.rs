//! What the model has of ntoskrnl.exe and hal.dll: one table, which also says at which IRQL each function may be called.

use std::sync::LazyLock;

use crate::{abi::exports::Export, engine::Irql};

/// Where a function may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Anywhere.
    Any,
    /// At this IRQL or below: judged before the function is carried out.
    UpTo(Irql),
    /// As its answer judges it, which depends on its arguments or has something else to say.
    Own(&'static str),
}

impl Limit {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::UpTo(Irql::PASSIVE) => "PASSIVE",
            Self::UpTo(Irql::APC) => "<= APC",
            Self::UpTo(_) => "<= DISPATCH",
            Self::Own(text) => text,
        }
    }
}

/// A function of the kernel.
#[derive(Debug, Clone, Copy)]
pub struct KernelFunction {
    /// What the driver imports.
    pub export: Export,
    /// What it is about.
    pub area: &'static str,
    /// Where it may be called: the IRQL that its page names.
    pub limit: Limit,
}

const DISPATCH: Limit = Limit::UpTo(Irql::DISPATCH);
const PASSIVE: Limit = Limit::UpTo(Irql::PASSIVE);
const ANY: Limit = Limit::Any;

macro_rules! kernel {
    ($( $area:literal, $limit:expr => $( $name:ident ),+ ; )+) => {
        /// All of them, by area.
        pub static KERNEL: &[KernelFunction] = &[
            $( $( KernelFunction { export: Export::$name, area: $area, limit: $limit }, )+ )+
        ];
    };
}

kernel! {
    "debugging", ANY => DbgPrint, DbgPrintEx, vDbgPrintEx, DbgBreakPoint, KeBugCheck, KeBugCheckEx;
    "exceptions", ANY => __C_specific_handler;
    "pool", Limit::Own("<= DISPATCH") => ExAllocatePool2, ExAllocatePoolWithTag, ExFreePool, ExFreePoolWithTag;
    "pool", Limit::Own("<= DISPATCH") => ExAllocatePool;
    "lookaside lists", DISPATCH => ExInitializeNPagedLookasideList, ExDeleteNPagedLookasideList,
        ExInitializeLookasideListEx, ExDeleteLookasideListEx, ExFlushLookasideListEx;
    "lookaside lists", Limit::UpTo(Irql::APC) => ExInitializePagedLookasideList, ExDeletePagedLookasideList;
    "lists", ANY => ExInterlockedInsertHeadList, ExInterlockedInsertTailList, ExInterlockedRemoveHeadList,
        ExInterlockedPushEntryList, ExInterlockedPopEntryList, InitializeSListHead, ExQueryDepthSList;
    "lists", DISPATCH => ExpInterlockedPushEntrySList, ExpInterlockedPopEntrySList, ExpInterlockedFlushSList;
    "IRQL", ANY => KeGetCurrentIrql;
    "IRQL", Limit::Own("below the new one") => KfRaiseIrql, KeRaiseIrqlToDpcLevel;
    "IRQL", Limit::Own("above the new one") => KeLowerIrql;
    "spin locks", ANY => KeInitializeSpinLock;
    "spin locks", Limit::Own("<= DISPATCH") => KeAcquireSpinLockRaiseToDpc, KeAcquireInStackQueuedSpinLock;
    "spin locks", Limit::Own("= DISPATCH") => KeAcquireSpinLockAtDpcLevel, KeReleaseSpinLock, KeReleaseSpinLockFromDpcLevel,
        KeReleaseInStackQueuedSpinLock, KeAcquireInStackQueuedSpinLockAtDpcLevel,
        KeReleaseInStackQueuedSpinLockFromDpcLevel;
    "events and semaphores", ANY => KeInitializeEvent, KeReadStateEvent, KeInitializeSemaphore, KeReadStateSemaphore;
    "events and semaphores", DISPATCH => KeSetEvent, KeResetEvent, KeClearEvent, KeReleaseSemaphore;
    "events and semaphores", Limit::Own("<= APC; <= DISPATCH with no time to wait") => KeWaitForSingleObject, KeWaitForMultipleObjects;
    "DPCs", ANY => KeInitializeDpc, KeInitializeThreadedDpc, KeInsertQueueDpc, KeRemoveQueueDpc, KeSetImportanceDpc,
        KeSetTargetProcessorDpc, KeSetTargetProcessorDpcEx;
    "DPCs", PASSIVE => KeFlushQueuedDpcs;
    "timers", DISPATCH => KeInitializeTimer, KeInitializeTimerEx, KeSetTimer, KeSetTimerEx, KeCancelTimer, KeReadStateTimer;
    "threads and handles", PASSIVE => PsCreateSystemThread, PsTerminateSystemThread, ObReferenceObjectByHandle, ZwClose,
        KeSetPriorityThread;
    "threads and handles", DISPATCH => ObfReferenceObject, ObfDereferenceObject;
    "memory", ANY => MmGetPhysicalAddress, MmSizeOfMdl;
    "memory", DISPATCH => MmIsAddressValid, MmMapIoSpace, MmMapIoSpaceEx, MmUnmapIoSpace, MmAllocateContiguousMemory,
        MmAllocateContiguousMemorySpecifyCache, MmAllocateContiguousMemorySpecifyCacheNode,
        MmAllocateContiguousNodeMemory, MmFreeContiguousMemory, MmFreeContiguousMemorySpecifyCache, IoAllocateMdl,
        IoFreeMdl, IoBuildPartialMdl, MmBuildMdlForNonPagedPool, MmProbeAndLockPages, MmUnlockPages, MmMapLockedPages,
        MmMapLockedPagesSpecifyCache, MmUnmapLockedPages;
    "registry", PASSIVE => ZwOpenKey, ZwQueryValueKey;
    "time", ANY => KeQueryPerformanceCounter, KeQueryTimeIncrement, KeQuerySystemTimePrecise, KeQueryInterruptTimePrecise,
        KeQueryUnbiasedInterruptTime, KeStallExecutionProcessor;
    "time", Limit::Own("<= APC") => KeDelayExecutionThread;
    "processors", ANY => KeQueryActiveProcessorCount, KeQueryActiveProcessorCountEx, KeQueryMaximumProcessorCount,
        KeQueryMaximumProcessorCountEx, KeQueryActiveProcessors, KeQueryActiveGroupCount, KeQueryMaximumGroupCount,
        KeQueryHighestNodeNumber, KeGetCurrentProcessorNumberEx, KeGetProcessorIndexFromNumber,
        KeGetProcessorNumberFromIndex, KeQueryGroupAffinity, KeGetCurrentNodeNumber,
        KeGetRecommendedSharedDataAlignment;
    "processors", DISPATCH => KeQueryNodeActiveAffinity, KeSetSystemAffinityThreadEx, KeRevertToUserAffinityThreadEx,
        KeSetSystemGroupAffinityThread, KeRevertToUserGroupAffinityThread;
    "system", Limit::Own("PASSIVE") => RtlGetVersion, MmGetSystemRoutineAddress;
    "system", ANY => PsGetVersion;
    "strings", ANY => RtlCompareMemory, RtlInitUnicodeString, RtlInitAnsiString, RtlInitString, RtlCopyUnicodeString,
        RtlEqualUnicodeString, strlen, wcslen, strcmp, strncmp, _stricmp, _strnicmp, strstr, strchr, strcpy, strncpy,
        _snprintf, _vsnprintf, sprintf, toupper, tolower, isdigit, isxdigit, isspace, isprint, isupper, islower,
        isalpha, isalnum, atoi, atol, strnlen, strcat, strncat, strrchr, strcpy_s, strncpy_s, strcat_s, wcscpy_s,
        wcscat_s, vsprintf, sprintf_s, vsprintf_s, _snprintf_s, _vsnprintf_s, wcsnlen, wcscmp, wcsncmp, _wcsicmp,
        _wcsnicmp, wcschr, wcsrchr, wcsstr, wcscpy, wcsncpy, wcscat, wcsncat, _snwprintf, _vsnwprintf, swprintf_s;
    "strings", PASSIVE => RtlCompareUnicodeString, RtlCompareString, RtlEqualString, RtlAppendUnicodeToString,
        RtlAppendUnicodeStringToString, RtlIntegerToUnicodeString, RtlUnicodeStringToInteger,
        RtlAnsiStringToUnicodeString, RtlUnicodeStringToAnsiString, RtlFreeUnicodeString, RtlFreeAnsiString;
    "tracing", ANY => EtwRegister, EtwUnregister, EtwWrite, EtwWriteTransfer, EtwSetInformation, EtwActivityIdControl,
        EtwEventEnabled, EtwProviderEnabled, WmiTraceMessage, IoWMIRegistrationControl,
        WppAutoLogStart, WppAutoLogStop, WppAutoLogTrace, imp_WppRecorderReplay;
}

/// The highest IRQL at which a function may be called, where it is judged before it is carried out.
pub(super) fn highest(export: Export) -> Option<Irql> {
    // By the export's own number: each call of the driver asks.
    static HIGHEST: LazyLock<Vec<Option<Irql>>> = LazyLock::new(|| {
        let mut highest = Vec::new();
        for function in KERNEL {
            let number = function.export as usize;
            if highest.len() <= number {
                highest.resize(number + 1, None);
            }
            if let (Limit::UpTo(irql), Some(slot)) = (function.limit, highest.get_mut(number)) {
                *slot = Some(irql);
            }
        }
        highest
    });
    HIGHEST.get(export as usize).copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::KERNEL;
    use crate::abi::exports;

    #[test]
    fn the_table_has_every_export_of_the_kernels_once() {
        let mut named = BTreeSet::new();
        for function in KERNEL {
            assert!(
                named.insert(function.export.name()),
                "{:?} twice",
                function.export
            );
        }
        let exported: BTreeSet<&str> = exports::all()
            .iter()
            .filter(|export| export.module() != "storport.sys")
            .map(|export| export.name())
            .collect();
        assert_eq!(exported, named);
    }

    /// What drivers in C are linked against is what the model answers.
    #[test]
    fn the_import_libraries_name_nothing_else() {
        for (module, text) in [
            (
                "ntoskrnl.exe",
                include_str!("../../../wdk-build/lib/ntoskrnl.def"),
            ),
            ("hal.dll", include_str!("../../../wdk-build/lib/hal.def")),
        ] {
            let names = text
                .lines()
                .map(str::trim)
                .skip_while(|line| *line != "EXPORTS")
                .skip(1);
            for name in names.filter(|line| !line.is_empty() && !line.starts_with(';')) {
                let known = exports::resolve(module, name).or_else(|| exports::variable(module, name));
                assert!(known.is_some(), "the model lacks {name} of {module}");
            }
        }
    }
}
