//! Holding requests back: the adapter's queue, and those of logical units.
//!
//! Busy counts completions, a pause counts seconds. `StorPortPause`, `StorPortResume` and `StorPortSetDeviceQueueDepth` are
//! methods of the context as well.

use core::time::Duration;

use wdk_sys::storage::{
    StorPortBusy, StorPortDeviceBusy, StorPortDeviceReady, StorPortPauseDevice, StorPortReady,
    StorPortResumeDevice,
};

use crate::{
    context::{AtMostDispatch, Context, Exclusion},
    miniport::Miniport,
    srb::Address,
};

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// The adapter takes no request until `requests` outstanding ones are completed (`StorPortBusy`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn busy(&self, requests: u32) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortBusy(self.raw(), requests) != 0 }
    }

    /// The adapter takes requests again (`StorPortReady`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn ready(&self) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortReady(self.raw()) != 0 }
    }

    /// `unit` takes no request until `requests` of its outstanding ones are completed (`StorPortDeviceBusy`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn unit_busy(&self, unit: Address, requests: u32) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortDeviceBusy(self.raw(), unit.path, unit.target, unit.lun, requests) != 0 }
    }

    /// `unit` takes requests again (`StorPortDeviceReady`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn unit_ready(&self, unit: Address) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortDeviceReady(self.raw(), unit.path, unit.target, unit.lun) != 0 }
    }

    /// Pauses `unit` for at most `time` (`StorPortPauseDevice`); whole seconds, at least one.
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn pause_unit(&self, unit: Address, time: Duration) -> bool {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1);
        // SAFETY: the extension is live.
        unsafe { StorPortPauseDevice(self.raw(), unit.path, unit.target, unit.lun, seconds) != 0 }
    }

    /// Ends a pause of `unit` (`StorPortResumeDevice`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn resume_unit(&self, unit: Address) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortResumeDevice(self.raw(), unit.path, unit.target, unit.lun) != 0 }
    }
}
