//! Options of `qemu:pvscsi`.

use super::{Backing, Options, SpecError, serial};

/// QEMU's `pvscsi` adapter with `scsi-hd` disks: disk N is unit 0 of target N - 1 (the adapter's targets have no other
/// units).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PvscsiSpec {
    /// Images (`disks=` of them), memory, interrupts.
    pub backing: Backing,
    /// `serial=`: serial number of the first disk; the others have their number appended.
    pub serial: String,
}

impl Options for PvscsiSpec {
    const DEVICE: &'static str = "qemu:pvscsi";
    const KEYS: &'static str = "size, image, serial, block, disks, interrupts, ram";

    fn plain(text: &str) -> Self {
        Self {
            backing: Backing::plain(text, "disk"),
            serial: "FERROPORT0".to_owned(),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<bool, SpecError> {
        if key == "serial" {
            self.serial = serial(value)?;
            return Ok(true);
        }
        self.backing.set(key, value, "msi", "disks")
    }
}
