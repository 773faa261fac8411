//! Options of `qemu:nvme`.

use super::{Backing, Options, SpecError, in_range, serial};

/// QEMU's `nvme` controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvmeSpec {
    /// Images (`namespaces=` of them), memory, interrupts.
    pub backing: Backing,
    /// `serial=`: serial number reported by Identify Controller (at most 20 printable ASCII characters).
    pub serial: String,
    /// `mdts=`: Maximum Data Transfer Size as the power of two of 4 KiB pages, 8 (1 MiB) unless given; 0 means
    /// no limit.
    pub mdts: u8,
    /// `queues=`: I/O queue pairs that the controller offers, 1 to 128; it has one MSI-X message more.
    pub queues: u16,
    /// `subsystem=on`: the namespaces belong to a subsystem with a second controller, through which the lab
    /// attaches and detaches them.
    pub subsystem: bool,
}

impl Options for NvmeSpec {
    const DEVICE: &'static str = "qemu:nvme";
    const KEYS: &'static str =
        "size, image, serial, mdts, block, namespaces, queues, subsystem, interrupts, ram";

    fn plain(text: &str) -> Self {
        Self {
            backing: Backing::plain(text, "ns"),
            serial: "FERROPORT0".to_owned(),
            mdts: 8,
            queues: 64,
            subsystem: false,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<bool, SpecError> {
        let bad = |key, expected| SpecError::BadValue {
            key,
            value: value.to_owned(),
            expected,
        };
        match key {
            "serial" => self.serial = serial(value)?,
            "mdts" => self.mdts = in_range(value, 0..=20).ok_or_else(|| bad("mdts", "0 (no limit) to 20"))?,
            "queues" => self.queues = in_range(value, 1..=128).ok_or_else(|| bad("queues", "1 to 128"))?,
            "subsystem" => {
                self.subsystem = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(bad("subsystem", "on or off")),
                }
            }
            _ => return self.backing.set(key, value, "msix", "namespaces"),
        }
        Ok(true)
    }
}
