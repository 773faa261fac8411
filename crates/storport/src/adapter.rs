//! Settings of the adapter that are not part of its configuration.

use crate::{
    context::{Context, Exclusion, Irql},
    ffi::system as ffi,
    miniport::Miniport,
    performance::Initializing,
    status::AdapterError,
};

/// A bus type (`STORAGE_BUS_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BusType {
    /// SCSI.
    Scsi = 1,
    /// ATAPI.
    Atapi = 2,
    /// ATA.
    Ata = 3,
    /// IEEE 1394.
    Ieee1394 = 4,
    /// SSA.
    Ssa = 5,
    /// Fibre Channel.
    Fibre = 6,
    /// USB.
    Usb = 7,
    /// RAID.
    Raid = 8,
    /// iSCSI.
    Iscsi = 9,
    /// Serial attached SCSI.
    Sas = 10,
    /// Serial ATA.
    Sata = 11,
    /// Secure digital.
    Sd = 12,
    /// Multimedia card.
    Mmc = 13,
    /// Virtual.
    Virtual = 14,
    /// A file as a virtual disk.
    FileBackedVirtual = 15,
    /// Storage Spaces.
    Spaces = 16,
    /// NVMe.
    Nvme = 17,
    /// Storage-class memory.
    Scm = 18,
    /// UFS.
    Ufs = 19,
}

impl<M: Miniport, I: Irql, X: Exclusion> Context<'_, M, I, X> {
    /// Says what bus the adapter's units are on (`StorPortSetAdapterBusType`; Windows 10).
    ///
    /// # Errors
    /// See [`AdapterError`].
    pub fn set_adapter_bus_type(&self, bus: BusType) -> Result<(), AdapterError> {
        // SAFETY: the extension is live.
        AdapterError::check(unsafe { ffi::set_adapter_bus_type(self.raw(), bus as u32) })
    }
}

impl<M: Miniport, I: Irql, X: Initializing> Context<'_, M, I, X> {
    /// Changes how many requests the adapter takes at a time (`StorPortUpdateAdapterMaxIO`; Windows 10 1709;
    /// `HwStorInitialize` and `HwStorPassiveInitialize`).
    ///
    /// # Errors
    /// See [`AdapterError`].
    pub fn update_adapter_max_io(&self, requests: u32) -> Result<(), AdapterError> {
        // SAFETY: the extension is live.
        AdapterError::check(unsafe { ffi::update_adapter_max_io(self.raw(), requests) })
    }
}

#[cfg(feature = "inferred-ddi")]
pub use inferred::*;

#[cfg(feature = "inferred-ddi")]
mod inferred {
    use super::{Exclusion, Irql, Miniport};
    use crate::{
        context::Passive,
        ffi,
        lock::Finding,
        status::InferredError,
        version::{Newer, Way, Windows, gate},
    };

    /// What the platform is configured for (`STORPORT_QUERY_CONFIGURATION_TYPE`; tier \[I\]).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[repr(i32)]
    pub enum Configuration {
        /// Units may be put into D3.
        D3 = 0,
    }

    /// Features of the port driver that a miniport supports (`STORPORT_FEATURE_TYPE`; tier \[I\]).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Features {
        /// The unit control that tells a unit's bus type.
        pub bus_type_unit_control: bool,
        /// The unit control that tells a replaceable unit's id.
        pub fru_id_unit_control: bool,
    }

    impl<M: Miniport, I: Irql, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// Asks what the platform is configured for (`StorPortQueryConfiguration`; Windows 10 1903; tier \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn query_configuration(&self, configuration: Configuration) -> Result<bool, InferredError> {
            gate!(M, W, V10_1903);
            let mut enabled = 0;
            // SAFETY: the extension is live; the place outlives the call.
            InferredError::check(unsafe {
                ffi::inferred::query_configuration(self.raw(), configuration as i32, &raw mut enabled)
            })?;
            Ok(enabled != 0)
        }
    }

    impl<M: Miniport, W: Way> Newer<'_, '_, M, Passive, Finding, W> {
        /// Says which features of the port driver the miniport supports (`StorPortSetFeatureList`; Windows 10 2004; at the
        /// beginning of `HwStorFindAdapter`; tier \[I\]). The second feature came with Windows 11: an older Windows may
        /// refuse the list that has it.
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn set_features(&self, features: Features) -> Result<(), InferredError> {
            gate!(M, W, V10_2004);
            let list = [features.bus_type_unit_control, features.fru_id_unit_control].map(u8::from);
            // The second feature is newer than the call.
            let count = if M::OLDEST_WINDOWS.has(Windows::V11_21H2) || features.fru_id_unit_control {
                2
            } else {
                1
            };
            // SAFETY: the extension is live; the list has at least `count` elements.
            InferredError::check(unsafe { ffi::inferred::set_feature_list(self.raw(), count, list.as_ptr()) })
        }
    }
}
