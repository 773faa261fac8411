//! NOP, text, logout, reject (RFC 7143, 11.10, 11.11, 11.14 to 11.19).

use super::{Connection, Phase};
use crate::{
    frame::Frame,
    pdu::{CONTINUE, FINAL, HEADER, Header, NO_TAG, opcode, reject},
    text,
};

/// Bytes of keys that one text request may bring in several PDUs.
const KEYS: usize = 16 << 10;
/// What refers to the rest of a long answer.
const REST: u32 = 1;

const CLOSE_SESSION: u8 = 0;
const CLOSE_CONNECTION: u8 = 1;
const NO_RECOVERY: u8 = 2;

/// A text exchange under way.
#[derive(Default)]
pub(super) struct TextState {
    collected: Vec<u8>,
    /// What did not fit one PDU.
    rest: Vec<u8>,
}

impl Connection {
    pub(super) fn nop_out(&mut self, frame: &Frame<'_>) {
        let tag = frame.header.task_tag();
        if tag == NO_TAG {
            // It answers a ping, or tells status numbers; neither wants an answer.
            return;
        }
        let mut header = Header::new(opcode::NOP_IN, FINAL);
        header.set_bytes(8, &frame.header.lun());
        header.set_word(16, tag);
        header.set_word(20, NO_TAG);
        self.number(&mut header);
        let limit = self.parameters.peer_segment as usize;
        let data = frame.data.get(..limit).unwrap_or(frame.data);
        self.append(header, data);
    }

    pub(super) fn logout(&mut self, request: &Header) {
        let reason = request.flags() & 0x7F;
        let response = match reason {
            CLOSE_SESSION | CLOSE_CONNECTION => 0,
            _ => NO_RECOVERY,
        };
        let mut header = Header::new(opcode::LOGOUT_RESPONSE, FINAL);
        header.0[2] = response;
        header.set_word(16, request.task_tag());
        self.number(&mut header);
        self.append(header, &[]);
        if response == 0 {
            self.phase = Phase::Closing;
        }
    }

    pub(super) fn text_request(&mut self, frame: &Frame<'_>) {
        let flags = frame.header.flags();
        let tag = frame.header.task_tag();
        if frame.header.word(20) == NO_TAG {
            // A new exchange ends one that was left.
            if !self.text.rest.is_empty() {
                self.text = TextState::default();
            }
        } else if self.text.rest.is_empty() && self.text.collected.is_empty() {
            return self.reject(&frame.header, reject::INVALID_PDU_FIELD);
        }
        if self.text.rest.is_empty() {
            if self.text.collected.len() + frame.data.len() > KEYS {
                self.text = TextState::default();
                return self.reject(&frame.header, reject::OUT_OF_RESOURCES);
            }
            self.text.collected.extend_from_slice(frame.data);
            if flags & CONTINUE != 0 {
                return self.text_response(tag, 0, REST, &[]);
            }
            let collected = std::mem::take(&mut self.text.collected);
            let Ok(pairs) = text::parse(&collected) else {
                return self.reject(&frame.header, reject::PROTOCOL_ERROR);
            };
            self.text.rest = self.answer_keys(&pairs);
        }
        let limit = self.parameters.peer_segment as usize;
        if self.text.rest.len() > limit {
            let part: Vec<u8> = self.text.rest.drain(..limit).collect();
            self.text_response(tag, CONTINUE, REST, &part);
        } else {
            let answer = std::mem::take(&mut self.text.rest);
            // Whoever is not done may go on.
            self.text_response(tag, flags & FINAL, NO_TAG, &answer);
        }
    }

    fn text_response(&mut self, tag: u32, flags: u8, transfer_tag: u32, data: &[u8]) {
        let mut header = Header::new(opcode::TEXT_RESPONSE, flags);
        header.set_word(16, tag);
        header.set_word(20, transfer_tag);
        self.number(&mut header);
        self.append(header, data);
    }

    fn answer_keys(&mut self, pairs: &[(String, String)]) -> Vec<u8> {
        let mut answer = Vec::new();
        for (key, value) in pairs {
            match key.as_str() {
                "SendTargets" => self.send_targets(value, &mut answer),
                // The only one that may change in the full-feature phase.
                "MaxRecvDataSegmentLength" => {
                    let offer = self.config.login.offer;
                    self.parameters.negotiate(key, value, &offer);
                }
                "InitiatorAlias" | "TargetAlias" => {}
                _ => text::append(&mut answer, key, "NotUnderstood"),
            }
        }
        answer
    }

    /// All targets are for discovery sessions only; an empty value means the session's own (RFC 7143, appendix C).
    fn send_targets(&self, value: &str, answer: &mut Vec<u8>) {
        let targets = &self.config.login.targets;
        let own = targets.get(self.target).filter(|_| !self.discovery);
        for name in targets {
            let named = match value {
                "All" => self.discovery,
                "" => own == Some(name),
                value => value.eq_ignore_ascii_case(name),
            };
            if named {
                text::append(answer, "TargetName", name);
                text::append(answer, "TargetAddress", &format!("{},1", self.config.portal));
            }
        }
        if answer.is_empty() && value == "All" {
            text::append(answer, "SendTargets", "Reject");
        }
    }

    pub(super) fn reject(&mut self, rejected: &Header, reason: u8) {
        let mut header = Header::new(opcode::REJECT, FINAL);
        header.0[2] = reason;
        header.set_word(16, NO_TAG);
        self.number(&mut header);
        let copy: [u8; HEADER] = rejected.0;
        self.append(header, &copy);
    }
}
