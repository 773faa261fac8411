//! From a CDB to what is to be done.

use scsi::cdb::{CdbError, Command, RequestSense};
use scsi::opcode::Opcode;
use scsi::sense::{FieldPointer, Sense};

use crate::data_in::{Answer, DataIn};
use crate::exchange::Exchange;
use crate::lun_set::LunSet;
use crate::request::{Request, Translation};
use crate::unit::{Controller, Namespace};
use crate::{capacity, inquiry, log, media, mode, provisioning, report_luns, reserve, supported};

/// What a request is addressed to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The controller behind the target.
    pub controller: &'a Controller,
    /// The namespace that the addressed LUN stands for; None: there is no such LUN.
    pub namespace: Option<&'a Namespace>,
    /// All LUNs of the target, for REPORT LUNS.
    pub luns: &'a LunSet,
}

/// Translates `request`. An answer without NVM command is written to `data_in`, which is the request's data
/// buffer or memory that is copied there afterwards; nothing is written unless the result is
/// [`Translation::Complete`].
///
/// Callable at any IRQL; touches nothing but its arguments.
#[must_use]
#[inline(never)]
pub fn translate(request: &Request<'_>, target: &Target<'_>, data_in: &mut dyn DataIn) -> Translation {
    let command = Command::parse(request.cdb);
    match target.namespace {
        Some(namespace) => to_namespace(request, target, namespace, command, data_in),
        None => to_absent_unit(request, target, command, data_in),
    }
}

fn to_namespace(
    request: &Request<'_>,
    target: &Target<'_>,
    namespace: &Namespace,
    command: Result<Command, CdbError>,
    data_in: &mut dyn DataIn,
) -> Translation {
    let controller = target.controller;
    if !supported::is_available(request.cdb, controller, namespace) {
        return Translation::check_condition(Sense::INVALID_OPCODE);
    }
    match command {
        Ok(Command::Read(access)) => media::read(request, controller, namespace, &access),
        Ok(Command::Write(access)) => media::write(request, controller, namespace, &access),
        Ok(Command::SynchronizeCache(range)) => media::synchronize_cache(controller, namespace, &range),
        Ok(Command::StartStopUnit(operation)) => media::start_stop_unit(controller, namespace, operation),
        Ok(Command::TestUnitReady) => Translation::GOOD,
        Ok(Command::Inquiry(command)) => inquiry::present(request, controller, namespace, command, data_in),
        Ok(Command::ReportLuns(command)) => report_luns::report_luns(request, target.luns, command, data_in),
        Ok(Command::RequestSense(command)) if controller.features.sanitizes() => {
            Exchange::sense_of_sanitize(request, namespace, command)
        }
        Ok(Command::RequestSense(command)) => request_sense(request, command, Sense::NONE, data_in),
        Ok(Command::ReadCapacity10) => capacity::read_capacity_10(request, namespace, data_in),
        Ok(Command::ReadCapacity16(command)) => {
            capacity::read_capacity_16(request, controller, namespace, command, data_in)
        }
        Ok(Command::ModeSense(command)) => mode::mode_sense(request, controller, namespace, command, data_in),
        Ok(Command::Verify(verify)) => media::verify(request, controller, namespace, &verify),
        Ok(Command::WriteAndVerify(verify)) => {
            media::write_and_verify(request, controller, namespace, &verify)
        }
        Ok(Command::PreFetch(access)) => media::pre_fetch(namespace, &access),
        Ok(Command::WriteSame(command)) => media::write_same(request, controller, namespace, &command),
        Ok(Command::CompareAndWrite(access)) => {
            media::compare_and_write(request, controller, namespace, &access)
        }
        Ok(Command::Unmap(command)) => media::unmap(request, namespace, command),
        Ok(Command::GetLbaStatus(command)) => {
            provisioning::get_lba_status(request, namespace, command, data_in)
        }
        Ok(Command::ReportSupportedOperationCodes(command)) => {
            supported::report(request, controller, namespace, command, data_in)
        }
        Ok(Command::ModeSelect(command)) => Exchange::mode_select(request, controller, namespace, command),
        Ok(Command::LogSense(command)) => log::log_sense(request, namespace, command, data_in),
        Ok(Command::PersistentReserveIn(command)) => {
            reserve::reserve_in(request, namespace, command, data_in)
        }
        Ok(Command::PersistentReserveOut(command)) => reserve::reserve_out(request, namespace, command),
        Ok(Command::SecurityProtocolIn(command)) => {
            Exchange::security(request, controller, namespace, command, false)
        }
        Ok(Command::SecurityProtocolOut(command)) => {
            Exchange::security(request, controller, namespace, command, true)
        }
        Ok(Command::Sanitize(command)) => Exchange::sanitize(request, controller, namespace, command),
        Ok(Command::WriteBuffer(command)) => Exchange::write_buffer(request, controller, namespace, command),
        Err(error) => Translation::check_condition(error.sense()),
    }
}

/// INQUIRY, REPORT LUNS and REQUEST SENSE are answered whatever LUN they address; nothing else is (SAM-5,
/// "Incorrect logical unit numbers").
fn to_absent_unit(
    request: &Request<'_>,
    target: &Target<'_>,
    command: Result<Command, CdbError>,
    data_in: &mut dyn DataIn,
) -> Translation {
    match command {
        Ok(Command::Inquiry(command)) => inquiry::absent(request, target.controller, command, data_in),
        Ok(Command::ReportLuns(command)) => report_luns::report_luns(request, target.luns, command, data_in),
        Ok(Command::RequestSense(command)) => {
            request_sense(request, command, Sense::LOGICAL_UNIT_NOT_SUPPORTED, data_in)
        }
        Err(error) if answered_by_any_unit(request.cdb) => Translation::check_condition(error.sense()),
        Ok(_) | Err(_) => Translation::check_condition(Sense::LOGICAL_UNIT_NOT_SUPPORTED),
    }
}

fn answered_by_any_unit(cdb: &[u8]) -> bool {
    matches!(
        cdb.first().copied().map(Opcode),
        Some(Opcode::INQUIRY | Opcode::REPORT_LUNS | Opcode::REQUEST_SENSE)
    )
}

/// Sense data go back with the command that they are about, so that none are ever pending (SPC-4, "REQUEST
/// SENSE command").
fn request_sense(
    request: &Request<'_>,
    command: RequestSense,
    sense: Sense,
    data_in: &mut dyn DataIn,
) -> Translation {
    answer(request, u32::from(command.allocation_length), data_in, |answer| {
        if command.descriptor_format {
            answer.put(&sense.to_descriptor());
        } else {
            answer.put(&sense.to_fixed());
        }
    })
}

/// Completes `request` with what `write` puts, unless its buffer may not be written to.
pub(crate) fn answer(
    request: &Request<'_>,
    allocation_length: u32,
    data_in: &mut dyn DataIn,
    write: impl FnOnce(&mut Answer<'_>),
) -> Translation {
    if request.data_length != 0 && !request.data_direction.permits_in() {
        return WRONG_DIRECTION;
    }
    let mut answer = Answer::new(data_in, request.data_length, allocation_length);
    write(&mut answer);
    answer.complete()
}

/// The operation code moves data the other way than the request's buffer may be used.
pub(crate) const WRONG_DIRECTION: Translation =
    Translation::check_condition(Sense::invalid_field(FieldPointer::byte(0)));
