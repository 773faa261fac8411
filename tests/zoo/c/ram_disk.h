/*
 * A right little RAM disk: what the small drivers in C share. Each of them defines ANIMAL (fields of its own in the device extension) and
 * the hooks it wants, and includes this file; what is not defined is done as below.
 *
 * Full duplex. The store and the kept requests are touched under the StartIo lock: by HwStorStartIo, HwStorResetBus and timers.
 */
#pragma once

#include <ntddk.h>
#include <storport.h>

#include "scsi_disk.h"

#define BLOCK        512u
#define BLOCKS       256u
#define KEPT         16u
#define MAX_TRANSFER (64u * 1024u)
/* A command of the vendor's: kept until it is reset. */
#define COMMAND_KEEP 0xC5

#ifndef ANIMAL
#define ANIMAL
#endif

typedef struct _ADAPTER {
    DISK Disk;
    PUCHAR Registers;
    PVOID Kept[KEPT];
    ANIMAL
    UCHAR Store[BLOCKS * BLOCK];
} ADAPTER;

/* The scratch device of the lab: a write sends the interrupt message of that number. */
#define REGISTER_BELL 0x800

static VOID Finish(ADAPTER *A, PVOID Srb, UCHAR SrbStatus)
{
    SrbSetSrbStatus(Srb, SrbStatus);
    StorPortNotification(RequestComplete, A, Srb);
}

static __inline VOID Ring(ADAPTER *A, ULONG Message)
{
    StorPortWriteRegisterUlong(A, (PULONG)(A->Registers + REGISTER_BELL), Message);
}

/* Where a request goes that has its answer. */
#ifndef ANSWERED
#define ANSWERED(A, Srb) Finish(A, Srb, SrbGetSrbStatus(Srb))
#endif

static VOID ReadWrite(ADAPTER *A, PVOID Srb)
{
    TRANSFER Transfer;
    PVOID Data = NULL;
    ULONG Length;
    if (!DiskTransfer(&A->Disk, Srb, &Transfer))
        return;
    Length = SrbGetDataTransferLength(Srb);
    if (Length && StorPortGetSystemAddress(A, (PSCSI_REQUEST_BLOCK)Srb, &Data) != STOR_STATUS_SUCCESS) {
        SrbSetDataTransferLength(Srb, 0);
        SrbSetSrbStatus(Srb, SRB_STATUS_INTERNAL_ERROR);
        return;
    }
    if (Length && Transfer.Write)
        StorPortCopyMemory(A->Store + Transfer.Lba * BLOCK, Data, Length);
    else if (Length)
        StorPortCopyMemory(Data, A->Store + Transfer.Lba * BLOCK, Length);
    SrbSetScsiStatus(Srb, SCSI_GOOD);
    SrbSetSrbStatus(Srb, SRB_STATUS_SUCCESS);
}

static VOID Keep(ADAPTER *A, PVOID Srb)
{
    ULONG Index;
    for (Index = 0; Index < KEPT; Index++) {
        if (!InterlockedCompareExchangePointer(&A->Kept[Index], Srb, NULL))
            return;
    }
    Finish(A, Srb, SRB_STATUS_BUSY);
}

static VOID CompleteKept(ADAPTER *A, UCHAR SrbStatus)
{
    ULONG Index;
    for (Index = 0; Index < KEPT; Index++) {
        PVOID Srb = InterlockedExchangePointer(&A->Kept[Index], NULL);
        if (Srb)
            Finish(A, Srb, SrbStatus);
    }
#ifdef RESETTING
    RESETTING(A);
#endif
}

static VOID Execute(ADAPTER *A, PVOID Srb)
{
    UCHAR Path, Target, Lun;
    PUCHAR Cdb = SrbGetCdb(Srb);
    SrbGetPathTargetLun(Srb, &Path, &Target, &Lun);
    if (Path || Target || Lun) {
        SrbSetDataTransferLength(Srb, 0);
        Finish(A, Srb, SRB_STATUS_NO_DEVICE);
        return;
    }
    if (Cdb && Cdb[0] == COMMAND_KEEP) {
        Keep(A, Srb);
        return;
    }
    switch (DiskCommand(&A->Disk, Srb)) {
    case DiskReadWrite:
        ReadWrite(A, Srb);
        break;
    case DiskFlush:
        SrbSetScsiStatus(Srb, SCSI_GOOD);
        SrbSetSrbStatus(Srb, SRB_STATUS_SUCCESS);
        break;
    default:
        break;
    }
    ANSWERED(A, Srb);
}

static BOOLEAN HwStartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    ADAPTER *A = Extension;
#ifdef STARTING
    STARTING(A, Srb);
#endif
    switch (SrbGetSrbFunction(Srb)) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        Execute(A, Srb);
        break;
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_RESET_DEVICE:
        CompleteKept(A, SRB_STATUS_BUS_RESET);
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        break;
    case SRB_FUNCTION_PNP:
#ifdef PNP
        PNP(A, Srb);
#endif
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        break;
    case SRB_FUNCTION_POWER:
    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        break;
    default:
        Finish(A, Srb, SRB_STATUS_INVALID_REQUEST);
    }
    return TRUE;
}

static BOOLEAN HwResetBus(PVOID Extension, ULONG PathId)
{
    UNREFERENCED_PARAMETER(PathId);
    CompleteKept(Extension, SRB_STATUS_BUS_RESET);
    return TRUE;
}

#ifdef MESSAGE
static BOOLEAN HwMessage(PVOID Extension, ULONG Message)
{
    MESSAGE((ADAPTER *)Extension, Message);
    return TRUE;
}
#endif

static BOOLEAN HwPassiveInitialize(PVOID Extension)
{
    UNREFERENCED_PARAMETER(Extension);
#ifdef PASSIVE_INITIALIZE
    return PASSIVE_INITIALIZE((ADAPTER *)Extension);
#else
    return TRUE;
#endif
}

static BOOLEAN HwInitialize(PVOID Extension)
{
#ifdef INITIALIZE
    if (!INITIALIZE((ADAPTER *)Extension))
        return FALSE;
#endif
    return StorPortEnablePassiveInitialization(Extension, HwPassiveInitialize);
}

static ULONG HwFindAdapter(PVOID Extension, PVOID Context, PVOID BusInformation, PCHAR Arguments,
    PPORT_CONFIGURATION_INFORMATION Config, PBOOLEAN Again)
{
    ADAPTER *A = Extension;
    ACCESS_RANGE *Range = &(*Config->AccessRanges)[0];
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(BusInformation);
    UNREFERENCED_PARAMETER(Arguments);
    *Again = FALSE;
    StorPortCopyMemory(A->Disk.Serial, "0123456789ABCDEFGHIJ", sizeof A->Disk.Serial);
    StorPortCopyMemory(A->Disk.Model, "RAM disk in C                           ", sizeof A->Disk.Model);
    StorPortCopyMemory(A->Disk.Revision, "1.0     ", sizeof A->Disk.Revision);
    A->Disk.Cache = FALSE;
    A->Disk.Blocks = BLOCKS;
    A->Disk.BlockSize = BLOCK;
    A->Registers = StorPortGetDeviceBase(A, Config->AdapterInterfaceType, Config->SystemIoBusNumber, Range->RangeStart,
        Range->RangeLength, !Range->RangeInMemory);
    if (!A->Registers)
        return SP_RETURN_ERROR;
#ifdef FIND
    if (!FIND(A))
        return SP_RETURN_ERROR;
#endif
    Config->MaximumTransferLength = MAX_TRANSFER;
    Config->NumberOfPhysicalBreaks = MAX_TRANSFER / 4096 + 1;
    Config->AlignmentMask = 3;
    Config->NumberOfBuses = 1;
    Config->MaximumNumberOfTargets = 1;
    Config->MaximumNumberOfLogicalUnits = 1;
    Config->ScatterGather = TRUE;
    Config->Master = TRUE;
    Config->MapBuffers = STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE;
    Config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED;
    Config->ResetTargetSupported = TRUE;
    Config->SynchronizationModel = StorSynchronizeFullDuplex;
#ifdef MESSAGE
    Config->HwMSInterruptRoutine = HwMessage;
    Config->InterruptSynchronizationMode = InterruptSynchronizePerMessage;
#endif
    return SP_RETURN_FOUND;
}

static SCSI_ADAPTER_CONTROL_STATUS HwAdapterControl(PVOID Extension, SCSI_ADAPTER_CONTROL_TYPE Type, PVOID Parameters)
{
    PSCSI_SUPPORTED_CONTROL_TYPE_LIST List = Parameters;
    ULONG Index;
    switch (Type) {
    case ScsiQuerySupportedControlTypes:
        for (Index = 0; Index < List->MaxControlType; Index++)
            List->SupportedTypeList[Index] = Index <= ScsiRestartAdapter;
        return ScsiAdapterControlSuccess;
    case ScsiStopAdapter:
        CompleteKept(Extension, SRB_STATUS_NO_HBA);
        return ScsiAdapterControlSuccess;
    case ScsiRestartAdapter:
        return ScsiAdapterControlSuccess;
    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

ULONG DriverEntry(PVOID DriverObject, PVOID RegistryPath)
{
    HW_INITIALIZATION_DATA Data = {0};
    if (!DriverObject)
        return (ULONG)STATUS_INVALID_PARAMETER;
    Data.HwInitializationDataSize = sizeof Data;
    Data.AdapterInterfaceType = PCIBus;
    Data.HwInitialize = HwInitialize;
    Data.HwStartIo = HwStartIo;
    Data.HwFindAdapter = HwFindAdapter;
    Data.HwResetBus = HwResetBus;
    Data.HwAdapterControl = HwAdapterControl;
    Data.DeviceExtensionSize = sizeof(ADAPTER);
    Data.NumberOfAccessRanges = 1;
    Data.MapBuffers = STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE;
    Data.NeedPhysicalAddresses = TRUE;
    Data.TaggedQueuing = TRUE;
    Data.AutoRequestSense = TRUE;
    Data.MultipleRequestPerLu = TRUE;
    Data.SrbTypeFlags = SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK;
    Data.AddressTypeFlags = ADDRESS_TYPE_FLAG_BTL8;
    return StorPortInitialize(DriverObject, RegistryPath, &Data, NULL);
}
