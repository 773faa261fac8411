//! Adapter controls that tell or ask something and change nothing: serial number, power hints, power settings, a rescan.
//!
//! Each is called only if the miniport reports it as supported. Sources: Microsoft Learn, `SCSI_ADAPTER_CONTROL_TYPE`,
//! `STOR_SERIAL_NUMBER`, `STOR_SYSTEM_POWER_HINTS`, `STOR_POWER_SETTING_INFO`, `StorPortSetPowerSettingNotificationGuids`.

use std::time::Duration;

use zerocopy::IntoBytes as _;

use super::{adapter::Phase, control::Answer, error::StartError, lab::Lab};
use crate::{
    abi::{
        control::{PowerSettingInfo, SerialNumber, SystemPowerHints, adapter_control},
        guest,
    },
    memory::Request,
};

/// How much power the system uses (`RAID_SYSTEM_POWER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemPower {
    /// The least.
    Lowest,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// As much as it likes.
    High,
}

impl SystemPower {
    const fn code(self) -> u32 {
        match self {
            Self::Lowest => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }
}

impl Lab {
    /// `ScsiAdapterSystemPowerHints`. `false` if the miniport does not support it, or fails.
    ///
    /// # Errors
    /// If the adapter does not run, or the driver does not come back.
    pub fn hint_power(&self, power: SystemPower, resume: Duration) -> Result<bool, StartError> {
        self.require(Phase::Running, "not running")?;
        let hints = SystemPowerHints {
            version: 1,
            size: u32::try_from(size_of::<SystemPowerHints>()).unwrap_or(0),
            power: power.code(),
            resume_latency: u32::try_from(resume.as_millis()).unwrap_or(u32::MAX),
        };
        self.tell(
            adapter_control::SYSTEM_POWER_HINTS,
            "ScsiAdapterSystemPowerHints",
            hints.as_bytes(),
        )
    }

    /// `ScsiAdapterPrepareForBusReScan`: the bus is about to be scanned. `false` as for [`Lab::hint_power`].
    ///
    /// # Errors
    /// As [`Lab::hint_power`].
    pub fn prepare_rescan(&self) -> Result<bool, StartError> {
        self.require(Phase::Running, "not running")?;
        self.tell(
            adapter_control::PREPARE_FOR_BUS_RESCAN,
            "ScsiAdapterPrepareForBusReScan",
            &[],
        )
    }

    /// `ScsiPowerSettingNotification`: a setting has a new value. `false` also if the miniport did not ask for that setting.
    ///
    /// # Errors
    /// As [`Lab::hint_power`].
    pub fn change_power_setting(&self, setting: [u8; 16], value: &[u8]) -> Result<bool, StartError> {
        self.require(Phase::Running, "not running")?;
        if !self.machine.power_settings.lock().contains(&setting) {
            return Ok(false);
        }
        let request = Request::new(value.len(), "the value of a power setting");
        let block = self
            .machine
            .memory
            .port_pool(&request)
            .ok_or(StartError::Memory)?;
        guest::write_bytes(block.address, value);
        let information = PowerSettingInfo {
            setting,
            value: block.address,
            length: u32::try_from(value.len()).unwrap_or(0),
            padding: [0; 4],
        };
        let told = self.tell(
            adapter_control::POWER_SETTING_NOTIFICATION,
            "ScsiPowerSettingNotification",
            information.as_bytes(),
        );
        let _ = self.machine.memory.pool.free(block.address);
        told
    }

    /// `ScsiAdapterSerialNumber`; none if the miniport does not support it, or fails.
    ///
    /// # Errors
    /// As [`Lab::hint_power`].
    pub fn serial_number(&self) -> Result<Option<String>, StartError> {
        self.require(Phase::Running, "not running")?;
        let asked = SerialNumber {
            version: 1,
            size: u32::try_from(size_of::<SerialNumber>()).unwrap_or(0),
            ..SerialNumber::default()
        };
        let asked = asked.as_bytes().to_vec();
        let (answer, bytes) = self.passively("HwStorAdapterControl", move |machine| {
            machine.adapter_control_answer(adapter_control::SERIAL_NUMBER, &asked)
        })?;
        if answer == Answer::Failed {
            self.machine.violate(&super::rules::POWER_REFUSED, || {
                String::from("ScsiAdapterSerialNumber failed")
            });
        }
        let said = <SerialNumber as zerocopy::FromBytes>::read_from_bytes(&bytes);
        Ok(said
            .ok()
            .filter(|_| answer == Answer::Done)
            .map(|said| said.text()))
    }

    fn tell(&self, kind: u32, name: &'static str, parameters: &[u8]) -> Result<bool, StartError> {
        Ok(self.demand(kind, name, parameters)? == Answer::Done)
    }
}
