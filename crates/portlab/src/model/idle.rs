//! Run-time power management: an adapter that registered with the power framework idles and wakes.
//!
//! Idle: the component is not active, it goes to its deepest F-state, power is not required, and unless
//! `STOR_POFX_DEVICE_FLAG_NO_D3` is set the adapter goes to D3. Awake: the same backwards, before the first request.
//!
//! Sources: Microsoft Learn, `StorPortInitializePoFxPower`, `STOR_POFX_DEVICE`, `SCSI_ADAPTER_CONTROL_TYPE`
//! (`ScsiAdapterPoFxPowerActive`, `ScsiAdapterPoFxPowerSetFState`, `ScsiAdapterPoFxPowerRequired`), "Overview of the Power
//! Management Framework" for the order.

use std::sync::atomic::Ordering;

use zerocopy::IntoBytes as _;

use super::{adapter::Phase, error::StartError, lab::Lab, power_states::PowerAction};
use crate::abi::control::{PofxActive, PofxFState, PowerControlHeader, adapter_control};

/// `STOR_POFX_DEVICE_FLAG_NO_D3`.
const NO_D3: u32 = 2;

fn header(size: usize) -> PowerControlHeader {
    PowerControlHeader {
        version: 1,
        size: u32::try_from(size).unwrap_or(0),
        address: 0,
    }
}

impl Lab {
    /// The adapter has been idle for long enough. `false` if it did not register with the power framework, or has its
    /// component active. What is submitted afterwards waits for [`Lab::wake`].
    ///
    /// # Errors
    /// If the adapter does not run or does not come to rest, or a control fails.
    pub fn idle(&self) -> Result<bool, StartError> {
        self.require(Phase::Running, "not running")?;
        let registered = self.machine.pofx.lock().adapter();
        let Some(registered) = registered.filter(|registered| registered.active == 0) else {
            return Ok(false);
        };
        self.rest()?;
        self.component_active(false)?;
        if registered.states > 1 {
            self.f_state(registered.states - 1)?;
        }
        self.power_required(false)?;
        if registered.flags & NO_D3 == 0 {
            self.to_d3(PowerAction::None)?;
        }
        self.machine.adapter.enter(Phase::PoweredDown);
        Ok(true)
    }

    /// Wakes an idle adapter.
    ///
    /// # Errors
    /// If it is not idle, or the miniport does not bring it up.
    pub fn wake(&self) -> Result<(), StartError> {
        self.require(Phase::PoweredDown, "not idle")?;
        let registered = self.machine.pofx.lock().adapter();
        let registered = registered.ok_or(StartError::Phase("not registered with the power framework"))?;
        self.power_required(true)?;
        if self.machine.powered_down.load(Ordering::Acquire) {
            self.to_d0(PowerAction::None)?;
        }
        if registered.states > 1 {
            self.f_state(0)?;
        }
        self.component_active(true)?;
        self.run();
        Ok(())
    }

    fn component_active(&self, active: bool) -> Result<(), StartError> {
        let parameters = PofxActive {
            header: header(size_of::<PofxActive>()),
            active: u8::from(active),
            ..PofxActive::default()
        };
        self.demand(
            adapter_control::POFX_POWER_ACTIVE,
            "ScsiAdapterPoFxPowerActive",
            parameters.as_bytes(),
        )
        .map(drop)
    }

    fn f_state(&self, f_state: u32) -> Result<(), StartError> {
        let parameters = PofxFState {
            header: header(size_of::<PofxFState>()),
            f_state,
            ..PofxFState::default()
        };
        self.demand(
            adapter_control::POFX_POWER_SET_F_STATE,
            "ScsiAdapterPoFxPowerSetFState",
            parameters.as_bytes(),
        )
        .map(drop)
    }

    fn power_required(&self, required: bool) -> Result<(), StartError> {
        self.demand(
            adapter_control::POFX_POWER_REQUIRED,
            "ScsiAdapterPoFxPowerRequired",
            &[u8::from(required)],
        )
        .map(drop)
    }
}
