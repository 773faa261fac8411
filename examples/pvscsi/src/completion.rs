//! Completions: which request they end, and what their statuses mean to the port driver.

use storport::{
    context::StartIo,
    srb::{Completion, Srb, SrbStatus},
};

use crate::{
    Pvscsi,
    adapter::Adapter,
    memory::{Memory, SENSE, SLOTS},
    rings,
};

/// Host statuses.
mod host {
    pub(super) const SUCCESS: u16 = 0x00;
    pub(super) const LINKED_COMPLETE: u16 = 0x0A;
    pub(super) const LINKED_COMPLETE_WITH_FLAG: u16 = 0x0B;
    pub(super) const DATA_UNDERRUN: u16 = 0x0C;
    pub(super) const SELECTION_TIMEOUT: u16 = 0x11;
    pub(super) const DATA_RUN: u16 = 0x12;
    pub(super) const INVALID_PARAMETER: u16 = 0x1A;
    pub(super) const BAD_MESSAGE: u16 = 0x1D;
    pub(super) const SENT_RESET: u16 = 0x22;
    pub(super) const RECEIVED_RESET: u16 = 0x23;
    pub(super) const BUS_RESET: u16 = 0x25;
    pub(super) const ABORT_QUEUE: u16 = 0x26;
}

/// SCSI status GOOD (SAM-5).
const GOOD: u8 = 0;

/// Takes what is in the completion ring: at most a ring's worth, because nothing new is started meanwhile.
pub(crate) fn reap<'dev>(cx: &mut StartIo<'dev, Pvscsi>, adapter: &'dev Adapter<'dev>) {
    let Some(memory) = adapter.memory.get() else {
        return;
    };
    for _ in 0..SLOTS {
        let Some(completion) = memory.pop_completion() else {
            return;
        };
        // A context that is late, repeated or invented names nothing.
        let Some(slot) = cx.start_io_state().release(completion.context) else {
            continue;
        };
        if let Some(srb) = adapter.srbs.take(cx, slot) {
            answer(cx, &memory, slot, srb, completion);
        }
    }
}

/// Completes a request.
fn answer<'dev>(
    cx: &StartIo<'dev, Pvscsi>,
    memory: &Memory<'dev>,
    slot: usize,
    mut srb: Srb<'dev, Pvscsi>,
    completion: rings::Completion,
) {
    let mut sense = [0; SENSE];
    let scsi_status = u8::try_from(completion.scsi_status).unwrap_or(u8::MAX);
    let outcome = match completion.host_status {
        host::SUCCESS
        | host::LINKED_COMPLETE
        | host::LINKED_COMPLETE_WITH_FLAG
        | host::DATA_UNDERRUN
        | host::DATA_RUN
            if scsi_status != GOOD =>
        {
            if let Some(written) = memory.sense(slot) {
                written.read(0, &mut sense);
            }
            let length = usize::try_from(completion.sense_length).unwrap_or(SENSE);
            Completion::Scsi {
                status: scsi_status,
                sense: sense.get(..length.min(SENSE)).unwrap_or(&[]),
            }
        }
        host::SUCCESS
        | host::LINKED_COMPLETE
        | host::LINKED_COMPLETE_WITH_FLAG
        | host::DATA_UNDERRUN
        | host::DATA_RUN => match transferred(&mut srb, &completion) {
            Some(transferred) => Completion::Success { transferred },
            None => Completion::Status(SrbStatus::DataOverrun),
        },
        host::SELECTION_TIMEOUT => Completion::Status(SrbStatus::SelectionTimeout),
        host::INVALID_PARAMETER | host::BAD_MESSAGE => Completion::Status(SrbStatus::InvalidRequest),
        host::SENT_RESET | host::RECEIVED_RESET | host::BUS_RESET => Completion::Status(SrbStatus::BusReset),
        host::ABORT_QUEUE => Completion::Status(SrbStatus::Aborted),
        _ => Completion::Status(SrbStatus::Error),
    };
    srb.complete(cx, outcome);
}

/// Bytes that a successful command transferred; [`None`] if nobody can tell.
///
/// The adapter tells; but QEMU's model says 0 whatever it was, and success even if the answer was shorter than its buffer.
/// Such answers say their length themselves.
fn transferred(srb: &mut Srb<'_, Pvscsi>, completion: &rings::Completion) -> Option<u32> {
    let asked = srb.data_length();
    if completion.data_length != 0 {
        return Some(u32::try_from(completion.data_length).unwrap_or(asked).min(asked));
    }
    let cdb = srb.cdb()?;
    let mut head = [0; 5];
    if let Some(data) = srb.data_buffer() {
        data.read(&mut head);
    }
    let word = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let length = match cdb.bytes() {
        // INQUIRY, of a page or not (SPC-4 6.6, 7.8).
        [0x12, evpd, ..] if evpd & 1 != 0 => word(head[2], head[3]).saturating_add(4),
        [0x12, ..] => u32::from(head[4]).saturating_add(5),
        // MODE SENSE (6) and (10) (SPC-4 7.5.5).
        [0x1A, ..] => u32::from(head[0]).saturating_add(1),
        [0x5A, ..] => word(head[0], head[1]).saturating_add(2),
        // REPORT LUNS (SPC-4 6.33).
        [0xA0, ..] => u32::from_be_bytes([head[0], head[1], head[2], head[3]]).saturating_add(8),
        _ if matches!(completion.host_status, host::DATA_UNDERRUN | host::DATA_RUN) => return None,
        _ => asked,
    };
    Some(length.min(asked))
}
