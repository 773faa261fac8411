//! Which commands there are: REPORT SUPPORTED OPERATION CODES and the gate before the translation, by one table (SPC-4,
//! "REPORT SUPPORTED OPERATION CODES command").

use scsi::cdb::{ReportSupportedOperationCodes, ReportingOptions, SanitizeAction};
use scsi::opcode::{Opcode, REPORT_SUPPORTED_OPERATION_CODES, ServiceActionIn16};
use scsi::sense::Sense;

use crate::data_in::{Answer, DataIn};
use crate::provisioning;
use crate::request::{Request, Translation};
use crate::translate::answer;
use crate::unit::{Controller, Eraser, Namespace};

/// What a command needs of the controller or the namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Nothing,
    /// Blocks can be unmapped.
    Management,
    /// Exchanges with I/O commands.
    Exchanges,
    /// Exchanges whose area holds a block.
    Area,
    /// Verify, or exchanges whose area holds a block.
    Verification,
    FusedCompareAndWrite,
    Reservations,
    Security,
    FirmwareDownload,
    BlockErase,
    CryptoErase,
    Sanitizing,
}

use Needs::{
    Area, BlockErase, CryptoErase, Exchanges, FirmwareDownload, FusedCompareAndWrite, Management, Nothing,
    Reservations, Sanitizing, Security, Verification,
};

impl Needs {
    fn are_met(self, controller: &Controller, namespace: &Namespace) -> bool {
        let features = controller.features;
        match self {
            Nothing => true,
            Management => provisioning::is_managed(controller),
            Exchanges => features.io_exchanges,
            Area => provisioning::fits_area(controller, namespace),
            Verification => features.verify || provisioning::fits_area(controller, namespace),
            FusedCompareAndWrite => provisioning::compare_and_write_blocks(controller, namespace) != 0,
            Reservations => features.reservations,
            Security => features.security,
            FirmwareDownload => features.firmware_download,
            BlockErase => provisioning::erases_blocks(controller),
            CryptoErase => features.crypto_erase != Eraser::None,
            Sanitizing => features.sanitizes(),
        }
    }
}

/// A command: its operation code, its service action if it has one, what it needs, and its CDB USAGE DATA from byte 1 on.
/// Without protection information, groups and ACA, RDPROTECT, WRPROTECT, GROUP NUMBER and CONTROL are not evaluated.
type Row = (Opcode, Option<u8>, Needs, &'static [u8]);

const RW10: &[u8] = &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0];
const RW12: &[u8] = &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const RW16: &[u8] = &[
    0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
];
const VERIFY10: &[u8] = &[0x16, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0];
const VERIFY12: &[u8] = &[0x16, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const VERIFY16: &[u8] = &[
    0x16, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
];
const SECURITY: &[u8] = &[0xFF, 0xFF, 0xFF, 0x80, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const RESERVE_IN: [&[u8]; 4] = [
    &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
    &[1, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
    &[2, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
    &[3, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
];

#[rustfmt::skip] // A row a line.
const TABLE: &[Row] = &[
    (Opcode::TEST_UNIT_READY, None, Nothing, &[0, 0, 0, 0, 0]),
    (Opcode::REQUEST_SENSE, None, Nothing, &[0x01, 0, 0, 0xFF, 0]),
    (Opcode::READ_6, None, Nothing, &[0x1F, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::WRITE_6, None, Nothing, &[0x1F, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::INQUIRY, None, Nothing, &[0x01, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::MODE_SELECT_6, None, Nothing, &[0x11, 0, 0, 0xFF, 0]),
    (Opcode::MODE_SENSE_6, None, Nothing, &[0x08, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::START_STOP_UNIT, None, Nothing, &[0x01, 0, 0x0F, 0xF7, 0]),
    (Opcode::READ_CAPACITY_10, None, Nothing, &[0, 0, 0, 0, 0, 0, 0, 0, 0]),
    (Opcode::READ_10, None, Nothing, RW10),
    (Opcode::WRITE_10, None, Nothing, RW10),
    (Opcode::WRITE_AND_VERIFY_10, None, Exchanges, VERIFY10),
    (Opcode::VERIFY_10, None, Verification, VERIFY10),
    (Opcode::PRE_FETCH_10, None, Nothing, &[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0]),
    (Opcode::SYNCHRONIZE_CACHE_10, None, Nothing, &[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0]),
    (Opcode::WRITE_BUFFER, None, FirmwareDownload, &[0x1F, 0x07, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::WRITE_SAME_10, None, Area, &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0]),
    (Opcode::UNMAP, None, Management, &[0x01, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::SANITIZE, Some(SanitizeAction::BlockErase as u8), BlockErase, &[0xA2, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::SANITIZE, Some(SanitizeAction::CryptographicErase as u8), CryptoErase, &[0xA3, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::SANITIZE, Some(SanitizeAction::ExitFailureMode as u8), Sanitizing, &[0xBF, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::LOG_SENSE, None, Nothing, &[0x01, 0x3F, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::MODE_SELECT_10, None, Nothing, &[0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::MODE_SENSE_10, None, Nothing, &[0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_IN, Some(0), Reservations, RESERVE_IN[0]),
    (Opcode::PERSISTENT_RESERVE_IN, Some(1), Reservations, RESERVE_IN[1]),
    (Opcode::PERSISTENT_RESERVE_IN, Some(2), Reservations, RESERVE_IN[2]),
    (Opcode::PERSISTENT_RESERVE_IN, Some(3), Reservations, RESERVE_IN[3]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(0), Reservations, &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(1), Reservations, &[1, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(2), Reservations, &[2, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(3), Reservations, &[3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(4), Reservations, &[4, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(5), Reservations, &[5, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::PERSISTENT_RESERVE_OUT, Some(6), Reservations, &[6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
    (Opcode::READ_16, None, Nothing, RW16),
    (Opcode::COMPARE_AND_WRITE, None, FusedCompareAndWrite, &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0, 0]),
    (Opcode::WRITE_16, None, Nothing, RW16),
    (Opcode::WRITE_AND_VERIFY_16, None, Exchanges, VERIFY16),
    (Opcode::VERIFY_16, None, Verification, VERIFY16),
    (Opcode::PRE_FETCH_16, None, Nothing, &[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::SYNCHRONIZE_CACHE_16, None, Nothing, &[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::WRITE_SAME_16, None, Area, &[0x19, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::SERVICE_ACTION_IN_16, Some(ServiceActionIn16::READ_CAPACITY_16.0), Nothing, &[0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::SERVICE_ACTION_IN_16, Some(ServiceActionIn16::GET_LBA_STATUS.0), Management, &[0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::REPORT_LUNS, None, Nothing, &[0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::SECURITY_PROTOCOL_IN, None, Security, SECURITY),
    (Opcode::MAINTENANCE_IN, Some(REPORT_SUPPORTED_OPERATION_CODES), Nothing, &[0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]),
    (Opcode::READ_12, None, Nothing, RW12),
    (Opcode::WRITE_12, None, Nothing, RW12),
    (Opcode::WRITE_AND_VERIFY_12, None, Exchanges, VERIFY12),
    (Opcode::VERIFY_12, None, Verification, VERIFY12),
    (Opcode::SECURITY_PROTOCOL_OUT, None, Security, SECURITY),
];

/// SERVICE ACTION, bits 4..0 of byte 1.
const SERVICE_ACTION: u8 = 0x1F;

/// Whether the unit has the command that a CDB names. A command, or a service action of one that the unit has, that is not in
/// the table is the parser's to refuse.
pub(crate) fn is_available(cdb: &[u8], controller: &Controller, namespace: &Namespace) -> bool {
    let Some(&opcode) = cdb.first() else {
        return true;
    };
    let action = cdb.get(1).map(|byte| byte & SERVICE_ACTION);
    let mut available = None;
    for (_, service, needs, _) in TABLE.iter().filter(|row| row.0.0 == opcode) {
        let is_met = needs.are_met(controller, namespace);
        if service.is_none() || *service == action {
            return is_met;
        }
        available = Some(is_met || available == Some(true));
    }
    available.unwrap_or(true)
}

/// Puts a command timeouts descriptor: nothing is promised (SPC-4, "Command timeouts descriptor").
fn put_timeouts(answer: &mut Answer<'_>) {
    answer.put(&[0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// REPORT SUPPORTED OPERATION CODES.
pub(crate) fn report(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: ReportSupportedOperationCodes,
    data_in: &mut dyn DataIn,
) -> Translation {
    let is_met = |row: &&Row| row.2.are_met(controller, namespace);
    let allocation_length = command.allocation_length;
    let (opcode, action) = match command.options {
        ReportingOptions::All => {
            return answer(request, allocation_length, data_in, |answer| {
                let rows = || TABLE.iter().filter(is_met);
                let length: usize = if command.timeouts { 20 } else { 8 };
                let length = u32::try_from(rows().count().saturating_mul(length)).unwrap_or(u32::MAX);
                answer.put(&length.to_be_bytes());
                for (opcode, service, _, usage) in rows() {
                    const SERVACTV: u8 = 0x01;
                    const CTDP: u8 = 0x02;
                    let flags = u8::from(service.is_some()).wrapping_mul(SERVACTV)
                        | u8::from(command.timeouts).wrapping_mul(CTDP);
                    let length = u8::try_from(usage.len()).unwrap_or(0).saturating_add(1);
                    answer.put(&[opcode.0, 0, 0, service.unwrap_or(0), 0, flags, 0, length]);
                    if command.timeouts {
                        put_timeouts(answer);
                    }
                }
            });
        }
        ReportingOptions::Opcode(opcode) => (opcode, None),
        ReportingOptions::ServiceAction(opcode, action) => (opcode, Some(action)),
        ReportingOptions::Either(opcode, action) => {
            let has_actions = TABLE
                .iter()
                .any(|(row, service, ..)| row.0 == opcode && service.is_some());
            (opcode, has_actions.then_some(action))
        }
    };
    let mut of_opcode = TABLE.iter().filter(|row| row.0.0 == opcode);
    // The wrong way of asking for a command that does, or does not, have service actions.
    if of_opcode.clone().any(|row| row.1.is_some() != action.is_some()) {
        return Translation::check_condition(Sense::invalid_field(
            ReportSupportedOperationCodes::OPTIONS_FIELD,
        ));
    }
    let row = of_opcode
        .find(|row| row.1.map(u16::from) == action)
        .filter(is_met);
    answer(request, allocation_length, data_in, |answer| {
        const NOT_SUPPORTED: u8 = 0x01;
        const SUPPORTED: u8 = 0x03;
        const CTDP: u8 = 0x80;
        let Some((_, _, _, usage)) = row else {
            answer.put(&[0, NOT_SUPPORTED, 0, 0]);
            return;
        };
        let timeouts = u8::from(command.timeouts).wrapping_mul(CTDP);
        let length = u8::try_from(usage.len()).unwrap_or(0).saturating_add(1);
        answer.put(&[0, timeouts | SUPPORTED, 0, length, opcode]);
        answer.put(usage);
        if command.timeouts {
            put_timeouts(answer);
        }
    })
}
