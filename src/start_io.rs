//! `HwStorStartIo`: what each SRB function leads to.

use nvme::NamespaceId;
use scsi_nvme::{NvmCommand, Request, Target, Translation};
use storport::{
    context::StartIo,
    srb::{Completion, Fresh, Function, PnpAction, Srb, SrbStatus, Stage, Started},
};

use crate::{
    FerroNvme, Locked,
    adapter::{Adapter, State},
    exchange, io, request,
    reset::{self, Cause},
};

/// Answers go straight into the mapped data buffer. It is looked up when there is an answer: READ and WRITE have none.
pub(crate) struct Answer<'a, 'dev, S: Stage>(pub(crate) &'a mut Srb<'dev, FerroNvme, S>);

impl<S: Stage> scsi_nvme::DataIn for Answer<'_, '_, S> {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(mut buffer) = self.0.data_buffer() {
            buffer.write(offset, bytes);
        }
    }
}

/// What becomes of a request: it is dealt with, or a command is to be submitted for it.
enum Decision<'dev, 'srb> {
    Started(Started<'srb>),
    Submit(Srb<'dev, FerroNvme, Fresh<'srb>>, NvmCommand),
}

/// Starts one request.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
pub(crate) fn start<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    match io::issue(cx, adapter, srb, &io::What::Prepared) {
        Ok(started) => started,
        Err(srb) => start_unusual(cx, adapter, srb),
    }
}

/// All but the usual READ and WRITE, and those for which there is no room.
#[cold]
#[inline(never)]
fn start_unusual<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    let decision = match srb.function() {
        Function::ExecuteScsi => cx.with_start_io_lock(|cx| execute(cx, adapter, srb)),
        Function::Flush | Function::Shutdown => cx.with_start_io_lock(|cx| flush(cx, srb)),
        Function::ResetLogicalUnit | Function::ResetDevice => {
            return cx.with_start_io_lock(|cx| reset::unit(cx, adapter, srb));
        }
        Function::ResetBus => {
            let status = match cx.with_start_io_lock(|cx| reset::bus(cx, adapter, Cause::Request)) {
                Ok(()) => Completion::Success { transferred: 0 },
                Err(_) => Completion::Status(SrbStatus::Error),
            };
            return srb.complete(cx, status);
        }
        Function::Pnp => {
            let status = match srb.pnp() {
                Some((
                    PnpAction::Start | PnpAction::Stop | PnpAction::Remove | PnpAction::SurpriseRemoval,
                    _,
                )) => Completion::Success { transferred: 0 },
                _ => Completion::Status(SrbStatus::InvalidRequest),
            };
            return srb.complete(cx, status);
        }
        // The adapter's power goes by ScsiStopAdapter and ScsiRestartAdapter; a unit has no power of its own.
        Function::Power => return srb.complete(cx, Completion::Success { transferred: 0 }),
        _ => return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
    };
    match decision {
        Decision::Started(started) => started,
        Decision::Submit(srb, command) => io::submit(cx, adapter, srb, &command),
    }
}

fn execute<'dev, 'srb>(
    cx: &mut Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Decision<'dev, 'srb> {
    if adapter.state() == State::Failed {
        return Decision::Started(srb.complete(cx, Completion::Status(SrbStatus::NoDevice)));
    }
    let (Some(cdb), Some(address)) = (srb.cdb(), srb.address()) else {
        return Decision::Started(srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)));
    };
    let request = Request {
        cdb: cdb.bytes(),
        data_length: srb.data_length(),
        data_direction: request::direction(&srb),
    };
    let state = cx.start_io_state();
    let Some(controller) = state.controller.get() else {
        return Decision::Started(adapter.push_back(cx, srb));
    };
    let namespace = state.units.get(address);
    let target = Target {
        controller,
        namespace: namespace.as_ref(),
        luns: &state.units.luns(),
    };
    #[cfg(ferroport_broken = "wrong-residual")]
    let whole = srb.data_length();
    Decision::Started(
        match scsi_nvme::translate(&request, &target, &mut Answer(&mut srb)) {
            // A short answer is said to have filled the buffer.
            #[cfg(ferroport_broken = "wrong-residual")]
            Translation::Complete { .. } => srb.complete(cx, Completion::Success { transferred: whole }),
            #[cfg(not(ferroport_broken = "wrong-residual"))]
            Translation::Complete { length } => srb.complete(cx, Completion::Success { transferred: length }),
            Translation::Submit(command) => return Decision::Submit(srb, command),
            Translation::Exchange(exchange) => exchange::start(cx, adapter, srb, exchange),
            Translation::Fail(outcome) => io::fail(cx, srb, &outcome),
        },
    )
}

/// FLUSH and SHUTDOWN: what the unit's volatile cache holds is written.
fn flush<'dev, 'srb>(cx: &mut Locked<'dev>, srb: Srb<'dev, FerroNvme, Fresh<'srb>>) -> Decision<'dev, 'srb> {
    let controller = cx.start_io_state().controller.get();
    let cached = controller.is_some_and(|controller| controller.volatile_write_cache);
    let Some(address) = srb.address() else {
        return Decision::Started(srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)));
    };
    Decision::Started(match cx.start_io_state().units.get(address) {
        None => srb.complete(cx, Completion::Status(SrbStatus::NoDevice)),
        Some(namespace) if cached => {
            let namespace: NamespaceId = namespace.id();
            return Decision::Submit(srb, NvmCommand::Flush { namespace });
        }
        Some(_) => srb.complete(cx, Completion::Success { transferred: 0 }),
    })
}
