//! A command on its way in, and what the translation says about it.

use nvme::io::{self, BlockRange};
use nvme::{DataPointer, NamespaceId, SubmissionEntry};
use scsi::opcode::Opcode;
use scsi::sense::Sense;
use scsi::status::Status;

use crate::exchange::Exchange;

/// Which way the request's data buffer may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataDirection {
    /// Neither way.
    None,
    /// The device may write to it (`SRB_FLAGS_DATA_IN`).
    In,
    /// The device may read it (`SRB_FLAGS_DATA_OUT`).
    Out,
    /// Both (`SRB_FLAGS_UNSPECIFIED_DIRECTION`).
    Either,
}

impl DataDirection {
    pub(crate) const fn permits_in(self) -> bool {
        matches!(self, Self::In | Self::Either)
    }

    pub(crate) const fn permits_out(self) -> bool {
        matches!(self, Self::Out | Self::Either)
    }
}

/// A SCSI request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The CDB: any bytes, as many as the request says there are.
    pub cdb: &'a [u8],
    /// Size of the data buffer in bytes.
    pub data_length: u32,
    /// Which way the data buffer may be used.
    pub data_direction: DataDirection,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Translation {
    /// The command is complete with status GOOD.
    Complete {
        /// Bytes written to the data buffer from its start; less than the request's `data_length` is no
        /// error.
        length: u32,
    },
    /// The NVM command is to be submitted; its completion's status goes through [`outcome`](crate::outcome).
    Submit(NvmCommand),
    /// Several commands are needed, or data of the controller's that are not the initiator's.
    Exchange(Exchange),
    /// The command failed; no data were transferred.
    Fail(Outcome),
}

impl Translation {
    /// GOOD without data.
    pub(crate) const GOOD: Self = Self::Complete { length: 0 };

    pub(crate) const fn check_condition(sense: Sense) -> Self {
        Self::Fail(Outcome::check_condition(sense))
    }
}

/// How a SCSI command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// SCSI status.
    pub status: Status,
    /// Sense data: there is some if, and only if, `status` is CHECK CONDITION.
    pub sense: Option<Sense>,
}

impl Outcome {
    /// Success.
    pub const GOOD: Self = Self {
        status: Status::GOOD,
        sense: None,
    };

    /// CHECK CONDITION with sense data.
    #[must_use]
    pub const fn check_condition(sense: Sense) -> Self {
        Self {
            status: Status::CHECK_CONDITION,
            sense: Some(sense),
        }
    }
}

/// A command for an I/O submission queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NvmCommand {
    /// Read.
    Read(Transfer),
    /// Write.
    Write(Transfer),
    /// Compare.
    Compare(Transfer),
    /// Verify: nothing is transferred.
    Verify {
        /// The namespace.
        namespace: NamespaceId,
        /// The blocks.
        range: BlockRange,
    },
    /// Flush.
    Flush {
        /// The namespace whose volatile cache is to be written to the medium.
        namespace: NamespaceId,
    },
}

impl NvmCommand {
    /// The namespace that the command addresses.
    #[must_use]
    pub const fn namespace(&self) -> NamespaceId {
        match self {
            Self::Read(transfer) | Self::Write(transfer) | Self::Compare(transfer) => transfer.namespace,
            Self::Flush { namespace } | Self::Verify { namespace, .. } => *namespace,
        }
    }

    /// Bytes that the command transfers to or from the data buffer's start; never more than the buffer holds.
    #[must_use]
    pub const fn data_length(&self) -> u32 {
        match self {
            Self::Read(transfer) | Self::Write(transfer) | Self::Compare(transfer) => transfer.bytes,
            Self::Flush { .. } | Self::Verify { .. } => 0,
        }
    }

    /// The submission queue entry, its command identifier still to be set. `data` tells where the first
    /// [`NvmCommand::data_length`] bytes of the data buffer lie; Flush ignores it.
    #[must_use]
    pub const fn submission_entry(&self, data: DataPointer) -> SubmissionEntry {
        match self {
            Self::Read(transfer) => io::read(
                transfer.namespace,
                transfer.range,
                data,
                transfer.force_unit_access,
            ),
            Self::Write(transfer) => io::write(
                transfer.namespace,
                transfer.range,
                data,
                transfer.force_unit_access,
            ),
            Self::Compare(transfer) => io::compare(transfer.namespace, transfer.range, data),
            Self::Verify { namespace, range } => io::verify(*namespace, *range),
            Self::Flush { namespace } => io::flush(*namespace),
        }
    }
}

/// The blocks of a Read, Write or Compare; all of them exist in the namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The blocks.
    pub range: BlockRange,
    /// FUA.
    pub force_unit_access: bool,
    /// Bytes that the command transfers.
    pub bytes: u32,
}

/// What a request does with its data buffer, as far as its operation code tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataPhase {
    /// READ and SECURITY PROTOCOL IN: if it is submitted, the device writes to the buffer.
    Read,
    /// WRITE, what compares with the buffer, SECURITY PROTOCOL OUT and WRITE BUFFER: if it is submitted, the device reads the buffer.
    Write,
    /// Anything else: the device does not touch the buffer.
    Other,
}

/// Classifies a request without looking at any namespace, for `HwStorBuildIo`, which may not. A CDB
/// classified as `Read` or `Write` may still be refused by [`translate`](crate::translate); one classified as
/// `Other` never becomes a Read or a Write.
#[must_use]
pub fn data_phase(cdb: &[u8]) -> DataPhase {
    match cdb.first().copied().map(Opcode) {
        Some(
            Opcode::READ_6
            | Opcode::READ_10
            | Opcode::READ_12
            | Opcode::READ_16
            | Opcode::SECURITY_PROTOCOL_IN,
        ) => DataPhase::Read,
        Some(
            Opcode::WRITE_6
            | Opcode::WRITE_10
            | Opcode::WRITE_12
            | Opcode::WRITE_16
            | Opcode::COMPARE_AND_WRITE
            | Opcode::VERIFY_10
            | Opcode::VERIFY_12
            | Opcode::VERIFY_16
            | Opcode::WRITE_AND_VERIFY_10
            | Opcode::WRITE_AND_VERIFY_12
            | Opcode::WRITE_AND_VERIFY_16
            | Opcode::SECURITY_PROTOCOL_OUT
            | Opcode::WRITE_BUFFER,
        ) => DataPhase::Write,
        _ => DataPhase::Other,
    }
}
