/* What a miniport reports: log entries, trace events, telemetry, state changes, asynchronous notifications. */
#pragma once

/* StorPortLogSystemEvent. */
typedef enum _STOR_EVENT_ASSOCIATION_ENUM {
    StorEventAdapterAssociation = 0,
    StorEventLunAssociation,
    StorEventTargetAssociation,
    StorEventInvalidAssociation
} STOR_EVENT_ASSOCIATION;

#define STOR_CURRENT_LOG_INTERFACE_REVISION 0x100

typedef struct _STOR_LOG_EVENT_DETAILS {
    ULONG InterfaceRevision;
    ULONG Size;
    ULONG Flags;
    STOR_EVENT_ASSOCIATION EventAssociation;
    ULONG PathId;
    ULONG TargetId;
    ULONG LunId;
    ULONG StorportSpecificErrorCode;
    ULONG ErrorCode;
    ULONG UniqueId;
    ULONG DumpDataSize;
    PVOID DumpData;
    ULONG StringCount;
    PWSTR *StringList;
} STOR_LOG_EVENT_DETAILS, *PSTOR_LOG_EVENT_DETAILS;

/* StorPortEtwEvent2, StorPortEtwEvent4, StorPortEtwEvent8. */
typedef enum _STORPORT_ETW_LEVEL {
    StorportEtwLevelLogAlways = 0,
    StorportEtwLevelCritical = 1,
    StorportEtwLevelError = 2,
    StorportEtwLevelWarning = 3,
    StorportEtwLevelInformational = 4,
    StorportEtwLevelVerbose = 5,
    StorportEtwLevelMax = StorportEtwLevelVerbose
} STORPORT_ETW_LEVEL, *PSTORPORT_ETW_LEVEL;

typedef enum _STORPORT_ETW_EVENT_OPCODE {
    StorportEtwEventOpcodeInfo = 0,
    StorportEtwEventOpcodeStart = 1,
    StorportEtwEventOpcodeStop = 2,
    StorportEtwEventOpcodeDC_Start = 3,
    StorportEtwEventOpcodeDC_Stop = 4,
    StorportEtwEventOpcodeExtension = 5,
    StorportEtwEventOpcodeReply = 6,
    StorportEtwEventOpcodeResume = 7,
    StorportEtwEventOpcodeSuspend = 8,
    StorportEtwEventOpcodeSend = 9,
    StorportEtwEventOpcodeReceive = 240
} STORPORT_ETW_EVENT_OPCODE, *PSTORPORT_ETW_EVENT_OPCODE;

#define STORPORT_ETW_EVENT_KEYWORD_IO            0x01
#define STORPORT_ETW_EVENT_KEYWORD_PERFORMANCE   0x02
#define STORPORT_ETW_EVENT_KEYWORD_POWER         0x04
#define STORPORT_ETW_EVENT_KEYWORD_ENUMERATION   0x08
#define STORPORT_ETW_EVENT_KEYWORD_COMMAND_TRACE 0x10
/* Characters, terminators included. */
#define STORPORT_ETW_MAX_DESCRIPTION_LENGTH 32
#define STORPORT_ETW_MAX_PARAM_NAME_LENGTH  16

/* StorPortLogTelemetry. */
#define EVENT_NAME_MAX_LENGTH           32
#define EVENT_PARAMETER_NAME_MAX_LENGTH 32

typedef struct _STORPORT_TELEMETRY_EVENT {
    ULONG DriverVersion;
    ULONG EventId;
    UCHAR EventName[EVENT_NAME_MAX_LENGTH];
    ULONG EventVersion;
    ULONG Flags;
    ULONG EventBufferLength;
    PUCHAR EventBuffer;
    UCHAR ParameterName0[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue0;
    UCHAR ParameterName1[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue1;
    UCHAR ParameterName2[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue2;
    UCHAR ParameterName3[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue3;
    UCHAR ParameterName4[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue4;
    UCHAR ParameterName5[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue5;
    UCHAR ParameterName6[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue6;
    UCHAR ParameterName7[EVENT_PARAMETER_NAME_MAX_LENGTH];
    ULONGLONG ParameterValue7;
} STORPORT_TELEMETRY_EVENT, *PSTORPORT_TELEMETRY_EVENT;

/* StorPortAsyncNotificationDetected. */
#define RAID_ASYNC_NOTIFY_FLAG_MEDIA_STATUS     0x1
#define RAID_ASYNC_NOTIFY_FLAG_DEVICE_STATUS    0x2
#define RAID_ASYNC_NOTIFY_FLAG_DEVICE_OPERATION 0x4
#define RAID_ASYNC_NOTIFY_SUPPORTED_FLAGS \
    (RAID_ASYNC_NOTIFY_FLAG_MEDIA_STATUS | RAID_ASYNC_NOTIFY_FLAG_DEVICE_STATUS | RAID_ASYNC_NOTIFY_FLAG_DEVICE_OPERATION)

/* StorPortStateChangeDetected: what changed. The values are the DDI page's. */
#define STATE_CHANGE_LUN    0x1
#define STATE_CHANGE_TARGET 0x2
#define STATE_CHANGE_BUS    0x4

/* StorPortRegistryRead, StorPortRegistryReadAdapterKey. */
#define MINIPORT_REG_SZ       0x1
#define MINIPORT_REG_BINARY   0x3
#define MINIPORT_REG_DWORD    0x4
#define MINIPORT_REG_MULTI_SZ 0x7
