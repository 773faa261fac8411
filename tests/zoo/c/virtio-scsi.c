/*
 * A virtio SCSI host in the manner of the paravirtual drivers: request queues with an interrupt message and a DPC each, concurrent channels,
 * HwStorBuildIo that prepares all of a request in its extension (StorPortGetScatterGatherList, StorPortGetPhysicalAddress), CDBs that
 * pass through, message locks around the rings.
 *
 * What a queue's ring and slots guard is the lock of the queue's message. A reset takes the locks of all queues in their order, resets the
 * device, gives every request back and sets the device up anew.
 *
 * Sources: VIRTIO 1.1, 2.6 (split rings), 4.1 (PCI), 5.6 (SCSI host); Microsoft Learn, storport.h.
 *
 * zoo: rule=none device=qemu:virtio-scsi,size=4M engine=parallel
 */
#include <ntddk.h>
#include <storport.h>
#include <srbhelper.h>

#define QUEUES       8u
#define DEPTH        64u
#define FIRST_QUEUE  2u
#define MAX_TRANSFER (128u * 1024u)
#define ELEMENTS     (MAX_TRANSFER / 4096u + 2u)
#define SENSE        96u
#define SCSI_GOOD    0x00
#define SCSI_INQUIRY 0x12
#define SCSI_MODE_SENSE_6  0x1A
#define SCSI_MODE_SENSE_10 0x5A
#define RING_PAGE    4096u
#define STALL_US     20u
#define POLLS        1000u
#define NO_VECTOR    0xFFFFu

/* Capabilities of vendor's, by what they describe. */
enum { CfgCommon = 1, CfgNotify = 2, CfgDevice = 4 };

/* The common configuration. */
#define COMMON_DEVICE_SELECT 0x00
#define COMMON_DEVICE        0x04
#define COMMON_DRIVER_SELECT 0x08
#define COMMON_DRIVER        0x0C
#define COMMON_STATUS        0x14
#define COMMON_QUEUE_SELECT  0x16
#define COMMON_QUEUE_SIZE    0x18
#define COMMON_QUEUE_VECTOR  0x1A
#define COMMON_QUEUE_ENABLE  0x1C
#define COMMON_QUEUE_NOTIFY  0x1E
#define COMMON_QUEUE_DESC    0x20
#define COMMON_QUEUE_DRIVER  0x28
#define COMMON_QUEUE_DEVICE  0x30

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define FEATURE_INDIRECT   (1u << 28)
#define FEATURE_VERSION_1  (1u << 0) /* of the second word */

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

enum { ResponseOk, ResponseOverrun, ResponseAborted, ResponseBadTarget, ResponseReset, ResponseBusy };

typedef struct _DESC {
    ULONG64 Address;
    ULONG Length;
    USHORT Flags;
    USHORT Next;
} DESC;

/* In a page: descriptors, then what the driver offers, then what the device has used. */
typedef struct _RING {
    DESC Desc[DEPTH];
    volatile USHORT AvailableFlags;
    volatile USHORT AvailableIndex;
    volatile USHORT Available[DEPTH + 1];
    UCHAR Gap[2048 - DEPTH * sizeof(DESC) - 6 - 2 * DEPTH];
    volatile USHORT UsedFlags;
    volatile USHORT UsedIndex;
    struct {
        volatile ULONG Id;
        volatile ULONG Length;
    } Used[DEPTH];
} RING;
C_ASSERT(FIELD_OFFSET(RING, UsedFlags) == 2048 && sizeof(RING) <= RING_PAGE);

#pragma pack(push, 1)
typedef struct _REQUEST {
    UCHAR Lun[8];
    ULONG64 Id;
    UCHAR Attribute;
    UCHAR Priority;
    UCHAR Crn;
    UCHAR Cdb[32];
} REQUEST;
typedef struct _RESPONSE {
    ULONG SenseLength;
    ULONG Residual;
    USHORT Qualifier;
    UCHAR Status;
    UCHAR Response;
    UCHAR Sense[SENSE];
} RESPONSE;
#pragma pack(pop)
C_ASSERT(sizeof(REQUEST) == 51 && sizeof(RESPONSE) == 108);

/* A request's extension: garbage until HwStorBuildIo. */
typedef struct _EXTENSION {
    DESC Table[2 + ELEMENTS];
    REQUEST Request;
    RESPONSE Response;
    ULONG64 TablePhysical;
    ULONG Entries;
} EXTENSION;

typedef struct _QUEUE {
    RING *Ring;
    ULONG64 RingPhysical;
    PUSHORT Notify;
    USHORT Taken;
    PVOID Srbs[DEPTH];
    STOR_DPC Dpc;
} QUEUE;

typedef struct _ADAPTER {
    PUCHAR Common;
    PUCHAR Notify;
    PUCHAR Device;
    ULONG NotifyMultiplier;
    ULONG QueueCount;
    ULONG Channels;
    volatile LONG Running;
    volatile LONG Gone;
    QUEUE Queues[QUEUES];
} ADAPTER;

static UCHAR Read8(ADAPTER *A, ULONG Offset) { return StorPortReadRegisterUchar(A, A->Common + Offset); }
static USHORT Read16(ADAPTER *A, ULONG Offset) { return StorPortReadRegisterUshort(A, (PUSHORT)(A->Common + Offset)); }
static ULONG Read32(ADAPTER *A, ULONG Offset) { return StorPortReadRegisterUlong(A, (PULONG)(A->Common + Offset)); }
static VOID Write8(ADAPTER *A, ULONG Offset, UCHAR Value) { StorPortWriteRegisterUchar(A, A->Common + Offset, Value); }
static VOID Write16(ADAPTER *A, ULONG Offset, USHORT Value)
{
    StorPortWriteRegisterUshort(A, (PUSHORT)(A->Common + Offset), Value);
}
static VOID Write32(ADAPTER *A, ULONG Offset, ULONG Value)
{
    StorPortWriteRegisterUlong(A, (PULONG)(A->Common + Offset), Value);
}
static VOID Write64(ADAPTER *A, ULONG Offset, ULONG64 Value)
{
    Write32(A, Offset, (ULONG)Value);
    Write32(A, Offset + 4, (ULONG)(Value >> 32));
}
static VOID Fill(VOID *To, ULONG Length)
{
    volatile UCHAR *Bytes = (volatile UCHAR *)To;
    while (Length--)
        *Bytes++ = 0;
}

/* The message of a queue: the first is for changes of the configuration. */
static ULONG MessageOf(ULONG Queue) { return Queue + 1; }

/* The control path. */

/* TRUE once the device touches no memory any more: its status reads as zero, or nobody is there. */
static BOOLEAN Silence(ADAPTER *A)
{
    ULONG Poll;
    A->Running = FALSE;
    Write8(A, COMMON_STATUS, 0);
    for (Poll = 0; Poll < POLLS; Poll++) {
        UCHAR Status = Read8(A, COMMON_STATUS);
        if (Status == 0xFF)
            A->Gone = TRUE;
        if (Status == 0 || Status == 0xFF)
            return TRUE;
        StorPortStallExecution(STALL_US);
    }
    return FALSE;
}

static BOOLEAN SetUpQueue(ADAPTER *A, ULONG Index)
{
    QUEUE *Q = &A->Queues[Index];
    Fill(Q->Ring, sizeof *Q->Ring);
    Q->Taken = 0;
    Write16(A, COMMON_QUEUE_SELECT, (USHORT)(FIRST_QUEUE + Index));
    if (Read16(A, COMMON_QUEUE_SIZE) < DEPTH)
        return FALSE;
    Write16(A, COMMON_QUEUE_SIZE, DEPTH);
    Write16(A, COMMON_QUEUE_VECTOR, (USHORT)MessageOf(Index));
    if (Read16(A, COMMON_QUEUE_VECTOR) == NO_VECTOR)
        return FALSE;
    Write64(A, COMMON_QUEUE_DESC, Q->RingPhysical);
    Write64(A, COMMON_QUEUE_DRIVER, Q->RingPhysical + FIELD_OFFSET(RING, AvailableFlags));
    Write64(A, COMMON_QUEUE_DEVICE, Q->RingPhysical + FIELD_OFFSET(RING, UsedFlags));
    Q->Notify = (PUSHORT)(A->Notify + Read16(A, COMMON_QUEUE_NOTIFY) * A->NotifyMultiplier);
    Write16(A, COMMON_QUEUE_ENABLE, 1);
    return TRUE;
}

static BOOLEAN SetUp(ADAPTER *A)
{
    ULONG Index;
    if (!Silence(A) || A->Gone)
        return FALSE;
    Write8(A, COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    Write32(A, COMMON_DEVICE_SELECT, 0);
    if (!(Read32(A, COMMON_DEVICE) & FEATURE_INDIRECT))
        return FALSE;
    Write32(A, COMMON_DEVICE_SELECT, 1);
    if (!(Read32(A, COMMON_DEVICE) & FEATURE_VERSION_1))
        return FALSE;
    Write32(A, COMMON_DRIVER_SELECT, 0);
    Write32(A, COMMON_DRIVER, FEATURE_INDIRECT);
    Write32(A, COMMON_DRIVER_SELECT, 1);
    Write32(A, COMMON_DRIVER, FEATURE_VERSION_1);
    Write8(A, COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if (!(Read8(A, COMMON_STATUS) & STATUS_FEATURES_OK))
        return FALSE;
    for (Index = 0; Index < A->QueueCount; Index++) {
        if (!SetUpQueue(A, Index))
            return FALSE;
    }
    Write8(A, COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    A->Running = TRUE;
    return TRUE;
}

/* Requests. */

static VOID Finish(ADAPTER *A, PVOID Srb, UCHAR SrbStatus)
{
    SrbSetSrbStatus(Srb, SrbStatus);
    StorPortNotification(RequestComplete, A, Srb);
}

static VOID FinishEmpty(ADAPTER *A, PVOID Srb, UCHAR SrbStatus)
{
    SrbSetDataTransferLength(Srb, 0);
    Finish(A, Srb, SrbStatus);
}

/* QEMU's disks fill their answers up to what was allocated; what an answer says of its own length is what came back. */
static ULONG Trim(PVOID Srb, ULONG Length)
{
    const UCHAR *Cdb = SrbGetCdb(Srb), *Data = SrbGetDataBuffer(Srb);
    ULONG Said = Length;
    if (!Data || Length < 5)
        return Length;
    if (Cdb[0] == SCSI_INQUIRY && (Cdb[1] & 1))
        Said = 4 + (ULONG)(Data[2] << 8 | Data[3]);
    else if (Cdb[0] == SCSI_INQUIRY)
        Said = 5 + (ULONG)Data[4];
    else if (Cdb[0] == SCSI_MODE_SENSE_6)
        Said = 1 + (ULONG)Data[0];
    else if (Cdb[0] == SCSI_MODE_SENSE_10)
        Said = 2 + (ULONG)(Data[0] << 8 | Data[1]);
    return Said < Length ? Said : Length;
}

/* What the device answered; it is not believed further than the buffers reach. */
static VOID Answer(ADAPTER *A, PVOID Srb)
{
    EXTENSION *X = SrbGetMiniportContext(Srb);
    RESPONSE *R = &X->Response;
    ULONG Asked = SrbGetDataTransferLength(Srb), Residual = R->Residual;
    PVOID Buffer = SrbGetSenseInfoBuffer(Srb);
    UCHAR Room = SrbGetSenseInfoBufferLength(Srb);
    ULONG Length = R->SenseLength;
    switch (R->Response) {
    case ResponseOk:
        break;
    case ResponseOverrun:
        Finish(A, Srb, SRB_STATUS_DATA_OVERRUN);
        return;
    case ResponseBadTarget:
        FinishEmpty(A, Srb, SRB_STATUS_NO_DEVICE);
        return;
    case ResponseAborted:
        FinishEmpty(A, Srb, SRB_STATUS_ABORTED);
        return;
    case ResponseReset:
        FinishEmpty(A, Srb, SRB_STATUS_BUS_RESET);
        return;
    default:
        FinishEmpty(A, Srb, SRB_STATUS_ERROR);
        return;
    }
    SrbSetDataTransferLength(Srb, Residual < Asked ? Asked - Residual : 0);
    SrbSetScsiStatus(Srb, R->Status);
    if (R->Status == SCSI_GOOD) {
        SrbSetDataTransferLength(Srb, Trim(Srb, SrbGetDataTransferLength(Srb)));
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return;
    }
    if (Length > SENSE)
        Length = SENSE;
    if (Length > Room)
        Length = Room;
    if (!Buffer || !Length || (SrbGetSrbFlags(Srb) & SRB_FLAGS_DISABLE_AUTOSENSE)) {
        Finish(A, Srb, SRB_STATUS_ERROR);
        return;
    }
    StorPortCopyMemory(Buffer, R->Sense, Length);
    SrbSetSenseInfoBufferLength(Srb, (UCHAR)Length);
    Finish(A, Srb, SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID);
}

static VOID Describe(EXTENSION *X, ULONG64 Address, ULONG Length, USHORT Flags)
{
    DESC *Desc = &X->Table[X->Entries];
    if (X->Entries)
        X->Table[X->Entries - 1].Flags |= DESC_NEXT;
    Desc->Address = Address;
    Desc->Length = Length;
    Desc->Flags = Flags;
    Desc->Next = (USHORT)(++X->Entries);
}

/* Everything of a request but its slot. Storport holds no lock: only the request and its extension are touched. */
static BOOLEAN HwBuildIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    ADAPTER *A = Extension;
    EXTENSION *X = SrbGetMiniportContext(Srb);
    PSTOR_SCATTER_GATHER_LIST List = NULL;
    ULONG Length = 0, Index, CdbLength, Flags = SrbGetSrbFlags(Srb);
    ULONG64 Physical;
    UCHAR Path, Target, Lun;
    if (SrbGetSrbFunction(Srb) != SRB_FUNCTION_EXECUTE_SCSI)
        return TRUE;
    SrbGetPathTargetLun(Srb, &Path, &Target, &Lun);
    CdbLength = SrbGetCdbLength(Srb);
    if (Path || Lun || CdbLength > sizeof X->Request.Cdb || !SrbGetCdb(Srb)) {
        FinishEmpty(A, Srb, Path || Lun ? SRB_STATUS_NO_DEVICE : SRB_STATUS_INVALID_REQUEST);
        return FALSE;
    }
    Physical = StorPortConvertPhysicalAddressToUlong64(StorPortGetPhysicalAddress(A, Srb, X, &Length));
    if (SrbGetDataTransferLength(Srb))
        List = StorPortGetScatterGatherList(A, Srb);
    if (Length < sizeof *X || (List && List->NumberOfElements > ELEMENTS)) {
        FinishEmpty(A, Srb, SRB_STATUS_INVALID_REQUEST);
        return FALSE;
    }
    Fill(X, sizeof *X);
    X->TablePhysical = Physical;
    X->Request.Lun[0] = 1;
    X->Request.Lun[1] = Target;
    X->Request.Lun[2] = 0x40;
    X->Request.Id = (ULONG_PTR)Srb;
    StorPortCopyMemory(X->Request.Cdb, SrbGetCdb(Srb), CdbLength);
    /* What the device reads comes first, then what it writes. */
    Describe(X, Physical + FIELD_OFFSET(EXTENSION, Request), sizeof X->Request, 0);
    for (Index = 0; List && (Flags & SRB_FLAGS_DATA_OUT) && Index < List->NumberOfElements; Index++)
        Describe(X, List->List[Index].PhysicalAddress.QuadPart, List->List[Index].Length, 0);
    Describe(X, Physical + FIELD_OFFSET(EXTENSION, Response), sizeof X->Response, DESC_WRITE);
    for (Index = 0; List && !(Flags & SRB_FLAGS_DATA_OUT) && Index < List->NumberOfElements; Index++)
        Describe(X, List->List[Index].PhysicalAddress.QuadPart, List->List[Index].Length, DESC_WRITE);
    return TRUE;
}

/* Offers a request to the device; FALSE if its queue is full or the device is not set up. */
static BOOLEAN Post(ADAPTER *A, ULONG Index, PVOID Srb)
{
    QUEUE *Q = &A->Queues[Index];
    EXTENSION *X = SrbGetMiniportContext(Srb);
    ULONG Slot = 0, OldIrql;
    BOOLEAN Posted = FALSE;
    StorPortAcquireMSISpinLock(A, MessageOf(Index), &OldIrql);
    while (Slot < DEPTH && Q->Srbs[Slot])
        Slot++;
    if (A->Running && Slot < DEPTH) {
        Q->Srbs[Slot] = Srb;
        Q->Ring->Desc[Slot].Address = X->TablePhysical;
        Q->Ring->Desc[Slot].Length = X->Entries * sizeof(DESC);
        Q->Ring->Desc[Slot].Flags = DESC_INDIRECT;
        Q->Ring->Available[Q->Ring->AvailableIndex % DEPTH] = (USHORT)Slot;
        __builtin_ia32_sfence();
        Q->Ring->AvailableIndex++;
        MemoryBarrier();
        StorPortWriteRegisterUshort(A, Q->Notify, (USHORT)(FIRST_QUEUE + Index));
        Posted = TRUE;
    }
    StorPortReleaseMSISpinLock(A, MessageOf(Index), OldIrql);
    return Posted;
}

/* Takes a request that the device has used, or any at all. */
static PVOID Take(ADAPTER *A, ULONG Index, BOOLEAN Any)
{
    QUEUE *Q = &A->Queues[Index];
    PVOID Srb = NULL;
    ULONG OldIrql, Slot;
    StorPortAcquireMSISpinLock(A, MessageOf(Index), &OldIrql);
    if (Any) {
        for (Slot = 0; Slot < DEPTH && !Srb; Slot++) {
            Srb = Q->Srbs[Slot];
            Q->Srbs[Slot] = NULL;
        }
    } else {
        while (!Srb && A->Running && Q->Taken != Q->Ring->UsedIndex) {
            Slot = Q->Ring->Used[Q->Taken++ % DEPTH].Id % DEPTH;
            Srb = Q->Srbs[Slot];
            Q->Srbs[Slot] = NULL;
        }
    }
    StorPortReleaseMSISpinLock(A, MessageOf(Index), OldIrql);
    return Srb;
}

static VOID HwDpc(PSTOR_DPC Dpc, PVOID Extension, PVOID First, PVOID Second)
{
    ADAPTER *A = Extension;
    ULONG Index, Budget;
    UNREFERENCED_PARAMETER(First);
    UNREFERENCED_PARAMETER(Second);
    for (Index = 0; Index < A->QueueCount; Index++) {
        if (Dpc != &A->Queues[Index].Dpc)
            continue;
        /* What comes in meanwhile interrupts again. */
        for (Budget = 0; Budget < 2 * DEPTH; Budget++) {
            PVOID Srb = Take(A, Index, FALSE);
            if (!Srb)
                return;
            Answer(A, Srb);
        }
        StorPortIssueDpc(A, Dpc, NULL, NULL);
    }
}

/* Gives all requests back: the device has none of them any more. */
static VOID CompleteAll(ADAPTER *A, UCHAR SrbStatus)
{
    ULONG Index;
    for (Index = 0; Index < A->QueueCount; Index++) {
        PVOID Srb;
        while ((Srb = Take(A, Index, TRUE)) != NULL)
            FinishEmpty(A, Srb, SrbStatus);
    }
}

/* TRUE once every request is back. Nobody posts while the locks of all queues are held. */
static BOOLEAN Reset(ADAPTER *A, BOOLEAN Again)
{
    ULONG OldIrql[QUEUES], Index;
    BOOLEAN Silent;
    for (Index = 0; Index < A->QueueCount; Index++)
        StorPortAcquireMSISpinLock(A, MessageOf(Index), &OldIrql[Index]);
    Silent = Silence(A);
    while (Index-- > 0)
        StorPortReleaseMSISpinLock(A, MessageOf(Index), OldIrql[Index]);
    if (!Silent)
        return FALSE;
    CompleteAll(A, Again && !A->Gone ? SRB_STATUS_BUS_RESET : SRB_STATUS_NO_HBA);
    if (Again && !A->Gone) {
        for (Index = 0; Index < A->QueueCount; Index++)
            StorPortAcquireMSISpinLock(A, MessageOf(Index), &OldIrql[Index]);
        SetUp(A);
        while (Index-- > 0)
            StorPortReleaseMSISpinLock(A, MessageOf(Index), OldIrql[Index]);
    }
    return TRUE;
}

static ULONG QueueOf(ADAPTER *A, PSCSI_REQUEST_BLOCK Srb)
{
    STARTIO_PERFORMANCE_PARAMETERS Parameters = {0};
    Parameters.Version = 1;
    Parameters.Size = sizeof Parameters;
    if (A->Channels > 1 && StorPortGetStartIoPerfParams(A, Srb, &Parameters) == STOR_STATUS_SUCCESS)
        return Parameters.ChannelNumber % A->QueueCount;
    return 0;
}

static BOOLEAN HwStartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    ADAPTER *A = Extension;
    SRBEX_DATA_PNP *Pnp;
    UCHAR Path, Target, Lun;
    switch (SrbGetSrbFunction(Srb)) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        SrbGetPathTargetLun(Srb, &Path, &Target, &Lun);
        if (A->Gone)
            FinishEmpty(A, Srb, SRB_STATUS_NO_HBA);
        else if (!Post(A, QueueOf(A, Srb), Srb))
            Finish(A, Srb, SRB_STATUS_BUSY);
        return TRUE;
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_RESET_DEVICE:
    case SRB_FUNCTION_RESET_BUS:
        Finish(A, Srb, Reset(A, TRUE) ? SRB_STATUS_SUCCESS : SRB_STATUS_ERROR);
        return TRUE;
    case SRB_FUNCTION_PNP:
        Pnp = (SRBEX_DATA_PNP *)SrbGetSrbExDataByType((PSTORAGE_REQUEST_BLOCK)Srb, SrbExDataTypePnP);
        if (Pnp && (Pnp->SrbPnPFlags & SRB_PNP_FLAGS_ADAPTER_REQUEST) &&
            (Pnp->PnPAction == StorRemoveDevice || Pnp->PnPAction == StorSurpriseRemoval)) {
            Reset(A, FALSE);
            A->Gone = TRUE;
        }
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return TRUE;
    case SRB_FUNCTION_POWER:
    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        Finish(A, Srb, SRB_STATUS_SUCCESS);
        return TRUE;
    default:
        Finish(A, Srb, SRB_STATUS_INVALID_REQUEST);
        return TRUE;
    }
}

static BOOLEAN HwMessage(PVOID Extension, ULONG Message)
{
    ADAPTER *A = Extension;
    if (Message && Message <= A->QueueCount)
        StorPortIssueDpc(A, &A->Queues[Message - 1].Dpc, NULL, NULL);
    return TRUE;
}

static BOOLEAN HwResetBus(PVOID Extension, ULONG PathId)
{
    UNREFERENCED_PARAMETER(PathId);
    return Reset(Extension, TRUE);
}

static BOOLEAN HwPassiveInitialize(PVOID Extension)
{
    ADAPTER *A = Extension;
    ULONG Index;
    for (Index = 0; Index < A->QueueCount; Index++)
        StorPortInitializeDpc(A, &A->Queues[Index].Dpc, HwDpc);
    return SetUp(A);
}

static BOOLEAN HwInitialize(PVOID Extension)
{
    ADAPTER *A = Extension;
    PERF_CONFIGURATION_DATA Data = {0};
    MESSAGE_INTERRUPT_INFORMATION Information;
    ULONG Messages = 0;
    while (Messages <= QUEUES && StorPortGetMSIInfo(A, Messages, &Information) == STOR_STATUS_SUCCESS)
        Messages++;
    if (Messages < 2)
        return FALSE;
    if (A->QueueCount > Messages - 1)
        A->QueueCount = Messages - 1;
    A->Channels = 1;
    Data.Version = STOR_PERF_VERSION;
    Data.Size = sizeof Data;
    if (StorPortInitializePerfOpts(A, TRUE, &Data) == STOR_STATUS_SUCCESS) {
        Data.Flags &= STOR_PERF_CONCURRENT_CHANNELS | STOR_PERF_DPC_REDIRECTION;
        if (Data.ConcurrentChannels > A->QueueCount)
            Data.ConcurrentChannels = A->QueueCount;
        if (StorPortInitializePerfOpts(A, FALSE, &Data) == STOR_STATUS_SUCCESS &&
            (Data.Flags & STOR_PERF_CONCURRENT_CHANNELS))
            A->Channels = Data.ConcurrentChannels;
    }
    return StorPortEnablePassiveInitialization(A, HwPassiveInitialize);
}

/* Maps what a capability describes. */
static PUCHAR Map(ADAPTER *A, PPORT_CONFIGURATION_INFORMATION Config, const UCHAR *Pci, const UCHAR *Capability)
{
    ULONG Bar = Capability[4], Offset = *(const ULONG *)(Capability + 8), Length = *(const ULONG *)(Capability + 12);
    ULONG64 Address;
    ULONG Index;
    if (Bar > 5)
        return NULL;
    Address = *(const ULONG *)(Pci + 0x10 + 4 * Bar);
    if ((Address & 7) == 4 && Bar < 5)
        Address |= (ULONG64) * (const ULONG *)(Pci + 0x14 + 4 * Bar) << 32;
    Address &= ~(ULONG64)0xF;
    for (Index = 0; Index < Config->NumberOfAccessRanges; Index++) {
        ACCESS_RANGE *Range = &(*Config->AccessRanges)[Index];
        if (!Range->RangeInMemory || (ULONG64)Range->RangeStart.QuadPart != Address || Offset > Range->RangeLength ||
            Length > Range->RangeLength - Offset)
            continue;
        Range = &(*Config->AccessRanges)[Index];
        return (PUCHAR)StorPortGetDeviceBase(A, Config->AdapterInterfaceType, Config->SystemIoBusNumber,
            StorPortConvertUlong64ToPhysicalAddress(Address + Offset), Length, FALSE);
    }
    return NULL;
}

static BOOLEAN FindStructures(ADAPTER *A, PPORT_CONFIGURATION_INFORMATION Config)
{
    UCHAR Pci[256];
    ULONG Next, Count;
    if (StorPortGetBusData(A, PCIConfiguration, Config->SystemIoBusNumber, Config->SlotNumber, Pci, sizeof Pci) != sizeof Pci)
        return FALSE;
    Next = Pci[0x34] & 0xFC;
    for (Count = 0; Count < 48 && Next >= 0x40 && Next <= sizeof Pci - 20; Count++) {
        const UCHAR *Capability = Pci + Next;
        if (Capability[0] == 0x09) {
            switch (Capability[3]) {
            case CfgCommon:
                A->Common = Map(A, Config, Pci, Capability);
                break;
            case CfgNotify:
                A->Notify = Map(A, Config, Pci, Capability);
                A->NotifyMultiplier = *(const ULONG *)(Capability + 16);
                break;
            case CfgDevice:
                A->Device = Map(A, Config, Pci, Capability);
                break;
            }
        }
        Next = Capability[1] & 0xFC;
    }
    return A->Common && A->Notify && A->Device;
}

static ULONG HwFindAdapter(PVOID Extension, PVOID Context, PVOID BusInformation, PCHAR Arguments,
    PPORT_CONFIGURATION_INFORMATION Config, PBOOLEAN Again)
{
    ADAPTER *A = Extension;
    PUCHAR Shared;
    ULONG Length, Index;
    ULONG64 Physical;
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(BusInformation);
    UNREFERENCED_PARAMETER(Arguments);
    *Again = FALSE;
    if (Config->DumpMode)
        return SP_RETURN_NOT_FOUND;
    Fill(A, sizeof *A);
    if (!FindStructures(A, Config))
        return SP_RETURN_ERROR;
    A->QueueCount = StorPortReadRegisterUlong(A, (PULONG)A->Device);
    if (!A->QueueCount || A->QueueCount == ~0u || !Silence(A))
        return SP_RETURN_ERROR;
    if (A->QueueCount > QUEUES)
        A->QueueCount = QUEUES;
    Config->SrbExtensionSize = sizeof(EXTENSION);
    Shared = StorPortGetUncachedExtension(A, Config, (A->QueueCount + 1) * RING_PAGE);
    if (!Shared)
        return SP_RETURN_ERROR;
    Shared = (PUCHAR)(((ULONG_PTR)Shared + RING_PAGE - 1) & ~(ULONG_PTR)(RING_PAGE - 1));
    Physical = StorPortConvertPhysicalAddressToUlong64(StorPortGetPhysicalAddress(A, NULL, Shared, &Length));
    if (Length < A->QueueCount * RING_PAGE)
        return SP_RETURN_ERROR;
    for (Index = 0; Index < A->QueueCount; Index++) {
        A->Queues[Index].Ring = (RING *)(Shared + Index * RING_PAGE);
        A->Queues[Index].RingPhysical = Physical + Index * RING_PAGE;
    }
    Config->MaximumTransferLength = MAX_TRANSFER;
    Config->NumberOfPhysicalBreaks = MAX_TRANSFER / 4096 + 1;
    Config->AlignmentMask = 3;
    Config->NumberOfBuses = 1;
    Config->MaximumNumberOfTargets = 8;
    Config->MaximumNumberOfLogicalUnits = 1;
    Config->ScatterGather = TRUE;
    Config->Master = TRUE;
    Config->CachesData = FALSE;
    Config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED;
    Config->ResetTargetSupported = TRUE;
    Config->MaxNumberOfIO = A->QueueCount * DEPTH;
    Config->MaxIOsPerLun = DEPTH;
    Config->InitialLunQueueDepth = DEPTH;
    Config->SynchronizationModel = StorSynchronizeFullDuplex;
    Config->HwMSInterruptRoutine = HwMessage;
    Config->InterruptSynchronizationMode = InterruptSynchronizePerMessage;
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
        /* There are no requests; whether the device answers or not, it is stopped as far as it can be. */
        Silence(A);
        return ScsiAdapterControlSuccess;
    case ScsiRestartAdapter:
        A->Gone = FALSE;
        return SetUp(A) ? ScsiAdapterControlSuccess : ScsiAdapterControlUnsuccessful;
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
    Data.HwBuildIo = HwBuildIo;
    Data.HwStartIo = HwStartIo;
    Data.HwFindAdapter = HwFindAdapter;
    Data.HwResetBus = HwResetBus;
    Data.HwAdapterControl = HwAdapterControl;
    Data.DeviceExtensionSize = sizeof(ADAPTER);
    Data.SrbExtensionSize = sizeof(EXTENSION);
    Data.NumberOfAccessRanges = 6;
    Data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    Data.NeedPhysicalAddresses = TRUE;
    Data.TaggedQueuing = TRUE;
    Data.AutoRequestSense = TRUE;
    Data.MultipleRequestPerLu = TRUE;
    Data.SrbTypeFlags = SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK;
    Data.AddressTypeFlags = ADDRESS_TYPE_FLAG_BTL8;
    return StorPortInitialize(DriverObject, RegistryPath, &Data, NULL);
}
