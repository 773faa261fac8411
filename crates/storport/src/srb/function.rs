//! What an SRB asks for and how it ends.

/// `SRB_FUNCTION_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `EXECUTE_SCSI`: a CDB for a logical unit.
    ExecuteScsi,
    /// `IO_CONTROL`: an `IOCTL_SCSI_MINIPORT` request.
    IoControl,
    /// `SHUTDOWN`: the system goes down; caches must be written.
    Shutdown,
    /// `FLUSH`: caches must be written.
    Flush,
    /// `ABORT_COMMAND`.
    AbortCommand,
    /// `RESET_BUS`.
    ResetBus,
    /// `RESET_DEVICE`: reset a target.
    ResetDevice,
    /// `WMI`.
    Wmi,
    /// `RESET_LOGICAL_UNIT`.
    ResetLogicalUnit,
    /// `POWER`.
    Power,
    /// `PNP`.
    Pnp,
    /// `DUMP_POINTERS`.
    DumpPointers,
    /// `FREE_DUMP_POINTERS`.
    FreeDumpPointers,
    /// Anything else, by its number.
    Other(u32),
}

impl From<u32> for Function {
    fn from(value: u32) -> Self {
        match value {
            0x00 => Self::ExecuteScsi,
            0x02 => Self::IoControl,
            0x07 => Self::Shutdown,
            0x08 => Self::Flush,
            0x10 => Self::AbortCommand,
            0x12 => Self::ResetBus,
            0x13 => Self::ResetDevice,
            0x17 => Self::Wmi,
            0x20 => Self::ResetLogicalUnit,
            0x24 => Self::Power,
            0x25 => Self::Pnp,
            0x26 => Self::DumpPointers,
            0x27 => Self::FreeDumpPointers,
            other => Self::Other(other),
        }
    }
}

/// `STOR_PNP_ACTION` of a PNP SRB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PnpAction {
    /// `StorStartDevice`.
    Start,
    /// `StorRemoveDevice`.
    Remove,
    /// `StorStopDevice`.
    Stop,
    /// `StorQueryCapabilities`.
    QueryCapabilities,
    /// `StorQueryResourceRequirements`.
    QueryResourceRequirements,
    /// `StorFilterResourceRequirements`.
    FilterResourceRequirements,
    /// `StorSurpriseRemoval`.
    SurpriseRemoval,
    /// Anything else, by its number.
    Other(u32),
}

impl From<u32> for PnpAction {
    fn from(value: u32) -> Self {
        match value {
            0x00 => Self::Start,
            0x02 => Self::Remove,
            0x04 => Self::Stop,
            0x09 => Self::QueryCapabilities,
            0x0B => Self::QueryResourceRequirements,
            0x0D => Self::FilterResourceRequirements,
            0x17 => Self::SurpriseRemoval,
            other => Self::Other(other),
        }
    }
}

/// `SRB_STATUS_*` that a miniport completes with.
///
/// There is no `PENDING` here: an SRB is never completed with it. Nor `BUSY`: that is for a request for which nothing was
/// issued yet, `Srb::busy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SrbStatus {
    /// Done.
    Success = 0x01,
    /// Aborted; the class driver tries again.
    Aborted = 0x02,
    /// The abort failed.
    AbortFailed = 0x03,
    /// Failed; a SCSI status or sense data tells why.
    Error = 0x04,
    /// The miniport does not know the request.
    InvalidRequest = 0x06,
    /// No such path.
    InvalidPathId = 0x07,
    /// No such device.
    NoDevice = 0x08,
    /// Timed out; the class driver tries again.
    Timeout = 0x09,
    /// The device does not answer selection.
    SelectionTimeout = 0x0A,
    /// Ended by a reset of the bus; the class driver tries again.
    BusReset = 0x0E,
    /// The adapter does not answer.
    NoHba = 0x11,
    /// More or fewer bytes than asked for.
    DataOverrun = 0x12,
    /// Failed inside the miniport. The status that goes with it is `STATUS_INTERNAL_ERROR`.
    InternalError = 0x30,
    /// No such logical unit.
    InvalidLun = 0x20,
    /// No such target.
    InvalidTargetId = 0x21,
}

/// Whether a CDB belongs to the families of READ and WRITE, whose buffers the port driver does not map
/// (`STOR_MAP_NON_READ_WRITE_BUFFERS`): READ, WRITE, WRITE AND VERIFY, COMPARE AND WRITE and ORWRITE, and everything of
/// variable length (READ (32), WRITE (32), ...). An empty CDB counts as one: its buffer is not touched either.
#[cfg_attr(not(any(windows, test)), expect(dead_code, reason = "SRBs exist on Windows"))]
pub(super) fn is_read_or_write(cdb: &[u8]) -> bool {
    match cdb.first() {
        Some(opcode) => matches!(
            opcode,
            0x08 | 0x28 | 0xA8 | 0x88 // READ (6), (10), (12), (16)
                | 0x0A | 0x2A | 0xAA | 0x8A // WRITE (6), (10), (12), (16)
                | 0x2E | 0xAE | 0x8E // WRITE AND VERIFY (10), (12), (16)
                | 0x89 | 0x8B // COMPARE AND WRITE, ORWRITE (16)
                | 0x7F // variable length
        ),
        None => true,
    }
}

/// `SRB_STATUS_AUTOSENSE_VALID`, a flag beside the status.
#[cfg(windows)]
pub(super) const AUTOSENSE_VALID: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_device_is_0x13() {
        assert_eq!(Function::from(0x13), Function::ResetDevice);
        assert_eq!(Function::from(0x16), Function::Other(0x16));
    }

    #[test]
    fn buffers_of_reads_and_writes_are_left_alone() {
        let families = [
            0x08, 0x28, 0xA8, 0x88, 0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E, 0x89, 0x8B, 0x7F,
        ];
        for opcode in 0..=u8::MAX {
            assert_eq!(
                is_read_or_write(&[opcode]),
                families.contains(&opcode),
                "{opcode:#x}"
            );
        }
        assert!(is_read_or_write(&[]), "nothing says that this buffer is mapped");
    }
}
