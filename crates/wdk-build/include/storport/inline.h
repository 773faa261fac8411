/*
 * The functions of the interface that are no exports: inline over StorPortExtendedFunction and StorPortNotification. Names, order and types
 * of the arguments are those of the public DDI pages. C only: bindgen emits no inline functions and is not shown these.
 */
#pragma once

#ifndef FORCEINLINE
#define FORCEINLINE static __inline
#endif

#define STORPORT_INLINE static __inline

/* Number of arguments after the extension is the macro's number. */
#define FERROPORT_X0(name, code) \
    STORPORT_INLINE ULONG name(PVOID Extension) { return StorPortExtendedFunction(code, Extension); }
#define FERROPORT_X1(name, code, A) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a) { return StorPortExtendedFunction(code, Extension, a); }
#define FERROPORT_X2(name, code, A, B) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b) { return StorPortExtendedFunction(code, Extension, a, b); }
#define FERROPORT_X3(name, code, A, B, C) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b, C c) { return StorPortExtendedFunction(code, Extension, a, b, c); }
#define FERROPORT_X4(name, code, A, B, C, D) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b, C c, D d) \
    { return StorPortExtendedFunction(code, Extension, a, b, c, d); }
#define FERROPORT_X5(name, code, A, B, C, D, E) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b, C c, D d, E e) \
    { return StorPortExtendedFunction(code, Extension, a, b, c, d, e); }
#define FERROPORT_X7(name, code, A, B, C, D, E, F, G) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b, C c, D d, E e, F f, G g) \
    { return StorPortExtendedFunction(code, Extension, a, b, c, d, e, f, g); }
#define FERROPORT_X8(name, code, A, B, C, D, E, F, G, H) \
    STORPORT_INLINE ULONG name(PVOID Extension, A a, B b, C c, D d, E e, F f, G g, H h) \
    { return StorPortExtendedFunction(code, Extension, a, b, c, d, e, f, g, h); }

/* Memory. */
FERROPORT_X3(StorPortAllocatePool, ExtFunctionAllocatePool, ULONG, ULONG, PVOID *)
FERROPORT_X1(StorPortFreePool, ExtFunctionFreePool, PVOID)
FERROPORT_X3(StorPortAllocateMdl, ExtFunctionAllocateMdl, PVOID, ULONG, PVOID *)
FERROPORT_X1(StorPortFreeMdl, ExtFunctionFreeMdl, PVOID)
FERROPORT_X1(StorPortBuildMdlForNonPagedPool, ExtFunctionBuildMdlForNonPagedPool, PVOID)
FERROPORT_X2(StorPortGetSystemAddress, ExtFunctionGetSystemAddress, PSCSI_REQUEST_BLOCK, PVOID *)
FERROPORT_X2(StorPortGetOriginalMdl, ExtFunctionGetOriginalMdl, PSCSI_REQUEST_BLOCK, PVOID *)
FERROPORT_X2(StorPortGetDataInBufferMdl, ExtFunctionGetDataInBufferMdl, PSCSI_REQUEST_BLOCK, PVOID *)
FERROPORT_X2(StorPortGetDataInBufferSystemAddress, ExtFunctionGetDataInBufferSystemAddress, PSCSI_REQUEST_BLOCK, PVOID *)
FERROPORT_X2(StorPortGetDataInBufferScatterGatherList, ExtFunctionGetDataInBufferScatterGatherList, PSCSI_REQUEST_BLOCK,
    PSTOR_SCATTER_GATHER_LIST *)

typedef VOID POST_SCATTER_GATHER_EXECUTE(PVOID *DeviceObject, PVOID *Irp, PSTOR_SCATTER_GATHER_LIST ScatterGather, PVOID Context);
typedef POST_SCATTER_GATHER_EXECUTE *PpostScaterGatherExecute;
FERROPORT_X8(StorPortBuildScatterGatherList, ExtFunctionBuildScatterGatherList, PVOID, PVOID, ULONG, PpostScaterGatherExecute, PVOID,
    BOOLEAN, PVOID, ULONG)
FERROPORT_X2(StorPortPutScatterGatherList, ExtFunctionPutScatterGatherList, PSTOR_SCATTER_GATHER_LIST, BOOLEAN)
FERROPORT_X7(StorPortAllocateContiguousMemorySpecifyCacheNode, ExtFunctionAllocateContiguousMemorySpecifyCacheNode, SIZE_T,
    PHYSICAL_ADDRESS, PHYSICAL_ADDRESS, PHYSICAL_ADDRESS, MEMORY_CACHING_TYPE, ULONG, PVOID *)
FERROPORT_X3(StorPortFreeContiguousMemorySpecifyCache, ExtFunctionFreeContiguousMemorySpecifyCache, PVOID, SIZE_T,
    MEMORY_CACHING_TYPE)
FERROPORT_X3(StorPortMarkDumpMemory, ExtFunctionMarkDumpMemory, PVOID, SIZE_T, ULONG)

/* Interrupts, performance. */
FERROPORT_X2(StorPortAcquireMSISpinLock, ExtFunctionAcquireMSISpinLock, ULONG, PULONG)
FERROPORT_X2(StorPortReleaseMSISpinLock, ExtFunctionReleaseMSISpinLock, ULONG, ULONG)
FERROPORT_X2(StorPortGetMSIInfo, ExtFunctionGetMessageInterruptInformation, ULONG, PMESSAGE_INTERRUPT_INFORMATION)
FERROPORT_X2(StorPortInitializePerfOpts, ExtFunctionInitializePerformanceOptimizations, BOOLEAN, PPERF_CONFIGURATION_DATA)
FERROPORT_X2(StorPortGetStartIoPerfParams, ExtFunctionGetStartIoPerformanceParameters, PSCSI_REQUEST_BLOCK,
    PSTARTIO_PERFORMANCE_PARAMETERS)

/* Processors. */
FERROPORT_X1(StorPortGetCurrentProcessorNumber, ExtFunctionGetCurrentProcessorNumber, PPROCESSOR_NUMBER)
FERROPORT_X1(StorPortGetActiveGroupCount, ExtFunctionGetActiveGroupCount, PUSHORT)
FERROPORT_X2(StorPortGetGroupAffinity, ExtFunctionGetGroupAffinity, USHORT, PKAFFINITY)
FERROPORT_X1(StorPortGetActiveNodeCount, ExtFunctionGetActiveNodeCount, PULONG)
FERROPORT_X2(StorPortGetNodeAffinity, ExtFunctionGetNodeAffinity, ULONG, PGROUP_AFFINITY)
FERROPORT_X1(StorPortGetHighestNodeNumber, ExtFunctionGetHighestNodeNumber, PULONG)
FERROPORT_X2(StorPortGetProcessorIndexFromNumber, ExtFunctionGetProcessorIndexFromNumber, PPROCESSOR_NUMBER, PULONG)

/* Requests, units. */
FERROPORT_X2(StorPortGetRequestInfo, ExtFunctionGetRequestInfo, PSCSI_REQUEST_BLOCK, PSTOR_REQUEST_INFO)
FERROPORT_X2(StorPortGetActivityIdSrb, ExtFunctionGetActivityId, PSCSI_REQUEST_BLOCK, GUID *)
FERROPORT_X1(StorPortGetSystemPortNumber, ExtFunctionGetSystemPortNumber, PSTOR_ADDRESS)
FERROPORT_X2(StorPortSetUnitAttributes, ExtFunctionSetUnitAttributes, PSTOR_ADDRESS, STOR_UNIT_ATTRIBUTES)
FERROPORT_X1(StorPortSetAdapterBusType, ExtFunctionSetAdapterBusType, ULONG)
FERROPORT_X1(StorPortUpdateAdapterMaxIO, ExtFunctionUpdateAdapterMaxIO, ULONG)

/* Work items, timers. */
FERROPORT_X1(StorPortInitializeWorker, ExtFunctionInitializeWorker, PVOID *)
FERROPORT_X3(StorPortQueueWorkItem, ExtFunctionQueueWorkItem, PHW_WORKITEM, PVOID, PVOID)
FERROPORT_X1(StorPortFreeWorker, ExtFunctionFreeWorker, PVOID)
FERROPORT_X1(StorPortInitializeTimer, ExtFunctionInitializeTimer, PVOID *)
FERROPORT_X5(StorPortRequestTimer, ExtFunctionRequestTimer, PVOID, PHW_TIMER_EX, PVOID, ULONGLONG, ULONGLONG)
FERROPORT_X1(StorPortFreeTimer, ExtFunctionFreeTimer, PVOID)

/* Logs, time, registry, power. */
FERROPORT_X2(StorPortLogSystemEvent, ExtFunctionLogSystemEvent, PSTOR_LOG_EVENT_DETAILS, PULONG)
FERROPORT_X2(StorPortQueryPerformanceCounter, ExtFunctionQueryPerformanceCounter, PLARGE_INTEGER, PLARGE_INTEGER)
FERROPORT_X5(StorPortRegistryReadAdapterKey, ExtFunctionRegistryReadAdapterKey, PUCHAR, PUCHAR, ULONG, PVOID *, PULONG)
FERROPORT_X5(StorPortRegistryWriteAdapterKey, ExtFunctionRegistryWriteAdapterKey, PUCHAR, PUCHAR, ULONG, PVOID, ULONG)
FERROPORT_X2(StorPortSetPowerSettingNotificationGuids, ExtFunctionSetPowerSettingNotificationGuids, ULONG, GUID *)
FERROPORT_X7(StorPortInvokeAcpiMethod, ExtFunctionInvokeAcpiMethod, PSTOR_ADDRESS, ULONG, PVOID, ULONG, PVOID, ULONG, PULONG)
FERROPORT_X3(StorPortInitializePoFxPower, ExtFunctionInitializePoFxPower, PSTOR_ADDRESS, PSTOR_POFX_DEVICE, PBOOLEAN)
FERROPORT_X4(StorPortPoFxActivateComponent, ExtFunctionPoFxActivateComponent, PSTOR_ADDRESS, PSCSI_REQUEST_BLOCK, ULONG, ULONG)
FERROPORT_X4(StorPortPoFxIdleComponent, ExtFunctionPoFxIdleComponent, PSTOR_ADDRESS, PSCSI_REQUEST_BLOCK, ULONG, ULONG)
FERROPORT_X3(StorPortPoFxSetComponentLatency, ExtFunctionPoFxSetComponentLatency, PSTOR_ADDRESS, ULONG, ULONGLONG)
FERROPORT_X3(StorPortPoFxSetComponentResidency, ExtFunctionPoFxSetComponentResidency, PSTOR_ADDRESS, ULONG, ULONGLONG)
FERROPORT_X2(StorPortPoFxSetIdleTimeout, ExtFunctionPoFxSetIdleTimeout, PSTOR_ADDRESS, ULONG)




STORPORT_INLINE BOOLEAN StorPortEnablePassiveInitialization(PVOID Extension, PHW_PASSIVE_INITIALIZE_ROUTINE Routine)
{
    LONG Success = 0;
    StorPortNotification(EnablePassiveInitialization, Extension, Routine, &Success);
    return (BOOLEAN)Success;
}

STORPORT_INLINE VOID StorPortInitializeDpc(PVOID Extension, PSTOR_DPC Dpc, PHW_DPC_ROUTINE Routine)
{
    StorPortNotification(InitializeDpc, Extension, Dpc, Routine);
}

STORPORT_INLINE BOOLEAN StorPortIssueDpc(PVOID Extension, PSTOR_DPC Dpc, PVOID Argument1, PVOID Argument2)
{
    LONG Queued = 0;
    StorPortNotification(IssueDpc, Extension, Dpc, Argument1, Argument2, &Queued);
    return (BOOLEAN)Queued;
}

STORPORT_INLINE VOID StorPortAcquireSpinLock(PVOID Extension, STOR_SPINLOCK Lock, PVOID LockContext, PSTOR_LOCK_HANDLE Handle)
{
    StorPortNotification(AcquireSpinLock, Extension, Lock, LockContext, Handle);
}

STORPORT_INLINE VOID StorPortReleaseSpinLock(PVOID Extension, PSTOR_LOCK_HANDLE Handle)
{
    StorPortNotification(ReleaseSpinLock, Extension, Handle);
}

STORPORT_INLINE ULONG StorPortStateChangeDetected(PVOID Extension, ULONG Entity, PSTOR_ADDRESS Address, ULONG Attributes,
    PHW_STATE_CHANGE Routine, PVOID Context)
{
    ULONG Status = STOR_STATUS_NOT_IMPLEMENTED;
    StorPortNotification(StateChangeDetectedCall, Extension, Entity, Address, Attributes, Routine, Context, &Status);
    return Status;
}

STORPORT_INLINE ULONG StorPortAsyncNotificationDetected(PVOID Extension, PSTOR_ADDRESS Address, ULONGLONG Flags)
{
    ULONG Status = STOR_STATUS_NOT_IMPLEMENTED;
    StorPortNotification(AsyncNotificationDetected, Extension, Address, Flags, &Status);
    return Status;
}

/* From a physical address as the kernel keeps it to a number, and back. */
#define StorPortConvertPhysicalAddressToUlong(Address) ((ULONG)((Address).LowPart))
#define StorPortConvertPhysicalAddressToUlong64(Address) ((ULONG64)(Address).QuadPart)

STORPORT_INLINE STOR_PHYSICAL_ADDRESS StorPortConvertUlongToPhysicalAddress(ULONG_PTR Address)
{
    STOR_PHYSICAL_ADDRESS Physical;
    Physical.QuadPart = (LONGLONG)Address;
    return Physical;
}
#define StorPortConvertUlong64ToPhysicalAddress(Address) StorPortConvertUlongToPhysicalAddress(Address)

#define StorPortCopyMemory(to, from, length) __builtin_memcpy((to), (from), (length))
