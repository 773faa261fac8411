//! Why a lab cannot be set up or an adapter does not start.

use crate::{device::DeviceError, pe::LoadError};

/// Why a lab cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The file is no driver that can be loaded.
    #[error(transparent)]
    Image(#[from] LoadError),
    /// The host refused memory or threads.
    #[error("the lab's machine cannot be built: {0}")]
    Host(#[from] std::io::Error),
    /// The deterministic engine needs a device that moves only when told to.
    #[error("this device moves by itself: the deterministic engine takes lab:nvme, opened for it")]
    MovesByItself,
    /// `DriverEntry` failed.
    #[error("DriverEntry failed with NTSTATUS {0:#010x}")]
    DriverEntry(u32),
    /// `DriverEntry` succeeded without registering a miniport.
    #[error("DriverEntry did not call StorPortInitialize with success: this is no Storport miniport")]
    NotAMiniport,
    /// The driver brought the system down.
    #[error("the driver brought the system down: {0}")]
    BugCheck(String),
    /// No memory that the device could reach is left.
    #[error("the memory shared with the device is used up ({0} bytes wanted)")]
    Memory(usize),
    /// The driver has not come back.
    #[error("the driver did not return from {0}")]
    Hung(&'static str),
}

/// Why an adapter does not start, stop or restart.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing is registered.
    #[error("no miniport is registered, or it is gone")]
    NotRegistered,
    /// The driver insists on extended SRBs.
    #[error("the miniport takes extended SRBs only; legacy ones were asked for")]
    LegacyRefused,
    /// `HwStorFindAdapter` did not find the adapter.
    #[error("HwStorFindAdapter returned {0} (1 is SP_RETURN_FOUND, 2 an error, 3 a bad configuration)")]
    FindAdapter(u32),
    /// `HwStorInitialize` returned FALSE.
    #[error("HwStorInitialize returned FALSE")]
    Initialize,
    /// `HwStorPassiveInitialize` returned FALSE.
    #[error("HwStorPassiveInitialize returned FALSE")]
    PassiveInitialize,
    /// `ScsiStopAdapter` or `ScsiRestartAdapter` failed.
    #[error("HwStorAdapterControl failed for {0}")]
    AdapterControl(&'static str),
    /// The device refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No memory.
    #[error("no memory for the device extension")]
    Memory,
    /// The miniport does not complete what it has.
    #[error("the adapter does not come to rest: requests that it was given are not completed")]
    NotAtRest,
    /// The driver brought the system down.
    #[error("the driver brought the system down: {0}")]
    BugCheck(String),
    /// The driver has not come back.
    #[error("the driver did not return from {0}")]
    Hung(&'static str),
    /// The adapter is not in the phase for this.
    #[error("the adapter is {0}")]
    Phase(&'static str),
}
