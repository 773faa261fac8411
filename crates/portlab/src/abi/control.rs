//! Adapter and unit control.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// The head of `SCSI_SUPPORTED_CONTROL_TYPE_LIST`; one BOOLEAN per type follows.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SupportedControlTypeList {
    /// Elements that follow.
    pub max_control_type: u32,
}

/// `STOR_POWER_CONTROL_HEADER`: what the parameters of power control types begin with.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PowerControlHeader {
    /// Version of the structure: 1.
    pub version: u32,
    /// Size of the structure.
    pub size: u32,
    /// The unit's `STOR_ADDRESS`; 0 for the adapter.
    pub address: GuestAddress,
}

/// `STOR_ADAPTER_CONTROL_POWER`, the parameter of `ScsiAdapterPower`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AdapterControlPower {
    /// `STOR_POWER_CONTROL_HEADER`.
    pub header: PowerControlHeader,
    /// `STOR_POWER_ACTION`.
    pub power_action: u32,
    /// `STOR_DEVICE_POWER_STATE`.
    pub power_state: u32,
}

/// `STOR_UNIT_CONTROL_POWER`, the parameter of `ScsiUnitPower`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnitControlPower {
    /// The unit's `STOR_ADDRESS`.
    pub address: GuestAddress,
    /// `STOR_POWER_ACTION`.
    pub power_action: u32,
    /// `STOR_DEVICE_POWER_STATE`.
    pub power_state: u32,
}

/// `STOR_SYSTEM_POWER_HINTS`, the parameter of `ScsiAdapterSystemPowerHints`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SystemPowerHints {
    /// 1.
    pub version: u32,
    /// Size of this structure.
    pub size: u32,
    /// `RAID_SYSTEM_POWER`.
    pub power: u32,
    /// Longest resume, in milliseconds.
    pub resume_latency: u32,
}

/// `STOR_POWER_SETTING_INFO`, the parameter of `ScsiPowerSettingNotification`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PowerSettingInfo {
    /// GUID of the setting.
    pub setting: [u8; 16],
    /// Its value.
    pub value: GuestAddress,
    /// Bytes of the value.
    pub length: u32,
    /// Alignment.
    pub padding: [u8; 4],
}

/// `STOR_SERIAL_NUMBER`, the parameter of `ScsiAdapterSerialNumber`.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SerialNumber {
    /// 1.
    pub version: u32,
    /// Size of this structure.
    pub size: u32,
    /// TRUE if it is in UTF-16.
    pub unicode: u8,
    /// The text, ended by a zero, and the structure's padding.
    pub text: [u8; 259],
}

impl Default for SerialNumber {
    fn default() -> Self {
        Self {
            version: 0,
            size: 0,
            unicode: 0,
            text: [0; 259],
        }
    }
}

impl SerialNumber {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        if self.unicode == 0 {
            let bytes = self.text.iter().take_while(|byte| **byte != 0);
            return bytes.map(|byte| char::from(*byte)).collect();
        }
        let units = self.text.chunks_exact(2);
        let units = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        String::from_utf16_lossy(&units)
    }
}

/// `STOR_POFX_ACTIVE_CONTEXT`, the parameter of `ScsiAdapterPoFxPowerActive`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PofxActive {
    /// `STOR_POWER_CONTROL_HEADER`.
    pub header: PowerControlHeader,
    /// Index of the component.
    pub component: u32,
    /// TRUE if it is active.
    pub active: u8,
    /// Alignment.
    pub padding: [u8; 3],
}

/// `STOR_POFX_FSTATE_CONTEXT`, the parameter of `ScsiAdapterPoFxPowerSetFState`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PofxFState {
    /// `STOR_POWER_CONTROL_HEADER`.
    pub header: PowerControlHeader,
    /// Index of the component.
    pub component: u32,
    /// The F-state.
    pub f_state: u32,
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
    /// `ScsiPowerSettingNotification`.
    pub const POWER_SETTING_NOTIFICATION: u32 = 5;
    /// `ScsiAdapterPower`.
    pub const ADAPTER_POWER: u32 = 6;
    /// `ScsiAdapterPoFxPowerRequired`.
    pub const POFX_POWER_REQUIRED: u32 = 7;
    /// `ScsiAdapterPoFxPowerActive`.
    pub const POFX_POWER_ACTIVE: u32 = 8;
    /// `ScsiAdapterPoFxPowerSetFState`.
    pub const POFX_POWER_SET_F_STATE: u32 = 9;
    /// `ScsiAdapterPoFxPowerControl`.
    pub const POFX_POWER_CONTROL: u32 = 10;
    /// `ScsiAdapterPrepareForBusReScan`.
    pub const PREPARE_FOR_BUS_RESCAN: u32 = 11;
    /// `ScsiAdapterSystemPowerHints`.
    pub const SYSTEM_POWER_HINTS: u32 = 12;
    /// `ScsiAdapterSurpriseRemoval`.
    pub const SURPRISE_REMOVAL: u32 = 16;
    /// `ScsiAdapterSerialNumber`.
    pub const SERIAL_NUMBER: u32 = 17;
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
    /// `ScsiUnitPoFxPowerInfo`.
    pub const POFX_POWER_INFO: u32 = 4;
    /// `ScsiUnitPoFxPowerRequired`.
    pub const POFX_POWER_REQUIRED: u32 = 5;
    /// `ScsiUnitPoFxPowerActive`.
    pub const POFX_POWER_ACTIVE: u32 = 6;
    /// `ScsiUnitPoFxPowerSetFState`.
    pub const POFX_POWER_SET_F_STATE: u32 = 7;
    /// `ScsiUnitPoFxPowerControl`.
    pub const POFX_POWER_CONTROL: u32 = 8;
    /// `ScsiUnitRemove`.
    pub const REMOVE: u32 = 9;
    /// `ScsiUnitSurpriseRemoval`.
    pub const SURPRISE_REMOVAL: u32 = 10;
    /// `ScsiUnitControlMax` of the 10.0.16299 kit.
    pub const MAX: u32 = 12;
}

/// `STOR_DEVICE_POWER_STATE`.
pub mod power_state {
    /// `StorPowerDeviceD0`.
    pub const D0: u32 = 1;
    /// `StorPowerDeviceD3`.
    pub const D3: u32 = 4;
}

/// Both control status enumerations: success.
pub const CONTROL_SUCCESS: u32 = 0;
