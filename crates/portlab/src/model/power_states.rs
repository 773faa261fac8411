//! D0 and D3: what the port driver tells a miniport when the system sleeps, hibernates or shuts down, and when it is back.
//!
//! Down: I/O is held, units first (`ScsiUnitPower`, or the unit's POWER request), then the adapter: `ScsiAdapterPower`, which
//! replaces what follows where it is supported; else FLUSH, the adapter's POWER request, `ScsiStopAdapter`,
//! `ScsiSetBootConfig`. Up: the adapter first (`ScsiAdapterPower`; else `ScsiSetRunningConfig`, `ScsiRestartAdapter`, the POWER
//! request; else another start), then its units, then the I/O that was held.
//!
//! Sources: Microsoft Learn, `SCSI_ADAPTER_CONTROL_TYPE`, `SCSI_UNIT_CONTROL_TYPE`, `SRBEX_DATA_POWER`. In which order POWER
//! requests and control types of one transition come is inferred.

use std::sync::atomic::Ordering;

use zerocopy::IntoBytes as _;

use super::{
    adapter::Phase,
    control::Answer,
    error::StartError,
    lab::Lab,
    request::{Address, SrbFunction},
    rules,
};
use crate::{
    abi::{
        control::{
            AdapterControlPower, PowerControlHeader, UnitControlPower, adapter_control, power_state,
            unit_control,
        },
        srb::{SRB_POWER_FLAGS_ADAPTER_REQUEST, status},
    },
    engine::Irql,
};

/// Why power changes (`STOR_POWER_ACTION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerAction {
    /// At run time: the device was idle.
    None,
    /// The system sleeps (S1 to S3).
    Sleep,
    /// The system hibernates (S4).
    Hibernate,
    /// The system is switched off (S5).
    ShutdownOff,
    /// The system is started anew.
    ShutdownReset,
}

impl PowerAction {
    /// `STOR_POWER_ACTION`.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Sleep => 2,
            Self::Hibernate => 3,
            Self::ShutdownReset => 5,
            Self::ShutdownOff => 6,
        }
    }
}

impl Lab {
    /// Powers a running adapter down to D3. What is submitted from now on waits for [`Lab::power_up`].
    ///
    /// # Errors
    /// If the adapter does not run, does not come to rest, or the miniport refuses.
    pub fn power_down(&self, action: PowerAction) -> Result<(), StartError> {
        self.rest()?;
        self.to_d3(action)
    }

    /// D3, for an adapter that is at rest.
    pub(super) fn to_d3(&self, action: PowerAction) -> Result<(), StartError> {
        let units = self.machine.units.lock().known();
        for unit in units {
            self.power_unit(unit, power_state::D3, action)?;
        }
        self.flush_adapter();
        if self.adapter_power(power_state::D3, action)? == Answer::NotSupported {
            self.power_request(
                Address::default(),
                power_state::D3,
                action,
                SRB_POWER_FLAGS_ADAPTER_REQUEST,
            );
            let stopped = self.control(adapter_control::STOP_ADAPTER, &[])?;
            if stopped != Answer::Done {
                self.machine
                    .violate(&rules::POWER_REFUSED, || String::from("ScsiStopAdapter failed"));
            }
            self.demand(adapter_control::SET_BOOT_CONFIG, "ScsiSetBootConfig", &[])?;
        }
        self.machine.disconnect();
        self.machine.powered_down.store(true, Ordering::Release);
        self.machine.adapter.enter(Phase::PoweredDown);
        Ok(())
    }

    /// Powers the adapter up again to D0: its device has lost its state, if it can (D3cold).
    ///
    /// # Errors
    /// If the adapter is not in D3, or the miniport does not bring it up.
    pub fn power_up(&self, action: PowerAction) -> Result<(), StartError> {
        self.require(Phase::PoweredDown, "not powered down")?;
        self.to_d0(action)?;
        self.run();
        Ok(())
    }

    /// D0; requests still wait.
    pub(super) fn to_d0(&self, action: PowerAction) -> Result<(), StartError> {
        // A device without power of its own keeps its state, as in D3hot.
        let _ = self.machine.options.device.cycle_power();
        self.machine.powered_down.store(false, Ordering::Release);
        let setup = self.machine.setup();
        if setup.supports_adapter_control(adapter_control::ADAPTER_POWER) {
            self.machine.connect()?;
            if self.adapter_power(power_state::D0, action)? != Answer::Done {
                return Err(StartError::AdapterControl("ScsiAdapterPower"));
            }
            self.machine.adapter.enter(Phase::Quiescing);
        } else if setup.supports_adapter_control(adapter_control::RESTART_ADAPTER) {
            self.restart_adapter()?;
            self.machine.adapter.enter(Phase::Quiescing);
            self.power_request(
                Address::default(),
                power_state::D0,
                action,
                SRB_POWER_FLAGS_ADAPTER_REQUEST,
            );
        } else {
            self.machine.adapter.enter(Phase::Stopped);
            self.reinitialize()?;
            self.machine.adapter.enter(Phase::Quiescing);
        }
        let units = self.machine.units.lock().known();
        for unit in units {
            self.power_unit(unit, power_state::D0, action)?;
        }
        Ok(())
    }

    fn adapter_power(&self, state: u32, action: PowerAction) -> Result<Answer, StartError> {
        let parameters = AdapterControlPower {
            header: PowerControlHeader {
                version: 1,
                size: u32::try_from(size_of::<AdapterControlPower>()).unwrap_or(0),
                address: 0,
            },
            power_action: action.code(),
            power_state: state,
        };
        self.demand(
            adapter_control::ADAPTER_POWER,
            "ScsiAdapterPower",
            parameters.as_bytes(),
        )
    }

    fn power_unit(&self, unit: Address, state: u32, action: PowerAction) -> Result<(), StartError> {
        let irql = if self.machine.options.seed & 2 == 0 {
            Irql::PASSIVE
        } else {
            Irql::DISPATCH
        };
        let answer = self.passively("HwStorUnitControl", move |machine| {
            machine.with_unit_address(unit, |address| {
                let parameters = UnitControlPower {
                    address,
                    power_action: action.code(),
                    power_state: state,
                };
                machine.unit_control_with(unit_control::POWER, unit, irql, parameters.as_bytes())
            })?
        })?;
        match answer {
            Answer::Done => {}
            Answer::Failed => self.machine.violate(&rules::POWER_REFUSED, || {
                format!("ScsiUnitPower failed for unit {unit}")
            }),
            Answer::NotSupported => self.power_request(unit, state, action, 0),
        }
        Ok(())
    }

    /// `SRB_FUNCTION_POWER`. A miniport that does not know the function says so, and nothing is lost.
    fn power_request(&self, address: Address, device_state: u32, action: PowerAction, flags: u8) {
        let request = SrbFunction::Power {
            device_state,
            action: action.code(),
            flags,
        };
        let outcome = self.bypassing(request, address);
        let accepted = matches!(outcome.srb_status, status::SUCCESS | status::INVALID_REQUEST);
        if !accepted && !self.machine.journal.is_down() {
            self.machine.violate(&rules::POWER_REFUSED, || {
                format!(
                    "the POWER request for {address} (flags {flags}) to D{} ended with SRB status {:#04x}",
                    device_state - 1,
                    outcome.srb_status
                )
            });
        }
    }
}
