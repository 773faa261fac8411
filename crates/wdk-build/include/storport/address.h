/* Addresses of units, and limits of the address space. */
#pragma once

#define STOR_ADDRESS_TYPE_UNKNOWN     0x0
#define STOR_ADDRESS_TYPE_BTL8        0x1
#define STOR_ADDRESS_TYPE_MAX         0xffff
#define STOR_ADDR_BTL8_ADDRESS_LENGTH 4

typedef struct STOR_ALIGN8 _STOR_ADDRESS {
    USHORT Type;
    USHORT Port;
    ULONG AddressLength;
    UCHAR AddressData[1];
} STOR_ADDRESS, *PSTOR_ADDRESS;

/* Bus, target and unit, 8 bits each. */
typedef struct STOR_ALIGN8 _STOR_ADDR_BTL8 {
    USHORT Type;
    USHORT Port;
    ULONG AddressLength;
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    UCHAR Reserved;
} STOR_ADDR_BTL8, *PSTOR_ADDR_BTL8;

/* PORT_CONFIGURATION_INFORMATION.AddressType, HW_INITIALIZATION_DATA.AddressTypeFlags. */
#define STORAGE_ADDRESS_TYPE_BTL8     0
#define ADDRESS_TYPE_FLAG_BTL8        0x1

#define SCSI_MAXIMUM_BUSES            8
#define SCSI_MAXIMUM_TARGETS          8
#define SCSI_MAXIMUM_LOGICAL_UNITS    8
#define SCSI_MAXIMUM_TARGETS_PER_BUS  128
#define SCSI_MAXIMUM_BUSES_PER_ADAPTER 255
#define SCSI_MAXIMUM_LUNS_PER_TARGET  255
