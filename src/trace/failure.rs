//! Why the control path failed, as numbers. The guide lists them; none is ever given another meaning.

use nvme::identify::ControllerType;
use nvme_core::control::Failure;

/// Code and detail of a failure.
pub(super) fn values(failure: Failure) -> [u64; 2] {
    match failure {
        Failure::NotConfigured => [1, 0],
        Failure::Busy => [2, 0],
        Failure::OutOfPhase => [3, 0],
        Failure::CommandOutstanding => [4, 0],
        Failure::Gone => [5, 0],
        Failure::FatalStatus => [6, 0],
        Failure::PageSize { mpsmin } => [7, mpsmin.into()],
        Failure::CommandSet { css } => [8, css.into()],
        Failure::QueueTooSmall => [9, 0],
        Failure::RegistersTooShort { needed } => [10, needed],
        Failure::ReadyTimeout => [11, 0],
        Failure::StopTimeout => [12, 0],
        Failure::ShutdownTimeout => [13, 0],
        Failure::AdminTimeout { opcode } => [14, opcode.into()],
        Failure::AdminFailed { opcode, status } => {
            let status = super::status_bits(status);
            [15, u64::from(opcode) | status.wrapping_shl(8)]
        }
        Failure::DataMissing => [16, 0],
        Failure::EntrySizes => [17, 0],
        Failure::ControllerType(kind) => [18, controller_type(kind)],
        Failure::NoQueuePair => [19, 0],
        Failure::QueuePair { index } => [20, index.into()],
        Failure::BudgetSpent => [21, 0],
        Failure::ClockStopped => [22, 0],
    }
}

/// CNTRLTYPE of Identify Controller (Base 2.0, 5.17.2.1).
fn controller_type(kind: ControllerType) -> u64 {
    match kind {
        ControllerType::NotReported => 0,
        ControllerType::Io => 1,
        ControllerType::Discovery => 2,
        ControllerType::Administrative => 3,
        ControllerType::Reserved(kind) => kind.into(),
    }
}
