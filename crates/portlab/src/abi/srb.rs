//! Both forms of the SCSI request block.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// `SCSI_REQUEST_BLOCK`, the legacy form. PNP, POWER and WMI requests overlay some of its fields.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ScsiRequestBlock {
    /// Size of this structure.
    pub length: u16,
    /// `SRB_FUNCTION_*`.
    pub function: u8,
    /// `SRB_STATUS_*`.
    pub srb_status: u8,
    /// SCSI status; `PnPSubFunction` or `SrbPowerFlags` in those requests.
    pub scsi_status: u8,
    /// Path (bus).
    pub path_id: u8,
    /// Target.
    pub target_id: u8,
    /// Logical unit.
    pub lun: u8,
    /// Tag; first byte of `PnPAction` or `DevicePowerState`.
    pub queue_tag: u8,
    /// Queue action.
    pub queue_action: u8,
    /// Bytes of `cdb` that are meant.
    pub cdb_length: u8,
    /// Bytes of the sense buffer.
    pub sense_info_buffer_length: u8,
    /// `SRB_FLAGS_*`.
    pub srb_flags: u32,
    /// Bytes to transfer; the real number on completion.
    pub data_transfer_length: u32,
    /// Seconds.
    pub time_out_value: u32,
    /// Virtual address of the data buffer.
    pub data_buffer: GuestAddress,
    /// Sense buffer.
    pub sense_info_buffer: GuestAddress,
    /// Next SRB.
    pub next_srb: GuestAddress,
    /// IRP.
    pub original_request: GuestAddress,
    /// The miniport's extension of this SRB.
    pub srb_extension: GuestAddress,
    /// Internal status; `SrbPnPFlags` or `PowerAction` in those requests.
    pub internal_status: u32,
    /// Reserved.
    pub reserved: u32,
    /// Command descriptor block.
    pub cdb: [u8; 16],
}

/// `STORAGE_REQUEST_BLOCK` without its array of offsets: the first 120 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StorageRequestBlock {
    /// Size of the header.
    pub length: u16,
    /// Always `SRB_FUNCTION_STORAGE_REQUEST_BLOCK`.
    pub function: u8,
    /// `SRB_STATUS_*`.
    pub srb_status: u8,
    /// Reserved.
    pub reserved_uchar: [u8; 4],
    /// [`SRB_SIGNATURE`].
    pub signature: u32,
    /// 1.
    pub version: u32,
    /// Bytes of the whole block.
    pub srb_length: u32,
    /// `SRB_FUNCTION_*`.
    pub srb_function: u32,
    /// `SRB_FLAGS_*`.
    pub srb_flags: u32,
    /// Reserved.
    pub reserved_ulong: u32,
    /// Tag.
    pub request_tag: u32,
    /// Priority.
    pub request_priority: u16,
    /// Queue action.
    pub request_attribute: u16,
    /// Seconds.
    pub time_out_value: u32,
    /// System status.
    pub system_status: u32,
    /// 0.
    pub zero_guard1: u32,
    /// Offset of the `STOR_ADDRESS`.
    pub address_offset: u32,
    /// Number of `SrbExDataOffset` elements.
    pub num_srb_ex_data: u32,
    /// Bytes to transfer; the real number on completion.
    pub data_transfer_length: u32,
    /// Virtual address of the data buffer.
    pub data_buffer: GuestAddress,
    /// 0.
    pub zero_guard2: u64,
    /// IRP.
    pub original_request: GuestAddress,
    /// Class driver's context.
    pub class_context: GuestAddress,
    /// Port driver's context.
    pub port_context: GuestAddress,
    /// The miniport's extension of this SRB.
    pub miniport_context: GuestAddress,
    /// Next SRB.
    pub next_srb: GuestAddress,
}

/// Offset of `SrbExDataOffset[0]`.
pub const SRB_EX_DATA_OFFSETS: usize = 120;
/// `sizeof(STORAGE_REQUEST_BLOCK)` with its one array element and padding.
pub const STORAGE_REQUEST_BLOCK_SIZE: usize = 128;

/// `SRBEX_DATA_SCSI_CDB16`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SrbexDataScsiCdb16 {
    /// [`SRBEX_DATA_TYPE_SCSI_CDB16`].
    pub kind: u32,
    /// Bytes after this field.
    pub length: u32,
    /// SCSI status.
    pub scsi_status: u8,
    /// Bytes of the sense buffer.
    pub sense_info_buffer_length: u8,
    /// Bytes of `cdb` that are meant.
    pub cdb_length: u8,
    /// Reserved.
    pub reserved: u8,
    /// Reserved.
    pub reserved1: u32,
    /// Sense buffer.
    pub sense_info_buffer: GuestAddress,
    /// Command descriptor block.
    pub cdb: [u8; 16],
}

/// `SRBEX_DATA_SCSI_CDB32`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SrbexDataScsiCdb32 {
    /// [`SRBEX_DATA_TYPE_SCSI_CDB32`].
    pub kind: u32,
    /// Bytes after this field.
    pub length: u32,
    /// SCSI status.
    pub scsi_status: u8,
    /// Bytes of the sense buffer.
    pub sense_info_buffer_length: u8,
    /// Bytes of `cdb` that are meant.
    pub cdb_length: u8,
    /// Reserved.
    pub reserved: u8,
    /// Reserved.
    pub reserved1: u32,
    /// Sense buffer.
    pub sense_info_buffer: GuestAddress,
    /// Command descriptor block.
    pub cdb: [u8; 32],
}

/// `SRBEX_DATA_POWER`.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SrbexDataPower {
    /// [`SRBEX_DATA_TYPE_POWER`].
    pub kind: u32,
    /// Bytes after this field.
    pub length: u32,
    /// `SRB_POWER_FLAGS_*`.
    pub srb_power_flags: u8,
    /// Reserved.
    pub reserved: [u8; 3],
    /// `STOR_DEVICE_POWER_STATE`.
    pub device_power_state: u32,
    /// `STOR_POWER_ACTION`.
    pub power_action: u32,
    /// Alignment.
    pub padding: [u8; 4],
}

/// `SRBEX_DATA_PNP`.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SrbexDataPnp {
    /// [`SRBEX_DATA_TYPE_PNP`].
    pub kind: u32,
    /// Bytes after this field.
    pub length: u32,
    /// PnP sub-function.
    pub pnp_sub_function: u8,
    /// Reserved.
    pub reserved: [u8; 3],
    /// `STOR_PNP_ACTION`.
    pub pnp_action: u32,
    /// `SRB_PNP_FLAGS_*`.
    pub srb_pnp_flags: u32,
    /// Reserved.
    pub reserved1: u32,
}

/// `STOR_ADDR_BTL8`.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StorAddrBtl8 {
    /// [`STOR_ADDRESS_TYPE_BTL8`].
    pub kind: u16,
    /// Port number.
    pub port: u16,
    /// 4.
    pub address_length: u32,
    /// Path.
    pub path: u8,
    /// Target.
    pub target: u8,
    /// Logical unit.
    pub lun: u8,
    /// Reserved.
    pub reserved: u8,
    /// Alignment.
    pub padding: [u8; 4],
}

/// `SRB_SIGNATURE`.
pub const SRB_SIGNATURE: u32 = 0x5352_4258;
/// `SRB_TYPE_SCSI_REQUEST_BLOCK`.
pub const SRB_TYPE_SCSI_REQUEST_BLOCK: u8 = 0;
/// `SRB_TYPE_STORAGE_REQUEST_BLOCK`.
pub const SRB_TYPE_STORAGE_REQUEST_BLOCK: u8 = 1;
/// `STOR_ADDRESS_TYPE_BTL8`.
pub const STOR_ADDRESS_TYPE_BTL8: u16 = 1;
/// `SrbExDataTypeScsiCdb16`.
pub const SRBEX_DATA_TYPE_SCSI_CDB16: u32 = 0x40;
/// `SrbExDataTypeScsiCdb32`.
pub const SRBEX_DATA_TYPE_SCSI_CDB32: u32 = 0x41;
/// `SrbExDataTypePower`.
pub const SRBEX_DATA_TYPE_POWER: u32 = 0x61;
/// `SrbExDataTypePnP`.
pub const SRBEX_DATA_TYPE_PNP: u32 = 0x62;
/// `SrbExDataTypeIoInfo`.
pub const SRBEX_DATA_TYPE_IO_INFO: u32 = 0x80;
/// `SRB_PNP_FLAGS_ADAPTER_REQUEST`.
pub const SRB_PNP_FLAGS_ADAPTER_REQUEST: u32 = 1;
/// `SRB_POWER_FLAGS_ADAPTER_REQUEST`.
pub const SRB_POWER_FLAGS_ADAPTER_REQUEST: u8 = 1;
/// `SRB_SIMPLE_TAG_REQUEST`.
pub const SRB_SIMPLE_TAG_REQUEST: u8 = 0x20;

/// `SRB_FUNCTION_*`.
pub mod function {
    /// `EXECUTE_SCSI`.
    pub const EXECUTE_SCSI: u8 = 0x00;
    /// `IO_CONTROL`.
    pub const IO_CONTROL: u8 = 0x02;
    /// SHUTDOWN.
    pub const SHUTDOWN: u8 = 0x07;
    /// FLUSH.
    pub const FLUSH: u8 = 0x08;
    /// `ABORT_COMMAND`.
    pub const ABORT_COMMAND: u8 = 0x10;
    /// `RESET_BUS`.
    pub const RESET_BUS: u8 = 0x12;
    /// `RESET_DEVICE`.
    pub const RESET_DEVICE: u8 = 0x13;
    /// WMI.
    pub const WMI: u8 = 0x17;
    /// `RESET_LOGICAL_UNIT`.
    pub const RESET_LOGICAL_UNIT: u8 = 0x20;
    /// POWER.
    pub const POWER: u8 = 0x24;
    /// PNP.
    pub const PNP: u8 = 0x25;
    /// `DUMP_POINTERS`.
    pub const DUMP_POINTERS: u8 = 0x26;
    /// `FREE_DUMP_POINTERS`.
    pub const FREE_DUMP_POINTERS: u8 = 0x27;
    /// `STORAGE_REQUEST_BLOCK`: the extended form.
    pub const STORAGE_REQUEST_BLOCK: u8 = 0x28;
}

/// `SRB_STATUS_*`.
pub mod status {
    /// PENDING.
    pub const PENDING: u8 = 0x00;
    /// SUCCESS.
    pub const SUCCESS: u8 = 0x01;
    /// ABORTED.
    pub const ABORTED: u8 = 0x02;
    /// `ABORT_FAILED`.
    pub const ABORT_FAILED: u8 = 0x03;
    /// ERROR.
    pub const ERROR: u8 = 0x04;
    /// BUSY.
    pub const BUSY: u8 = 0x05;
    /// `INVALID_REQUEST`.
    pub const INVALID_REQUEST: u8 = 0x06;
    /// `INVALID_PATH_ID`.
    pub const INVALID_PATH_ID: u8 = 0x07;
    /// `NO_DEVICE`.
    pub const NO_DEVICE: u8 = 0x08;
    /// TIMEOUT.
    pub const TIMEOUT: u8 = 0x09;
    /// `SELECTION_TIMEOUT`.
    pub const SELECTION_TIMEOUT: u8 = 0x0A;
    /// `BUS_RESET`.
    pub const BUS_RESET: u8 = 0x0E;
    /// `NO_HBA`.
    pub const NO_HBA: u8 = 0x11;
    /// `DATA_OVERRUN`.
    pub const DATA_OVERRUN: u8 = 0x12;
    /// `BAD_FUNCTION`.
    pub const BAD_FUNCTION: u8 = 0x22;
    /// `INTERNAL_ERROR`.
    pub const INTERNAL_ERROR: u8 = 0x30;
    /// Flag: the queue is frozen.
    pub const QUEUE_FROZEN: u8 = 0x40;
    /// Flag: the sense buffer holds sense data.
    pub const AUTOSENSE_VALID: u8 = 0x80;
    /// All that exist, without flags (srb.h; RESERVED codes of SCSI-2's time are none).
    pub const EXISTING: [u8; 32] = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0D, 0x0E, 0x0F, 0x10, 0x11,
        0x12, 0x13, 0x14, 0x15, 0x16, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x30,
    ];
    /// The status without its flags.
    #[must_use]
    pub const fn without_flags(status: u8) -> u8 {
        status & 0x3F
    }
}

/// `SRB_FLAGS_*`.
pub mod flags {
    /// `QUEUE_ACTION_ENABLE`.
    pub const QUEUE_ACTION_ENABLE: u32 = 0x2;
    /// `DATA_IN`.
    pub const DATA_IN: u32 = 0x40;
    /// `DATA_OUT`.
    pub const DATA_OUT: u32 = 0x80;
    /// `NO_QUEUE_FREEZE`.
    pub const NO_QUEUE_FREEZE: u32 = 0x100;
}

/// `STOR_PNP_ACTION`.
pub mod pnp_action {
    /// `StorStartDevice`.
    pub const START_DEVICE: u32 = 0x0;
    /// `StorRemoveDevice`.
    pub const REMOVE_DEVICE: u32 = 0x2;
    /// `StorStopDevice`.
    pub const STOP_DEVICE: u32 = 0x4;
    /// `StorQueryCapabilities`.
    pub const QUERY_CAPABILITIES: u32 = 0x9;
    /// `StorSurpriseRemoval`.
    pub const SURPRISE_REMOVAL: u32 = 0x17;
}
