//! Asynchronous events: dword 0 of an Asynchronous Event Request's completion (Base 2.0, section 5.2).

use bitfield_struct::bitfield;

use crate::log::LogPageId;

/// Dword 0 of the completion (Base 2.0, section 5.2.1).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct AsyncEventResult {
    /// Asynchronous event type.
    #[bits(3)]
    pub event_type: u8,
    #[bits(5)]
    __: u8,
    /// Asynchronous event information, meaningful within the type.
    #[bits(8)]
    pub information: u8,
    /// Log page whose reading clears the event.
    #[bits(8)]
    pub log_page: u8,
    #[bits(8)]
    __: u8,
}

/// What happened (Base 2.0, section 5.2.1). Open: unassigned values keep their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncEvent {
    /// Type 0: an error that cannot be charged to a command; the error log has it.
    Error(ErrorEvent),
    /// Type 1: SMART / health status; the information says which (0 reliability, 1 temperature, 2 spare).
    Health(u8),
    /// Type 2, information 0: namespaces came, went or changed; log page 04h lists them.
    NamespaceAttributeChanged,
    /// Type 2, information 1: a firmware activation is starting; processing may pause (CSTS.PP).
    FirmwareActivationStarting,
    /// Type 2, other: a notice by its number.
    Notice(u8),
    /// Type 6: I/O command set specific, by its number.
    CommandSetSpecific(u8),
    /// Type 7: vendor specific, by its number.
    Vendor(u8),
    /// A type the specification had not assigned.
    Reserved {
        /// The type.
        event_type: u8,
        /// The information.
        information: u8,
    },
}

/// Information of an error event (Base 2.0, section 5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorEvent {
    /// A doorbell of a queue that does not exist was written.
    InvalidDoorbellRegister,
    /// A doorbell was given a value outside its queue, or unchanged.
    InvalidDoorbellValue,
    /// Diagnostic failure: the controller may have to be reset.
    DiagnosticFailure,
    /// Persistent internal error: CSTS.CFS is set as well if the controller can.
    PersistentInternal,
    /// Transient internal error.
    TransientInternal,
    /// The firmware image could not be loaded.
    FirmwareImageLoad,
    /// A number the specification had not assigned.
    Reserved(u8),
}

impl AsyncEventResult {
    /// Decodes the event.
    #[must_use]
    pub const fn event(self) -> AsyncEvent {
        let information = self.information();
        match self.event_type() {
            0 => AsyncEvent::Error(match information {
                0 => ErrorEvent::InvalidDoorbellRegister,
                1 => ErrorEvent::InvalidDoorbellValue,
                2 => ErrorEvent::DiagnosticFailure,
                3 => ErrorEvent::PersistentInternal,
                4 => ErrorEvent::TransientInternal,
                5 => ErrorEvent::FirmwareImageLoad,
                other => ErrorEvent::Reserved(other),
            }),
            1 => AsyncEvent::Health(information),
            2 => match information {
                0 => AsyncEvent::NamespaceAttributeChanged,
                1 => AsyncEvent::FirmwareActivationStarting,
                other => AsyncEvent::Notice(other),
            },
            6 => AsyncEvent::CommandSetSpecific(information),
            7 => AsyncEvent::Vendor(information),
            event_type => AsyncEvent::Reserved {
                event_type,
                information,
            },
        }
    }

    /// The log page that clears the event.
    #[must_use]
    pub const fn log_page_id(self) -> LogPageId {
        LogPageId(self.log_page())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, section 5.2.1: log page 23:16, information 15:8, type 2:0.
    #[test]
    fn namespace_change_decodes() {
        let result = AsyncEventResult::from_bits(0x0004_0002);
        assert_eq!(result.event(), AsyncEvent::NamespaceAttributeChanged);
        assert_eq!(result.log_page_id(), LogPageId::CHANGED_NAMESPACES);
    }

    #[test]
    fn every_value_decodes_to_something() {
        assert_eq!(
            AsyncEventResult::from_bits(0x0001_0300).event(),
            AsyncEvent::Error(ErrorEvent::PersistentInternal)
        );
        assert_eq!(
            AsyncEventResult::from_bits(0x0002_0101).event(),
            AsyncEvent::Health(1)
        );
        assert_eq!(
            AsyncEventResult::from_bits(0xFFFF_FFFD).event(),
            AsyncEvent::Reserved {
                event_type: 5,
                information: 255
            }
        );
    }
}
