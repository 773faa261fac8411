//! The `--device` text: `BACKEND:MODEL[,KEY=VALUE...]`.

use std::{fmt, path::PathBuf, str::FromStr};

/// Smallest image that is worth running traffic on, in bytes.
pub const MINIMUM_IMAGE: u64 = 1 << 20;

/// Size of an image that the lab makes when none is named, in bytes.
const DEFAULT_SIZE: u64 = 64 << 20;

/// Default size of the memory that lab and device share, in bytes.
const DEFAULT_RAM: u64 = 512 << 20;

/// What [`NvmeSpec`] accepts, for error texts and help.
pub const NVME_KEYS: &str = "size, image, serial, mdts, block, namespaces, queues, subsystem, ram";

/// A device that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceSpec {
    /// QEMU's `nvme` controller.
    QemuNvme(NvmeSpec),
}

/// Options of `qemu:nvme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvmeSpec {
    /// The text as it was given.
    pub text: String,
    /// `size=`: bytes of each namespace; absent means the image's own size, or 64 MiB for a new one.
    pub size: Option<u64>,
    /// `image=`: file behind the first namespace; absent means an unnamed temporary file.
    pub image: Option<PathBuf>,
    /// `serial=`: serial number reported by Identify Controller (at most 20 printable ASCII characters).
    pub serial: String,
    /// `mdts=`: Maximum Data Transfer Size as the power of two of 4 KiB pages, 8 (1 MiB) unless given; 0 means
    /// no limit.
    pub mdts: u8,
    /// `block=`: logical block size in bytes, 512 or 4096.
    pub block: u32,
    /// `namespaces=`: number of namespaces, 1 to 16.
    pub namespaces: u8,
    /// `queues=`: I/O queue pairs that the controller offers, 1 to 128; it has one MSI-X message more.
    pub queues: u16,
    /// `subsystem=on`: the namespaces belong to a subsystem with a second controller, through which the lab
    /// attaches and detaches them.
    pub subsystem: bool,
    /// `ram=`: bytes of memory that lab and device share.
    pub ram: u64,
}

/// Why a `--device` text was refused. Each message names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The part before the colon is no back-end, or the part after it no device of that back-end.
    #[error("no device `{0}`: the lab has `qemu:nvme[,KEY=VALUE...]`")]
    UnknownDevice(String),
    /// A key the device does not have.
    #[error("`{device}` has no option `{key}`: it has {known}")]
    UnknownKey {
        /// The device.
        device: &'static str,
        /// The key given.
        key: String,
        /// The keys it has.
        known: &'static str,
    },
    /// An option without a value.
    #[error("device option `{0}` has no value: write `{0}=VALUE`")]
    NoValue(String),
    /// The same key twice.
    #[error("device option `{0}` is given twice: give it once")]
    Twice(String),
    /// A value the key does not accept.
    #[error("device option `{key}={value}`: give {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value given.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QemuNvme(nvme) => f.write_str(&nvme.text),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (device, options) = text.split_once(',').unwrap_or((text, ""));
        match device {
            "qemu:nvme" => NvmeSpec::parse(text, options).map(Self::QemuNvme),
            other => Err(SpecError::UnknownDevice(other.to_owned())),
        }
    }
}

impl DeviceSpec {
    /// Makes the device's namespaces `size` bytes large, unless the text gave a size.
    #[must_use]
    pub fn or_size(mut self, size: u64) -> Self {
        let Self::QemuNvme(nvme) = &mut self;
        if nvme.size.is_none() {
            nvme.size = Some(size);
        }
        self
    }
}

impl NvmeSpec {
    fn parse(text: &str, options: &str) -> Result<Self, SpecError> {
        let mut spec = Self::plain(text);
        let mut seen: Vec<&str> = Vec::new();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option
                .split_once('=')
                .ok_or_else(|| SpecError::NoValue(option.to_owned()))?;
            if seen.contains(&key) {
                return Err(SpecError::Twice(key.to_owned()));
            }
            seen.push(key);
            spec.set(key, value)?;
        }
        Ok(spec)
    }

    /// The defaults, under the name `text`.
    fn plain(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            size: None,
            image: None,
            serial: "FERROPORT0".to_owned(),
            mdts: 8,
            block: 512,
            namespaces: 1,
            queues: 64,
            subsystem: false,
            ram: DEFAULT_RAM,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), SpecError> {
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
            "serial" => {
                let good =
                    (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
                if !good {
                    return Err(bad("serial", "1 to 20 printable ASCII characters without spaces"));
                }
                value.clone_into(&mut self.serial);
            }
            "mdts" => self.mdts = in_range(value, 0..=20).ok_or_else(|| bad("mdts", "0 (no limit) to 20"))?,
            "block" => {
                self.block = match value {
                    "512" => 512,
                    "4096" | "4K" | "4k" => 4096,
                    _ => return Err(bad("block", "512 or 4096")),
                }
            }
            "namespaces" => {
                self.namespaces = in_range(value, 1..=16).ok_or_else(|| bad("namespaces", "1 to 16"))?;
            }
            "queues" => self.queues = in_range(value, 1..=128).ok_or_else(|| bad("queues", "1 to 128"))?,
            "subsystem" => {
                self.subsystem = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(bad("subsystem", "on or off")),
                }
            }
            "ram" => {
                let ram = parse_size(value)
                    .filter(|ram| (64 << 20..=2 << 30).contains(ram) && ram % (1 << 20) == 0);
                self.ram = ram.ok_or_else(|| bad("ram", "a multiple of 1M from 64M to 2G"))?;
            }
            _ => {
                return Err(SpecError::UnknownKey {
                    device: "qemu:nvme",
                    key: key.to_owned(),
                    known: NVME_KEYS,
                });
            }
        }
        Ok(())
    }

    /// Size of a namespace whose image is made by the lab, in bytes.
    #[must_use]
    pub fn new_image_size(&self) -> u64 {
        self.size.unwrap_or(DEFAULT_SIZE)
    }
}

fn in_range<T: FromStr + PartialOrd>(value: &str, range: std::ops::RangeInclusive<T>) -> Option<T> {
    value.parse().ok().filter(|number| range.contains(number))
}

/// Reads a number of bytes with an optional binary suffix (`512`, `64K`, `256M`, `1G`, `2T`).
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let shift = match suffix {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "m" | "MiB" => 20,
        "G" | "g" | "GiB" => 30,
        "T" | "t" | "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nvme(text: &str) -> NvmeSpec {
        let DeviceSpec::QemuNvme(spec) = text.parse().expect("a good specification");
        spec
    }

    #[test]
    fn every_option_is_read() {
        let spec = nvme(
            "qemu:nvme,size=1G,image=/tmp/a.img,serial=ABC,mdts=5,block=4096,namespaces=2,queues=4,subsystem=on,ram=64M",
        );
        assert_eq!(spec.size, Some(1 << 30));
        assert_eq!(spec.image, Some(PathBuf::from("/tmp/a.img")));
        assert_eq!((spec.serial.as_str(), spec.mdts, spec.block), ("ABC", 5, 4096));
        assert_eq!(
            (spec.namespaces, spec.queues, spec.subsystem, spec.ram),
            (2, 4, true, 64 << 20)
        );
        assert_eq!(nvme("qemu:nvme").new_image_size(), 64 << 20);
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (text, remedy) in [
            ("vmware:nvme", "the lab has `qemu:nvme"),
            ("qemu:virtio", "the lab has `qemu:nvme"),
            ("qemu:nvme,colour=red", "it has size, image"),
            ("qemu:nvme,size", "write `size=VALUE`"),
            ("qemu:nvme,size=1", "at least 1M"),
            ("qemu:nvme,size=64Q", "such as 64M"),
            ("qemu:nvme,size=99999999999999T", "such as 64M"),
            ("qemu:nvme,block=520", "512 or 4096"),
            ("qemu:nvme,queues=0", "1 to 128"),
            ("qemu:nvme,mdts=3,mdts=4", "give it once"),
            ("qemu:nvme,serial=a b", "without spaces"),
            ("qemu:nvme,image=", "path of the image"),
        ] {
            let error = text.parse::<DeviceSpec>().expect_err(text).to_string();
            assert!(error.contains(remedy), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: one line");
        }
    }

    #[test]
    fn a_size_in_the_text_wins_over_the_default() {
        let spec: DeviceSpec = "qemu:nvme,size=8M".parse().expect("good");
        let DeviceSpec::QemuNvme(given) = spec.or_size(1 << 30);
        assert_eq!(given.size, Some(8 << 20));
        let DeviceSpec::QemuNvme(absent) = "qemu:nvme".parse::<DeviceSpec>().expect("good").or_size(1 << 30);
        assert_eq!(absent.size, Some(1 << 30));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<DeviceSpec>();
            let _ = format!("qemu:nvme,{text}").parse::<DeviceSpec>();
            let _ = parse_size(&text);
        }

        #[test]
        fn sizes_multiply(number in 0u64..1 << 20, suffix in 0usize..5) {
            let (text, shift) = [("", 0), ("K", 10), ("M", 20), ("G", 30), ("T", 40)][suffix];
            prop_assert_eq!(parse_size(&format!("{number}{text}")), Some(number << shift));
        }
    }
}
