//! Groups of headers that wdk-sys makes separate modules of.

/// A part of the driver kit's interface.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ApiSubset {
    /// What every driver uses: `ntifs.h`, `ntddk.h`.
    Base,
    /// Windows Driver Frameworks; empty for WDM drivers.
    Wdf,
    /// General-purpose I/O; not provided here.
    Gpio,
    /// Human interface devices; not provided here.
    Hid,
    /// Parallel ports; not provided here.
    ParallelPorts,
    /// Simple peripheral buses; not provided here.
    Spb,
    /// Storage, `storport.h` among them.
    Storage,
    /// USB; not provided here.
    Usb,
}

impl ApiSubset {
    /// Headers that Microsoft's crate includes for a WDM driver, in its order.
    pub(crate) const fn wdm_headers(self) -> &'static [&'static str] {
        match self {
            Self::Base => &["ntifs.h", "ntddk.h", "ntstrsafe.h"],
            Self::Storage => &[
                "ehstorioctl.h",
                "ntddcdrm.h",
                "ntddcdvd.h",
                "ntdddisk.h",
                "ntddmmc.h",
                "ntddscsi.h",
                "ntddstor.h",
                "ntddtape.h",
                "ntddvol.h",
                "ufs.h",
                "mountdev.h",
                "mountmgr.h",
                "ntddchgr.h",
                "ntdddump.h",
                "storduid.h",
                "storport.h",
            ],
            Self::Wdf | Self::Gpio | Self::Hid | Self::ParallelPorts | Self::Spb | Self::Usb => &[],
        }
    }
}
