//! Running on chosen processors for a while: the affinity of the current thread. Tier \[I\].

use core::ptr;

use wdk_sys::STOR_GROUP_AFFINITY;

use crate::{
    context::{Exclusion, Passive},
    ffi,
    miniport::Miniport,
    processor::GroupAffinity,
    status::InferredError,
    version::{Newer, Way, gate},
};

impl<M: Miniport, X: Exclusion, W: Way> Newer<'_, '_, M, Passive, X, W> {
    /// Runs `f` on one of `processors`, then puts the thread's affinity back (`StorPortSetSystemGroupAffinityThread`,
    /// `StorPortRevertToUserGroupAffinityThread`; Windows Server 2022; tier \[I\]). Not for long: the thread is the
    /// system's.
    ///
    /// # Errors
    /// See [`InferredError`]: either `f` did not run, or the affinity was not put back.
    pub fn with_affinity<R>(
        &self,
        processors: GroupAffinity,
        f: impl FnOnce() -> R,
    ) -> Result<R, InferredError> {
        gate!(M, W, Server2022);
        let mut wanted = STOR_GROUP_AFFINITY {
            Mask: processors.mask,
            Group: processors.group,
            ..Default::default()
        };
        let mut before = STOR_GROUP_AFFINITY::default();
        // SAFETY: the extension is live; no thread means the current one; both places outlive the call.
        InferredError::check(unsafe {
            ffi::inferred::set_system_group_affinity_thread(
                self.raw(),
                ptr::null_mut(),
                &raw mut wanted,
                &raw mut before,
            )
        })?;
        let result = f();
        // SAFETY: as above; `before` is what the call above has written.
        InferredError::check(unsafe {
            ffi::inferred::revert_to_user_group_affinity_thread(self.raw(), ptr::null_mut(), &raw mut before)
        })?;
        Ok(result)
    }
}
