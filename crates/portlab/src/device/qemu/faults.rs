//! What can be made to happen to QEMU's controllers from outside.

use serde_json::json;

use super::{
    LOW_MEMORY, QemuDevice,
    firmware::{Firmware, FirmwareError},
    qmp::QmpError,
};
use crate::device::Device as _;

/// Where the second controller's queues are, within the firmware's memory.
const SECOND_CONTROLLER_MEMORY: u64 = LOW_MEMORY + (1 << 19);

/// Admin command Namespace Attachment (NVM Express Base 1.4, 5.12).
const NAMESPACE_ATTACHMENT: u8 = 0x15;

/// Why something could not be made to happen.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The emulator's monitor refused or failed.
    #[error(transparent)]
    Monitor(#[from] QmpError),
    /// The subsystem's second controller refused or failed.
    #[error("the second controller: {0}")]
    SecondController(#[from] FirmwareError),
    /// There is no second controller.
    #[error("the device has one controller only: give it subsystem=on")]
    NoSubsystem,
}

impl QemuDevice {
    /// Sets the SMART critical warning byte (NVM Express Base 1.4, 5.14.1.2). Each bit that becomes set raises
    /// an asynchronous event, if the driver enabled that event by Set Features 0Bh.
    ///
    /// # Errors
    /// If the monitor refuses.
    pub fn set_critical_warning(&self, bits: u8) -> Result<(), FaultError> {
        let arguments = json!({ "path": "/machine/peripheral/nvme0", "property": "smart_critical_warning", "value": bits });
        self.monitor().execute("qom-set", &arguments)?;
        Ok(())
    }

    /// Plugs a disk of zeroes with `size` bytes in as unit 0 of `target`. A `pvscsi` adapter sends a message, if the
    /// driver set its message ring up.
    ///
    /// # Errors
    /// If the monitor refuses: the target is taken, or the controller is no SCSI adapter.
    pub fn plug_disk(&self, target: u8, size: u64) -> Result<(), FaultError> {
        let node = format!("plugged{target}");
        let monitor = &mut self.monitor();
        monitor.execute(
            "blockdev-add",
            &json!({ "driver": "null-co", "node-name": node, "size": size, "read-zeroes": true }),
        )?;
        monitor.execute(
            "device_add",
            &json!({ "driver": "scsi-hd", "id": format!("disk{target}"), "bus": "scsi0.0", "channel": 0,
                     "scsi-id": target, "lun": 0, "drive": node }),
        )?;
        Ok(())
    }

    /// Unplugs a disk that [`Self::plug_disk`] plugged in.
    ///
    /// # Errors
    /// If the monitor refuses: there is none.
    pub fn unplug_disk(&self, target: u8) -> Result<(), FaultError> {
        self.monitor()
            .execute("device_del", &json!({ "id": format!("disk{target}") }))?;
        Ok(())
    }

    /// Raises one SMART event: a critical warning (temperature) appears, and the one before it goes.
    ///
    /// # Errors
    /// If the monitor refuses.
    pub fn raise_smart_event(&self) -> Result<(), FaultError> {
        const TEMPERATURE: u8 = 1 << 1;
        self.set_critical_warning(0)?;
        self.set_critical_warning(TEMPERATURE)
    }

    /// Attaches a namespace to the controller or detaches it, through the subsystem's second controller. The
    /// controller raises an asynchronous event (namespace attribute changed) if the driver enabled it.
    ///
    /// # Errors
    /// If there is no second controller (`subsystem=on`), or it refuses.
    pub fn attach_namespace(&self, nsid: u32, attached: bool) -> Result<(), FaultError> {
        const IDENTIFY_CONTROLLER: u8 = 1;
        let second = self.second.as_ref().ok_or(FaultError::NoSubsystem)?;
        let mut controller = Firmware::new(
            self.registers(second),
            &self.dma().memory,
            SECOND_CONTROLLER_MEMORY,
        );
        controller.enable()?;
        // QEMU numbers a subsystem's controllers in the order they are made: the driver's comes first.
        let own = controller.identify(IDENTIFY_CONTROLLER, 0)?;
        let own_id = u16::from_le_bytes([own[78], own[79]]);
        let target = own_id.saturating_sub(1);
        let mut list = [0_u8; 4096];
        list[..2].copy_from_slice(&1_u16.to_le_bytes());
        list[2..4].copy_from_slice(&target.to_le_bytes());
        controller.set_data(&list)?;
        controller.admin(NAMESPACE_ATTACHMENT, nsid, [u32::from(!attached), 0])?;
        controller.disable()?;
        Ok(())
    }
}
