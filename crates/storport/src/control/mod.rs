//! `HwStorAdapterControl` and `HwStorUnitControl`: typed events, each with the context of its IRQL.
//!
//! A miniport declares the optional control types that it serves ([`Miniport::ADAPTER_CONTROLS`],
//! [`Miniport::UNIT_CONTROLS`]); the framework answers `ScsiQuerySupportedControlTypes` from that, and serves
//! `ScsiStopAdapter` and `ScsiRestartAdapter` in any case. Source: the pages of `HwStorAdapterControl` and
//! `HwStorUnitControl`, whose tables give each type's IRQL, and of `SCSI_ADAPTER_CONTROL_TYPE` and
//! `SCSI_UNIT_CONTROL_TYPE`.
//!
//! Not offered: `ScsiAdapterFilterResourceRequirements`, which comes before `HwStorFindAdapter`; types that are reserved for
//! the system; types newer than the floor of this crate (Windows 10 1809).
//!
//! [`Miniport::ADAPTER_CONTROLS`]: crate::Miniport::ADAPTER_CONTROLS
//! [`Miniport::UNIT_CONTROLS`]: crate::Miniport::UNIT_CONTROLS

mod adapter;
mod parameters;
mod power;
mod sets;
mod unit;

pub(crate) use adapter::adapter_control;
pub use adapter::{AdapterEvent, AdapterNotice, AdapterPowerEvent, SerialNumber, SettingValue, SystemPower};
pub use power::{DevicePowerState, PowerAction, PowerControl};
pub use sets::{AdapterControls, UnitControls};
pub(crate) use unit::unit_control;
pub use unit::{RichDescription, UnitEvent, UnitPowerEvent, UnitUsage};

/// A control operation that was not done: `ScsiAdapterControlUnsuccessful`, `ScsiUnitControlUnsuccessful`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotDone;

/// Which configuration is to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// `ScsiSetBootConfig`: what the firmware needs to boot again. Comes after the adapter was stopped.
    Boot,
    /// `ScsiSetRunningConfig`: what the miniport needs. Comes before the adapter is restarted; interrupts are not
    /// connected yet.
    Running,
}
