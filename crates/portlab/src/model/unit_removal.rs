//! Removal of a logical unit's device object while the adapter runs.
//!
//! Plug and Play removes it because it was asked to (Device Manager: `IRP_MN_REMOVE_DEVICE`), or because the bus does not report the unit
//! any more (`IRP_MN_SURPRISE_REMOVAL` first). The port driver fails what waits for the unit, then tells the miniport by `HwStorUnitControl`
//! and by the PNP request of the unit. A unit that answers an INQUIRY later has a new device object, which is started.
//!
//! Sources: Microsoft Learn, `SCSI_UNIT_CONTROL_TYPE`, `STOR_PNP_ACTION`, "Handling an `IRP_MN_SURPRISE_REMOVAL` Request". The order within
//! the port driver is inferred.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    adapter::Phase,
    error::StartError,
    lab::Lab,
    request::{Address, Outcome},
};
use crate::abi::{
    control::unit_control,
    srb::{pnp_action, status},
};

/// Why a unit's device object is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitRemoval {
    /// Somebody asked for it; the unit is there.
    Asked,
    /// The bus does not report it any more.
    Missing,
}

/// What a unit's device object may take to start.
const START: Duration = Duration::from_secs(5);

impl Lab {
    /// Plug and Play does one thing after the other: what is being started has started before anything is removed.
    pub(super) fn units_have_started(&self) {
        let machine = &self.machine;
        machine.engine.wait(START, &mut || {
            machine.starting_units.load(Ordering::Acquire) == 0 || machine.journal.is_down()
        });
    }

    /// Removes a unit's device object, if it has one, from an adapter that runs. Nothing of the unit's may be in flight if it was asked for:
    /// whoever had it open has closed it.
    ///
    /// # Errors
    /// If the adapter does not run.
    pub fn remove_unit(&self, unit: Address, how: UnitRemoval) -> Result<(), StartError> {
        let machine = &self.machine;
        if machine.phase() != Phase::Running {
            return Err(StartError::Phase("not started"));
        }
        if !machine.units.lock().known().contains(&unit) {
            return Ok(());
        }
        self.units_have_started();
        let waiting = machine.units.lock().forget(unit);
        for request in waiting {
            machine.end(&request, Outcome::made_up(status::NO_DEVICE));
        }
        if how == UnitRemoval::Missing {
            self.passively("HwStorUnitControl", move |machine| {
                machine.unit_control(unit_control::SURPRISE_REMOVAL, unit);
                Ok(())
            })?;
            self.pnp_request(pnp_action::SURPRISE_REMOVAL, unit, 0);
        }
        self.passively("HwStorUnitControl", move |machine| {
            machine.unit_control(unit_control::REMOVE, unit);
            Ok(())
        })?;
        self.pnp_request(pnp_action::REMOVE_DEVICE, unit, 0);
        Ok(())
    }
}
