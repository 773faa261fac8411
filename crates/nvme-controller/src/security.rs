//! Security Send and Security Receive (Base 1.4, 5.25 and 5.26), with two protocols: what SPC-4 has every device tell, and a
//! mailbox.

use crate::{
    Memory,
    command::{Answer, Command},
    controller::Controller,
    status::Status,
    transfer,
};

/// Security protocol information (SPC-4, "Security protocol information").
const INFORMATION: u8 = 0x00;
/// The first of the vendor's own protocols: what is sent to a SECURITY PROTOCOL SPECIFIC is received from it, once.
const MAILBOX: u8 = 0xF0;
/// The largest message.
const MOST_BYTES: u32 = 0x1_0000;

/// Messages that were sent and not received; a reset forgets them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Security {
    messages: std::collections::BTreeMap<u16, Vec<u8>>,
}

/// SECP, SPSP, and the number of bytes, which the transfer limit bounds.
fn fields(command: &Command) -> Result<(u8, u16, u32), Status> {
    let [_, low, high, protocol] = command.dword(10).to_le_bytes();
    let bytes = command.dword(11);
    if bytes > MOST_BYTES {
        return Err(Status::INVALID_FIELD);
    }
    Ok((protocol, u16::from_be_bytes([high, low]), bytes))
}

impl Controller {
    pub(crate) fn security_send(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let (protocol, specific, bytes) = fields(command)?;
        if protocol != MAILBOX {
            return Err(Status::INVALID_FIELD);
        }
        let segments = transfer::segments(memory, command, bytes.into())?;
        let mut message = vec![0; usize::try_from(bytes).unwrap_or(0)];
        transfer::from_host(memory, &segments, &mut message)?;
        self.security.messages.insert(specific, message);
        Ok(Answer::success(0))
    }

    pub(crate) fn security_receive(
        &mut self,
        command: &Command,
        memory: &dyn Memory,
    ) -> Result<Answer, Status> {
        let (protocol, specific, bytes) = fields(command)?;
        let message = match (protocol, specific) {
            // The list of protocols, behind its length.
            (INFORMATION, 0) => vec![0, 0, 0, 0, 0, 0, 0, 2, INFORMATION, MAILBOX],
            // No certificate.
            (INFORMATION, 1) => vec![0; 4],
            (MAILBOX, _) => self
                .security
                .messages
                .remove(&specific)
                .ok_or(Status::COMMAND_SEQUENCE)?,
            _ => return Err(Status::INVALID_FIELD),
        };
        let bytes = usize::try_from(bytes).unwrap_or(0).min(message.len());
        let segments = transfer::segments(memory, command, bytes as u64)?;
        transfer::to_host(memory, &segments, &message[..bytes])?;
        Ok(Answer::success(0))
    }
}
