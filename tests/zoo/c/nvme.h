/* What of NVM Express 1.4 the C drivers here use. */
#pragma once

/* Registers (3.1). */
#define NVME_CAP       0x00
#define NVME_INTMS     0x0C
#define NVME_INTMC     0x10
#define NVME_CC        0x14
#define NVME_CSTS      0x1C
#define NVME_AQA       0x24
#define NVME_ASQ       0x28
#define NVME_ACQ       0x30
#define NVME_DOORBELLS 0x1000

#define NVME_CC_EN        0x00000001u
#define NVME_CC_IOSQES_64 (6u << 16)
#define NVME_CC_IOCQES_16 (4u << 20)
#define NVME_CSTS_RDY     0x1u
#define NVME_CSTS_CFS     0x2u

/* Commands (5, 6). */
#define NVME_ADMIN_CREATE_SQ     0x01
#define NVME_ADMIN_CREATE_CQ     0x05
#define NVME_ADMIN_IDENTIFY      0x06
#define NVME_IDENTIFY_NAMESPACE  0
#define NVME_IDENTIFY_CONTROLLER 1
#define NVME_QUEUE_CONTIGUOUS    0x1
#define NVME_CQ_INTERRUPTS       0x2
#define NVME_IO_FLUSH            0x00
#define NVME_IO_WRITE            0x01
#define NVME_IO_READ             0x02

typedef struct _NVME_COMMAND {
    UCHAR Opcode;
    UCHAR Flags;
    USHORT CommandId;
    ULONG Namespace;
    ULONG64 Reserved;
    ULONG64 Metadata;
    ULONG64 Prp1;
    ULONG64 Prp2;
    ULONG Dword10;
    ULONG Dword11;
    ULONG Dword12;
    ULONG Dword13;
    ULONG Dword14;
    ULONG Dword15;
} NVME_COMMAND;

typedef struct _NVME_COMPLETION {
    ULONG Result;
    ULONG Reserved;
    USHORT SqHead;
    USHORT SqId;
    USHORT CommandId;
    USHORT Status;
} NVME_COMPLETION;

_Static_assert(sizeof(NVME_COMMAND) == 64, "submission queue entry");
_Static_assert(sizeof(NVME_COMPLETION) == 16, "completion queue entry");
