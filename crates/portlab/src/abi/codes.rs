//! Status, function and notification codes.

/// `STOR_STATUS_*`: what extended functions return.
pub mod stor_status {
    /// SUCCESS.
    pub const SUCCESS: u32 = 0;
    /// UNSUCCESSFUL.
    pub const UNSUCCESSFUL: u32 = 0xC100_0001;
    /// `NOT_IMPLEMENTED`.
    pub const NOT_IMPLEMENTED: u32 = 0xC100_0002;
    /// `INSUFFICIENT_RESOURCES`.
    pub const INSUFFICIENT_RESOURCES: u32 = 0xC100_0003;
    /// `BUFFER_TOO_SMALL`.
    pub const BUFFER_TOO_SMALL: u32 = 0xC100_0004;
    /// `ACCESS_DENIED`.
    pub const ACCESS_DENIED: u32 = 0xC100_0005;
    /// `INVALID_PARAMETER`.
    pub const INVALID_PARAMETER: u32 = 0xC100_0006;
    /// `INVALID_DEVICE_REQUEST`.
    pub const INVALID_DEVICE_REQUEST: u32 = 0xC100_0007;
    /// `INVALID_IRQL`.
    pub const INVALID_IRQL: u32 = 0xC100_0008;
    /// `INVALID_DEVICE_STATE`.
    pub const INVALID_DEVICE_STATE: u32 = 0xC100_0009;
    /// `INVALID_BUFFER_SIZE`.
    pub const INVALID_BUFFER_SIZE: u32 = 0xC100_000A;
    /// `UNSUPPORTED_VERSION`.
    pub const UNSUPPORTED_VERSION: u32 = 0xC100_000B;
    /// BUSY.
    pub const BUSY: u32 = 0xC100_000C;
}

/// `SCSI_NOTIFICATION_TYPE`.
pub mod notification {
    /// `RequestComplete`.
    pub const REQUEST_COMPLETE: u32 = 0;
    /// `NextRequest`.
    pub const NEXT_REQUEST: u32 = 1;
    /// `NextLuRequest`.
    pub const NEXT_LU_REQUEST: u32 = 2;
    /// `ResetDetected`.
    pub const RESET_DETECTED: u32 = 3;
    /// `RequestTimerCall`.
    pub const REQUEST_TIMER_CALL: u32 = 6;
    /// `BusChangeDetected`.
    pub const BUS_CHANGE_DETECTED: u32 = 7;
    /// `WMIEvent`.
    pub const WMI_EVENT: u32 = 8;
    /// `WMIReregister`.
    pub const WMI_REREGISTER: u32 = 9;
    /// `LinkUp`.
    pub const LINK_UP: u32 = 10;
    /// `LinkDown`.
    pub const LINK_DOWN: u32 = 11;
    /// `EnablePassiveInitialization`.
    pub const ENABLE_PASSIVE_INITIALIZATION: u32 = 0x1000;
    /// `InitializeDpc`.
    pub const INITIALIZE_DPC: u32 = 0x1001;
    /// `IssueDpc`.
    pub const ISSUE_DPC: u32 = 0x1002;
    /// `AcquireSpinLock`.
    pub const ACQUIRE_SPIN_LOCK: u32 = 0x1003;
    /// `ReleaseSpinLock`.
    pub const RELEASE_SPIN_LOCK: u32 = 0x1004;
    /// `StateChangeDetectedCall`.
    pub const STATE_CHANGE_DETECTED: u32 = 0x1005;
    /// `IoTargetRequestServiceTime`.
    pub const IO_TARGET_REQUEST_SERVICE_TIME: u32 = 0x1006;
    /// `AsyncNotificationDetected`.
    pub const ASYNC_NOTIFICATION_DETECTED: u32 = 0x1007;
    /// `MarkDeviceFailedEx`; newer than the kit that was compared.
    pub const MARK_DEVICE_FAILED_EX: u32 = 0x100D;
    /// `MarkDeviceFailed` \[I\].
    pub const MARK_DEVICE_FAILED: u32 = 0x100C;
    /// `TerminateSystemThread` \[I\].
    pub const TERMINATE_SYSTEM_THREAD: u32 = 0x100E;

    /// The enumerator's name.
    #[must_use]
    pub const fn name(code: u32) -> Option<&'static str> {
        Some(match code {
            REQUEST_COMPLETE => "RequestComplete",
            NEXT_REQUEST => "NextRequest",
            NEXT_LU_REQUEST => "NextLuRequest",
            RESET_DETECTED => "ResetDetected",
            REQUEST_TIMER_CALL => "RequestTimerCall",
            BUS_CHANGE_DETECTED => "BusChangeDetected",
            WMI_EVENT => "WMIEvent",
            WMI_REREGISTER => "WMIReregister",
            LINK_UP => "LinkUp",
            LINK_DOWN => "LinkDown",
            12 => "QueryTickCount",
            13 => "BufferOverrunDetected",
            14 => "TraceNotification",
            15 => "GetExtendedFunctionTable",
            ENABLE_PASSIVE_INITIALIZATION => "EnablePassiveInitialization",
            INITIALIZE_DPC => "InitializeDpc",
            ISSUE_DPC => "IssueDpc",
            ACQUIRE_SPIN_LOCK => "AcquireSpinLock",
            RELEASE_SPIN_LOCK => "ReleaseSpinLock",
            STATE_CHANGE_DETECTED => "StateChangeDetectedCall",
            IO_TARGET_REQUEST_SERVICE_TIME => "IoTargetRequestServiceTime",
            ASYNC_NOTIFICATION_DETECTED => "AsyncNotificationDetected",
            0x1008 => "RequestDirectComplete",
            0x1009 => "InitializeDpcWithContext",
            0x100A => "InitializeThreadedDpc",
            0x100B => "SetTargetProcessorDpc",
            0x100C => "MarkDeviceFailed",
            MARK_DEVICE_FAILED_EX => "MarkDeviceFailedEx",
            0x100E => "TerminateSystemThread",
            _ => return None,
        })
    }
}

/// `STORPORT_FUNCTION_CODE`s, in the header's order: the index is the code. Codes up to 80 are in the
/// 10.0.16299 kit; later ones come from a published enumeration only.
const FUNCTION_NAMES: [&str; 119] = [
    "AllocatePool",
    "FreePool",
    "AllocateMdl",
    "FreeMdl",
    "BuildMdlForNonPagedPool",
    "GetSystemAddress",
    "GetOriginalMdl",
    "CompleteServiceIrp",
    "GetDeviceObjects",
    "BuildScatterGatherList",
    "PutScatterGatherList",
    "AcquireMSISpinLock",
    "ReleaseMSISpinLock",
    "GetMessageInterruptInformation",
    "InitializePerformanceOptimizations",
    "GetStartIoPerformanceParameters",
    "LogSystemEvent",
    "GetCurrentProcessorNumber",
    "GetActiveGroupCount",
    "GetGroupAffinity",
    "GetActiveNodeCount",
    "GetNodeAffinity",
    "GetHighestNodeNumber",
    "GetLogicalProcessorRelationship",
    "AllocateContiguousMemorySpecifyCacheNode",
    "FreeContiguousMemorySpecifyCache",
    "SetPowerSettingNotificationGuids",
    "InvokeAcpiMethod",
    "GetRequestInfo",
    "InitializeWorker",
    "QueueWorkItem",
    "FreeWorker",
    "InitializeTimer",
    "RequestTimer",
    "FreeTimer",
    "InitializeSListHead",
    "InterlockedFlushSList",
    "InterlockedPopEntrySList",
    "InterlockedPushEntrySList",
    "QueryDepthSList",
    "GetActivityId",
    "GetSystemPortNumber",
    "GetDataInBufferMdl",
    "GetDataInBufferSystemAddress",
    "GetDataInBufferScatterGatherList",
    "MarkDumpMemory",
    "SetUnitAttributes",
    "QueryPerformanceCounter",
    "InitializePoFxPower",
    "PoFxActivateComponent",
    "PoFxIdleComponent",
    "PoFxSetComponentLatency",
    "PoFxSetComponentResidency",
    "PoFxPowerControl",
    "FlushDataBufferMdl",
    "DeviceOperationAllowed",
    "GetProcessorIndexFromNumber",
    "PoFxSetIdleTimeout",
    "MiniportEtwEvent2",
    "MiniportEtwEvent4",
    "MiniportEtwEvent8",
    "CurrentOsInstallationUpgrade",
    "RegistryReadAdapterKey",
    "RegistryWriteAdapterKey",
    "SetAdapterBusType",
    "PoFxRegisterPerfStates",
    "PoFxSetPerfState",
    "GetD3ColdSupport",
    "InitializeRpmb",
    "AllocateHmb",
    "FreeHmb",
    "PropagateIrpExtension",
    "InterlockedInsertHeadList",
    "InterlockedInsertTailList",
    "InterlockedRemoveHeadList",
    "InitializeSpinlock",
    "GetPfns",
    "InitializeCryptoEngine",
    "GetRequestCryptoInfo",
    "MiniportTelemetry",
    "UpdateAdapterMaxIO",
    "DelayExecution",
    "AllocateDmaMemory",
    "FreeDmaMemory",
    "UpdateAdapterMaxIOInfo",
    "MiniportChannelEtwEvent2",
    "MiniportChannelEtwEvent4",
    "MiniportChannelEtwEvent8",
    "InitializeHighResolutionTimer",
    "RequestHighResolutionTimer",
    "CancelHighResolutionTimer",
    "FreeHighResolutionTimer",
    "GetCurrentProcessorIndex",
    "AcquireSpinLock",
    "GetProcessorCount",
    "CancelDpc",
    "MiniportTelemetryEx",
    "QueryConfiguration",
    "LogHardwareError",
    "InitializeEvent",
    "WaitForEvent",
    "SetEvent",
    "DeviceReset",
    "SetFeatureList",
    "CaptureLiveDump",
    "MiniportLogByteStream",
    "QueryDpcWatchdogInformation",
    "QueryTimerMinInterval",
    "MaskPciMsixEntry",
    "GetCurrentIrql",
    "CreateSystemThread",
    "SetPriorityThread",
    "SetSystemGroupAffinityThread",
    "RevertToUserGroupAffinityThread",
    "DeviceResetEx",
    "MiniportReportInternalData",
    "GetMessageInterruptIDFromProcessorIndex",
    "GetNodeAffinity2",
    "EnableRegistryKeyNotification",
];

/// The name of an extended function, without its `ExtFunction` prefix.
#[must_use]
pub fn function_name(code: u32) -> Option<&'static str> {
    FUNCTION_NAMES.get(usize::try_from(code).ok()?).copied()
}

/// Extended function codes that the model implements.
pub mod function_code {
    /// `ExtFunctionAllocatePool`.
    pub const ALLOCATE_POOL: u32 = 0;
    /// `ExtFunctionFreePool`.
    pub const FREE_POOL: u32 = 1;
    /// `ExtFunctionAllocateMdl`.
    pub const ALLOCATE_MDL: u32 = 2;
    /// `ExtFunctionFreeMdl`.
    pub const FREE_MDL: u32 = 3;
    /// `ExtFunctionBuildMdlForNonPagedPool`.
    pub const BUILD_MDL_FOR_NON_PAGED_POOL: u32 = 4;
    /// `ExtFunctionGetSystemAddress`.
    pub const GET_SYSTEM_ADDRESS: u32 = 5;
    /// `ExtFunctionGetOriginalMdl`.
    pub const GET_ORIGINAL_MDL: u32 = 6;
    /// `ExtFunctionBuildScatterGatherList`.
    pub const BUILD_SCATTER_GATHER_LIST: u32 = 9;
    /// `ExtFunctionPutScatterGatherList`.
    pub const PUT_SCATTER_GATHER_LIST: u32 = 10;
    /// `ExtFunctionAcquireMSISpinLock`.
    pub const ACQUIRE_MSI_SPIN_LOCK: u32 = 11;
    /// `ExtFunctionReleaseMSISpinLock`.
    pub const RELEASE_MSI_SPIN_LOCK: u32 = 12;
    /// `ExtFunctionGetMessageInterruptInformation`.
    pub const GET_MESSAGE_INTERRUPT_INFORMATION: u32 = 13;
    /// `ExtFunctionInitializePerformanceOptimizations`.
    pub const INITIALIZE_PERFORMANCE_OPTIMIZATIONS: u32 = 14;
    /// `ExtFunctionGetStartIoPerformanceParameters`.
    pub const GET_START_IO_PERFORMANCE_PARAMETERS: u32 = 15;
    /// `ExtFunctionLogSystemEvent`.
    pub const LOG_SYSTEM_EVENT: u32 = 16;
    /// `ExtFunctionGetCurrentProcessorNumber`.
    pub const GET_CURRENT_PROCESSOR_NUMBER: u32 = 17;
    /// `ExtFunctionGetActiveGroupCount`.
    pub const GET_ACTIVE_GROUP_COUNT: u32 = 18;
    /// `ExtFunctionGetGroupAffinity`.
    pub const GET_GROUP_AFFINITY: u32 = 19;
    /// `ExtFunctionGetActiveNodeCount`.
    pub const GET_ACTIVE_NODE_COUNT: u32 = 20;
    /// `ExtFunctionGetNodeAffinity`.
    pub const GET_NODE_AFFINITY: u32 = 21;
    /// `ExtFunctionGetHighestNodeNumber`.
    pub const GET_HIGHEST_NODE_NUMBER: u32 = 22;
    /// `ExtFunctionAllocateContiguousMemorySpecifyCacheNode`.
    pub const ALLOCATE_CONTIGUOUS_MEMORY: u32 = 24;
    /// `ExtFunctionFreeContiguousMemorySpecifyCache`.
    pub const FREE_CONTIGUOUS_MEMORY: u32 = 25;
    /// `ExtFunctionGetRequestInfo`.
    pub const GET_REQUEST_INFO: u32 = 28;
    /// `ExtFunctionInitializeWorker`.
    pub const INITIALIZE_WORKER: u32 = 29;
    /// `ExtFunctionQueueWorkItem`.
    pub const QUEUE_WORK_ITEM: u32 = 30;
    /// `ExtFunctionFreeWorker`.
    pub const FREE_WORKER: u32 = 31;
    /// `ExtFunctionInitializeTimer`.
    pub const INITIALIZE_TIMER: u32 = 32;
    /// `ExtFunctionRequestTimer`.
    pub const REQUEST_TIMER: u32 = 33;
    /// `ExtFunctionFreeTimer`.
    pub const FREE_TIMER: u32 = 34;
    /// `ExtFunctionGetSystemPortNumber`.
    pub const GET_SYSTEM_PORT_NUMBER: u32 = 41;
    /// `ExtFunctionGetDataInBufferMdl`.
    pub const GET_DATA_IN_BUFFER_MDL: u32 = 42;
    /// `ExtFunctionGetDataInBufferSystemAddress`.
    pub const GET_DATA_IN_BUFFER_SYSTEM_ADDRESS: u32 = 43;
    /// `ExtFunctionGetDataInBufferScatterGatherList`.
    pub const GET_DATA_IN_BUFFER_SCATTER_GATHER_LIST: u32 = 44;
    /// `ExtFunctionMarkDumpMemory`.
    pub const MARK_DUMP_MEMORY: u32 = 45;
    /// `ExtFunctionSetUnitAttributes`.
    pub const SET_UNIT_ATTRIBUTES: u32 = 46;
    /// `ExtFunctionQueryPerformanceCounter`.
    pub const QUERY_PERFORMANCE_COUNTER: u32 = 47;
    /// `ExtFunctionInitializePoFxPower`.
    pub const INITIALIZE_PO_FX_POWER: u32 = 48;
    /// `ExtFunctionFlushDataBufferMdl`.
    pub const FLUSH_DATA_BUFFER_MDL: u32 = 54;
    /// `ExtFunctionGetProcessorIndexFromNumber`.
    pub const GET_PROCESSOR_INDEX_FROM_NUMBER: u32 = 56;
    /// `ExtFunctionMiniportEtwEvent2`.
    pub const MINIPORT_ETW_EVENT2: u32 = 58;
    /// `ExtFunctionMiniportEtwEvent4`.
    pub const MINIPORT_ETW_EVENT4: u32 = 59;
    /// `ExtFunctionMiniportEtwEvent8`.
    pub const MINIPORT_ETW_EVENT8: u32 = 60;
    /// `ExtFunctionRegistryReadAdapterKey`.
    pub const REGISTRY_READ_ADAPTER_KEY: u32 = 62;
    /// `ExtFunctionRegistryWriteAdapterKey`.
    pub const REGISTRY_WRITE_ADAPTER_KEY: u32 = 63;
    /// `ExtFunctionSetAdapterBusType`.
    pub const SET_ADAPTER_BUS_TYPE: u32 = 64;
    /// `ExtFunctionAllocateHmb`.
    pub const ALLOCATE_HMB: u32 = 69;
    /// `ExtFunctionFreeHmb`.
    pub const FREE_HMB: u32 = 70;
    /// `ExtFunctionGetPfns`.
    pub const GET_PFNS: u32 = 76;
    /// `ExtFunctionAllocateDmaMemory` (published enumeration only).
    pub const ALLOCATE_DMA_MEMORY: u32 = 82;
    /// `ExtFunctionFreeDmaMemory` (published enumeration only).
    pub const FREE_DMA_MEMORY: u32 = 83;
}
