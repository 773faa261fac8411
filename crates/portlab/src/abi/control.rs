//! Adapter and unit control.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The head of `SCSI_SUPPORTED_CONTROL_TYPE_LIST`; one BOOLEAN per type follows.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SupportedControlTypeList {
    /// Elements that follow.
    pub max_control_type: u32,
}

/// `STOR_ADAPTER_CONTROL_POWER`, the parameter of `ScsiAdapterPower`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AdapterControlPower {
    /// `STOR_ADAPTER_CONTROL_HEADER`.
    pub header: [u64; 2],
    /// `STOR_POWER_ACTION`.
    pub power_action: u32,
    /// `STOR_DEVICE_POWER_STATE`.
    pub power_state: u32,
}

/// `SCSI_ADAPTER_CONTROL_TYPE`.
pub mod adapter_control {
    /// `ScsiQuerySupportedControlTypes`.
    pub const QUERY_SUPPORTED_CONTROL_TYPES: u32 = 0;
    /// `ScsiStopAdapter`.
    pub const STOP_ADAPTER: u32 = 1;
    /// `ScsiRestartAdapter`.
    pub const RESTART_ADAPTER: u32 = 2;
    /// `ScsiSetBootConfig`.
    pub const SET_BOOT_CONFIG: u32 = 3;
    /// `ScsiSetRunningConfig`.
    pub const SET_RUNNING_CONFIG: u32 = 4;
    /// `ScsiAdapterPower`.
    pub const ADAPTER_POWER: u32 = 6;
    /// `ScsiAdapterSurpriseRemoval`.
    pub const SURPRISE_REMOVAL: u32 = 16;
    /// `ScsiAdapterControlMax` of the 10.0.16299 kit.
    pub const MAX: u32 = 18;
}

/// `SCSI_UNIT_CONTROL_TYPE`.
pub mod unit_control {
    /// `ScsiQuerySupportedUnitControlTypes`.
    pub const QUERY_SUPPORTED_CONTROL_TYPES: u32 = 0;
    /// `ScsiUnitUsage`.
    pub const USAGE: u32 = 1;
    /// `ScsiUnitStart`.
    pub const START: u32 = 2;
    /// `ScsiUnitPower`.
    pub const POWER: u32 = 3;
    /// `ScsiUnitRemove`.
    pub const REMOVE: u32 = 9;
    /// `ScsiUnitSurpriseRemoval`.
    pub const SURPRISE_REMOVAL: u32 = 10;
    /// `ScsiUnitControlMax` of the 10.0.16299 kit.
    pub const MAX: u32 = 12;
}

/// Both control status enumerations: success.
pub const CONTROL_SUCCESS: u32 = 0;
