/* Parameters of the power control types of HwStorAdapterControl and HwStorUnitControl, and of StorPortInitializePoFxPower. */
#pragma once

typedef struct _STOR_POWER_CONTROL_HEADER {
    ULONG Version;
    ULONG Size;
    PSTOR_ADDRESS Address;
} STOR_POWER_CONTROL_HEADER, *PSTOR_POWER_CONTROL_HEADER;

/* ScsiAdapterPower. */
typedef struct _STOR_ADAPTER_CONTROL_POWER {
    STOR_POWER_CONTROL_HEADER Header;
    STOR_POWER_ACTION PowerAction;
    STOR_DEVICE_POWER_STATE PowerState;
} STOR_ADAPTER_CONTROL_POWER, *PSTOR_ADAPTER_CONTROL_POWER;

/* ScsiUnitPower. */
typedef struct _STOR_UNIT_CONTROL_POWER {
    PSTOR_ADDRESS Address;
    STOR_POWER_ACTION PowerAction;
    STOR_DEVICE_POWER_STATE PowerState;
} STOR_UNIT_CONTROL_POWER, *PSTOR_UNIT_CONTROL_POWER;

/* ScsiPowerSettingNotification. */
typedef struct _STOR_POWER_SETTING_INFO {
    GUID PowerSettingGuid;
    PVOID Value;
    ULONG ValueLength;
} STOR_POWER_SETTING_INFO, *PSTOR_POWER_SETTING_INFO;

typedef enum _RAID_SYSTEM_POWER {
    RaidSystemPowerUnknown = 0,
    RaidSystemPowerLowest = 1,
    RaidSystemPowerLow = 2,
    RaidSystemPowerMedium = 3,
    RaidSystemPowerHigh = 4
} RAID_SYSTEM_POWER, *PRAID_SYSTEM_POWER;

/* ScsiAdapterSystemPowerHints. */
typedef struct _STOR_SYSTEM_POWER_HINTS {
    ULONG Version;
    ULONG Size;
    RAID_SYSTEM_POWER SystemPower;
    ULONG ResumeLatencyMSec;
} STOR_SYSTEM_POWER_HINTS, *PSTOR_SYSTEM_POWER_HINTS;
#define STOR_SYSTEM_POWER_HINTS_V1 0x1

/* ScsiAdapterPoFxMaxOperationalPower. */
typedef struct _STOR_MAX_OPERATIONAL_POWER {
    ULONG Version;
    ULONG Size;
    LONGLONG Value;
} STOR_MAX_OPERATIONAL_POWER, *PSTOR_MAX_OPERATIONAL_POWER;

/* The run-time power framework. */
#define STOR_POFX_DEVICE_FLAG_NO_D0                    0x0001
#define STOR_POFX_DEVICE_FLAG_NO_D3                    0x0002
#define STOR_POFX_DEVICE_FLAG_ENABLE_D3_COLD           0x0004
#define STOR_POFX_DEVICE_FLAG_NO_DUMP_ACTIVE           0x0008
#define STOR_POFX_DEVICE_FLAG_IDLE_TIMEOUT             0x0010
#define STOR_POFX_DEVICE_FLAG_ADAPTIVE_D3_IDLE_TIMEOUT 0x0020
#define STOR_POFX_DEVICE_FLAG_NO_UNIT_REGISTRATION     0x0040
#define STOR_POFX_DEVICE_FLAG_PERF_STATE_PEP_OPTIONAL  0x0080
#define STOR_POFX_DEVICE_FLAG_NO_IDLE_DEBOUNCE         0x0100
#define STOR_POFX_DEVICE_FLAG_DUMP_ALWAYS_POWER_ON     0x0200
#define STOR_POFX_DEVICE_FLAG_DISABLE_INTERRUPTS_ON_D3 0x0400

#define STOR_POFX_COMPONENT_IDLE_STATE_VERSION_V1      0x0001
#define STOR_POFX_COMPONENT_PERF_SET_VERSION_V1        0x0001
#define STOR_POFX_COMPONENT_VERSION_V1                 0x0001
#define STOR_POFX_DEVICE_VERSION_V1                    0x0001
#define STOR_POFX_PERF_STATE_VERSION_V1                0x0001
#define STOR_POFX_COMPONENT_VERSION_V2                 0x0002
#define STOR_POFX_DEVICE_VERSION_V2                    0x0002
#define STOR_POFX_DEVICE_VERSION_V3                    0x0003

#define STOR_POFX_COMPONENT_MIN_PERF_SETS  0x0
#define STOR_POFX_ADAPTER_MAX_COMPONENTS   0x1
#define STOR_POFX_ADAPTER_MIN_COMPONENTS   0x1
#define STOR_POFX_ADAPTER_MIN_IDLE_STATES  0x1
#define STOR_POFX_MIN_DISCRETE_PERF_STATES 0x1
#define STOR_POFX_UNIT_MAX_COMPONENTS      0x1
#define STOR_POFX_UNIT_MIN_COMPONENTS      0x1
#define STOR_POFX_UNIT_MIN_IDLE_STATES     0x1
#define STOR_POFX_UNIT_MAX_IDLE_STATES     0x2
#define STOR_POFX_COMPONENT_MAX_PERF_SETS  0x3
#define STOR_POFX_ADAPTER_MAX_IDLE_STATES  0x8
#define STOR_POFX_MAX_DISCRETE_PERF_STATES 0x8
#define STOR_POFX_UNKNOWN_POWER            0xFFFFFFFF
#define STOR_POFX_UNKNOWN_TIME             -1LL

typedef struct _STOR_POFX_COMPONENT_IDLE_STATE {
    ULONG Version;
    ULONG Size;
    ULONGLONG TransitionLatency;
    ULONGLONG ResidencyRequirement;
    ULONG NominalPower;
} STOR_POFX_COMPONENT_IDLE_STATE, *PSTOR_POFX_COMPONENT_IDLE_STATE;

typedef struct _STOR_POFX_COMPONENT {
    ULONG Version;
    ULONG Size;
    ULONG FStateCount;
    ULONG DeepestWakeableFState;
    GUID Id;
    STOR_POFX_COMPONENT_IDLE_STATE FStates[1];
} STOR_POFX_COMPONENT, *PSTOR_POFX_COMPONENT;

typedef struct _STOR_POFX_COMPONENT_V2 {
    ULONG Version;
    ULONG Size;
    ULONG FStateCount;
    ULONG DeepestWakeableFState;
    GUID Id;
    ULONG DeepestAdapterPowerRequiredFState;
    ULONG DeepestCrashDumpReadyFState;
    STOR_POFX_COMPONENT_IDLE_STATE FStates[1];
} STOR_POFX_COMPONENT_V2, *PSTOR_POFX_COMPONENT_V2;

typedef struct _STOR_POFX_DEVICE {
    ULONG Version;
    ULONG Size;
    ULONG ComponentCount;
    ULONG Flags;
    STOR_POFX_COMPONENT Components[1];
} STOR_POFX_DEVICE, *PSTOR_POFX_DEVICE;

typedef struct _STOR_POFX_DEVICE_V2 {
    ULONG Version;
    ULONG Size;
    ULONG ComponentCount;
    ULONG Flags;
    union {
        ULONG UnitMinIdleTimeoutInMS;
        ULONG AdapterIdleTimeoutInMS;
    };
    STOR_POFX_COMPONENT Components[1];
} STOR_POFX_DEVICE_V2, *PSTOR_POFX_DEVICE_V2;

typedef struct _STOR_POFX_DEVICE_V3 {
    ULONG Version;
    ULONG Size;
    ULONG ComponentCount;
    ULONG Flags;
    union {
        ULONG UnitMinIdleTimeoutInMS;
        ULONG AdapterIdleTimeoutInMS;
    };
    ULONG MinimumPowerCyclePeriodInMS;
    STOR_POFX_COMPONENT Components[1];
} STOR_POFX_DEVICE_V3, *PSTOR_POFX_DEVICE_V3;

/* ScsiAdapterPoFxPowerRequired, ScsiUnitPoFxPowerRequired. */
typedef struct _STOR_POFX_POWER_REQUIRED_CONTEXT {
    STOR_POWER_CONTROL_HEADER Header;
    BOOLEAN PowerRequired;
} STOR_POFX_POWER_REQUIRED_CONTEXT, *PSTOR_POFX_POWER_REQUIRED_CONTEXT;

/* ScsiAdapterPoFxPowerActive, ScsiUnitPoFxPowerActive. */
typedef struct _STOR_POFX_ACTIVE_CONTEXT {
    STOR_POWER_CONTROL_HEADER Header;
    ULONG ComponentIndex;
    BOOLEAN Active;
} STOR_POFX_ACTIVE_CONTEXT, *PSTOR_POFX_ACTIVE_CONTEXT;

/* ScsiAdapterPoFxPowerSetFState, ScsiUnitPoFxPowerSetFState. */
typedef struct _STOR_POFX_FSTATE_CONTEXT {
    STOR_POWER_CONTROL_HEADER Header;
    ULONG ComponentIndex;
    ULONG FState;
} STOR_POFX_FSTATE_CONTEXT, *PSTOR_POFX_FSTATE_CONTEXT;

/* ScsiAdapterPoFxPowerControl, ScsiUnitPoFxPowerControl. */
typedef struct _STOR_POFX_POWER_CONTROL {
    STOR_POWER_CONTROL_HEADER Header;
    const GUID *PowerControlCode;
    SIZE_T InBufferSize;
    SIZE_T OutBufferSize;
    PVOID InBuffer;
    PVOID OutBuffer;
    PSIZE_T BytesReturned;
} STOR_POFX_POWER_CONTROL, *PSTOR_POFX_POWER_CONTROL;

/* ScsiUnitPoFxPowerInfo. */
typedef struct _STOR_POFX_UNIT_POWER_INFO {
    STOR_POWER_CONTROL_HEADER Header;
    BOOLEAN IdlePowerEnabled;
} STOR_POFX_UNIT_POWER_INFO, *PSTOR_POFX_UNIT_POWER_INFO;

/* ScsiAdapterPoFxSetPerfState. */
typedef struct _STOR_POFX_PERF_STATE_CONTEXT {
    ULONG Version;
    ULONG Size;
    ULONG ComponentIndex;
    BOOLEAN Succeeded;
    PVOID Context;
} STOR_POFX_PERF_STATE_CONTEXT, *PSTOR_POFX_PERF_STATE_CONTEXT;

typedef enum _STOR_POFX_PERF_STATE_UNIT {
    StorPoFxPerfStateUnitOther = 0,
    StorPoFxPerfStateUnitFrequency,
    StorPoFxPerfStateUnitBandwidth,
    StorPoFxPerfStateUnitMilliwatts,
    StorPoFxPerfStateUnitMaximum
} STOR_POFX_PERF_STATE_UNIT, *PSTOR_POFX_PERF_STATE_UNIT;

typedef enum _STOR_POFX_PERF_STATE_TYPE {
    StorPoFxPerfStateTypeDiscrete = 0,
    StorPoFxPerfStateTypeRange,
    StorPoFxPerfStateTypeMaximum
} STOR_POFX_PERF_STATE_TYPE, *PSTOR_POFX_PERF_STATE_TYPE;

typedef struct _STOR_POFX_PERF_STATE {
    ULONG Version;
    ULONG Size;
    ULONGLONG Value;
    PVOID Context;
} STOR_POFX_PERF_STATE, *PSTOR_POFX_PERF_STATE;

typedef struct _STOR_POFX_COMPONENT_PERF_SET {
    ULONG Version;
    ULONG Size;
    ULONGLONG Flags;
    STOR_POFX_PERF_STATE_UNIT PStateUnit;
    STOR_POFX_PERF_STATE_TYPE PStateType;
    union {
        struct {
            ULONG Count;
            ULONG Offset;
        } Discrete;
        struct {
            ULONGLONG Minimum;
            ULONGLONG Maximum;
        } Range;
    } PStates;
} STOR_POFX_COMPONENT_PERF_SET, *PSTOR_POFX_COMPONENT_PERF_SET;
