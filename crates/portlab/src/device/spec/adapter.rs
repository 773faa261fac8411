//! Options of QEMU's other storage controllers: `qemu:ahci`, `qemu:virtio-scsi`, `qemu:virtio-blk`, `qemu:megasas`, `qemu:mptsas`.
//!
//! No driver of this project is for them: they are here so that other people's drivers can be tried.

use super::{Backing, Options, SpecError, in_range, serial};

/// Which controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterModel {
    /// `ich9-ahci`: Intel's SATA controller with six ports (AHCI 1.0).
    Ahci,
    /// `virtio-scsi-pci`, without its legacy interface (VIRTIO 1.1, 5.6).
    VirtioScsi,
    /// `virtio-blk-pci`, without its legacy interface (VIRTIO 1.1, 5.2): one disk.
    VirtioBlk,
    /// `megasas-gen2`: LSI `MegaRAID` SAS 2108.
    Megasas,
    /// `mptsas1068`: LSI SAS 1068 (Fusion MPT).
    MptSas,
}

impl AdapterModel {
    /// All of them, by the part of the text before the options.
    pub const ALL: [(&'static str, Self); 5] = [
        ("qemu:ahci", Self::Ahci),
        ("qemu:virtio-scsi", Self::VirtioScsi),
        ("qemu:virtio-blk", Self::VirtioBlk),
        ("qemu:megasas", Self::Megasas),
        ("qemu:mptsas", Self::MptSas),
    ];

    /// The model that a text names.
    pub(super) fn named(device: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == device);
        found.map(|&(_, model)| model)
    }

    /// How many disks it takes.
    #[must_use]
    pub const fn most_disks(self) -> u8 {
        match self {
            Self::Ahci => 6,
            Self::VirtioBlk => 1,
            Self::VirtioScsi | Self::Megasas => 16,
            Self::MptSas => 8,
        }
    }

    /// What it calls its messages, for `interrupts=`.
    const fn messages(self) -> &'static str {
        match self {
            Self::Ahci | Self::MptSas => "msi",
            Self::VirtioScsi | Self::VirtioBlk | Self::Megasas => "msix",
        }
    }

    /// Whether `queues=` means something to it.
    const fn has_queues(self) -> bool {
        matches!(self, Self::VirtioScsi | Self::VirtioBlk)
    }
}

/// One of QEMU's storage controllers, with its disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSpec {
    /// Which.
    pub model: AdapterModel,
    /// Images (`disks=` of them), memory, interrupts.
    pub backing: Backing,
    /// `serial=`: serial number of the first disk; the others have their number appended.
    pub serial: String,
    /// `queues=`: request queues of a virtio device, 1 to 16.
    pub queues: u16,
}

impl Options for AdapterSpec {
    const DEVICE: &'static str = "qemu:ADAPTER";
    const KEYS: &'static str =
        "size, image, serial, block, disks, interrupts, ram, and for virtio devices queues";

    fn plain(text: &str) -> Self {
        let device = text.split(',').next().unwrap_or_default();
        Self {
            model: AdapterModel::named(device).unwrap_or(AdapterModel::Ahci),
            backing: Backing::plain(text, "disk"),
            serial: "FERROPORT0".to_owned(),
            queues: 4,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<bool, SpecError> {
        match key {
            "serial" => self.serial = serial(value)?,
            "queues" if self.model.has_queues() => {
                self.queues = in_range(value, 1..=16).ok_or_else(|| SpecError::BadValue {
                    key: "queues",
                    value: value.to_owned(),
                    expected: "1 to 16",
                })?;
            }
            _ => {
                if !self.backing.set(key, value, self.model.messages(), "disks")? {
                    return Ok(false);
                }
                if self.backing.units > self.model.most_disks() {
                    return Err(SpecError::BadValue {
                        key: "disks",
                        value: value.to_owned(),
                        expected: "1, at most 6 for AHCI, 8 for mptsas, 16 for virtio-scsi and megasas",
                    });
                }
            }
        }
        Ok(true)
    }
}
