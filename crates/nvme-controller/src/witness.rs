//! Telling somebody what the controller does, as it does it.

use std::{fmt, sync::Arc};

/// What the controller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It fetched a command (Base 1.4, 4.2).
    Fetched {
        /// Submission queue.
        queue: u16,
        /// Command identifier.
        command_id: u16,
        /// Opcode.
        opcode: u8,
        /// Namespace.
        namespace: u32,
    },
    /// It posted a completion (Base 1.4, 4.6), which may name a command that never was, if a fault has it so.
    Posted {
        /// The submission queue that the completion names.
        queue: u16,
        /// The command identifier that it names.
        command_id: u16,
        /// Status field without its phase bit.
        status: u16,
    },
    /// It was reset and has forgotten every command.
    Forgotten,
}

/// Hears what the controller does. It is called in the middle of [`crate::Controller::advance`]: it is quick and does not use the
/// controller.
#[derive(Clone)]
pub struct Witness(pub Arc<dyn Fn(Seen) + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}
