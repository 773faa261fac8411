//! Surprise removal: the device is gone before anybody was asked.
//!
//! Plug and Play sends `IRP_MN_SURPRISE_REMOVAL`, then, when the last handle is closed, `IRP_MN_REMOVE_DEVICE`. The port driver
//! fails what waits and what comes, tells the units (`ScsiUnitSurpriseRemoval`) and the adapter
//! (`ScsiAdapterSurpriseRemoval` and the PNP request `StorSurpriseRemoval`), then removes as usual. `ScsiStopAdapter` comes to
//! an adapter that is not there.
//!
//! Sources: Microsoft Learn, "Handling an `IRP_MN_SURPRISE_REMOVAL` Request", `SCSI_ADAPTER_CONTROL_TYPE`,
//! `SCSI_UNIT_CONTROL_TYPE`, `STOR_PNP_ACTION`. The order within the port driver, and the IRQL of
//! `ScsiAdapterSurpriseRemoval`, are inferred.

use super::{
    adapter::Phase,
    error::StartError,
    lab::Lab,
    request::{Address, Outcome, RemovalReport},
};
use crate::{
    abi::{
        control::{adapter_control, unit_control},
        srb::{SRB_PNP_FLAGS_ADAPTER_REQUEST, pnp_action, status},
    },
    device::DeviceError,
};

impl Lab {
    /// Pulls the device out, and nothing else: its registers read as all ones from now on. Plug and Play notices with
    /// [`Lab::notice_absence`].
    ///
    /// # Errors
    /// If that cannot be done to this device.
    pub fn pull_device(&self) -> Result<(), DeviceError> {
        self.machine.options.device.pull()
    }

    /// Plug and Play notices that the device is gone. Only [`Lab::remove`] is left to do afterwards.
    ///
    /// # Errors
    /// If there is no adapter that was started.
    pub fn notice_absence(&self) -> Result<(), StartError> {
        let machine = &self.machine;
        let phase = machine.phase();
        if !matches!(
            phase,
            Phase::Running | Phase::Quiescing | Phase::Stopped | Phase::PoweredDown
        ) {
            return Err(StartError::Phase("not started"));
        }
        self.units_have_started();
        machine.adapter.enter(Phase::Gone);
        let waiting = machine.units.lock().drain();
        for request in waiting {
            machine.end(&request, Outcome::made_up(status::NO_DEVICE));
        }
        let known = machine.units.lock().known();
        for &unit in &known {
            self.passively("HwStorUnitControl", move |machine| {
                machine.unit_control(unit_control::SURPRISE_REMOVAL, unit);
                Ok(())
            })?;
        }
        if matches!(phase, Phase::Running | Phase::Quiescing) {
            for &unit in &known {
                self.pnp_request(pnp_action::SURPRISE_REMOVAL, unit, 0);
            }
        }
        self.demand(
            adapter_control::SURPRISE_REMOVAL,
            "ScsiAdapterSurpriseRemoval",
            &[],
        )?;
        if matches!(phase, Phase::Running | Phase::Quiescing) {
            self.pnp_request(
                pnp_action::SURPRISE_REMOVAL,
                Address::default(),
                SRB_PNP_FLAGS_ADAPTER_REQUEST,
            );
        }
        Ok(())
    }

    /// Pulls the device out, lets Plug and Play notice, and removes the adapter. The lab takes no more requests afterwards.
    ///
    /// # Errors
    /// If the device cannot be pulled out, or the adapter was not started.
    pub fn surprise_remove(&self) -> Result<RemovalReport, StartError> {
        self.pull_device()?;
        self.notice_absence()?;
        Ok(self.remove())
    }
}
