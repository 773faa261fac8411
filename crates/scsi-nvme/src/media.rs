//! What reaches the medium: READ, WRITE and VERIFY in their forms, UNMAP, SYNCHRONIZE CACHE and START STOP UNIT.

use nvme::io::BlockRange;
use scsi::cdb::{
    ByteCheck, MediaAccess, PowerCondition, StartStopUnit, SynchronizeCache, Unmap, Verify, WriteSame,
};
use scsi::sense::Sense;

use crate::exchange::{Exchange, Sweep};
use crate::provisioning;
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
    check(namespace, access, namespace.max_transfer_blocks(controller))?;
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

/// VERIFY (SBC-3; SNTL on the same commands): Verify, or Read to nowhere; with data Compare, which needs a controller that
/// has it. A verification without data may be as long as one command takes blocks, since it transfers nothing.
pub(crate) fn verify(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    verify: &Verify,
) -> Translation {
    let Verify { access, byte_check } = verify;
    let limit = match byte_check {
        ByteCheck::Data => namespace.max_transfer_blocks(controller),
        ByteCheck::Medium | ByteCheck::OneBlock => provisioning::WRITE_SAME_BLOCKS,
    };
    if let Err(sense) = check(namespace, access, limit) {
        return Translation::check_condition(sense);
    }
    if access.blocks == 0 {
        return Translation::GOOD;
    }
    let features = controller.features;
    match byte_check {
        ByteCheck::Medium if features.verify => match BlockRange::new(access.lba, access.blocks) {
            Some(range) => Translation::Submit(NvmCommand::Verify {
                namespace: namespace.id(),
                range,
            }),
            None => Translation::check_condition(Sense::invalid_field(access.transfer_length_field)),
        },
        ByteCheck::Medium => Exchange::sweep(request, controller, namespace, access, Sweep::Read),
        ByteCheck::OneBlock if !provisioning::fits_area(controller, namespace) => {
            Translation::check_condition(Sense::invalid_field(Verify::BYTE_CHECK_FIELD))
        }
        ByteCheck::Data | ByteCheck::OneBlock if !features.compare => {
            Translation::check_condition(Sense::invalid_field(Verify::BYTE_CHECK_FIELD))
        }
        ByteCheck::Data => match transfer(request, controller, namespace, access) {
            Err(sense) => Translation::check_condition(sense),
            Ok(None) => Translation::GOOD,
            Ok(Some(_)) if !request.data_direction.permits_out() => WRONG_DIRECTION,
            Ok(Some(transfer)) => Translation::Submit(NvmCommand::Compare(transfer)),
        },
        ByteCheck::OneBlock => Exchange::sweep(request, controller, namespace, access, Sweep::Compare),
    }
}

/// WRITE AND VERIFY (SBC-3): a Write through to the medium, then what VERIFY does.
pub(crate) fn write_and_verify(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    verify: &Verify,
) -> Translation {
    let compares = match verify.byte_check {
        ByteCheck::Medium => false,
        ByteCheck::Data if controller.features.compare => true,
        ByteCheck::Data | ByteCheck::OneBlock => {
            return Translation::check_condition(Sense::invalid_field(Verify::BYTE_CHECK_FIELD));
        }
    };
    let through = MediaAccess {
        fua: true,
        ..verify.access
    };
    match write(request, controller, namespace, &through) {
        Translation::Submit(NvmCommand::Write(transfer)) => {
            Exchange::write_and_verify(request, controller, namespace, transfer, compares)
        }
        other => other,
    }
}

/// PRE-FETCH (SBC-3): GOOD says that the blocks need not be in the cache, and NVMe has no command that would bring them there.
pub(crate) fn pre_fetch(namespace: &Namespace, access: &MediaAccess) -> Translation {
    if namespace.contains(access.lba, access.blocks) {
        Translation::GOOD
    } else {
        Translation::check_condition(Sense::LBA_OUT_OF_RANGE)
    }
}

/// WRITE SAME (SBC-3; SNTL on the same commands): Write Zeroes for zeroes, else Writes of the block again and again.
pub(crate) fn write_same(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    command: &WriteSame,
) -> Translation {
    let access = &command.access;
    if command.anchor {
        return Translation::check_condition(Sense::invalid_field(WriteSame::ANCHOR_FIELD));
    }
    if command.unmap && !provisioning::write_same_unmaps(controller, namespace) {
        return Translation::check_condition(Sense::invalid_field(WriteSame::UNMAP_FIELD));
    }
    // WSNZ = 1: what zero asks for may take longer than any time-out.
    if let Err(sense) = check(namespace, access, provisioning::WRITE_SAME_BLOCKS) {
        return Translation::check_condition(sense);
    }
    if access.blocks == 0 {
        return Translation::check_condition(Sense::invalid_field(access.transfer_length_field));
    }
    if namespace.write_protected {
        return Translation::check_condition(Sense::WRITE_PROTECTED);
    }
    let sweep = Sweep::Write {
        deallocate: command.unmap,
        data: !command.no_data,
    };
    Exchange::sweep(request, controller, namespace, access, sweep)
}

/// COMPARE AND WRITE (SBC-3; SNTL on the same command): Compare and Write fused, which makes them one to everybody else.
pub(crate) fn compare_and_write(
    request: &Request<'_>,
    controller: &Controller,
    namespace: &Namespace,
    access: &MediaAccess,
) -> Translation {
    let limit = provisioning::compare_and_write_blocks(controller, namespace);
    if let Err(sense) = check(namespace, access, u32::from(limit)) {
        return Translation::check_condition(sense);
    }
    if namespace.write_protected {
        return Translation::check_condition(Sense::WRITE_PROTECTED);
    }
    if access.blocks == 0 && request.data_length == 0 {
        return Translation::GOOD;
    }
    Exchange::compare_and_write(request, namespace, access)
}

/// UNMAP (SBC-3; SNTL on the same command).
pub(crate) fn unmap(request: &Request<'_>, namespace: &Namespace, command: Unmap) -> Translation {
    if command.anchor {
        return Translation::check_condition(Sense::invalid_field(Unmap::ANCHOR_FIELD));
    }
    if namespace.write_protected {
        return Translation::check_condition(Sense::WRITE_PROTECTED);
    }
    if command.parameter_list_length == 0 {
        return Translation::GOOD;
    }
    Exchange::unmap(request, namespace, command)
}

/// What every command on blocks asks first: no protection information, not more than `limit` blocks, all of them there.
fn check(namespace: &Namespace, access: &MediaAccess, limit: u32) -> Result<(), Sense> {
    if access.protect != 0 {
        return Err(Sense::invalid_field(MediaAccess::PROTECT_FIELD));
    }
    if access.blocks > limit {
        return Err(Sense::invalid_field(access.transfer_length_field));
    }
    if !namespace.contains(access.lba, access.blocks) {
        return Err(Sense::LBA_OUT_OF_RANGE);
    }
    Ok(())
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
