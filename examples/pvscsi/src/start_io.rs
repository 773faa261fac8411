//! `HwStorStartIo`: what each SRB function leads to.

use storport::{
    context::StartIo,
    srb::{Completion, Direction, Fresh, Function, PnpAction, Srb, SrbStatus, Started},
};

use crate::{
    Pvscsi,
    adapter::Adapter,
    reset,
    rings::{Request, flags},
};

/// Longest CDB of a request.
const LONGEST_CDB: usize = 16;

/// Starts one request.
pub(crate) fn start<'dev, 'srb>(
    cx: &mut StartIo<'dev, Pvscsi>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, Pvscsi, Fresh<'srb>>,
) -> Started<'srb> {
    let completion = match srb.function() {
        Function::ExecuteScsi => return execute(cx, adapter, srb),
        Function::ResetLogicalUnit | Function::ResetDevice => return reset::unit(cx, adapter, srb),
        Function::ResetBus if reset::bus(cx, adapter).is_err() => Completion::Status(SrbStatus::Error),
        // Disks keep their own caches, so that FLUSH and SHUTDOWN are not asked for; power is the adapter's.
        Function::ResetBus | Function::Flush | Function::Shutdown | Function::Power => {
            Completion::Success { transferred: 0 }
        }
        Function::Pnp => match srb.pnp() {
            Some((
                PnpAction::Start | PnpAction::Stop | PnpAction::Remove | PnpAction::SurpriseRemoval,
                _,
            )) => Completion::Success { transferred: 0 },
            _ => Completion::Status(SrbStatus::InvalidRequest),
        },
        _ => Completion::Status(SrbStatus::InvalidRequest),
    };
    srb.complete(cx, completion)
}

/// Sends a SCSI command to its unit, as it is.
fn execute<'dev, 'srb>(
    cx: &mut StartIo<'dev, Pvscsi>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, Pvscsi, Fresh<'srb>>,
) -> Started<'srb> {
    let (Some(hardware), Some(memory)) = (adapter.hardware.get(), adapter.memory.get()) else {
        return srb.complete(cx, Completion::Status(SrbStatus::NoHba));
    };
    if !adapter.is_running() {
        return srb.complete(cx, Completion::Status(SrbStatus::NoDevice));
    }
    let (Some(cdb), Some(unit), Some(data)) = (
        srb.cdb().filter(|cdb| cdb.bytes().len() <= LONGEST_CDB),
        srb.address(),
        srb.extension().and_then(|extension| extension.data()),
    ) else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    let direction = match srb.direction() {
        Direction::None => flags::NO_DATA,
        Direction::In => flags::IN,
        Direction::Out => flags::OUT,
        Direction::Both => return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
    };
    let Some((slot, context)) = cx.start_io_state().claim(unit) else {
        // No more requests are announced than there are slots.
        return srb.busy(cx);
    };
    let data_length = srb.data_length();
    // Parked before the adapter hears of it.
    let started = match adapter.srbs.park(slot, srb) {
        Ok(started) => started,
        Err(srb) => {
            cx.start_io_state().release(u64::from(context));
            return srb.complete(cx, Completion::Status(SrbStatus::InternalError));
        }
    };
    let sense = memory.sense(slot);
    memory.push(&Request {
        context,
        data_address: data.address,
        data_length,
        sense_address: sense.map_or(0, |sense| sense.bus_address()),
        sense_length: sense.map_or(0, |sense| u32::try_from(sense.length()).unwrap_or(0)),
        flags: data.flags | direction,
        cdb: cdb.bytes(),
        target: unit.target,
        lun: unit.lun,
    });
    hardware.kick(is_read_or_write(cdb.bytes()));
    started
}

/// READ and WRITE of 6, 10, 12 and 16 bytes.
pub(crate) fn is_read_or_write(cdb: &[u8]) -> bool {
    matches!(
        cdb.first(),
        Some(0x08 | 0x28 | 0xA8 | 0x88 | 0x0A | 0x2A | 0xAA | 0x8A)
    )
}
