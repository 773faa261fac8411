//! The events of `ferronvme`: one table, from which come the driver's ETW events and trace records, the message table in the
//! `.sys` (by the driver's build script) and the guide's list (compared by a test).
//!
//! An id means the same everywhere: in ETW, in the trace ring and, as the low half of the message id, in the system's event
//! log. Ids are never given to another event.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

#[macro_use]
mod table;
mod row;

pub use row::{Keyword, Level, Opcode, Row};

events! {
    /// `HwStorFindAdapter` has identified the controller.
    AdapterFound = 1001, Informational, [Enumeration], Info,
        (version, capabilities, max_transfer, life);
    /// `HwStorPassiveInitialize` has made the queues.
    AdapterStarted = 1002, Informational, [Enumeration], Start,
        (pairs, messages, namespaces);
    /// The adapter could not be started. `phase`: 1 `HwStorFindAdapter`, 2 `HwStorInitialize`, 3 `HwStorPassiveInitialize`.
    StartFailed = 1003, Error, [Enumeration], Stop,
        (phase, failure, detail),
        "%1: the NVMe controller could not be started (%2).";
    /// The controller is being shut down. `why`: 0 `ScsiStopAdapter` (power, rebalance), 1 removal.
    AdapterStopping = 1004, Informational, [Power], Suspend,
        (why, in_flight);
    /// The controller was shut down, or did not answer in time.
    AdapterStopped = 1005, Informational, [Power], Stop,
        (why, failure, duration_us);
    /// `ScsiRestartAdapter`: the controller is brought up again.
    AdapterRestarting = 1006, Informational, [Power], Resume,
        ();
    /// The I/O queues were created, and requests are taken; after a start, a restart or a reset.
    AdapterReady = 1007, Informational, [Performance, Enumeration], Start,
        (pairs, entries, duration_us);
    /// The controller cannot be used any more.
    AdapterFailed = 1008, Critical, [], Stop,
        (failure, detail),
        "%1: the NVMe controller cannot be used any more (%2).";
    /// The controller's registers read as all ones.
    ControllerGone = 1009, Error, [Enumeration], Stop,
        (in_flight),
        "%1: the NVMe controller does not answer: it was removed or its link is down (%2).";

    /// A controller reset begins. `reason`: 1 `HwStorResetBus`, 2 a `RESET_BUS` request, 3 the driver's own.
    ResetBegun = 1101, Warning, [Io], Start,
        (reason, in_flight),
        "%1: the NVMe controller is being reset (%2).";
    /// The controller has been stopped and its requests were given back, or it did not stop in time. What follows is
    /// `AdapterReady` or `AdapterFailed`.
    ResetEnded = 1102, Warning, [Io], Stop,
        (reason, failure, duration_us, in_flight);
    /// The control path has failed: what it was doing ended with this.
    ControlFailed = 1103, Error, [Io], Info,
        (failure, detail);
    /// A unit reset begins. `namespace` 0: all units of the target.
    UnitResetBegun = 1111, Warning, [Io], Start,
        (namespace, in_flight);
    /// A unit reset has ended. `srb_status`: 1 all commands are back; else the port driver escalates.
    UnitResetEnded = 1112, Warning, [Io], Stop,
        (namespace, srb_status);
    /// Abort was sent for a command.
    AbortSent = 1113, Informational, [Io, CommandTrace], Info,
        (queue, command_id, suppressed);
    /// The controller has answered an Abort. `result` bit 0: the command was not aborted.
    AbortEnded = 1114, Informational, [Io, CommandTrace], Info,
        (status, result, suppressed);
    /// An I/O command has failed.
    CommandFailed = 1121, Warning, [Io, CommandTrace], Info,
        (status, operation, lun, suppressed);
    /// A completion names no command in flight: it is late, repeated or wrong.
    CompletionUnknown = 1122, Error, [Io, CommandTrace], Info,
        (queue, named_queue, command_id, suppressed);
    /// An admin command of the control path has failed.
    AdminFailed = 1123, Warning, [CommandTrace], Info,
        (status, result, suppressed);

    /// An asynchronous event has come. `result`: dword 0 of its completion.
    AsyncEvent = 1131, Informational, [], Info,
        (result, status);
    /// The health log was read after an event. `temperature` in kelvins, `spare` and `used` in percent.
    HealthRead = 1132, Informational, [], Info,
        (warning, temperature, spare, used);
    /// The health log has a critical warning: bit 0 spare, 1 temperature, 2 reliability, 3 read only, 4 volatile memory backup,
    /// 5 persistent memory region.
    HealthWarning = 1133, Warning, [], Info,
        (warning, temperature, spare, used),
        "%1: the NVMe controller reports a critical warning (%2).";
    /// Namespaces came, went or changed: bits by place.
    NamespacesChanged = 1134, Informational, [Enumeration], Info,
        (added, removed, changed, ignored);
    /// A namespace is not shown. `reason`: 1 format index, 2 block size, 3 metadata, 4 protection, 5 capacity, 6 command set,
    /// 7 Identify failed.
    NamespaceHidden = 1135, Warning, [Enumeration], Info,
        (namespace, reason),
        "%1: a namespace of the NVMe controller cannot be used (%2).";

    /// Trace records were overwritten before they could be told.
    EventsLost = 1201, Warning, [], Info,
        (count);
}

/// Ids of messages in the event log: severity, the customer bit (none of Microsoft's messages has it), facility 4 as for other
/// errors of devices, and the event's id.
#[must_use]
pub const fn message_id(level: Level, id: u16) -> u32 {
    const ERROR: u32 = 3 << 30;
    const WARNING: u32 = 2 << 30;
    const INFORMATIONAL: u32 = 1 << 30;
    const CUSTOMER: u32 = 1 << 29;
    const FACILITY_IO: u32 = 4 << 16;
    let severity = match level {
        Level::Critical | Level::Error => ERROR,
        Level::Warning => WARNING,
        Level::Informational | Level::Verbose => INFORMATIONAL,
    };
    severity | CUSTOMER | FACILITY_IO | id as u32
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, vec::Vec};

    use super::*;

    /// `STORPORT_ETW_MAX_DESCRIPTION_LENGTH` and `STORPORT_ETW_MAX_PARAM_NAME_LENGTH`, with a terminator.
    #[test]
    fn names_fit_the_ddi() {
        for row in ROWS {
            assert!(row.name.len() < 32 && row.name.is_ascii(), "{}", row.name);
            for field in row.fields {
                assert!(field.len() < 16 && field.is_ascii(), "{} {field}", row.name);
            }
            assert!(row.fields.len() <= 4, "{}", row.name);
        }
    }

    #[test]
    fn ids_are_given_once_and_in_order() {
        let ids: Vec<_> = ROWS.iter().map(|row| row.id).collect();
        let sorted: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids, sorted.into_iter().collect::<Vec<_>>());
        assert_eq!(
            ROWS.iter().map(|row| row.name).collect::<BTreeSet<_>>().len(),
            ROWS.len()
        );
        assert!(EVENTS.iter().zip(ROWS).all(|(event, row)| event.id() == row.id));
    }

    /// What is logged has a place for the device's name and one for the values.
    #[test]
    fn messages_take_the_device_and_the_values() {
        for row in ROWS {
            if let Some(message) = row.message {
                assert!(
                    message.starts_with("%1: ") && message.contains("(%2)"),
                    "{}",
                    row.name
                );
                assert!(message.is_ascii(), "{}", row.name);
            }
        }
        assert_eq!(message_id(Level::Error, 1003), 0xE004_03EB);
        assert_eq!(message_id(Level::Warning, 1101), 0xA004_044D);
    }
}
