//! When the device fails: hardware reset, live dump, marking it failed. All of tier \[I\].

use wdk_sys::{
    _STOR_DEVICE_RESET_TYPE, _STORPORT_CAPTURE_LIVEDUMP_TYPE, _STORPORT_LIVEDUMP_DATA_TYPE,
    _STORPORT_LIVEDUMP_ISSUE_TYPE, STORPORT_CAPTURE_LIVEDUMP,
};

use crate::{
    context::{Exclusion, Irql, Passive},
    ffi::{self, Place},
    miniport::Miniport,
    srb::Address,
    status::InferredError,
    text::Wide,
    version::{Newer, Way, gate},
};

/// Characters of a description, or of a component's name.
pub const DESCRIPTION: usize = 64;

/// How much a live dump holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveDump {
    /// A small one.
    Mini,
    /// All of the kernel's memory.
    Full,
}

impl<M: Miniport, X: Exclusion, W: Way> Newer<'_, '_, M, Passive, X, W> {
    /// Resets the function (`StorPortHardwareReset`; Windows 10 2004; tier \[I\]). The page names no IRQL: the reset
    /// goes through the bus driver, which takes it at `PASSIVE_LEVEL`. When it has succeeded the device's DMA has
    /// stopped.
    ///
    /// # Errors
    /// See [`InferredError`].
    pub fn hardware_reset(&self) -> Result<(), InferredError> {
        gate!(M, W, V10_2004);
        // SAFETY: the extension is live.
        InferredError::check(unsafe {
            ffi::inferred::hardware_reset(self.raw(), _STOR_DEVICE_RESET_TYPE::StorFunctionLevelReset)
        })
    }

    /// Captures a live dump, without data of the miniport (`StorPortCaptureLiveDump`; Windows Server 2022;
    /// `PASSIVE_LEVEL`; tier \[I\]).
    ///
    /// # Errors
    /// See [`InferredError`].
    pub fn capture_live_dump(
        &self,
        unit: Option<Address>,
        dump: LiveDump,
        component: &str,
    ) -> Result<(), InferredError> {
        gate!(M, W, Server2022);
        let name = Wide::<DESCRIPTION>::new(component);
        let size = u32::try_from(size_of::<STORPORT_CAPTURE_LIVEDUMP>()).unwrap_or(0);
        let mut request = STORPORT_CAPTURE_LIVEDUMP {
            Version: size,
            Size: size,
            LiveDumpType: match dump {
                LiveDump::Mini => _STORPORT_CAPTURE_LIVEDUMP_TYPE::StorportCaptureLiveDumpTypeMini,
                LiveDump::Full => _STORPORT_CAPTURE_LIVEDUMP_TYPE::StorportCaptureLiveDumpTypeFull,
            },
            IssueType: _STORPORT_LIVEDUMP_ISSUE_TYPE::StorportLivedumpIssueTypeDevicePanic,
            ComponentName: name.pointer().cast_mut(),
            DataType: _STORPORT_LIVEDUMP_DATA_TYPE::StorportLivedumpDataTypeUndefined,
            ..Default::default()
        };
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address, the request and its text outlive the call.
        InferredError::check(unsafe {
            ffi::inferred::capture_live_dump(self.raw(), place.pointer(), &raw mut request)
        })
    }
}

impl<M: Miniport, I: Irql, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
    /// Says that the adapter (`None`) or a unit has failed: the failure is logged
    /// (`StorPortMarkDeviceFailedEx`; Windows 10 2004; tier \[I\]). It is not asked that the device be removed: the value
    /// of that flag is documented nowhere.
    pub fn mark_failed(&self, unit: Option<Address>, code: u16, description: &str) {
        gate!(M, W, V10_2004);
        let text = Wide::<DESCRIPTION>::new(description);
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address and the text outlive the call.
        unsafe {
            ffi::inferred::mark_device_failed(self.raw(), place.pointer(), 0, code.into(), text.pointer());
        };
    }
}
