//! Processors, processor groups and NUMA nodes, of machines with more than 64 processors too.
//!
//! Windows 7 and later, up to `DISPATCH_LEVEL` (page of each call).

use wdk_sys::{GROUP_AFFINITY, PROCESSOR_NUMBER};

use crate::{
    context::{AtMostDispatch, Context, Exclusion},
    ffi::system as ffi,
    miniport::Miniport,
    status::{ProcessorError, RelationshipError},
};

/// A processor: its group, and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessorNumber {
    /// Group.
    pub group: u16,
    /// 0 to 63.
    pub number: u8,
}

/// Processors of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupAffinity {
    /// Group.
    pub group: u16,
    /// One bit for each processor.
    pub mask: u64,
}

impl GroupAffinity {
    pub(crate) fn from_raw(raw: &GROUP_AFFINITY) -> Self {
        Self {
            group: raw.Group,
            mask: raw.Mask,
        }
    }
}

/// What [`Context::logical_processor_relationship`] tells (`LOGICAL_PROCESSOR_RELATIONSHIP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Relationship {
    /// Logical processors of one core.
    Core = 0,
    /// Processors of one NUMA node.
    Node = 1,
    /// Processors that share a cache.
    Cache = 2,
    /// Processors of one package.
    Package = 3,
    /// Processor groups.
    Group = 4,
    /// All of these.
    All = 0xFFFF,
}

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// The processor that this runs on (`StorPortGetCurrentProcessorNumber`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn current_processor(&self) -> Result<ProcessorNumber, ProcessorError> {
        let mut number = PROCESSOR_NUMBER::default();
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_current_processor_number(self.raw(), &raw mut number) })?;
        Ok(ProcessorNumber {
            group: number.Group,
            number: number.Number,
        })
    }

    /// Number of processor groups in use (`StorPortGetActiveGroupCount`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn active_group_count(&self) -> Result<u16, ProcessorError> {
        let mut count = 0;
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_active_group_count(self.raw(), &raw mut count) })?;
        Ok(count)
    }

    /// The processors of a group, one bit each (`StorPortGetGroupAffinity`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn group_affinity(&self, group: u16) -> Result<GroupAffinity, ProcessorError> {
        let mut mask = 0;
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_group_affinity(self.raw(), group.into(), &raw mut mask) })?;
        Ok(GroupAffinity { group, mask })
    }

    /// Number of NUMA nodes in use (`StorPortGetActiveNodeCount`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn active_node_count(&self) -> Result<u32, ProcessorError> {
        let mut count = 0;
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_active_node_count(self.raw(), &raw mut count) })?;
        Ok(count)
    }

    /// The processors of a NUMA node, as far as they are in one group (`StorPortGetNodeAffinity`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn node_affinity(&self, node: u32) -> Result<GroupAffinity, ProcessorError> {
        let mut affinity = GROUP_AFFINITY::default();
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_node_affinity(self.raw(), node, &raw mut affinity) })?;
        Ok(GroupAffinity::from_raw(&affinity))
    }

    /// The highest node number in use; nodes need not be numbered without gaps (`StorPortGetHighestNodeNumber`).
    ///
    /// # Errors
    /// See [`ProcessorError`].
    pub fn highest_node(&self) -> Result<u32, ProcessorError> {
        let mut node = 0;
        // SAFETY: the extension is live; the place outlives the call.
        ProcessorError::check(unsafe { ffi::get_highest_node_number(self.raw(), &raw mut node) })?;
        Ok(node)
    }

    /// Writes `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX` records into `buffer`, of all processors or of one
    /// (`StorPortGetLogicalProcessorRelationship`). Returns how many bytes they have.
    ///
    /// # Errors
    /// See [`RelationshipError`]; [`RelationshipError::BufferTooSmall`] comes with the bytes that are needed in the
    /// second place.
    pub fn logical_processor_relationship(
        &self,
        of: Option<ProcessorNumber>,
        relationship: Relationship,
        buffer: &mut [u64],
    ) -> Result<u32, (RelationshipError, u32)> {
        let mut number = of.map(|of| PROCESSOR_NUMBER {
            Group: of.group,
            Number: of.number,
            ..Default::default()
        });
        let number = number.as_mut().map_or(core::ptr::null_mut(), core::ptr::from_mut);
        let mut length = u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX);
        // SAFETY: the extension is live; `buffer` has `length` bytes, aligned as the records are.
        let status = unsafe {
            ffi::get_logical_processor_relationship(
                self.raw(),
                number,
                relationship as i32,
                buffer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        match RelationshipError::check(status) {
            Ok(()) => Ok(length),
            Err(error) => Err((error, length)),
        }
    }
}

#[cfg(feature = "inferred-ddi")]
mod inferred {
    use super::{AtMostDispatch, Exclusion, GROUP_AFFINITY, GroupAffinity, Miniport};
    use crate::{
        ffi,
        status::InferredError,
        version::{Newer, Way, gate},
    };

    /// Most groups that [`Newer::node_affinities`] can tell.
    const MOST_GROUPS: usize = 32;

    impl<M: Miniport, I: AtMostDispatch, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// The processors of a NUMA node in all groups (`StorPortGetNodeAffinity2`; Windows 11 22H2; tier \[I\]). Returns
        /// how many affinities the node has; the first of them are in `affinities`.
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn node_affinities(
            &self,
            node: u32,
            affinities: &mut [GroupAffinity],
        ) -> Result<usize, InferredError> {
            gate!(M, W, V11_22H2);
            let mut raw = [GROUP_AFFINITY::default(); MOST_GROUPS];
            let mut required = 0_u16;
            let count = u32::try_from(raw.len()).unwrap_or(0);
            // SAFETY: the extension is live; both places outlive the call.
            let status = unsafe {
                ffi::inferred::get_node_affinity2(
                    self.raw(),
                    node,
                    raw.as_mut_ptr(),
                    count,
                    &raw mut required,
                )
            };
            InferredError::check(status)?;
            for (place, affinity) in affinities.iter_mut().zip(raw.iter().take(required.into())) {
                *place = GroupAffinity::from_raw(affinity);
            }
            Ok(required.into())
        }
    }
}
