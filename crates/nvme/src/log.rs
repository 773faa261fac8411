//! Log pages (Base 2.0, section 5.16.1).

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout, Unaligned};

use crate::command::NamespaceId;
use crate::status::Status;

/// LID, log page identifier. Open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromZeros)]
#[repr(transparent)]
pub struct LogPageId(pub u8);

impl LogPageId {
    /// Error information.
    pub const ERROR: Self = Self(0x01);
    /// SMART / health information.
    pub const SMART: Self = Self(0x02);
    /// Firmware slot information.
    pub const FIRMWARE_SLOT: Self = Self(0x03);
    /// Changed namespace list.
    pub const CHANGED_NAMESPACES: Self = Self(0x04);
    /// Commands supported and effects.
    pub const COMMAND_EFFECTS: Self = Self(0x05);
    /// Sanitize status.
    pub const SANITIZE_STATUS: Self = Self(0x81);
}

/// How the last Sanitize stands (Base 2.0, "Sanitize Status").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SanitizeState {
    /// There was none, or it has succeeded.
    Done,
    /// It goes on; `progress` of 65,536 parts are done.
    InProgress {
        /// SPROG.
        progress: u16,
    },
    /// It has failed.
    Failed,
}

impl SanitizeState {
    /// Bytes at the log's beginning that it takes.
    pub const SIZE: usize = 4;

    /// From the beginning of the log: SPROG, and bits 2:0 of SSTAT.
    #[must_use]
    pub const fn new([progress_low, progress_high, status, _]: [u8; Self::SIZE]) -> Self {
        match status & 7 {
            2 => Self::InProgress {
                progress: u16::from_le_bytes([progress_low, progress_high]),
            },
            3 => Self::Failed,
            _ => Self::Done,
        }
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SmartLayout {
    critical_warning: u8,
    composite_temperature: U16,
    available_spare: u8,
    available_spare_threshold: u8,
    percentage_used: u8,
    endurance_group_warning: u8,
    reserved_7: [u8; 25],
    data_units_read: [u8; 16],
    data_units_written: [u8; 16],
    host_reads: [u8; 16],
    host_writes: [u8; 16],
    controller_busy_minutes: [u8; 16],
    power_cycles: [u8; 16],
    power_on_hours: [u8; 16],
    unsafe_shutdowns: [u8; 16],
    media_errors: [u8; 16],
    error_log_entries: [u8; 16],
    reserved_192: [u8; 320],
}

/// A view over the SMART / health log (Base 2.0, section 5.16.1.3). Every field is what the device claims.
#[derive(Clone, Copy)]
pub struct SmartLog<'a> {
    layout: &'a SmartLayout,
}

/// Bytes of the SMART / health log.
pub const SMART_LOG_SIZE: usize = 512;

impl<'a> SmartLog<'a> {
    /// A view over a snapshot of the log.
    #[must_use]
    pub fn new(bytes: &'a [u8; SMART_LOG_SIZE]) -> Self {
        Self {
            layout: zerocopy::transmute_ref!(bytes),
        }
    }

    /// Critical warnings: bit 0 spare, 1 temperature, 2 reliability, 3 read only, 4 volatile memory backup, 5 PMR.
    #[must_use]
    pub const fn critical_warning(&self) -> u8 {
        self.layout.critical_warning
    }

    /// Composite temperature in kelvins.
    #[must_use]
    pub const fn temperature_kelvins(&self) -> u16 {
        self.layout.composite_temperature.get()
    }

    /// Available spare in percent.
    #[must_use]
    pub const fn available_spare(&self) -> u8 {
        self.layout.available_spare
    }

    /// Spare in percent below which an event may occur.
    #[must_use]
    pub const fn available_spare_threshold(&self) -> u8 {
        self.layout.available_spare_threshold
    }

    /// Life used in percent; may exceed 100.
    #[must_use]
    pub const fn percentage_used(&self) -> u8 {
        self.layout.percentage_used
    }

    /// Units of 1,000 times 512 bytes read by the host.
    #[must_use]
    pub const fn data_units_read(&self) -> u128 {
        u128::from_le_bytes(self.layout.data_units_read)
    }

    /// Units of 1,000 times 512 bytes written by the host.
    #[must_use]
    pub const fn data_units_written(&self) -> u128 {
        u128::from_le_bytes(self.layout.data_units_written)
    }

    /// Hours powered on.
    #[must_use]
    pub const fn power_on_hours(&self) -> u128 {
        u128::from_le_bytes(self.layout.power_on_hours)
    }

    /// Power losses without a shutdown notification.
    #[must_use]
    pub const fn unsafe_shutdowns(&self) -> u128 {
        u128::from_le_bytes(self.layout.unsafe_shutdowns)
    }

    /// Unrecovered data integrity errors.
    #[must_use]
    pub const fn media_errors(&self) -> u128 {
        u128::from_le_bytes(self.layout.media_errors)
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ErrorLayout {
    error_count: U64,
    submission_queue: U16,
    command_id: U16,
    status: U16,
    parameter_location: U16,
    lba: U64,
    namespace: U32,
    vendor: u8,
    transport: u8,
    reserved_30: [u8; 34],
}

/// A view over one entry of the error information log (Base 2.0, section 5.16.1.2).
#[derive(Clone, Copy)]
pub struct ErrorLogEntry<'a> {
    layout: &'a ErrorLayout,
}

/// Bytes of one entry of the error information log.
pub const ERROR_LOG_ENTRY_SIZE: usize = 64;

impl<'a> ErrorLogEntry<'a> {
    /// A view over a snapshot of one entry.
    #[must_use]
    pub fn new(bytes: &'a [u8; ERROR_LOG_ENTRY_SIZE]) -> Self {
        Self {
            layout: zerocopy::transmute_ref!(bytes),
        }
    }

    /// Unique number of the error; 0 marks an unused entry.
    #[must_use]
    pub const fn error_count(&self) -> u64 {
        self.layout.error_count.get()
    }

    /// Submission queue of the command, `FFFFh` if the error belongs to none.
    #[must_use]
    pub const fn submission_queue_id(&self) -> u16 {
        self.layout.submission_queue.get()
    }

    /// Command identifier, `FFFFh` if the error belongs to none.
    #[must_use]
    pub const fn command_id(&self) -> u16 {
        self.layout.command_id.get()
    }

    /// Status of the command.
    #[must_use]
    pub const fn status(&self) -> Status {
        Status::from_bits(self.layout.status.get())
    }

    /// First block that had the error.
    #[must_use]
    pub const fn lba(&self) -> u64 {
        self.layout.lba.get()
    }

    /// Namespace of the error.
    #[must_use]
    pub const fn namespace(&self) -> NamespaceId {
        NamespaceId(self.layout.namespace.get())
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    /// Base 2.0, sections 5.16.1.2 and 5.16.1.3.
    #[test]
    fn fields_are_at_the_specified_offsets() {
        let offsets = [
            (offset_of!(SmartLayout, composite_temperature), 1),
            (offset_of!(SmartLayout, data_units_read), 32),
            (offset_of!(SmartLayout, power_on_hours), 128),
            (offset_of!(SmartLayout, unsafe_shutdowns), 144),
            (offset_of!(SmartLayout, media_errors), 160),
            (offset_of!(SmartLayout, error_log_entries), 176),
            (offset_of!(ErrorLayout, status), 12),
            (offset_of!(ErrorLayout, lba), 16),
            (offset_of!(ErrorLayout, namespace), 24),
        ];
        for (is, should) in offsets {
            assert_eq!(is, should);
        }
    }

    #[test]
    fn smart_values_decode() {
        let mut bytes = [0; SMART_LOG_SIZE];
        bytes[0] = 4;
        bytes[1..3].copy_from_slice(&323_u16.to_le_bytes());
        bytes[160] = 9;
        let log = SmartLog::new(&bytes);
        assert_eq!(
            (
                log.critical_warning(),
                log.temperature_kelvins(),
                log.media_errors()
            ),
            (4, 323, 9)
        );
    }
}
