/*
 * What an NVMe controller and its namespace say of themselves, as the disk in scsi_disk.h needs it, and what its status means to Windows.
 * Sources: NVM Express Base Specification 1.4; NVM Express SCSI Translation Reference 1.5, 7.
 */
#pragma once

#include "scsi_disk.h"

static VOID DiskCopyText(CHAR *To, const UCHAR *From, ULONG Length)
{
    while (Length--) {
        UCHAR Character = *From++;
        *To++ = Character >= 0x20 && Character < 0x7F ? (CHAR)Character : ' ';
    }
}

/* Identify Controller (NVMe 5.15.2.2). */
static VOID DiskIdentity(DISK *Disk, const UCHAR *Data)
{
    UCHAR Mdts = Data[77];
    DiskCopyText(Disk->Serial, Data + 4, sizeof Disk->Serial);
    DiskCopyText(Disk->Model, Data + 24, sizeof Disk->Model);
    DiskCopyText(Disk->Revision, Data + 64, sizeof Disk->Revision);
    Disk->Cache = Data[525] & 1;
    Disk->MaximumPages = Mdts && Mdts < 20 ? 1u << Mdts : 0;
}

/* Identify Namespace (NVMe 5.15.2.1). FALSE if there is none of a kind that the driver knows. */
static BOOLEAN DiskGeometry(DISK *Disk, const UCHAR *Data)
{
    const ULONG *Formats = (const ULONG *)(Data + 128);
    ULONG Format = Formats[Data[26] & 0xF];
    ULONG Shift = Format >> 16 & 0xFF;
    Disk->Blocks = *(const ULONG64 *)Data;
    if (!Disk->Blocks || (Format & 0xFFFF) || Shift < 9 || Shift > 12)
        return FALSE;
    Disk->BlockSize = 1u << Shift;
    return TRUE;
}

/* The SRB status for an NVMe status field without its phase bit (NVMe 4.6.1). */
static UCHAR DiskStatus(PVOID Srb, USHORT Status)
{
    switch (Status & 0x7FF) {
    case 0x000:
        SrbSetScsiStatus(Srb, SCSI_GOOD);
        return SRB_STATUS_SUCCESS;
    case 0x007:
    case 0x008:
        SrbSetDataTransferLength(Srb, 0);
        return SRB_STATUS_ABORTED;
    case 0x080:
        return DiskSense(Srb, SENSE_LBA_OUT_OF_RANGE);
    case 0x082:
        return DiskSense(Srb, SENSE_NOT_READY);
    case 0x280:
        return DiskSense(Srb, SENSE_WRITE_FAULT);
    case 0x281:
        return DiskSense(Srb, SENSE_UNRECOVERED_READ);
    default:
        return DiskSense(Srb, SENSE_INTERNAL_FAILURE);
    }
}
