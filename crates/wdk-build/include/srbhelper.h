/*
 * Accessors that see through both forms of a request, as the kit's srbhelper.h has them: names and results of the public header, bodies our
 * own. An extended request is told by its function code; offsets are used only where they lie within the request.
 */
#ifndef FERROPORT_SRBHELPER_H
#define FERROPORT_SRBHELPER_H

#include <storport.h>

#define SRB_INLINE static __inline

SRB_INLINE PSTORAGE_REQUEST_BLOCK SrbExtended(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = (PSTORAGE_REQUEST_BLOCK)Srb;
    return Block->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK ? Block : NULL;
}

/* The data block of one of three types that number from First on; NULL if there is none. */
SRB_INLINE PSRBEX_DATA SrbGetSrbExDataByType(PSTORAGE_REQUEST_BLOCK Srb, SRBEXDATATYPE Type)
{
    ULONG Index;
    for (Index = 0; Srb->NumSrbExData > Index && Index < 16; Index++) {
        ULONG Offset = Srb->SrbExDataOffset[Index];
        if (Offset >= sizeof(STORAGE_REQUEST_BLOCK) && Offset <= Srb->SrbLength - sizeof(SRBEX_DATA)) {
            PSRBEX_DATA Data = (PSRBEX_DATA)((PUCHAR)Srb + Offset);
            if (Data->Type == Type)
                return Data;
        }
    }
    return NULL;
}

SRB_INLINE PSRBEX_DATA_SCSI_CDB16 SrbExScsi(PSTORAGE_REQUEST_BLOCK Srb)
{
    PSRBEX_DATA Data = SrbGetSrbExDataByType(Srb, SrbExDataTypeScsiCdb16);
    if (!Data)
        Data = SrbGetSrbExDataByType(Srb, SrbExDataTypeScsiCdb32);
    if (!Data)
        Data = SrbGetSrbExDataByType(Srb, SrbExDataTypeScsiCdbVar);
    return (PSRBEX_DATA_SCSI_CDB16)Data;
}

SRB_INLINE PSTOR_ADDR_BTL8 SrbExAddress(PSTORAGE_REQUEST_BLOCK Srb)
{
    return (PSTOR_ADDR_BTL8)((PUCHAR)Srb + Srb->AddressOffset);
}

#define FERROPORT_SRB_FIELD(type, name, extended, legacy)                          \
    SRB_INLINE type SrbGet##name(PVOID Srb)                                        \
    {                                                                              \
        PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);                           \
        return Block ? (type)(Block->extended) : (type)(((PSCSI_REQUEST_BLOCK)Srb)->legacy); \
    }                                                                              \
    SRB_INLINE VOID SrbSet##name(PVOID Srb, type Value)                            \
    {                                                                              \
        PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);                           \
        if (Block)                                                                 \
            *(type *)&Block->extended = Value;                                     \
        else                                                                       \
            *(type *)&((PSCSI_REQUEST_BLOCK)Srb)->legacy = Value;                  \
    }

FERROPORT_SRB_FIELD(UCHAR, SrbStatus, SrbStatus, SrbStatus)
FERROPORT_SRB_FIELD(ULONG, SrbFlags, SrbFlags, SrbFlags)
FERROPORT_SRB_FIELD(ULONG, DataTransferLength, DataTransferLength, DataTransferLength)
FERROPORT_SRB_FIELD(PVOID, DataBuffer, DataBuffer, DataBuffer)
FERROPORT_SRB_FIELD(ULONG, TimeOutValue, TimeOutValue, TimeOutValue)
FERROPORT_SRB_FIELD(PVOID, OriginalRequest, OriginalRequest, OriginalRequest)
FERROPORT_SRB_FIELD(ULONG, SystemStatus, SystemStatus, InternalStatus)

SRB_INLINE ULONG SrbGetSrbFunction(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? Block->SrbFunction : ((PSCSI_REQUEST_BLOCK)Srb)->Function;
}

SRB_INLINE ULONG SrbGetSrbLength(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? Block->SrbLength : sizeof(SCSI_REQUEST_BLOCK);
}

SRB_INLINE PVOID SrbGetMiniportContext(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? Block->MiniportContext : ((PSCSI_REQUEST_BLOCK)Srb)->SrbExtension;
}

SRB_INLINE UCHAR SrbGetPathId(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? SrbExAddress(Block)->Path : ((PSCSI_REQUEST_BLOCK)Srb)->PathId;
}

SRB_INLINE UCHAR SrbGetTargetId(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? SrbExAddress(Block)->Target : ((PSCSI_REQUEST_BLOCK)Srb)->TargetId;
}

SRB_INLINE UCHAR SrbGetLun(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    return Block ? SrbExAddress(Block)->Lun : ((PSCSI_REQUEST_BLOCK)Srb)->Lun;
}

SRB_INLINE VOID SrbGetPathTargetLun(PVOID Srb, PUCHAR Path, PUCHAR Target, PUCHAR Lun)
{
    if (Path)
        *Path = SrbGetPathId(Srb);
    if (Target)
        *Target = SrbGetTargetId(Srb);
    if (Lun)
        *Lun = SrbGetLun(Srb);
}

SRB_INLINE PUCHAR SrbGetCdb(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block)
        return ((PSCSI_REQUEST_BLOCK)Srb)->Cdb;
    Scsi = SrbExScsi(Block);
    if (!Scsi)
        return NULL;
    return Scsi->Type == SrbExDataTypeScsiCdbVar ? ((PSRBEX_DATA_SCSI_CDB_VAR)Scsi)->Cdb : Scsi->Cdb;
}

SRB_INLINE ULONG SrbGetCdbLength(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block)
        return ((PSCSI_REQUEST_BLOCK)Srb)->CdbLength;
    Scsi = SrbExScsi(Block);
    if (!Scsi)
        return 0;
    return Scsi->Type == SrbExDataTypeScsiCdbVar ? ((PSRBEX_DATA_SCSI_CDB_VAR)Scsi)->CdbLength : Scsi->CdbLength;
}

SRB_INLINE PVOID SrbGetSenseInfoBuffer(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block)
        return ((PSCSI_REQUEST_BLOCK)Srb)->SenseInfoBuffer;
    Scsi = SrbExScsi(Block);
    if (!Scsi)
        return NULL;
    return Scsi->Type == SrbExDataTypeScsiCdbVar ? ((PSRBEX_DATA_SCSI_CDB_VAR)Scsi)->SenseInfoBuffer : Scsi->SenseInfoBuffer;
}

/* These two lie at the same place in all three blocks. */
SRB_INLINE UCHAR SrbGetSenseInfoBufferLength(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block)
        return ((PSCSI_REQUEST_BLOCK)Srb)->SenseInfoBufferLength;
    Scsi = SrbExScsi(Block);
    return Scsi ? Scsi->SenseInfoBufferLength : 0;
}

SRB_INLINE VOID SrbSetSenseInfoBufferLength(PVOID Srb, UCHAR Length)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block) {
        ((PSCSI_REQUEST_BLOCK)Srb)->SenseInfoBufferLength = Length;
        return;
    }
    Scsi = SrbExScsi(Block);
    if (Scsi)
        Scsi->SenseInfoBufferLength = Length;
}

SRB_INLINE UCHAR SrbGetScsiStatus(PVOID Srb)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block)
        return ((PSCSI_REQUEST_BLOCK)Srb)->ScsiStatus;
    Scsi = SrbExScsi(Block);
    return Scsi ? Scsi->ScsiStatus : 0;
}

SRB_INLINE VOID SrbSetScsiStatus(PVOID Srb, UCHAR Status)
{
    PSTORAGE_REQUEST_BLOCK Block = SrbExtended(Srb);
    PSRBEX_DATA_SCSI_CDB16 Scsi;
    if (!Block) {
        ((PSCSI_REQUEST_BLOCK)Srb)->ScsiStatus = Status;
        return;
    }
    Scsi = SrbExScsi(Block);
    if (Scsi)
        Scsi->ScsiStatus = Status;
}

SRB_INLINE PVOID SrbGetSrbExDataByIndex(PSTORAGE_REQUEST_BLOCK Srb, ULONG Index)
{
    return Index < Srb->NumSrbExData ? (PUCHAR)Srb + Srb->SrbExDataOffset[Index] : NULL;
}

#define SRB_STATUS(Status) ((UCHAR)((Status) & ~(SRB_STATUS_AUTOSENSE_VALID | SRB_STATUS_QUEUE_FROZEN)))

#endif
