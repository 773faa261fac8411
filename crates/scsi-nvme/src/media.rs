//! READ, WRITE, SYNCHRONIZE CACHE and START STOP UNIT: what reaches the medium.

use nvme::io::BlockRange;
use scsi::cdb::{MediaAccess, PowerCondition, StartStopUnit, SynchronizeCache};
use scsi::sense::Sense;

use crate::request::{NvmCommand, Request, Transfer, Translation};
use crate::translate::WRONG_DIRECTION;
use crate::unit::{Controller, Namespace};

/// READ (SBC-3; SNTL on the same commands).
pub(crate) fn read(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    access: &MediaAccess,
) -> Translation {
    match transfer(request, controller, namespace, access) {
        Err(sense) => Translation::check_condition(sense),
        Ok(None) => Translation::GOOD,
        Ok(Some(_)) if !request.data_direction.permits_in() => WRONG_DIRECTION,
        Ok(Some(transfer)) => Translation::Submit(NvmCommand::Read(transfer)),
    }
}

/// WRITE (SBC-3; SNTL on the same commands).
pub(crate) fn write(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    access: &MediaAccess,
) -> Translation {
    match transfer(request, controller, namespace, access) {
        Err(sense) => Translation::check_condition(sense),
        Ok(_) if namespace.write_protected => Translation::check_condition(Sense::WRITE_PROTECTED),
        Ok(None) => Translation::GOOD,
        Ok(Some(_)) if !request.data_direction.permits_out() => WRONG_DIRECTION,
        Ok(Some(transfer)) => Translation::Submit(NvmCommand::Write(transfer)),
    }
}

/// Checks a READ or WRITE; None: it transfers nothing, which is no error.
fn transfer(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    access: &MediaAccess,
) -> Result<Option<Transfer>, Sense> {
    // Without protection information any other RDPROTECT or WRPROTECT is invalid (SBC-3, tables of the two
    // fields).
    if access.protect != 0 {
        return Err(Sense::invalid_field(MediaAccess::PROTECT_FIELD));
    }
    if access.blocks > namespace.max_transfer_blocks(controller) {
        return Err(Sense::invalid_field(access.transfer_length_field));
    }
    if !namespace.contains(access.lba, access.blocks) {
        return Err(Sense::LBA_OUT_OF_RANGE);
    }
    if access.blocks == 0 {
        return Ok(None);
    }
    let too_long = Sense::invalid_field(access.transfer_length_field);
    let range = BlockRange::new(access.lba, access.blocks).ok_or(too_long)?;
    // The buffer may be larger than the transfer; a smaller one would be overrun.
    let bytes = u32::try_from(namespace.bytes(access.blocks)).map_err(|_| too_long)?;
    if bytes > request.data_length {
        return Err(too_long);
    }
    Ok(Some(Transfer {
        namespace: namespace.id(),
        range,
        force_unit_access: access.fua,
        bytes,
    }))
}

/// SYNCHRONIZE CACHE (SBC-3; SNTL on the same commands). Flush has no range: the whole namespace is
/// synchronized. Status waits for the medium even if IMMED asks for it at once: later than allowed, never
/// sooner than is safe.
pub(crate) fn synchronize_cache(
    controller: &Controller,
    namespace: &Namespace,
    range: &SynchronizeCache,
) -> Translation {
    if namespace.contains(range.lba, range.blocks) {
        flush(controller, namespace)
    } else {
        Translation::check_condition(Sense::LBA_OUT_OF_RANGE)
    }
}

/// START STOP UNIT (SBC-3; SNTL on the same command). A stop writes the cache to the medium; power itself is
/// the port driver's matter, so that no power condition but active can be entered and a stopped unit still
/// answers.
pub(crate) fn start_stop_unit(
    controller: &Controller,
    namespace: &Namespace,
    operation: StartStopUnit,
) -> Translation {
    match operation.power_condition {
        PowerCondition::START_VALID if operation.load_eject => {
            Translation::check_condition(Sense::invalid_field(StartStopUnit::LOAD_EJECT_FIELD))
        }
        PowerCondition::START_VALID if operation.start || operation.no_flush => Translation::GOOD,
        PowerCondition::START_VALID => flush(controller, namespace),
        PowerCondition::ACTIVE if operation.modifier == 0 => Translation::GOOD,
        PowerCondition::ACTIVE => {
            Translation::check_condition(Sense::invalid_field(StartStopUnit::MODIFIER_FIELD))
        }
        _ => Translation::check_condition(Sense::invalid_field(StartStopUnit::POWER_CONDITION_FIELD)),
    }
}

/// Without a volatile write cache every completed write is on the medium already. A cache that is disabled
/// now may still hold data from before.
fn flush(controller: &Controller, namespace: &Namespace) -> Translation {
    if controller.volatile_write_cache {
        Translation::Submit(NvmCommand::Flush {
            namespace: namespace.id(),
        })
    } else {
        Translation::GOOD
    }
}
