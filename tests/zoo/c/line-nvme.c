/*
 * A little NVMe miniport in the manner of the older C drivers: half duplex, a line interrupt through HwStorInterrupt, SCSI_REQUEST_BLOCKs,
 * the headers' register macros, an uncached extension, the one-shot HwStorTimer, StorPortNotification(RequestComplete).
 *
 * One namespace, one I/O queue pair. In half duplex HwStorStartIo, HwStorResetBus and HwStorTimer run under the StartIo lock and the interrupt
 * lock, HwStorInterrupt under the interrupt lock: whatever touches the queues holds it, and the driver takes no lock of its own.
 *
 * Sources: NVM Express Base Specification 1.4; SPC-4; SBC-3; Microsoft Learn, storport.h.
 *
 * zoo: rule=none device=lab:nvme,size=4M,interrupts=line
 */
#include <ntddk.h>
#include <storport.h>

#include "nvme.h"
#include "nvme_disk.h"

#define PAGE        4096u
#define ADMIN_DEPTH 16u
#define IO_DEPTH    64u
#define SLOTS       32u
#define MAX_PAGES   32u
#define STALL_US    20u
/* Polls of STALL_US each: 40 ms, so that a reset stays below the 100 ms that stalls may add up to. */
#define POLLS       2000u
#define TIMER_US    50000u

/* Pages of the uncached extension. */
enum { PageAdminSq, PageAdminCq, PageIoSq, PageIoCq, PageIdentify, PageLists, Pages = PageLists + SLOTS };

typedef struct _QUEUE {
    NVME_COMMAND *Commands;
    volatile NVME_COMPLETION *Completions;
    ULONG Depth;
    ULONG Tail;
    ULONG Head;
    USHORT Phase;
    ULONG Id;
} QUEUE;

typedef struct _SLOT {
    PSCSI_REQUEST_BLOCK Srb;
    USHORT Generation;
} SLOT;

typedef struct _ADAPTER {
    PUCHAR Registers;
    ULONG Stride;
    PUCHAR Shared;
    ULONG64 SharedPhysical;
    QUEUE Admin;
    QUEUE Io;
    SLOT Slots[SLOTS];
    BOOLEAN Ready;
    volatile LONG Stopped;
    DISK Disk;
} ADAPTER;

/* Storport leaves garbage in it: nothing is read before it is written. */
typedef struct _UNIT {
    ULONG Signature;
    ULONG Commands;
} UNIT;

#define UNIT_SIGNATURE 0x54494e55u

static ULONG Read32(ADAPTER *A, ULONG Offset) { return StorPortReadRegisterUlong(A, (PULONG)(A->Registers + Offset)); }
static VOID Write32(ADAPTER *A, ULONG Offset, ULONG Value)
{
    StorPortWriteRegisterUlong(A, (PULONG)(A->Registers + Offset), Value);
}
static VOID Write64(ADAPTER *A, ULONG Offset, ULONG64 Value)
{
    Write32(A, Offset, (ULONG)Value);
    Write32(A, Offset + 4, (ULONG)(Value >> 32));
}
static PUCHAR SharedPage(ADAPTER *A, ULONG Page) { return A->Shared + Page * PAGE; }
static ULONG64 SharedPhysical(ADAPTER *A, ULONG Page) { return A->SharedPhysical + Page * PAGE; }

static VOID Fill(VOID *To, UCHAR Byte, ULONG Length)
{
    PUCHAR Bytes = (PUCHAR)To;
    while (Length--)
        *Bytes++ = Byte;
}

/* Queues. */

static VOID InitQueue(ADAPTER *A, QUEUE *Q, ULONG Id, ULONG Depth, ULONG FirstPage)
{
    Fill(SharedPage(A, FirstPage), 0, 2 * PAGE);
    Q->Commands = (NVME_COMMAND *)SharedPage(A, FirstPage);
    Q->Completions = (volatile NVME_COMPLETION *)SharedPage(A, FirstPage + 1);
    Q->Depth = Depth;
    Q->Tail = Q->Head = 0;
    Q->Phase = 1;
    Q->Id = Id;
}

static VOID Submit(ADAPTER *A, QUEUE *Q, const NVME_COMMAND *Command)
{
    Q->Commands[Q->Tail] = *Command;
    Q->Tail = (Q->Tail + 1) % Q->Depth;
    __builtin_ia32_sfence();
    Write32(A, NVME_DOORBELLS + 2 * Q->Id * A->Stride, Q->Tail);
}

/* Takes the next completion, if there is one. */
static BOOLEAN Next(QUEUE *Q, NVME_COMPLETION *Taken)
{
    volatile NVME_COMPLETION *Entry = &Q->Completions[Q->Head];
    USHORT Status = Entry->Status;
    if ((Status & 1) != Q->Phase)
        return FALSE;
    Taken->CommandId = Entry->CommandId;
    Taken->Result = Entry->Result;
    Taken->Status = Status;
    if (++Q->Head == Q->Depth) {
        Q->Head = 0;
        Q->Phase ^= 1;
    }
    return TRUE;
}

static VOID RingHead(ADAPTER *A, QUEUE *Q) { Write32(A, NVME_DOORBELLS + (2 * Q->Id + 1) * A->Stride, Q->Head); }

/* Issues an administrative command and waits for it. */
static BOOLEAN Admin(ADAPTER *A, NVME_COMMAND *Command)
{
    NVME_COMPLETION Done;
    ULONG Poll;
    Submit(A, &A->Admin, Command);
    for (Poll = 0; Poll < POLLS; Poll++) {
        if (Next(&A->Admin, &Done)) {
            RingHead(A, &A->Admin);
            return (Done.Status >> 1) == 0;
        }
        StorPortStallExecution(STALL_US);
    }
    return FALSE;
}

/* The control path. The line is masked throughout: the administrative queue is polled. */

static BOOLEAN WaitReady(ADAPTER *A, ULONG Wanted)
{
    ULONG Poll;
    for (Poll = 0; Poll < POLLS; Poll++) {
        ULONG Status = Read32(A, NVME_CSTS);
        if (Status == ~0u)
            return FALSE;
        if ((Status & NVME_CSTS_RDY) == Wanted)
            return TRUE;
        StorPortStallExecution(STALL_US);
    }
    return FALSE;
}

static BOOLEAN Disable(ADAPTER *A)
{
    Write32(A, NVME_INTMS, ~0u);
    Write32(A, NVME_CC, Read32(A, NVME_CC) & ~NVME_CC_EN);
    return WaitReady(A, 0);
}

static BOOLEAN Enable(ADAPTER *A)
{
    InitQueue(A, &A->Admin, 0, ADMIN_DEPTH, PageAdminSq);
    InitQueue(A, &A->Io, 1, IO_DEPTH, PageIoSq);
    Write32(A, NVME_AQA, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1));
    Write64(A, NVME_ASQ, SharedPhysical(A, PageAdminSq));
    Write64(A, NVME_ACQ, SharedPhysical(A, PageAdminCq));
    Write32(A, NVME_CC, NVME_CC_IOCQES_16 | NVME_CC_IOSQES_64 | NVME_CC_EN);
    return WaitReady(A, NVME_CSTS_RDY);
}

static BOOLEAN Identify(ADAPTER *A, ULONG Kind, ULONG Namespace)
{
    NVME_COMMAND Command = {0};
    Fill(SharedPage(A, PageIdentify), 0, PAGE);
    Command.Opcode = NVME_ADMIN_IDENTIFY;
    Command.Namespace = Namespace;
    Command.Prp1 = SharedPhysical(A, PageIdentify);
    Command.Dword10 = Kind;
    return Admin(A, &Command);
}

static BOOLEAN CreateQueues(ADAPTER *A)
{
    NVME_COMMAND Command = {0};
    Command.Opcode = NVME_ADMIN_CREATE_CQ;
    Command.Prp1 = SharedPhysical(A, PageIoCq);
    Command.Dword10 = (IO_DEPTH - 1) << 16 | 1;
    Command.Dword11 = NVME_CQ_INTERRUPTS | NVME_QUEUE_CONTIGUOUS;
    if (!Admin(A, &Command))
        return FALSE;
    Command.Opcode = NVME_ADMIN_CREATE_SQ;
    Command.Prp1 = SharedPhysical(A, PageIoSq);
    Command.Dword11 = 1 << 16 | NVME_QUEUE_CONTIGUOUS;
    return Admin(A, &Command);
}

static BOOLEAN BringUp(ADAPTER *A)
{
    A->Ready = Disable(A) && Enable(A) && CreateQueues(A);
    if (A->Ready)
        Write32(A, NVME_INTMC, ~0u);
    return A->Ready;
}

/* Requests. */

static VOID Finish(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb, UCHAR SrbStatus)
{
    Srb->SrbStatus = SrbStatus;
    StorPortNotification(RequestComplete, A, Srb);
}

static VOID CompleteAll(ADAPTER *A, UCHAR SrbStatus)
{
    ULONG Index;
    for (Index = 0; Index < SLOTS; Index++) {
        PSCSI_REQUEST_BLOCK Srb = A->Slots[Index].Srb;
        if (Srb) {
            A->Slots[Index].Srb = NULL;
            Srb->DataTransferLength = 0;
            Finish(A, Srb, SrbStatus);
        }
    }
}

/* Nothing of the device's is in flight once CSTS.RDY is 0, or once it is gone; TRUE if the requests are back then. */
static BOOLEAN End(ADAPTER *A)
{
    A->Ready = FALSE;
    if (!Disable(A) && Read32(A, NVME_CSTS) != ~0u)
        return FALSE;
    CompleteAll(A, SRB_STATUS_NO_HBA);
    return TRUE;
}

/* Without a proof that the device is quiet the requests stay its own, and the reset has failed. */
static BOOLEAN Reset(ADAPTER *A)
{
    A->Ready = FALSE;
    if (!Disable(A))
        return End(A);
    CompleteAll(A, SRB_STATUS_BUS_RESET);
    A->Ready = Enable(A) && CreateQueues(A);
    if (A->Ready)
        Write32(A, NVME_INTMC, ~0u);
    return TRUE;
}

/*
 * PRP entries for a scatter list. Elements may meet in the middle of a page; an element that begins there without continuing the one before
 * cannot be told to the device. NumberOfPhysicalBreaks and AlignmentMask keep such lists away.
 */
static BOOLEAN BuildPrps(ADAPTER *A, ULONG Slot, PSCSI_REQUEST_BLOCK Srb, NVME_COMMAND *Command)
{
    PSTOR_SCATTER_GATHER_LIST List = StorPortGetScatterGatherList(A, Srb);
    ULONG64 *Entries = (ULONG64 *)SharedPage(A, PageLists + Slot);
    ULONG64 End = 0;
    ULONG Count = 0, Index;
    if (!List)
        return FALSE;
    for (Index = 0; Index < List->NumberOfElements; Index++) {
        ULONG64 Address = StorPortConvertPhysicalAddressToUlong64(List->List[Index].PhysicalAddress);
        ULONG Left = List->List[Index].Length;
        while (Left) {
            ULONG Chunk = PAGE - (ULONG)(Address & (PAGE - 1));
            if (Chunk > Left)
                Chunk = Left;
            if (Count && (End & (PAGE - 1))) {
                if (Address != End)
                    return FALSE;
            } else if (Count && (Address & (PAGE - 1))) {
                return FALSE;
            } else {
                if (Count == 0)
                    Command->Prp1 = Address;
                else if (Count <= MAX_PAGES)
                    Entries[Count - 1] = Address;
                else
                    return FALSE;
                Count++;
            }
            Address += Chunk;
            End = Address;
            Left -= Chunk;
        }
    }
    if (Count == 2)
        Command->Prp2 = Entries[0];
    else if (Count > 2)
        Command->Prp2 = SharedPhysical(A, PageLists + Slot);
    return Count != 0;
}

/* Gives a command to the device, or the request back as busy. */
static VOID Issue(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb, NVME_COMMAND *Command, BOOLEAN Data)
{
    ULONG Index;
    for (Index = 0; Index < SLOTS && A->Slots[Index].Srb; Index++)
        ;
    if (Index == SLOTS) {
        Finish(A, Srb, SRB_STATUS_BUSY);
        return;
    }
    if (Data && !BuildPrps(A, Index, Srb, Command)) {
        Srb->DataTransferLength = 0;
        Finish(A, Srb, SRB_STATUS_INVALID_REQUEST);
        return;
    }
    A->Slots[Index].Srb = Srb;
    A->Slots[Index].Generation++;
    Command->CommandId = (USHORT)(A->Slots[Index].Generation << 5 | Index);
    Command->Namespace = 1;
    Submit(A, &A->Io, Command);
}

static VOID Flush(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb)
{
    NVME_COMMAND Command = {0};
    Command.Opcode = NVME_IO_FLUSH;
    Issue(A, Srb, &Command, FALSE);
}

static VOID ReadWrite(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb)
{
    NVME_COMMAND Command = {0};
    TRANSFER Transfer;
    if (!DiskTransfer(&A->Disk, Srb, &Transfer)) {
        Finish(A, Srb, Srb->SrbStatus);
        return;
    }
    if (Transfer.Blocks == 0) {
        Srb->DataTransferLength = 0;
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return;
    }
    Command.Opcode = Transfer.Write ? NVME_IO_WRITE : NVME_IO_READ;
    Command.Dword10 = (ULONG)Transfer.Lba;
    Command.Dword11 = (ULONG)(Transfer.Lba >> 32);
    Command.Dword12 = (Transfer.Blocks - 1) | (Transfer.Fua ? 1u << 30 : 0);
    Issue(A, Srb, &Command, TRUE);
}

static VOID Execute(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb)
{
    UNIT *Unit;
    if (Srb->PathId || Srb->TargetId || Srb->Lun) {
        Srb->DataTransferLength = 0;
        Finish(A, Srb, SRB_STATUS_NO_DEVICE);
        return;
    }
    Unit = StorPortGetLogicalUnit(A, Srb->PathId, Srb->TargetId, Srb->Lun);
    if (Unit) {
        if (Unit->Signature != UNIT_SIGNATURE) {
            Unit->Signature = UNIT_SIGNATURE;
            Unit->Commands = 0;
        }
        Unit->Commands++;
    }
    switch (DiskCommand(&A->Disk, Srb)) {
    case DiskReadWrite:
        ReadWrite(A, Srb);
        break;
    case DiskFlush:
        Flush(A, Srb);
        break;
    default:
        if (Srb->Cdb[0] == SCSI_INQUIRY)
            StorPortSetDeviceQueueDepth(A, Srb->PathId, Srb->TargetId, Srb->Lun, SLOTS);
        Finish(A, Srb, Srb->SrbStatus);
    }
}

/* Callbacks. */

static BOOLEAN HwStartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    ADAPTER *A = Extension;
    PSCSI_PNP_REQUEST_BLOCK Pnp = (PSCSI_PNP_REQUEST_BLOCK)Srb;
    switch (Srb->Function) {
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_RESET_DEVICE:
    case SRB_FUNCTION_RESET_BUS:
        Finish(A, Srb, Reset(A) ? SRB_STATUS_SUCCESS : SRB_STATUS_ERROR);
        return TRUE;
    case SRB_FUNCTION_PNP:
        if ((Pnp->SrbPnPFlags & SRB_PNP_FLAGS_ADAPTER_REQUEST) &&
            (Pnp->PnPAction == StorRemoveDevice || Pnp->PnPAction == StorSurpriseRemoval)) {
            A->Stopped = TRUE;
            StorPortNotification(RequestTimerCall, A, NULL, 0);
            End(A);
        }
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return TRUE;
    case SRB_FUNCTION_POWER:
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return TRUE;
    case SRB_FUNCTION_EXECUTE_SCSI:
    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        break;
    default:
        Finish(A, Srb, SRB_STATUS_INVALID_REQUEST);
        return TRUE;
    }
    if (!A->Ready)
        Finish(A, Srb, SRB_STATUS_NO_HBA);
    else if (Srb->Function == SRB_FUNCTION_EXECUTE_SCSI)
        Execute(A, Srb);
    else
        Flush(A, Srb);
    return TRUE;
}

static BOOLEAN HwInterrupt(PVOID Extension)
{
    ADAPTER *A = Extension;
    NVME_COMPLETION Done;
    ULONG Count = 0;
    if (!A->Ready)
        return FALSE;
    /* No more than the queue holds: the rest interrupts again. */
    while (Count < IO_DEPTH && Next(&A->Io, &Done)) {
        SLOT *Slot = &A->Slots[Done.CommandId % SLOTS];
        PSCSI_REQUEST_BLOCK Srb = Slot->Srb;
        Count++;
        if (!Srb || (USHORT)(Slot->Generation << 5 | Done.CommandId % SLOTS) != Done.CommandId) {
            StorPortLogError(A, NULL, 0, 0, 0, SP_PROTOCOL_ERROR, Done.CommandId);
            continue;
        }
        Slot->Srb = NULL;
        Finish(A, Srb, DiskStatus(Srb, Done.Status >> 1));
    }
    if (!Count)
        return FALSE;
    RingHead(A, &A->Io);
    return TRUE;
}

static BOOLEAN HwResetBus(PVOID Extension, ULONG PathId)
{
    UNREFERENCED_PARAMETER(PathId);
    return Reset(Extension);
}

/* The only recovery that needs no request: a controller that has given up. */
static VOID HwTimer(PVOID Extension)
{
    ADAPTER *A = Extension;
    ULONG Status = Read32(A, NVME_CSTS);
    if (A->Ready && Status != ~0u && (Status & NVME_CSTS_CFS)) {
        StorPortNotification(ResetDetected, A, (ULONG)0);
        Reset(A);
    }
    StorPortNotification(RequestTimerCall, A, HwTimer, TIMER_US);
    MemoryBarrier();
    /* Stop may have asked in between; whoever comes last cancels. */
    if (A->Stopped)
        StorPortNotification(RequestTimerCall, A, NULL, 0);
}

static BOOLEAN HwInitialize(PVOID Extension)
{
    ADAPTER *A = Extension;
    A->Stopped = FALSE;
    if (!BringUp(A))
        return FALSE;
    StorPortNotification(RequestTimerCall, A, HwTimer, TIMER_US);
    return TRUE;
}

static ULONG HwFindAdapter(PVOID Extension, PVOID Context, PVOID BusInformation, PCHAR Arguments,
    PPORT_CONFIGURATION_INFORMATION Config, PBOOLEAN Again)
{
    ADAPTER *A = Extension;
    ACCESS_RANGE *Range = &(*Config->AccessRanges)[0];
    PUCHAR Shared;
    ULONG Length, Capabilities[2], Index;
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(BusInformation);
    UNREFERENCED_PARAMETER(Arguments);
    *Again = FALSE;
    if (Config->DumpMode || Config->NumberOfAccessRanges < 1 || !Range->RangeInMemory)
        return SP_RETURN_NOT_FOUND;

    /* It may be called again for an adapter that it has seen: everything is set anew, and nothing of before is used. */
    Fill(A, 0, sizeof *A);
    A->Registers = StorPortGetDeviceBase(A, Config->AdapterInterfaceType, Config->SystemIoBusNumber, Range->RangeStart,
        Range->RangeLength, !Range->RangeInMemory);
    if (!A->Registers)
        return SP_RETURN_ERROR;
    StorPortReadRegisterBufferUlong(A, (PULONG)(A->Registers + NVME_CAP), Capabilities, 2);
    A->Stride = 4u << (Capabilities[1] & 0xF);

    Config->SrbExtensionSize = 0;
    Config->SpecificLuExtensionSize = sizeof(UNIT);
    Shared = StorPortGetUncachedExtension(A, Config, (Pages + 1) * PAGE);
    if (!Shared)
        return SP_RETURN_ERROR;
    A->Shared = (PUCHAR)(((ULONG_PTR)Shared + PAGE - 1) & ~(ULONG_PTR)(PAGE - 1));
    A->SharedPhysical =
        StorPortConvertPhysicalAddressToUlong64(StorPortGetPhysicalAddress(A, NULL, A->Shared, &Length));
    if (Length < Pages * PAGE)
        return SP_RETURN_ERROR;

    if (!Disable(A) || !Enable(A) || !Identify(A, NVME_IDENTIFY_CONTROLLER, 0))
        return SP_RETURN_ERROR;
    DiskIdentity(&A->Disk, SharedPage(A, PageIdentify));
    if (!Identify(A, NVME_IDENTIFY_NAMESPACE, 1) || !DiskGeometry(&A->Disk, SharedPage(A, PageIdentify)))
        return SP_RETURN_ERROR;
    for (Index = 0; Index < SLOTS; Index++)
        A->Slots[Index].Generation = 0;

    Config->MaximumTransferLength = MAX_PAGES * PAGE;
    if (A->Disk.MaximumPages && A->Disk.MaximumPages < MAX_PAGES)
        Config->MaximumTransferLength = A->Disk.MaximumPages * PAGE;
    /* A transfer that begins within a page ends in one more. */
    Config->NumberOfPhysicalBreaks = Config->MaximumTransferLength / PAGE + 1;
    Config->AlignmentMask = 3;
    Config->NumberOfBuses = 1;
    Config->MaximumNumberOfTargets = 1;
    Config->MaximumNumberOfLogicalUnits = 1;
    Config->ScatterGather = TRUE;
    Config->Master = TRUE;
    Config->CachesData = A->Disk.Cache;
    Config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED;
    Config->ResetTargetSupported = TRUE;
    Config->MaxNumberOfIO = SLOTS;
    Config->MaxIOsPerLun = SLOTS;
    Config->SynchronizationModel = StorSynchronizeHalfDuplex;
    return SP_RETURN_FOUND;
}

static SCSI_ADAPTER_CONTROL_STATUS HwAdapterControl(PVOID Extension, SCSI_ADAPTER_CONTROL_TYPE Type, PVOID Parameters)
{
    ADAPTER *A = Extension;
    PSCSI_SUPPORTED_CONTROL_TYPE_LIST List = Parameters;
    ULONG Index;
    switch (Type) {
    case ScsiQuerySupportedControlTypes:
        for (Index = 0; Index < List->MaxControlType; Index++)
            List->SupportedTypeList[Index] = Index == ScsiQuerySupportedControlTypes || Index == ScsiStopAdapter ||
                Index == ScsiRestartAdapter;
        return ScsiAdapterControlSuccess;
    case ScsiStopAdapter:
        A->Stopped = TRUE;
        MemoryBarrier();
        StorPortNotification(RequestTimerCall, A, NULL, 0);
        A->Ready = FALSE;
        /* Whether the device answers or not: it is stopped as far as it can be. */
        Disable(A);
        return ScsiAdapterControlSuccess;
    case ScsiRestartAdapter:
        return HwInitialize(A) ? ScsiAdapterControlSuccess : ScsiAdapterControlUnsuccessful;
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
    Data.HwInterrupt = HwInterrupt;
    Data.HwFindAdapter = HwFindAdapter;
    Data.HwResetBus = HwResetBus;
    Data.HwAdapterControl = HwAdapterControl;
    Data.DeviceExtensionSize = sizeof(ADAPTER);
    Data.SpecificLuExtensionSize = sizeof(UNIT);
    Data.NumberOfAccessRanges = 2;
    Data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    Data.NeedPhysicalAddresses = TRUE;
    Data.TaggedQueuing = TRUE;
    Data.AutoRequestSense = TRUE;
    Data.MultipleRequestPerLu = TRUE;
    Data.SrbTypeFlags = SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK;
    return StorPortInitialize(DriverObject, RegistryPath, &Data, NULL);
}
