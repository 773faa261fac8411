//! What stands behind every device: images, shared memory, and how it interrupts.

use std::path::PathBuf;

use super::{SpecError, in_range, parse_size};

/// Smallest image that is worth running traffic on, in bytes.
pub const MINIMUM_IMAGE: u64 = 1 << 20;

/// Size of an image that the lab makes when none is named, in bytes.
const DEFAULT_SIZE: u64 = 64 << 20;

/// Default size of the memory that lab and device share, in bytes.
const DEFAULT_RAM: u64 = 512 << 20;

/// How a device interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupts {
    /// By messages: MSI-X or MSI, whichever the device has.
    Messages,
    /// By its line (INTx), although it has messages.
    Line,
}

/// Options that every device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// The text as it was given.
    pub text: String,
    /// `size=`: bytes of each unit; absent means the image's own size, or 64 MiB for a new one.
    pub size: Option<u64>,
    /// `image=`: file behind the first unit; absent means an unnamed temporary file.
    pub image: Option<PathBuf>,
    /// Number of units, each with an image: namespaces or disks, 1 to 16.
    pub units: u8,
    /// What the images after the first are called: `PATH.ns2`, `PATH.disk2`.
    pub suffix: &'static str,
    /// `block=`: logical block size in bytes, 512 or 4096.
    pub block: u32,
    /// `interrupts=`: by messages unless given.
    pub interrupts: Interrupts,
    /// `ram=`: bytes of memory that lab and device share.
    pub ram: u64,
}

impl Backing {
    /// The defaults, under the name `text`.
    pub(super) fn plain(text: &str, suffix: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            size: None,
            image: None,
            units: 1,
            suffix,
            block: 512,
            interrupts: Interrupts::Messages,
            ram: DEFAULT_RAM,
        }
    }

    /// Size of an image that is made by the lab, in bytes.
    #[must_use]
    pub fn new_image_size(&self) -> u64 {
        self.size.unwrap_or(DEFAULT_SIZE)
    }

    /// Takes an option; false if it is none that every device has. `messages` is what the device calls its messages,
    /// `units` the key for the number of units.
    pub(super) fn set(
        &mut self,
        key: &str,
        value: &str,
        messages: &'static str,
        units: &'static str,
    ) -> Result<bool, SpecError> {
        let bad = |key, expected| SpecError::BadValue {
            key,
            value: value.to_owned(),
            expected,
        };
        match key {
            "size" => {
                let size = parse_size(value).filter(|size| *size >= MINIMUM_IMAGE && size % 4096 == 0);
                self.size = Some(
                    size.ok_or_else(|| bad("size", "a multiple of 4K, at least 1M, such as 64M or 1G"))?,
                );
            }
            "image" if value.is_empty() => return Err(bad("image", "the path of the image file")),
            "image" => self.image = Some(PathBuf::from(value)),
            "block" => {
                self.block = match value {
                    "512" => 512,
                    "4096" | "4K" | "4k" => 4096,
                    _ => return Err(bad("block", "512 or 4096")),
                }
            }
            "interrupts" => {
                self.interrupts = match value {
                    "line" => Interrupts::Line,
                    _ if value == messages => Interrupts::Messages,
                    _ if messages == "msix" => return Err(bad("interrupts", "msix or line")),
                    _ => return Err(bad("interrupts", "msi or line")),
                }
            }
            "ram" => {
                let ram = parse_size(value)
                    .filter(|ram| (64 << 20..=2 << 30).contains(ram) && ram % (1 << 20) == 0);
                self.ram = ram.ok_or_else(|| bad("ram", "a multiple of 1M from 64M to 2G"))?;
            }
            _ if key == units => {
                self.units = in_range(value, 1..=16).ok_or_else(|| bad(units, "1 to 16"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
