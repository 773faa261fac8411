//! `HwStorStartIo`: what each SRB function leads to.

use nvme::NamespaceId;
use scsi_nvme::{DataDirection, NvmCommand, Request, Target, Translation};
use storport::{
    context::StartIo,
    srb::{Completion, Direction, Fresh, Function, PnpAction, Srb, SrbStatus, Started},
};

use crate::{
    FerroNvme,
    adapter::{Adapter, State},
    io, reset,
};

/// Answers go straight into the mapped data buffer. It is looked up when there is an answer: READ and WRITE have none.
struct Answer<'a, 'dev, 'srb>(&'a mut Srb<'dev, FerroNvme, Fresh<'srb>>);

impl scsi_nvme::DataIn for Answer<'_, '_, '_> {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(mut buffer) = self.0.data_buffer() {
            buffer.write(offset, bytes);
        }
    }
}

/// Starts one request.
pub(crate) fn start<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    match srb.function() {
        Function::ExecuteScsi => execute(cx, adapter, srb),
        Function::Flush | Function::Shutdown => flush(cx, adapter, srb),
        Function::ResetLogicalUnit | Function::ResetDevice => reset::unit(cx, adapter, srb),
        Function::ResetBus => {
            let status = match reset::bus(cx, adapter) {
                Ok(()) => Completion::Success { transferred: 0 },
                Err(_) => Completion::Status(SrbStatus::Error),
            };
            srb.complete(cx, status)
        }
        Function::Pnp => {
            let status = match srb.pnp() {
                Some((
                    PnpAction::Start | PnpAction::Stop | PnpAction::Remove | PnpAction::SurpriseRemoval,
                    _,
                )) => Completion::Success { transferred: 0 },
                _ => Completion::Status(SrbStatus::InvalidRequest),
            };
            srb.complete(cx, status)
        }
        // The adapter's power goes by ScsiStopAdapter and ScsiRestartAdapter; a unit has no power of its own.
        Function::Power => srb.complete(cx, Completion::Success { transferred: 0 }),
        _ => srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
    }
}

fn execute<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    if adapter.state() == State::Failed {
        return srb.complete(cx, Completion::Status(SrbStatus::NoDevice));
    }
    let (Some(cdb), Some(address)) = (srb.cdb(), srb.address()) else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    let data_direction = match srb.direction() {
        Direction::None => DataDirection::None,
        Direction::In => DataDirection::In,
        Direction::Out => DataDirection::Out,
        Direction::Both => DataDirection::Either,
    };
    let request = Request {
        cdb: cdb.bytes(),
        data_length: srb.data_length(),
        data_direction,
    };
    let state = cx.start_io_state();
    let Some(controller) = state.controller.get() else {
        return adapter.push_back(cx, srb);
    };
    let namespace = state.units.get(address);
    let target = Target {
        controller,
        namespace: namespace.as_ref(),
        luns: &state.units.luns(),
    };
    match scsi_nvme::translate(&request, &target, &mut Answer(&mut srb)) {
        Translation::Complete { length } => srb.complete(cx, Completion::Success { transferred: length }),
        Translation::Submit(command) => io::submit(cx, adapter, srb, &command),
        Translation::Fail(outcome) => io::fail(cx, srb, &outcome),
    }
}

/// FLUSH and SHUTDOWN: what the unit's volatile cache holds is written.
fn flush<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    let controller = cx.start_io_state().controller.get();
    let cached = controller.is_some_and(|controller| controller.volatile_write_cache);
    let Some(address) = srb.address() else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    match cx.start_io_state().units.get(address) {
        None => srb.complete(cx, Completion::Status(SrbStatus::NoDevice)),
        Some(namespace) if cached => {
            let namespace: NamespaceId = namespace.id();
            io::submit(cx, adapter, srb, &NvmCommand::Flush { namespace })
        }
        Some(_) => srb.complete(cx, Completion::Success { transferred: 0 }),
    }
}
