//! Devices that the lab itself switched on, and what can be done to them from outside.

use std::{io, sync::Arc};

use super::{
    Device, DeviceError,
    image::Image,
    in_process::{self, InProcessNvme},
    qemu::{self, QemuDevice},
    spec::DeviceSpec,
};

/// A device with a power switch and images.
pub trait Powered: Device {
    /// Why the device is gone, if it is.
    fn gone_reason(&self) -> Option<String>;

    /// Switches it off in order: its images are complete afterwards, and it is gone.
    ///
    /// # Errors
    /// If it was gone already, or does not switch off.
    fn power_off(&self) -> Result<(), DeviceError>;

    /// Length of the image behind unit `number` (from 1) in bytes, if there is one.
    fn image_length(&self, number: u32) -> Option<u64>;

    /// Reads the raw image of unit `number`, as it is without the device: switch it off first.
    ///
    /// # Errors
    /// If there is no such unit, or the image cannot be read.
    fn read_image(&self, number: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Raises one SMART event, if the driver asked for such events.
    ///
    /// # Errors
    /// If the device has none.
    fn raise_smart_event(&self) -> Result<(), DeviceError>;

    /// Plugs a disk of zeroes with `size` bytes in as unit 0 of `target`.
    ///
    /// # Errors
    /// If the device takes no disks, or the target is taken.
    fn plug_disk(&self, target: u8, size: u64) -> Result<(), DeviceError> {
        let _ = (target, size);
        Err(DeviceError::Unsupported("place for another disk"))
    }
}

/// Why a device could not be switched on. The message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// QEMU's.
    #[error(transparent)]
    Qemu(#[from] qemu::OpenError),
    /// The lab's own.
    #[error(transparent)]
    InProcess(#[from] in_process::OpenError),
    /// The deterministic engine has to move it.
    #[error("{0} moves by itself: the deterministic engine takes lab:nvme")]
    MovesByItself(String),
}

/// Switches a device on. `seed` decides what the lab's own controllers leave to chance.
///
/// # Errors
/// As the device says.
pub fn open(spec: &DeviceSpec, seed: u64) -> Result<Arc<dyn Powered>, OpenError> {
    match spec {
        DeviceSpec::Qemu(spec) => Ok(Arc::new(QemuDevice::open(spec)?)),
        DeviceSpec::LabNvme(spec) => Ok(Arc::new(InProcessNvme::open(spec, seed)?)),
    }
}

/// Switches a device on that moves only when told to ([`Device::movable`]).
///
/// # Errors
/// As the device says; only the lab's own can do that.
pub fn open_movable(spec: &DeviceSpec, seed: u64) -> Result<Arc<dyn Powered>, OpenError> {
    match spec {
        DeviceSpec::LabNvme(spec) => Ok(Arc::new(InProcessNvme::open_movable(spec, seed)?)),
        DeviceSpec::Qemu(_) => Err(OpenError::MovesByItself(spec.to_string())),
    }
}

impl Powered for QemuDevice {
    fn gone_reason(&self) -> Option<String> {
        Self::gone_reason(self)
    }

    fn power_off(&self) -> Result<(), DeviceError> {
        Self::power_off(self)
    }

    fn image_length(&self, number: u32) -> Option<u64> {
        self.image(number).map(Image::length)
    }

    fn read_image(&self, number: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let image = self.image(number).ok_or(io::ErrorKind::NotFound)?;
        image.read_at(buffer, offset)
    }

    fn raise_smart_event(&self) -> Result<(), DeviceError> {
        Self::raise_smart_event(self).map_err(|error| DeviceError::Refused(error.to_string()))
    }

    fn plug_disk(&self, target: u8, size: u64) -> Result<(), DeviceError> {
        Self::plug_disk(self, target, size).map_err(|error| DeviceError::Refused(error.to_string()))
    }
}

impl Powered for InProcessNvme {
    fn gone_reason(&self) -> Option<String> {
        (!self.alive()).then(|| "the controller left the bus".to_owned())
    }

    fn power_off(&self) -> Result<(), DeviceError> {
        if let Some(reason) = self.gone_reason() {
            return Err(DeviceError::Gone(reason));
        }
        self.with_controller(|controller| {
            controller.shut_down();
            controller.vanish();
        });
        Ok(())
    }

    fn image_length(&self, number: u32) -> Option<u64> {
        self.with_controller(|controller| {
            let namespace = controller.peek(number)?;
            Some(namespace.blocks() * namespace.block_bytes())
        })
    }

    fn read_image(&self, number: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_durable(number, offset, buffer)
    }

    fn raise_smart_event(&self) -> Result<(), DeviceError> {
        const TEMPERATURE: u8 = 1;
        self.with_controller(|controller| controller.warn_of(TEMPERATURE));
        Ok(())
    }
}
