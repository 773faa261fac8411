//! What a run looks like to somebody who watches: one stream of events.
//!
//! | file | idea |
//! | --- | --- |
//! | [`record`] | a run in figures |
//! | [`scsi`] | commands by name |
//! | [`timeline`] | a file that ui.perfetto.dev opens |
//! | [`perfetto`] | that file's messages |
//!
//! An [`Observer`] is given with [`crate::model::LabOptions::observer`]. It hears of everything on the thread where it happens,
//! so it is quick; it never changes what happens: with the deterministic engine a life has the same events whether somebody
//! watches or not. Without an observer each place that could tell something costs one branch.

pub mod perfetto;
pub mod record;
pub mod scsi;
pub mod timeline;

use std::{sync::Arc, time::Duration};

use crate::model::{Address, BugCheck, Direction, EventRecord, StateChange, Violation};

/// Watches a run.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, moment: &Moment, event: &Event<'_>);
}

/// When and where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The engine's time.
    pub at: Duration,
    /// Where the driver's innermost callback runs; `None` outside of the driver.
    pub place: Option<Place>,
}

/// Where a callback runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// On a virtual processor, at `DISPATCH_LEVEL` or above: nothing else runs there below its IRQL.
    Processor(u32),
    /// On a system thread, below `DISPATCH_LEVEL`.
    Thread(u32),
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A callback of the driver begins, where [`Moment::place`] says. Callbacks of a place end in the opposite order.
    CallbackBegins {
        /// Which.
        callback: String,
        /// At which IRQL.
        irql: u8,
        /// The request that it is about, for `HwStorBuildIo` and `HwStorStartIo`.
        request: Option<u64>,
        /// Locks held, oldest first.
        locks: Vec<String>,
    },
    /// The callback returned.
    CallbackEnds,
    /// A processor's IRQL changed.
    Irql {
        /// Index of the processor.
        processor: u32,
        /// IRQL from now on.
        irql: u8,
    },
    /// The driver calls a function of the port driver or the kernel.
    Call(String),
    /// A client submits a request.
    Submitted(&'a Submitted<'a>),
    /// The miniport gets the request's SRB.
    HandedOver {
        /// The request.
        request: u64,
        /// Address of the SRB.
        srb: u64,
    },
    /// The miniport completes the request's SRB.
    Returned {
        /// The request.
        request: u64,
        /// `SRB_STATUS_*` without flags.
        srb_status: u8,
    },
    /// The miniport was too busy for the request: it waits again.
    Refused {
        /// The request.
        request: u64,
    },
    /// The client has its answer.
    Ended {
        /// The request.
        request: u64,
        /// `SRB_STATUS_*` without flags.
        srb_status: u8,
        /// SCSI status.
        scsi_status: u8,
        /// Bytes transferred.
        transferred: u32,
        /// Since it was submitted.
        elapsed: Duration,
    },
    /// The adapter enters a phase of its life.
    Phase(&'static str),
    /// The driver broke a rule, or something looks wrong.
    Violation(&'a Violation),
    /// The driver brought the system down.
    BugCheck(&'a BugCheck),
    /// A record goes to the system's event log.
    Logged(&'a EventRecord),
    /// The driver prints a line.
    Printed(&'a str),
    /// The driver tells of a change on its bus.
    StateChange(&'a StateChange),
    /// The device does something; only a device in the lab's own process tells.
    Device(DeviceEvent),
}

/// A request on its way to the port driver.
#[derive(Debug, Clone)]
pub struct Submitted<'a> {
    /// Its number, unique in this run.
    pub request: u64,
    /// The logical unit.
    pub address: Address,
    /// What it asks for, by name.
    pub name: String,
    /// Its CDB; empty unless it is a SCSI command.
    pub cdb: &'a [u8],
    /// Bytes to transfer.
    pub length: u32,
    /// Where to.
    pub direction: Direction,
    /// The processor that issues it.
    pub processor: u32,
}

/// What an NVMe controller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It fetches a command.
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
    /// It posts a completion.
    Posted {
        /// The submission queue that the completion names.
        queue: u16,
        /// The command identifier that it names.
        command_id: u16,
        /// Status field without its phase bit (Base 1.4, 4.6.1).
        status: u16,
    },
    /// A controller reset: it has forgotten every command.
    Forgotten,
}

/// Hears what a device does; called on a thread of the back-end.
pub type DeviceSink = Arc<dyn Fn(DeviceEvent) + Send + Sync>;

/// Tells several observers.
pub struct Several(pub Vec<Arc<dyn Observer>>);

impl Observer for Several {
    fn observe(&self, moment: &Moment, event: &Event<'_>) {
        for observer in &self.0 {
            observer.observe(moment, event);
        }
    }
}
