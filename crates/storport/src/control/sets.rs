//! The control types that a miniport serves.

macro_rules! sets {
    ($($(#[$meta:meta])* $name:ident { $($(#[$type_meta:meta])* $constant:ident = $number:literal,)+ })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name(u32);

            impl $name {
                /// No optional type.
                pub const NONE: Self = Self(0);
                $($(#[$type_meta])* pub const $constant: Self = Self(1 << $number);)+

                /// These and `others`.
                #[must_use]
                pub const fn and(self, others: Self) -> Self {
                    Self(self.0 | others.0)
                }

                /// Whether the control type with this number is among them.
                pub(crate) const fn contains(self, number: u32) -> bool {
                    number < u32::BITS && self.0 & (1_u32.wrapping_shl(number)) != 0
                }

                /// Their numbers, and those of `always`.
                pub(crate) fn numbers(self, always: &'static [u32]) -> impl Iterator<Item = u32> {
                    (0..u32::BITS).filter(move |number| self.contains(*number) || always.contains(number))
                }
            }
        )+
    };
}

sets! {
    /// Optional control types of `HwStorAdapterControl`.
    AdapterControls {
        /// `ScsiSetBootConfig`: [`Miniport::configure`](crate::Miniport::configure).
        SET_BOOT_CONFIG = 3,
        /// `ScsiSetRunningConfig`: [`Miniport::configure`](crate::Miniport::configure).
        SET_RUNNING_CONFIG = 4,
        /// `ScsiPowerSettingNotification`.
        POWER_SETTING = 5,
        /// `ScsiAdapterPower`. It replaces `ScsiStopAdapter` for power, and the adapter's POWER SRBs.
        POWER = 6,
        /// `ScsiAdapterPoFxPowerRequired`.
        POFX_POWER_REQUIRED = 7,
        /// `ScsiAdapterPoFxPowerActive`.
        POFX_POWER_ACTIVE = 8,
        /// `ScsiAdapterPoFxPowerSetFState`.
        POFX_SET_F_STATE = 9,
        /// `ScsiAdapterPoFxPowerControl`.
        POFX_POWER_CONTROL = 10,
        /// `ScsiAdapterPrepareForBusReScan`.
        PREPARE_FOR_BUS_RESCAN = 11,
        /// `ScsiAdapterSystemPowerHints`.
        SYSTEM_POWER_HINTS = 12,
        /// `ScsiAdapterPoFxMaxOperationalPower`.
        POFX_MAX_OPERATIONAL_POWER = 14,
        /// `ScsiAdapterPoFxSetPerfState`.
        POFX_SET_PERF_STATE = 15,
        /// `ScsiAdapterSurpriseRemoval`.
        SURPRISE_REMOVAL = 16,
        /// `ScsiAdapterSerialNumber`.
        SERIAL_NUMBER = 17,
    }

    /// Control types of `HwStorUnitControl`.
    UnitControls {
        /// `ScsiUnitUsage`.
        USAGE = 1,
        /// `ScsiUnitStart`.
        START = 2,
        /// `ScsiUnitPower`. It replaces the units' POWER SRBs.
        POWER = 3,
        /// `ScsiUnitPoFxPowerInfo`.
        POFX_POWER_INFO = 4,
        /// `ScsiUnitPoFxPowerRequired`.
        POFX_POWER_REQUIRED = 5,
        /// `ScsiUnitPoFxPowerActive`.
        POFX_POWER_ACTIVE = 6,
        /// `ScsiUnitPoFxPowerSetFState`.
        POFX_SET_F_STATE = 7,
        /// `ScsiUnitPoFxPowerControl`.
        POFX_POWER_CONTROL = 8,
        /// `ScsiUnitRemove`.
        REMOVE = 9,
        /// `ScsiUnitSurpriseRemoval`.
        SURPRISE_REMOVAL = 10,
        /// `ScsiUnitRichDescription`.
        RICH_DESCRIPTION = 11,
    }
}

/// The numbers are the header's.
#[cfg(windows)]
const _: () = {
    use wdk_sys::{_SCSI_ADAPTER_CONTROL_TYPE as Adapter, _SCSI_UNIT_CONTROL_TYPE as Unit};
    assert!(AdapterControls::SET_BOOT_CONFIG.0 == 1 << Adapter::ScsiSetBootConfig);
    assert!(AdapterControls::POWER.0 == 1 << Adapter::ScsiAdapterPower);
    assert!(AdapterControls::SYSTEM_POWER_HINTS.0 == 1 << Adapter::ScsiAdapterSystemPowerHints);
    assert!(
        AdapterControls::POFX_MAX_OPERATIONAL_POWER.0 == 1 << Adapter::ScsiAdapterPoFxMaxOperationalPower
    );
    assert!(AdapterControls::SERIAL_NUMBER.0 == 1 << Adapter::ScsiAdapterSerialNumber);
    assert!(UnitControls::USAGE.0 == 1 << Unit::ScsiUnitUsage);
    assert!(UnitControls::POWER.0 == 1 << Unit::ScsiUnitPower);
    assert!(UnitControls::RICH_DESCRIPTION.0 == 1 << Unit::ScsiUnitRichDescription);
};
