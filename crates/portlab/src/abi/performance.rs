//! Interrupt messages, processors, performance options.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// `PERF_CONFIGURATION_DATA`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PerfConfigurationData {
    /// `STOR_PERF_VERSION_*`.
    pub version: u32,
    /// Size of this structure.
    pub size: u32,
    /// `STOR_PERF_*`.
    pub flags: u32,
    /// Number of channels.
    pub concurrent_channels: u32,
    /// First message of the redirection range.
    pub first_redirection_message_number: u32,
    /// Last message of the redirection range.
    pub last_redirection_message_number: u32,
    /// NUMA node of the device.
    pub device_node: u32,
    /// Reserved.
    pub reserved: u32,
    /// Array of [`GroupAffinity`], one a message.
    pub message_targets: GuestAddress,
}

/// `STARTIO_PERFORMANCE_PARAMETERS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StartIoPerformanceParameters {
    /// Version.
    pub version: u32,
    /// Size of this structure.
    pub size: u32,
    /// Message whose processor runs this request.
    pub message_number: u32,
    /// Channel of this request.
    pub channel_number: u32,
}

/// `MESSAGE_INTERRUPT_INFORMATION`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MessageInterruptInformation {
    /// Message.
    pub message_id: u32,
    /// Data written.
    pub message_data: u32,
    /// Address written to.
    pub message_address: u64,
    /// Vector.
    pub interrupt_vector: u32,
    /// DIRQL.
    pub interrupt_level: u32,
    /// `KINTERRUPT_MODE`.
    pub interrupt_mode: u32,
    /// Alignment.
    pub padding: [u8; 4],
}

/// `GROUP_AFFINITY`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct GroupAffinity {
    /// Processors.
    pub mask: u64,
    /// Group.
    pub group: u16,
    /// Reserved.
    pub reserved: [u16; 3],
}

/// `PROCESSOR_NUMBER`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ProcessorNumber {
    /// Group.
    pub group: u16,
    /// Number in the group.
    pub number: u8,
    /// Reserved.
    pub reserved: u8,
}

/// `STOR_LOG_EVENT_DETAILS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StorLogEventDetails {
    /// [`STOR_CURRENT_LOG_INTERFACE_REVISION`].
    pub interface_revision: u32,
    /// Size of this structure.
    pub size: u32,
    /// Flags.
    pub flags: u32,
    /// `STOR_EVENT_ASSOCIATION_ENUM`.
    pub event_association: u32,
    /// Path.
    pub path_id: u32,
    /// Target.
    pub target_id: u32,
    /// Logical unit.
    pub lun_id: u32,
    /// Storport's error code, or 0.
    pub storport_specific_error_code: u32,
    /// NTSTATUS of the event.
    pub error_code: u32,
    /// Unique id.
    pub unique_id: u32,
    /// Bytes of dump data.
    pub dump_data_size: u32,
    /// Alignment.
    pub padding1: [u8; 4],
    /// Dump data.
    pub dump_data: GuestAddress,
    /// Number of strings.
    pub string_count: u32,
    /// Alignment.
    pub padding2: [u8; 4],
    /// Strings.
    pub string_list: GuestAddress,
}

/// `STOR_DPC_WATCHDOG_INFORMATION`; newer than the kit that was compared.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct DpcWatchdogInformation {
    /// Clock ticks that one DPC has.
    pub dpc_time_limit: u32,
    /// What is left to it.
    pub dpc_time_count: u32,
    /// Clock ticks that all in a row have.
    pub dpc_watchdog_limit: u32,
    /// What is left to them.
    pub dpc_watchdog_count: u32,
    /// Reserved.
    pub reserved: u32,
}

/// `STORPORT_TELEMETRY_EVENT` before its eight parameters.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct TelemetryEventHead {
    /// Version of the driver.
    pub driver_version: u32,
    /// Id of the event.
    pub event_id: u32,
    /// Its name, in ASCII.
    pub event_name: [u8; 32],
    /// Its version.
    pub event_version: u32,
    /// Flags.
    pub flags: u32,
    /// Bytes of data.
    pub event_buffer_length: u32,
    /// Alignment.
    pub padding: [u8; 4],
    /// Data.
    pub event_buffer: GuestAddress,
}

/// `STOR_CURRENT_LOG_INTERFACE_REVISION`.
pub const STOR_CURRENT_LOG_INTERFACE_REVISION: u32 = 0x100;

/// `STOR_PERF_*` flags.
pub mod perf {
    /// `DPC_REDIRECTION`.
    pub const DPC_REDIRECTION: u32 = 0x01;
    /// `CONCURRENT_CHANNELS`.
    pub const CONCURRENT_CHANNELS: u32 = 0x02;
    /// `INTERRUPT_MESSAGE_RANGES`.
    pub const INTERRUPT_MESSAGE_RANGES: u32 = 0x04;
    /// `ADV_CONFIG_LOCALITY`.
    pub const ADV_CONFIG_LOCALITY: u32 = 0x08;
    /// `OPTIMIZE_FOR_COMPLETION_DURING_STARTIO`.
    pub const OPTIMIZE_FOR_COMPLETION_DURING_STARTIO: u32 = 0x10;
    /// `DPC_REDIRECTION_CURRENT_CPU`.
    pub const DPC_REDIRECTION_CURRENT_CPU: u32 = 0x20;
    /// `NO_SGL`.
    pub const NO_SGL: u32 = 0x40;
}
