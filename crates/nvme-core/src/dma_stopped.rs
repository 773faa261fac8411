//! Proof that the controller no longer touches the memory of commands.
//!
//! A request's buffers go back to Windows when it is completed. A controller that still writes to them then corrupts
//! memory, which is the worst thing a storage driver can do; so a request is given back only on its own completion
//! or against a [`DmaStopped`].

use nvme::{ControllerStatus, Status};
use zerocopy::FromZeros;

/// One life of the controller, from setting CC.EN until CSTS.RDY is cleared. The first is 1; 0 is before any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(transparent)]
pub struct Epoch(u32);

impl Epoch {
    /// The life before the controller was enabled for the first time.
    pub const NONE: Self = Self(0);

    /// The life after this one. Wraps after 2^31, skipping 0.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        let next = self.0.wrapping_add(1) & 0x7FFF_FFFF;
        Self(if next == 0 { 1 } else { next })
    }

    /// As a number below 2^31, for traces.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number & 0x7FFF_FFFF)
    }
}

/// How it is known that transfers have stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// CC.EN was cleared and CSTS.RDY was then read as 0 (Base 2.0, 3.7.2, controller level reset).
    ReadyCleared,
    /// Delete I/O Submission Queue completed with success: nothing of that queue is outstanding (Base 2.0, 5.7).
    SubmissionQueueDeleted {
        /// The queue that was deleted.
        queue: u16,
    },
    /// The platform reset the device and said that it succeeded.
    HardwareReset,
    /// Reads of CSTS return all ones: the device is no longer on the bus.
    ControllerGone,
}

/// The proof. Its fields are private, so that it is made only where the fact was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaStopped {
    epoch: Epoch,
    how: How,
}

impl DmaStopped {
    /// CSTS.RDY was seen to be cleared after CC.EN had been.
    pub(crate) const fn ready_cleared(epoch: Epoch) -> Self {
        Self {
            epoch,
            how: How::ReadyCleared,
        }
    }

    /// The platform's hardware reset succeeded (`StorPortHardwareReset` returned `STOR_STATUS_SUCCESS`).
    ///
    /// Calling this without that fact defeats the type; nothing else vouches for it.
    #[must_use]
    pub const fn hardware_reset(epoch: Epoch) -> Self {
        Self {
            epoch,
            how: How::HardwareReset,
        }
    }

    /// The controller has left the bus: `status` is what was read from CSTS, and must be all ones.
    #[must_use]
    pub const fn controller_gone(epoch: Epoch, status: ControllerStatus) -> Option<Self> {
        if status.is_absent() {
            Some(Self {
                epoch,
                how: How::ControllerGone,
            })
        } else {
            None
        }
    }

    /// `status` is that of the completion of Delete I/O Submission Queue for `queue`, and must be success. Covers the
    /// commands of that queue only.
    #[must_use]
    pub const fn submission_queue_deleted(epoch: Epoch, queue: u16, status: Status) -> Option<Self> {
        if status.is_success() {
            Some(Self {
                epoch,
                how: How::SubmissionQueueDeleted { queue },
            })
        } else {
            None
        }
    }

    /// The life whose commands it covers.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How it is known.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// Whether it covers the commands of submission queue `queue` in life `epoch`.
    #[must_use]
    pub const fn covers(&self, epoch: Epoch, queue: u16) -> bool {
        let same_life = self.epoch.0 == epoch.0;
        match self.how {
            How::SubmissionQueueDeleted { queue: deleted } => same_life && deleted == queue,
            How::ReadyCleared | How::HardwareReset | How::ControllerGone => same_life,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_covers_its_life_only() {
        let first = Epoch::NONE.next();
        let proof = DmaStopped::ready_cleared(first);
        assert!(proof.covers(first, 1) && proof.covers(first, 9));
        assert!(!proof.covers(first.next(), 1));
    }

    #[test]
    fn a_deleted_queue_proves_nothing_about_others() {
        let epoch = Epoch::NONE.next();
        let proof = DmaStopped::submission_queue_deleted(epoch, 2, Status::new()).unwrap();
        assert!(proof.covers(epoch, 2) && !proof.covers(epoch, 1));
        let failed = Status::new().with_status_code(1);
        assert_eq!(DmaStopped::submission_queue_deleted(epoch, 2, failed), None);
    }

    #[test]
    fn only_all_ones_proves_that_the_controller_is_gone() {
        let epoch = Epoch::NONE.next();
        assert_eq!(
            DmaStopped::controller_gone(epoch, ControllerStatus::new().with_cfs(true)),
            None
        );
        assert!(DmaStopped::controller_gone(epoch, ControllerStatus::from_bits(u32::MAX)).is_some());
    }

    #[test]
    fn lives_are_never_numbered_zero_again() {
        assert_eq!(Epoch::from_number(0x7FFF_FFFF).next(), Epoch(1));
    }
}
