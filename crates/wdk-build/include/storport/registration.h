/* What a miniport passes to StorPortInitialize. */
#pragma once

/* FeatureSupport. */
#define STOR_FEATURE_VIRTUAL_MINIPORT                    0x00000001
#define STOR_FEATURE_ATA_PASS_THROUGH                    0x00000002
#define STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES        0x00000004
#define STOR_FEATURE_DUMP_POINTERS                       0x00000008
#define STOR_FEATURE_DEVICE_NAME_NO_SUFFIX               0x00000010
#define STOR_FEATURE_DUMP_RESUME_CAPABLE                 0x00000020
#define STOR_FEATURE_DEVICE_DESCRIPTOR_FROM_ATA_INFO_VPD 0x00000040
#define STOR_FEATURE_EXTRA_IO_INFORMATION                0x00000080
#define STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER     0x00000100
#define STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT         0x00000200
#define STOR_FEATURE_DUMP_16_BYTE_ALIGNMENT              0x00000400
#define STOR_FEATURE_SET_ADAPTER_INTERFACE_TYPE          0x00000800

typedef struct _HW_INITIALIZATION_DATA {
    ULONG HwInitializationDataSize;
    INTERFACE_TYPE AdapterInterfaceType;
    PHW_INITIALIZE HwInitialize;
    PHW_STARTIO HwStartIo;
    PHW_INTERRUPT HwInterrupt;
    PVOID HwFindAdapter;
    PHW_RESET_BUS HwResetBus;
    PHW_DMA_STARTED HwDmaStarted;
    PHW_ADAPTER_STATE HwAdapterState;
    ULONG DeviceExtensionSize;
    ULONG SpecificLuExtensionSize;
    ULONG SrbExtensionSize;
    ULONG NumberOfAccessRanges;
    PVOID Reserved;
    UCHAR MapBuffers;
    BOOLEAN NeedPhysicalAddresses;
    BOOLEAN TaggedQueuing;
    BOOLEAN AutoRequestSense;
    BOOLEAN MultipleRequestPerLu;
    BOOLEAN ReceiveEvent;
    USHORT VendorIdLength;
    PVOID VendorId;
    union {
        USHORT ReservedUshort;
        USHORT PortVersionFlags;
    };
    USHORT DeviceIdLength;
    PVOID DeviceId;
    PHW_ADAPTER_CONTROL HwAdapterControl;
    PHW_BUILDIO HwBuildIo;
    PHW_FREE_ADAPTER_RESOURCES HwFreeAdapterResources;
    PHW_PROCESS_SERVICE_REQUEST HwProcessServiceRequest;
    PHW_COMPLETE_SERVICE_IRP HwCompleteServiceIrp;
    PHW_INITIALIZE_TRACING HwInitializeTracing;
    PHW_CLEANUP_TRACING HwCleanupTracing;
    PHW_TRACING_ENABLED HwTracingEnabled;
    ULONG FeatureSupport;
    ULONG SrbTypeFlags;
    ULONG AddressTypeFlags;
    ULONG Reserved1;
    PHW_UNIT_CONTROL HwUnitControl;
} HW_INITIALIZATION_DATA, *PHW_INITIALIZATION_DATA;
