/*
 * A direct access block device: what is answered from what is known, and what becomes a read, a write or a flush.
 * Requests of either form. Sources: SPC-4 6.4, 6.11, 6.33, 7.8; SBC-3 5.8 to 5.36; NVM Express SCSI Translation Reference 1.5.
 */
#pragma once

#include <srbhelper.h>

#define SCSI_TEST_UNIT_READY      0x00
#define SCSI_READ_6               0x08
#define SCSI_WRITE_6              0x0A
#define SCSI_INQUIRY              0x12
#define SCSI_MODE_SENSE_6         0x1A
#define SCSI_START_STOP_UNIT      0x1B
#define SCSI_READ_CAPACITY_10     0x25
#define SCSI_READ_10              0x28
#define SCSI_WRITE_10             0x2A
#define SCSI_SYNCHRONIZE_CACHE_10 0x35
#define SCSI_MODE_SENSE_10        0x5A
#define SCSI_READ_16              0x88
#define SCSI_WRITE_16             0x8A
#define SCSI_SYNCHRONIZE_CACHE_16 0x91
#define SCSI_SERVICE_ACTION_IN_16 0x9E
#define SCSI_REPORT_LUNS          0xA0

#define SCSI_GOOD            0x00
#define SCSI_CHECK_CONDITION 0x02

/* Sense key, code, qualifier in one number. */
#define SENSE_NOT_READY         0x020401u
#define SENSE_WRITE_FAULT       0x030300u
#define SENSE_UNRECOVERED_READ  0x031100u
#define SENSE_INTERNAL_FAILURE  0x044400u
#define SENSE_INVALID_OPCODE    0x052000u
#define SENSE_LBA_OUT_OF_RANGE  0x052100u
#define SENSE_INVALID_FIELD     0x052400u

typedef struct _DISK {
    CHAR Serial[20];
    CHAR Model[40];
    CHAR Revision[8];
    BOOLEAN Cache;
    ULONG MaximumPages;
    ULONG64 Blocks;
    ULONG BlockSize;
} DISK;

typedef struct _TRANSFER {
    ULONG64 Lba;
    ULONG Blocks;
    BOOLEAN Write;
    BOOLEAN Fua;
} TRANSFER;

typedef enum { DiskAnswered, DiskReadWrite, DiskFlush } DISK_ACTION;

static ULONG64 DiskBigEndian(const UCHAR *From, ULONG Bytes)
{
    ULONG64 Value = 0;
    while (Bytes--)
        Value = Value << 8 | *From++;
    return Value;
}

static VOID DiskPutBigEndian(UCHAR *To, ULONG64 Value, ULONG Bytes)
{
    while (Bytes--) {
        To[Bytes] = (UCHAR)Value;
        Value >>= 8;
    }
}

/* Fixed format sense data, cut to the buffer. */
static UCHAR DiskSense(PVOID Srb, ULONG Sense)
{
    UCHAR Data[18] = {0};
    PVOID Buffer = SrbGetSenseInfoBuffer(Srb);
    UCHAR Length = SrbGetSenseInfoBufferLength(Srb);
    if (Length > sizeof Data)
        Length = sizeof Data;
    Data[0] = 0x70;
    Data[2] = (UCHAR)(Sense >> 16);
    Data[7] = sizeof Data - 8;
    Data[12] = (UCHAR)(Sense >> 8);
    Data[13] = (UCHAR)Sense;
    SrbSetScsiStatus(Srb, SCSI_CHECK_CONDITION);
    SrbSetDataTransferLength(Srb, 0);
    if (!Buffer || !Length || (SrbGetSrbFlags(Srb) & SRB_FLAGS_DISABLE_AUTOSENSE))
        return SRB_STATUS_ERROR;
    StorPortCopyMemory(Buffer, Data, Length);
    SrbSetSenseInfoBufferLength(Srb, Length);
    return SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID;
}

static DISK_ACTION DiskRefuse(PVOID Srb, ULONG Sense)
{
    SrbSetSrbStatus(Srb, DiskSense(Srb, Sense));
    return DiskAnswered;
}

static DISK_ACTION DiskAnswer(PVOID Srb, const UCHAR *Data, ULONG Length, ULONG Allocation)
{
    if (Length > Allocation)
        Length = Allocation;
    if (Length > SrbGetDataTransferLength(Srb))
        Length = SrbGetDataTransferLength(Srb);
    if (Length)
        StorPortCopyMemory(SrbGetDataBuffer(Srb), Data, Length);
    SrbSetDataTransferLength(Srb, Length);
    SrbSetScsiStatus(Srb, SCSI_GOOD);
    SrbSetSrbStatus(Srb, SRB_STATUS_SUCCESS);
    return DiskAnswered;
}

static DISK_ACTION DiskInquiry(DISK *Disk, PVOID Srb, const UCHAR *Cdb)
{
    UCHAR Data[64] = {0};
    ULONG Allocation = (ULONG)DiskBigEndian(Cdb + 3, 2);
    if (!(Cdb[1] & 1)) {
        if (Cdb[2])
            return DiskRefuse(Srb, SENSE_INVALID_FIELD);
        Data[2] = 6;
        Data[3] = 2;
        Data[4] = 36 - 5;
        Data[7] = 2;
        StorPortCopyMemory(Data + 8, "NVMe    ", 8);
        StorPortCopyMemory(Data + 16, Disk->Model, 16);
        StorPortCopyMemory(Data + 32, Disk->Revision, 4);
        return DiskAnswer(Srb, Data, 36, Allocation);
    }
    Data[1] = Cdb[2];
    switch (Cdb[2]) {
    case 0x00:
        Data[3] = 3;
        Data[5] = 0x80;
        Data[6] = 0x83;
        return DiskAnswer(Srb, Data, 7, Allocation);
    case 0x80:
        Data[3] = sizeof Disk->Serial;
        StorPortCopyMemory(Data + 4, Disk->Serial, sizeof Disk->Serial);
        return DiskAnswer(Srb, Data, 4 + sizeof Disk->Serial, Allocation);
    case 0x83:
        /* One designator: T10 vendor identification, ASCII. */
        Data[3] = 4 + 8 + sizeof Disk->Serial;
        Data[4] = 2;
        Data[5] = 1;
        Data[7] = 8 + sizeof Disk->Serial;
        StorPortCopyMemory(Data + 8, "NVMe    ", 8);
        StorPortCopyMemory(Data + 16, Disk->Serial, sizeof Disk->Serial);
        return DiskAnswer(Srb, Data, 16 + sizeof Disk->Serial, Allocation);
    default:
        return DiskRefuse(Srb, SENSE_INVALID_FIELD);
    }
}

static DISK_ACTION DiskModeSense(DISK *Disk, PVOID Srb, const UCHAR *Cdb)
{
    UCHAR Data[8 + 20] = {0};
    BOOLEAN Ten = Cdb[0] == SCSI_MODE_SENSE_10;
    ULONG Allocation = Ten ? (ULONG)DiskBigEndian(Cdb + 7, 2) : Cdb[4];
    ULONG Header = Ten ? 8 : 4, Page = Cdb[2] & 0x3F;
    if ((Cdb[2] >> 6) == 3 || Cdb[3] || (Page != 0x08 && Page != 0x3F))
        return DiskRefuse(Srb, SENSE_INVALID_FIELD);
    Data[Header] = 0x08;
    Data[Header + 1] = 0x12;
    /* Changeable values: none. */
    if ((Cdb[2] >> 6) != 1)
        Data[Header + 2] = Disk->Cache ? 0x04 : 0;
    if (Ten)
        Data[1] = (UCHAR)(Header + 20 - 2);
    else
        Data[0] = (UCHAR)(Header + 20 - 1);
    /* DPO and FUA are understood. */
    Data[Ten ? 3 : 2] = 0x10;
    return DiskAnswer(Srb, Data, Header + 20, Allocation);
}

static DISK_ACTION DiskCapacity(DISK *Disk, PVOID Srb, const UCHAR *Cdb)
{
    UCHAR Data[32] = {0};
    ULONG64 Last = Disk->Blocks - 1;
    if (Cdb[0] == SCSI_READ_CAPACITY_10) {
        DiskPutBigEndian(Data, Last > 0xFFFFFFFFu ? 0xFFFFFFFFu : Last, 4);
        DiskPutBigEndian(Data + 4, Disk->BlockSize, 4);
        return DiskAnswer(Srb, Data, 8, 8);
    }
    if ((Cdb[1] & 0x1F) != 0x10)
        return DiskRefuse(Srb, SENSE_INVALID_OPCODE);
    DiskPutBigEndian(Data, Last, 8);
    DiskPutBigEndian(Data + 8, Disk->BlockSize, 4);
    return DiskAnswer(Srb, Data, sizeof Data, (ULONG)DiskBigEndian(Cdb + 10, 4));
}

static DISK_ACTION DiskReportLuns(PVOID Srb, const UCHAR *Cdb)
{
    UCHAR Data[16] = {0};
    ULONG Allocation = (ULONG)DiskBigEndian(Cdb + 6, 4);
    if (Allocation < 16 || Cdb[2] > 2)
        return DiskRefuse(Srb, SENSE_INVALID_FIELD);
    /* Well-known units only: none. */
    if (Cdb[2] == 1)
        return DiskAnswer(Srb, Data, 8, Allocation);
    Data[3] = 8;
    return DiskAnswer(Srb, Data, sizeof Data, Allocation);
}

/* What to do about a command; the answers are in the request already. */
static DISK_ACTION DiskCommand(DISK *Disk, PVOID Srb)
{
    const UCHAR *Cdb = SrbGetCdb(Srb);
    if (!Cdb || SrbGetCdbLength(Srb) < 6)
        return DiskRefuse(Srb, SENSE_INVALID_FIELD);
    switch (Cdb[0]) {
    case SCSI_READ_6:
    case SCSI_WRITE_6:
    case SCSI_READ_10:
    case SCSI_WRITE_10:
    case SCSI_READ_16:
    case SCSI_WRITE_16:
        return DiskReadWrite;
    case SCSI_SYNCHRONIZE_CACHE_10:
    case SCSI_SYNCHRONIZE_CACHE_16:
        return DiskFlush;
    case SCSI_TEST_UNIT_READY:
    case SCSI_START_STOP_UNIT:
        return DiskAnswer(Srb, NULL, 0, 0);
    case SCSI_INQUIRY:
        return DiskInquiry(Disk, Srb, Cdb);
    case SCSI_MODE_SENSE_6:
    case SCSI_MODE_SENSE_10:
        return DiskModeSense(Disk, Srb, Cdb);
    case SCSI_READ_CAPACITY_10:
    case SCSI_SERVICE_ACTION_IN_16:
        return DiskCapacity(Disk, Srb, Cdb);
    case SCSI_REPORT_LUNS:
        return DiskReportLuns(Srb, Cdb);
    default:
        return DiskRefuse(Srb, SENSE_INVALID_OPCODE);
    }
}

/* Reads a READ or WRITE; FALSE if it is refused, with the refusal in the request. */
static BOOLEAN DiskTransfer(DISK *Disk, PVOID Srb, TRANSFER *Transfer)
{
    const UCHAR *Cdb = SrbGetCdb(Srb);
    Transfer->Fua = FALSE;
    switch (Cdb[0]) {
    case SCSI_READ_6:
    case SCSI_WRITE_6:
        Transfer->Lba = DiskBigEndian(Cdb + 1, 3) & 0x1FFFFF;
        Transfer->Blocks = Cdb[4] ? Cdb[4] : 256;
        break;
    case SCSI_READ_10:
    case SCSI_WRITE_10:
        Transfer->Lba = DiskBigEndian(Cdb + 2, 4);
        Transfer->Blocks = (ULONG)DiskBigEndian(Cdb + 7, 2);
        Transfer->Fua = Cdb[1] >> 3 & 1;
        break;
    default:
        Transfer->Lba = DiskBigEndian(Cdb + 2, 8);
        Transfer->Blocks = (ULONG)DiskBigEndian(Cdb + 10, 4);
        Transfer->Fua = Cdb[1] >> 3 & 1;
        break;
    }
    Transfer->Write = Cdb[0] == SCSI_WRITE_6 || Cdb[0] == SCSI_WRITE_10 || Cdb[0] == SCSI_WRITE_16;
    if (Transfer->Lba > Disk->Blocks || Transfer->Blocks > Disk->Blocks - Transfer->Lba) {
        DiskRefuse(Srb, SENSE_LBA_OUT_OF_RANGE);
        return FALSE;
    }
    if ((ULONG64)Transfer->Blocks * Disk->BlockSize > SrbGetDataTransferLength(Srb)) {
        DiskRefuse(Srb, SENSE_INVALID_FIELD);
        return FALSE;
    }
    SrbSetDataTransferLength(Srb, Transfer->Blocks * Disk->BlockSize);
    return TRUE;
}
