//! The drivers of this repository: where their packages are, and what they are shown on.

use clap::ValueEnum;
use portlab::{
    device::{
        DeviceError, Powered,
        spec::{DeviceSpec, QemuSpec},
    },
    model::Statistics,
};

/// A driver of this repository
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Driver {
    /// The NVMe miniport
    Ferronvme,
    /// The example miniport for a SCSI adapter
    Pvscsi,
}

impl Driver {
    /// Where `./x package` puts its package.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Ferronvme => "target/package",
            Self::Pvscsi => "target/package-pvscsi",
        }
    }

    /// The device that it drives.
    pub(super) fn device(self) -> &'static str {
        match self {
            Self::Ferronvme => "qemu:nvme",
            Self::Pvscsi => "qemu:pvscsi",
        }
    }

    /// File name of its demo's report.
    pub(super) fn report(self) -> &'static str {
        match self {
            Self::Ferronvme => "demo.json",
            Self::Pvscsi => "demo-pvscsi.json",
        }
    }
}

/// What a device tells of its own accord in the middle of a demo, and the driver has to react to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// An NVMe controller reports a critical warning: the driver reads the log page in a work item.
    CriticalWarning,
    /// A SCSI adapter gets another disk: the driver tells the port driver to look.
    DiskPlugged,
}

impl Event {
    /// What a device can tell.
    pub(super) fn of(device: &DeviceSpec) -> Self {
        match device {
            DeviceSpec::Qemu(QemuSpec::Nvme(_)) | DeviceSpec::LabNvme(_) => Self::CriticalWarning,
            // Only SCSI hosts take another disk, and only a driver that listens would tell.
            DeviceSpec::Qemu(QemuSpec::Pvscsi(_) | QemuSpec::Adapter(_)) => Self::DiskPlugged,
        }
    }

    /// What happened, in words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::CriticalWarning => "asynchronous event raised: a SMART critical warning",
            Self::DiskPlugged => "disk plugged in as target 20",
        }
    }

    /// What the driver does about it, in words.
    pub(super) fn reaction(self) -> &'static str {
        match self {
            Self::CriticalWarning => "ran no work item",
            Self::DiskPlugged => "called no StorPortStateChangeDetected",
        }
    }

    /// Makes it happen.
    pub(super) fn raise(self, device: &dyn Powered) -> Result<(), DeviceError> {
        match self {
            Self::CriticalWarning => device.raise_smart_event(),
            Self::DiskPlugged => device.plug_disk(20, 1 << 20),
        }
    }

    /// Whether the driver has reacted.
    pub(super) fn is_answered(self, statistics: &Statistics) -> bool {
        match self {
            Self::CriticalWarning => statistics.work_items_run > 0,
            Self::DiskPlugged => statistics.state_changes > 0,
        }
    }
}
