// Figures of the Windows 10 1709 kit (10.0.16299): the structures that `storport` names. crates/wdk-build/tests/data has them all, and
// tests/kit_figures.rs compares.

layout!(_ACCESS_RANGE, size 16, align 8, {
    RangeStart: 0,
    RangeLength: 8,
    RangeInMemory: 12,
});

layout!(_DUMP_POINTERS, size 56, align 8, {
    AdapterObject: 0,
    MappedRegisterBase: 8,
    DumpData: 16,
    CommonBufferVa: 24,
    CommonBufferPa: 32,
    CommonBufferSize: 40,
    AllocateCommonBuffers: 44,
    UseDiskDump: 45,
    Spare1: 46,
    DeviceObject: 48,
});

layout!(_GROUP_AFFINITY, size 16, align 8, {
    Mask: 0,
    Group: 8,
    Reserved: 10,
});

layout!(_GUID, size 16, align 4, {
    Data1: 0,
    Data2: 4,
    Data3: 6,
    Data4: 8,
});

layout!(_HW_INITIALIZATION_DATA, size 208, align 8, {
    HwInitializationDataSize: 0,
    AdapterInterfaceType: 4,
    HwInitialize: 8,
    HwStartIo: 16,
    HwInterrupt: 24,
    HwFindAdapter: 32,
    HwResetBus: 40,
    HwDmaStarted: 48,
    HwAdapterState: 56,
    DeviceExtensionSize: 64,
    SpecificLuExtensionSize: 68,
    SrbExtensionSize: 72,
    NumberOfAccessRanges: 76,
    Reserved: 80,
    MapBuffers: 88,
    NeedPhysicalAddresses: 89,
    TaggedQueuing: 90,
    AutoRequestSense: 91,
    MultipleRequestPerLu: 92,
    ReceiveEvent: 93,
    VendorIdLength: 94,
    VendorId: 96,
    DeviceIdLength: 106,
    DeviceId: 112,
    HwAdapterControl: 120,
    HwBuildIo: 128,
    HwFreeAdapterResources: 136,
    HwProcessServiceRequest: 144,
    HwCompleteServiceIrp: 152,
    HwInitializeTracing: 160,
    HwCleanupTracing: 168,
    HwTracingEnabled: 176,
    FeatureSupport: 184,
    SrbTypeFlags: 188,
    AddressTypeFlags: 192,
    Reserved1: 196,
    HwUnitControl: 200,
});

layout!(_LARGE_INTEGER, size 8, align 8, {
    QuadPart: 0,
    u: 0,
});

layout!(_MESSAGE_INTERRUPT_INFORMATION, size 32, align 8, {
    MessageId: 0,
    MessageData: 4,
    MessageAddress: 8,
    InterruptVector: 16,
    InterruptLevel: 20,
    InterruptMode: 24,
});

layout!(_MINIPORT_DUMP_POINTERS, size 112, align 8, {
    Version: 0,
    Size: 2,
    DriverName: 4,
    AdapterObject: 40,
    MappedRegisterBase: 48,
    CommonBufferSize: 56,
    MiniportPrivateDumpData: 64,
    SystemIoBusNumber: 72,
    AdapterInterfaceType: 76,
    MaximumTransferLength: 80,
    NumberOfPhysicalBreaks: 84,
    AlignmentMask: 88,
    NumberOfAccessRanges: 92,
    AccessRanges: 96,
    NumberOfBuses: 104,
    Master: 105,
    MapBuffers: 106,
    MaximumNumberOfTargets: 107,
});

layout!(_PERF_CONFIGURATION_DATA, size 40, align 8, {
    Version: 0,
    Size: 4,
    Flags: 8,
    ConcurrentChannels: 12,
    FirstRedirectionMessageNumber: 16,
    LastRedirectionMessageNumber: 20,
    DeviceNode: 24,
    Reserved: 28,
    MessageTargets: 32,
});

layout!(_PORT_CONFIGURATION_INFORMATION, size 224, align 8, {
    Length: 0,
    SystemIoBusNumber: 4,
    AdapterInterfaceType: 8,
    BusInterruptLevel: 12,
    BusInterruptVector: 16,
    InterruptMode: 20,
    MaximumTransferLength: 24,
    NumberOfPhysicalBreaks: 28,
    DmaChannel: 32,
    DmaPort: 36,
    DmaWidth: 40,
    DmaSpeed: 44,
    AlignmentMask: 48,
    NumberOfAccessRanges: 52,
    AccessRanges: 56,
    MiniportDumpData: 64,
    NumberOfBuses: 72,
    InitiatorBusId: 73,
    ScatterGather: 81,
    Master: 82,
    CachesData: 83,
    AdapterScansDown: 84,
    AtdiskPrimaryClaimed: 85,
    AtdiskSecondaryClaimed: 86,
    Dma32BitAddresses: 87,
    DemandMode: 88,
    MapBuffers: 89,
    NeedPhysicalAddresses: 90,
    TaggedQueuing: 91,
    AutoRequestSense: 92,
    MultipleRequestPerLu: 93,
    ReceiveEvent: 94,
    RealModeInitialized: 95,
    BufferAccessScsiPortControlled: 96,
    MaximumNumberOfTargets: 97,
    SrbType: 98,
    AddressType: 99,
    SlotNumber: 100,
    BusInterruptLevel2: 104,
    BusInterruptVector2: 108,
    InterruptMode2: 112,
    DmaChannel2: 116,
    DmaPort2: 120,
    DmaWidth2: 124,
    DmaSpeed2: 128,
    DeviceExtensionSize: 132,
    SpecificLuExtensionSize: 136,
    SrbExtensionSize: 140,
    Dma64BitAddresses: 144,
    ResetTargetSupported: 145,
    MaximumNumberOfLogicalUnits: 146,
    WmiDataProvider: 147,
    SynchronizationModel: 148,
    HwMSInterruptRoutine: 152,
    InterruptSynchronizationMode: 160,
    DumpRegion: 168,
    RequestedDumpBufferSize: 192,
    VirtualDevice: 196,
    DumpMode: 197,
    ExtendedFlags1: 200,
    MaxNumberOfIO: 204,
    MaxIOsPerLun: 208,
    InitialLunQueueDepth: 212,
    BusResetHoldTime: 216,
    FeatureSupport: 220,
});

layout!(_PROCESSOR_NUMBER, size 4, align 2, {
    Group: 0,
    Number: 2,
    Reserved: 3,
});

layout!(_SCSI_PNP_REQUEST_BLOCK, size 88, align 8, {
    Length: 0,
    Function: 2,
    SrbStatus: 3,
    PnPSubFunction: 4,
    PathId: 5,
    TargetId: 6,
    Lun: 7,
    PnPAction: 8,
    SrbFlags: 12,
    DataTransferLength: 16,
    TimeOutValue: 20,
    DataBuffer: 24,
    SenseInfoBuffer: 32,
    NextSrb: 40,
    OriginalRequest: 48,
    SrbExtension: 56,
    SrbPnPFlags: 64,
    Reserved: 68,
    Reserved4: 72,
});

layout!(_SCSI_POWER_REQUEST_BLOCK, size 88, align 8, {
    Length: 0,
    Function: 2,
    SrbStatus: 3,
    SrbPowerFlags: 4,
    PathId: 5,
    TargetId: 6,
    Lun: 7,
    DevicePowerState: 8,
    SrbFlags: 12,
    DataTransferLength: 16,
    TimeOutValue: 20,
    DataBuffer: 24,
    SenseInfoBuffer: 32,
    NextSrb: 40,
    OriginalRequest: 48,
    SrbExtension: 56,
    PowerAction: 64,
    Reserved: 68,
    Reserved5: 72,
});

layout!(_SCSI_REQUEST_BLOCK, size 88, align 8, {
    Length: 0,
    Function: 2,
    SrbStatus: 3,
    ScsiStatus: 4,
    PathId: 5,
    TargetId: 6,
    Lun: 7,
    QueueTag: 8,
    QueueAction: 9,
    CdbLength: 10,
    SenseInfoBufferLength: 11,
    SrbFlags: 12,
    DataTransferLength: 16,
    TimeOutValue: 20,
    DataBuffer: 24,
    SenseInfoBuffer: 32,
    NextSrb: 40,
    OriginalRequest: 48,
    SrbExtension: 56,
    Reserved: 68,
    Cdb: 72,
});

layout!(_SCSI_SUPPORTED_CONTROL_TYPE_LIST, size 4, align 4, {
    MaxControlType: 0,
    SupportedTypeList: 4,
});

layout!(_SCSI_WMI_REQUEST_BLOCK, size 88, align 8, {
    Length: 0,
    Function: 2,
    SrbStatus: 3,
    WMISubFunction: 4,
    PathId: 5,
    TargetId: 6,
    Lun: 7,
    Reserved1: 8,
    WMIFlags: 9,
    Reserved2: 10,
    SrbFlags: 12,
    DataTransferLength: 16,
    TimeOutValue: 20,
    DataBuffer: 24,
    DataPath: 32,
    Reserved3: 40,
    OriginalRequest: 48,
    SrbExtension: 56,
    Reserved4: 64,
    Reserved6: 68,
    Reserved5: 72,
});

layout!(_SRBEX_DATA, size 16, align 8, {
    Type: 0,
    Length: 4,
    Data: 8,
});

layout!(_SRBEX_DATA_BIDIRECTIONAL, size 24, align 8, {
    Type: 0,
    Length: 4,
    DataInTransferLength: 8,
    Reserved1: 12,
    DataInBuffer: 16,
});

layout!(_SRBEX_DATA_IO_INFO, size 32, align 8, {
    Type: 0,
    Length: 4,
    Flags: 8,
    Key: 12,
    RWLength: 16,
    IsWriteRequest: 20,
    CachePriority: 21,
    Reserved: 22,
    Reserved1: 24,
});

layout!(_SRBEX_DATA_PNP, size 24, align 8, {
    Type: 0,
    Length: 4,
    PnPSubFunction: 8,
    Reserved: 9,
    PnPAction: 12,
    SrbPnPFlags: 16,
    Reserved1: 20,
});

layout!(_SRBEX_DATA_POWER, size 24, align 8, {
    Type: 0,
    Length: 4,
    SrbPowerFlags: 8,
    Reserved: 9,
    DevicePowerState: 12,
    PowerAction: 16,
});

layout!(_SRBEX_DATA_SCSI_CDB16, size 40, align 8, {
    Type: 0,
    Length: 4,
    ScsiStatus: 8,
    SenseInfoBufferLength: 9,
    CdbLength: 10,
    Reserved: 11,
    Reserved1: 12,
    SenseInfoBuffer: 16,
    Cdb: 24,
});

layout!(_SRBEX_DATA_SCSI_CDB32, size 56, align 8, {
    Type: 0,
    Length: 4,
    ScsiStatus: 8,
    SenseInfoBufferLength: 9,
    CdbLength: 10,
    Reserved: 11,
    Reserved1: 12,
    SenseInfoBuffer: 16,
    Cdb: 24,
});

layout!(_SRBEX_DATA_SCSI_CDB_VAR, size 40, align 8, {
    Type: 0,
    Length: 4,
    ScsiStatus: 8,
    SenseInfoBufferLength: 9,
    Reserved: 10,
    CdbLength: 12,
    Reserved1: 16,
    SenseInfoBuffer: 24,
    Cdb: 32,
});

layout!(_SRBEX_DATA_WMI, size 24, align 8, {
    Type: 0,
    Length: 4,
    WMISubFunction: 8,
    WMIFlags: 9,
    Reserved: 10,
    Reserved1: 12,
    DataPath: 16,
});

layout!(_SRB_IO_CONTROL, size 28, align 4, {
    HeaderLength: 0,
    Signature: 4,
    Timeout: 12,
    ControlCode: 16,
    ReturnCode: 20,
    Length: 24,
});

layout!(_STARTIO_PERFORMANCE_PARAMETERS, size 16, align 4, {
    Version: 0,
    Size: 4,
    MessageNumber: 8,
    ChannelNumber: 12,
});

layout!(_STORAGE_REQUEST_BLOCK, size 128, align 8, {
    Length: 0,
    Function: 2,
    SrbStatus: 3,
    ReservedUchar: 4,
    Signature: 8,
    Version: 12,
    SrbLength: 16,
    SrbFunction: 20,
    SrbFlags: 24,
    ReservedUlong: 28,
    RequestTag: 32,
    RequestPriority: 36,
    RequestAttribute: 38,
    TimeOutValue: 40,
    SystemStatus: 44,
    ZeroGuard1: 48,
    AddressOffset: 52,
    NumSrbExData: 56,
    DataTransferLength: 60,
    DataBuffer: 64,
    ZeroGuard2: 72,
    OriginalRequest: 80,
    ClassContext: 88,
    PortContext: 96,
    MiniportContext: 104,
    NextSrb: 112,
    SrbExDataOffset: 120,
});

layout!(_STORPORT_TELEMETRY_EVENT, size 384, align 8, {
    DriverVersion: 0,
    EventId: 4,
    EventName: 8,
    EventVersion: 40,
    Flags: 44,
    EventBufferLength: 48,
    EventBuffer: 56,
    ParameterName0: 64,
    ParameterValue0: 96,
    ParameterName1: 104,
    ParameterValue1: 136,
    ParameterName2: 144,
    ParameterValue2: 176,
    ParameterName3: 184,
    ParameterValue3: 216,
    ParameterName4: 224,
    ParameterValue4: 256,
    ParameterName5: 264,
    ParameterValue5: 296,
    ParameterName6: 304,
    ParameterValue6: 336,
    ParameterName7: 344,
    ParameterValue7: 376,
});

layout!(_STOR_ADAPTER_CONTROL_POWER, size 24, align 8, {
    Header: 0,
    PowerAction: 16,
    PowerState: 20,
});

layout!(_STOR_ADDRESS, size 16, align 8, {
    Type: 0,
    Port: 2,
    AddressLength: 4,
    AddressData: 8,
});

layout!(_STOR_ADDR_BTL8, size 16, align 8, {
    Type: 0,
    Port: 2,
    AddressLength: 4,
    Path: 8,
    Target: 9,
    Lun: 10,
    Reserved: 11,
});

layout!(_STOR_DPC, size 72, align 8, {
    Dpc: 0,
    Lock: 64,
});

layout!(_STOR_LOCK_HANDLE, size 32, align 8, {
    Lock: 0,
    Context: 8,
});

layout!(_STOR_LOG_EVENT_DETAILS, size 72, align 8, {
    InterfaceRevision: 0,
    Size: 4,
    Flags: 8,
    EventAssociation: 12,
    PathId: 16,
    TargetId: 20,
    LunId: 24,
    StorportSpecificErrorCode: 28,
    ErrorCode: 32,
    UniqueId: 36,
    DumpDataSize: 40,
    DumpData: 48,
    StringCount: 56,
    StringList: 64,
});

layout!(_STOR_MAX_OPERATIONAL_POWER, size 16, align 8, {
    Version: 0,
    Size: 4,
    Value: 8,
});

layout!(_STOR_POFX_ACTIVE_CONTEXT, size 24, align 8, {
    Header: 0,
    ComponentIndex: 16,
    Active: 20,
});

layout!(_STOR_POFX_COMPONENT, size 64, align 8, {
    Version: 0,
    Size: 4,
    FStateCount: 8,
    DeepestWakeableFState: 12,
    Id: 16,
    FStates: 32,
});

layout!(_STOR_POFX_COMPONENT_IDLE_STATE, size 32, align 8, {
    Version: 0,
    Size: 4,
    TransitionLatency: 8,
    ResidencyRequirement: 16,
    NominalPower: 24,
});

layout!(_STOR_POFX_DEVICE, size 80, align 8, {
    Version: 0,
    Size: 4,
    ComponentCount: 8,
    Flags: 12,
    Components: 16,
});

layout!(_STOR_POFX_DEVICE_V2, size 88, align 8, {
    Version: 0,
    Size: 4,
    ComponentCount: 8,
    Flags: 12,
    Components: 24,
});

layout!(_STOR_POFX_FSTATE_CONTEXT, size 24, align 8, {
    Header: 0,
    ComponentIndex: 16,
    FState: 20,
});

layout!(_STOR_POFX_PERF_STATE_CONTEXT, size 24, align 8, {
    Version: 0,
    Size: 4,
    ComponentIndex: 8,
    Succeeded: 12,
    Context: 16,
});

layout!(_STOR_POFX_POWER_CONTROL, size 64, align 8, {
    Header: 0,
    PowerControlCode: 16,
    InBufferSize: 24,
    OutBufferSize: 32,
    InBuffer: 40,
    OutBuffer: 48,
    BytesReturned: 56,
});

layout!(_STOR_POFX_POWER_REQUIRED_CONTEXT, size 24, align 8, {
    Header: 0,
    PowerRequired: 16,
});

layout!(_STOR_POFX_UNIT_POWER_INFO, size 24, align 8, {
    Header: 0,
    IdlePowerEnabled: 16,
});

layout!(_STOR_POWER_CONTROL_HEADER, size 16, align 8, {
    Version: 0,
    Size: 4,
    Address: 8,
});

layout!(_STOR_POWER_SETTING_INFO, size 32, align 8, {
    PowerSettingGuid: 0,
    Value: 16,
    ValueLength: 24,
});

layout!(_STOR_REQUEST_INFO_V1, size 24, align 4, {
    Version: 0,
    Size: 2,
    PriorityHint: 4,
    Flags: 8,
    Key: 12,
    Length: 16,
    IsWriteRequest: 20,
    Reserved: 21,
});

layout!(_STOR_RICH_DEVICE_DESCRIPTION_V2, size 120, align 8, {
    Version: 0,
    Size: 4,
    VendorId: 8,
    ModelNumber: 25,
    FirmwareRevision: 90,
    Address: 112,
});

layout!(_STOR_SCATTER_GATHER_ELEMENT, size 24, align 8, {
    PhysicalAddress: 0,
    Length: 8,
    Reserved: 16,
});

layout!(_STOR_SCATTER_GATHER_LIST, size 16, align 8, {
    NumberOfElements: 0,
    Reserved: 8,
    List: 16,
});

layout!(_STOR_SERIAL_NUMBER, size 268, align 4, {
    Version: 0,
    Size: 4,
    Unicode: 8,
    SerialNumber: 9,
});

layout!(_STOR_SYSTEM_POWER_HINTS, size 16, align 4, {
    Version: 0,
    Size: 4,
    SystemPower: 8,
    ResumeLatencyMSec: 12,
});

layout!(_STOR_UC_DEVICE_USAGE, size 16, align 8, {
    Address: 0,
    UsageType: 8,
    InUse: 12,
});

layout!(_STOR_UNIT_ATTRIBUTES, size 4, align 4, {
});

layout!(_STOR_UNIT_CONTROL_POWER, size 16, align 8, {
    Address: 0,
    PowerAction: 8,
    PowerState: 12,
});
