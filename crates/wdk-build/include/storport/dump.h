/* Crash dump and hibernation. */
#pragma once

/* PORT_CONFIGURATION_INFORMATION.DumpMode. */
#define DUMP_MODE_CRASH       0x01
#define DUMP_MODE_HIBER       0x02
#define DUMP_MODE_MARK_MEMORY 0x03
#define DUMP_MODE_RESUME      0x04

/* Characters of a dump driver's name. */
#define DUMP_MINIPORT_NAME_LENGTH 15
#define DUMP_MINIPORT_VERSION_1   0x0100
#define DUMP_MINIPORT_VERSION     0x0200

/* Data buffer of SRB_FUNCTION_DUMP_POINTERS. */
typedef struct _MINIPORT_DUMP_POINTERS {
    USHORT Version;
    USHORT Size;
    WCHAR DriverName[DUMP_MINIPORT_NAME_LENGTH];
    struct _ADAPTER_OBJECT *AdapterObject;
    PVOID MappedRegisterBase;
    ULONG CommonBufferSize;
    PVOID MiniportPrivateDumpData;
    ULONG SystemIoBusNumber;
    INTERFACE_TYPE AdapterInterfaceType;
    ULONG MaximumTransferLength;
    ULONG NumberOfPhysicalBreaks;
    ULONG AlignmentMask;
    ULONG NumberOfAccessRanges;
    ACCESS_RANGE (*AccessRanges)[];
    UCHAR NumberOfBuses;
    BOOLEAN Master;
    UCHAR MapBuffers;
    UCHAR MaximumNumberOfTargets;
} MINIPORT_DUMP_POINTERS, *PMINIPORT_DUMP_POINTERS;
