//! How commands end: Data-In and SCSI responses (RFC 7143, 11.4 and 11.7).

use super::{
    Connection,
    task::{Direction, State, TaskId},
};
use crate::{
    frame,
    pdu::{FINAL, Header, NO_TAG, opcode},
    sense::Sense,
};

const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;
const HAS_STATUS: u8 = 0x01;
const CHECK_CONDITION: u8 = 0x02;
/// Bytes of sense data at most (SPC-4, 4.5.1).
const SENSE: usize = 252;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// SCSI status.
    pub status: u8,
    /// Sense data.
    pub sense: Vec<u8>,
    /// Bytes for the initiator.
    pub data: usize,
    /// Bytes that the command moved, or would have moved if the initiator had expected as many.
    pub moved: u64,
}

impl Completion {
    /// CHECK CONDITION with `sense`.
    #[must_use]
    pub fn refused(sense: Sense) -> Self {
        Self {
            status: CHECK_CONDITION,
            sense: sense.data().to_vec(),
            ..Self::default()
        }
    }

    /// A status without sense data.
    #[must_use]
    pub fn status(status: u8) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

impl Connection {
    /// Ends a command; `read` copies data of the initiator from an offset.
    pub fn complete(&mut self, id: TaskId, completion: &Completion, mut read: impl FnMut(usize, &mut [u8])) {
        if self
            .tasks
            .get(&id.tag)
            .is_none_or(|task| task.serial != id.serial)
        {
            return;
        }
        let Some(task) = self.forget(id.tag) else {
            return;
        };
        if task.state == State::Aborted {
            self.aborted(id.serial);
            return;
        }
        let expected = u64::from(task.expected);
        let (residual, kind) = if completion.moved > expected {
            (completion.moved - expected, OVERFLOW)
        } else {
            (
                expected - completion.moved,
                if completion.moved < expected { UNDERFLOW } else { 0 },
            )
        };
        let residual = u32::try_from(residual).unwrap_or(u32::MAX);
        let mut data = 0;
        if task.direction == Direction::In {
            data = completion.data.min(task.expected as usize);
        }
        // The last Data-In carries the status where there is nothing more to say.
        let collapsed = data > 0 && completion.status == 0 && completion.sense.is_empty();
        let (segment, burst) = (
            self.parameters.peer_segment as usize,
            self.parameters.max_burst as usize,
        );
        let (mut offset, mut count) = (0, 0_u32);
        while offset < data {
            let burst_end = (offset / burst + 1) * burst;
            let length = segment.min(data - offset).min(burst_end - offset);
            let end = offset + length;
            let last = end == data;
            let mut header = Header::new(opcode::DATA_IN, if last || end == burst_end { FINAL } else { 0 });
            header.set_word(16, id.tag);
            header.set_word(20, NO_TAG);
            if last && collapsed {
                header.0[1] |= HAS_STATUS | kind;
                header.set_word(44, residual);
                self.number(&mut header);
            } else {
                self.window(&mut header);
            }
            header.set_word(36, count);
            // Expected lengths are words.
            header.set_word(40, u32::try_from(offset).unwrap_or(u32::MAX));
            let digests = self.parameters.digests;
            frame::append(&mut self.out, header, digests, length, |out| read(offset, out));
            offset = end;
            count += 1;
        }
        if !collapsed {
            let mut header = Header::new(opcode::SCSI_RESPONSE, FINAL | kind);
            header.0[3] = completion.status;
            header.set_word(16, id.tag);
            header.set_word(
                36,
                if task.direction == Direction::In {
                    count
                } else {
                    task.r2ts
                },
            );
            header.set_word(44, residual);
            self.number(&mut header);
            let sense = completion.sense.get(..SENSE).unwrap_or(&completion.sense);
            let mut segment = Vec::new();
            if !sense.is_empty() {
                segment.extend_from_slice(&u16::try_from(sense.len()).unwrap_or(0).to_be_bytes());
                segment.extend_from_slice(sense);
            }
            self.append(header, &segment);
        }
        self.solicit();
    }
}
