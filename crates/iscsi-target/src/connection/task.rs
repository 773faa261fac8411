//! Commands under way.

use crate::sense::Sense;

/// Names a command of a connection; tags come again, these do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TaskId {
    pub(super) tag: u32,
    pub(super) serial: u64,
}

/// Where data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// There is none.
    None,
    /// To the initiator.
    In,
    /// From the initiator.
    Out,
}

/// A command with all of its data.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub task: TaskId,
    /// The logical unit number, as it is on the wire.
    pub lun: [u8; 8],
    /// The command descriptor block; 16 bytes, or more if there was an additional header segment.
    pub cdb: Vec<u8>,
    /// Where data goes, as the initiator says.
    pub direction: Direction,
    /// Bytes that the initiator expects to be moved.
    pub expected: u32,
    /// What it writes; `expected` bytes with [`Direction::Out`].
    pub data: Vec<u8>,
}

/// A burst that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    pub(super) tag: u32,
    /// The offset behind its last byte.
    pub(super) end: usize,
}

/// Where a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its data is not complete.
    Receiving,
    /// With the device.
    Running,
    /// With the device; nobody is told how it ends.
    Aborted,
}

pub(super) struct Task {
    pub(super) serial: u64,
    pub(super) state: State,
    pub(super) immediate: bool,
    pub(super) lun: [u8; 8],
    pub(super) cdb: Vec<u8>,
    pub(super) direction: Direction,
    pub(super) expected: u32,
    pub(super) data: Vec<u8>,
    /// More unsolicited data comes.
    pub(super) unsolicited: bool,
    pub(super) burst: Option<Burst>,
    /// Number of the next Data-Out of the sequence.
    pub(super) data_sn: u32,
    /// R2Ts sent.
    pub(super) r2ts: u32,
    /// Bytes of the connection's share of solicited data.
    pub(super) reserved: usize,
    /// What is wrong; told when the initiator has sent what it was going to.
    pub(super) error: Option<Sense>,
}

impl Task {
    pub(super) fn id(&self, tag: u32) -> TaskId {
        TaskId {
            tag,
            serial: self.serial,
        }
    }
}
