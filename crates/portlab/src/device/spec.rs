//! The `--device` text: `BACKEND:MODEL[,KEY=VALUE...]`.

mod adapter;
mod backing;
mod lab_nvme;
mod nvme;
mod pvscsi;

use std::{fmt, str::FromStr};

pub use self::{
    adapter::{AdapterModel, AdapterSpec},
    backing::{Backing, Interrupts, MINIMUM_IMAGE},
    lab_nvme::LabNvmeSpec,
    nvme::NvmeSpec,
    pvscsi::PvscsiSpec,
};

/// A device that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceSpec {
    /// One of QEMU's.
    Qemu(QemuSpec),
    /// The lab's own NVMe controller.
    LabNvme(LabNvmeSpec),
}

/// A device of QEMU's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QemuSpec {
    /// The `nvme` controller.
    Nvme(NvmeSpec),
    /// The `pvscsi` adapter.
    Pvscsi(PvscsiSpec),
    /// Another storage controller, for other people's drivers.
    Adapter(AdapterSpec),
}

/// Why a `--device` text was refused. Each message names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The part before the colon is no back-end, or the part after it no device of that back-end.
    #[error(
        "no device `{0}`: the lab has `qemu:nvme`, `qemu:pvscsi`, `qemu:ahci`, `qemu:virtio-scsi`, `qemu:virtio-blk`, `qemu:megasas`, `qemu:mptsas` and `lab:nvme`, each with `[,KEY=VALUE...]`"
    )]
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
    /// A fault plan that cannot be read.
    #[error("device option `faults`: {0}")]
    Faults(#[from] nvme_controller::fault::PlanError),
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

/// A device's own options.
trait Options: Sized {
    /// The text before the options.
    const DEVICE: &'static str;
    /// The keys, for error texts.
    const KEYS: &'static str;

    /// The defaults, under the name `text`.
    fn plain(text: &str) -> Self;

    /// Takes an option; false if the device has none of that name.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, SpecError>;

    /// Reads all options.
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
            if !spec.set(key, value)? {
                return Err(SpecError::UnknownKey {
                    device: Self::DEVICE,
                    key: key.to_owned(),
                    known: Self::KEYS,
                });
            }
        }
        Ok(spec)
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.backing().text)
    }
}

impl FromStr for DeviceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (device, options) = text.split_once(',').unwrap_or((text, ""));
        match device {
            NvmeSpec::DEVICE | PvscsiSpec::DEVICE => text.parse().map(Self::Qemu),
            adapter if AdapterModel::named(adapter).is_some() => text.parse().map(Self::Qemu),
            LabNvmeSpec::DEVICE => LabNvmeSpec::parse(text, options).map(Self::LabNvme),
            other => Err(SpecError::UnknownDevice(other.to_owned())),
        }
    }
}

impl FromStr for QemuSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (device, options) = text.split_once(',').unwrap_or((text, ""));
        match device {
            NvmeSpec::DEVICE => NvmeSpec::parse(text, options).map(Self::Nvme),
            PvscsiSpec::DEVICE => PvscsiSpec::parse(text, options).map(Self::Pvscsi),
            adapter if AdapterModel::named(adapter).is_some() => {
                AdapterSpec::parse(text, options).map(Self::Adapter)
            }
            other => Err(SpecError::UnknownDevice(other.to_owned())),
        }
    }
}

impl QemuSpec {
    /// What every device has.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        match self {
            Self::Nvme(spec) => &spec.backing,
            Self::Pvscsi(spec) => &spec.backing,
            Self::Adapter(spec) => &spec.backing,
        }
    }
}

impl DeviceSpec {
    /// What every device has.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        match self {
            Self::Qemu(spec) => spec.backing(),
            Self::LabNvme(spec) => &spec.backing,
        }
    }

    fn backing_mut(&mut self) -> &mut Backing {
        match self {
            Self::Qemu(QemuSpec::Nvme(spec)) => &mut spec.backing,
            Self::Qemu(QemuSpec::Pvscsi(spec)) => &mut spec.backing,
            Self::Qemu(QemuSpec::Adapter(spec)) => &mut spec.backing,
            Self::LabNvme(spec) => &mut spec.backing,
        }
    }

    /// Makes the device's units `size` bytes large, unless the text gave a size.
    #[must_use]
    pub fn or_size(mut self, size: u64) -> Self {
        self.backing_mut().size.get_or_insert(size);
        self
    }
}

/// Reads `serial=`.
fn serial(value: &str) -> Result<String, SpecError> {
    let good = (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| value.to_owned()).ok_or_else(|| SpecError::BadValue {
        key: "serial",
        value: value.to_owned(),
        expected: "1 to 20 printable ASCII characters without spaces",
    })
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
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn nvme(text: &str) -> NvmeSpec {
        match text.parse().expect("a good specification") {
            DeviceSpec::Qemu(QemuSpec::Nvme(spec)) => spec,
            other => panic!("{other} is no NVMe controller"),
        }
    }

    #[test]
    fn every_option_is_read() {
        let spec = nvme(
            "qemu:nvme,size=1G,image=/tmp/a.img,serial=ABC,mdts=5,block=4096,namespaces=2,queues=4,subsystem=on,ram=64M",
        );
        let backing = &spec.backing;
        assert_eq!(backing.size, Some(1 << 30));
        assert_eq!(backing.image, Some(PathBuf::from("/tmp/a.img")));
        assert_eq!((spec.serial.as_str(), spec.mdts, backing.block), ("ABC", 5, 4096));
        assert_eq!(
            (backing.units, spec.queues, spec.subsystem, backing.ram),
            (2, 4, true, 64 << 20)
        );
        assert_eq!(backing.interrupts, Interrupts::Messages);
        assert_eq!(nvme("qemu:nvme").backing.new_image_size(), 64 << 20);
    }

    #[test]
    fn a_scsi_adapter_has_disks_and_a_line() {
        let spec: DeviceSpec = "qemu:pvscsi,disks=3,interrupts=line,size=8M,serial=X"
            .parse()
            .expect("good");
        let backing = spec.backing();
        assert_eq!(
            (backing.units, backing.interrupts, backing.size),
            (3, Interrupts::Line, Some(8 << 20))
        );
    }

    #[test]
    fn other_peoples_controllers_have_their_options() {
        for (name, model) in AdapterModel::ALL {
            let spec: QemuSpec = format!("{name},size=8M,interrupts=line").parse().expect(name);
            let QemuSpec::Adapter(spec) = spec else {
                panic!("{name} is another controller")
            };
            assert_eq!((spec.model, spec.backing.units, spec.queues), (model, 1, 4));
        }
        let spec: QemuSpec = "qemu:virtio-scsi,disks=3,queues=2,serial=X"
            .parse()
            .expect("good");
        assert_eq!(spec.backing().units, 3);
    }

    #[test]
    fn the_labs_own_controller_misbehaves_by_plan() {
        let text =
            "lab:nvme,namespaces=2,latency=50,cache=off,faults=lose-completion+nth=5;status=2/0x81+lba=1..9";
        let DeviceSpec::LabNvme(spec) = text.parse().expect("good") else {
            panic!("{text} is the lab's own")
        };
        assert_eq!(
            (spec.backing.units, spec.latency.as_micros(), spec.cache),
            (2, 50, false)
        );
        let faults = spec.faults.expect("a plan");
        assert_eq!(faults.to_string(), "lose-completion,nth=5;status=2/0x81,lba=1..9");
        let error = "lab:nvme,faults=explode"
            .parse::<DeviceSpec>()
            .expect_err("no such fault");
        assert!(error.to_string().contains("no such fault"), "{error}");
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (text, remedy) in [
            ("vmware:nvme", "the lab has `qemu:nvme`"),
            ("qemu:virtio", "`lab:nvme`"),
            ("qemu:ahci,queues=2", "no option `queues`"),
            ("qemu:ahci,disks=7", "at most 6"),
            ("qemu:virtio-blk,disks=2", "at most 6"),
            ("qemu:virtio-scsi,interrupts=msi", "msix or line"),
            ("qemu:virtio-scsi,queues=0", "1 to 16"),
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
            ("qemu:nvme,interrupts=msi", "msix or line"),
            ("qemu:pvscsi,interrupts=msix", "msi or line"),
            (
                "qemu:pvscsi,namespaces=2",
                "it has size, image, serial, block, disks",
            ),
            ("qemu:pvscsi,disks=17", "1 to 16"),
        ] {
            let error = text.parse::<DeviceSpec>().expect_err(text).to_string();
            assert!(error.contains(remedy), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: one line");
        }
    }

    #[test]
    fn a_size_in_the_text_wins_over_the_default() {
        let spec: DeviceSpec = "qemu:nvme,size=8M".parse().expect("good");
        assert_eq!(spec.or_size(1 << 30).backing().size, Some(8 << 20));
        let absent: DeviceSpec = "qemu:pvscsi".parse().expect("good");
        assert_eq!(absent.or_size(1 << 30).backing().size, Some(1 << 30));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<DeviceSpec>();
            let _ = format!("qemu:nvme,{text}").parse::<DeviceSpec>();
            let _ = format!("qemu:pvscsi,{text}").parse::<DeviceSpec>();
            let _ = parse_size(&text);
        }

        #[test]
        fn sizes_multiply(number in 0u64..1 << 20, suffix in 0usize..5) {
            let (text, shift) = [("", 0), ("K", 10), ("M", 20), ("G", 30), ("T", 40)][suffix];
            prop_assert_eq!(parse_size(&format!("{number}{text}")), Some(number << shift));
        }
    }
}
