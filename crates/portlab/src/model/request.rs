//! Requests to the adapter and what becomes of them.

use std::time::Duration;

use serde::Serialize;

use super::buffer::DataBuffer;
use crate::abi::srb::status;

/// A logical unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub struct Address {
    /// Path (bus).
    pub path: u8,
    /// Target.
    pub target: u8,
    /// Logical unit.
    pub lun: u8,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.target, self.lun)
    }
}

/// Where data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// No data.
    #[default]
    None,
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// A SCSI command.
#[derive(Debug, Clone)]
pub struct Request {
    /// Processor that issues it.
    pub processor: u32,
    /// Logical unit.
    pub address: Address,
    /// Command descriptor block: 1 to 32 bytes (beyond 16 only for drivers that take extended SRBs).
    pub cdb: Vec<u8>,
    /// Where data goes.
    pub direction: Direction,
    /// The data; its length is the request's `DataTransferLength`.
    pub buffer: Option<DataBuffer>,
    /// When Storport gives up on it and resets; whole seconds count, at least one.
    pub timeout: Duration,
}

/// An SRB function other than `EXECUTE_SCSI`.
#[derive(Debug, Clone)]
pub enum SrbFunction {
    /// FLUSH.
    Flush,
    /// SHUTDOWN.
    Shutdown,
    /// `RESET_LOGICAL_UNIT`.
    ResetLogicalUnit,
    /// `RESET_DEVICE`.
    ResetDevice,
    /// PNP.
    Pnp {
        /// `STOR_PNP_ACTION`.
        action: u32,
        /// `SRB_PNP_FLAGS_*`.
        flags: u32,
    },
    /// POWER.
    Power {
        /// `STOR_DEVICE_POWER_STATE`.
        device_state: u32,
        /// `STOR_POWER_ACTION`.
        action: u32,
        /// `SRB_POWER_FLAGS_*`.
        flags: u8,
    },
    /// `IO_CONTROL`; the buffer begins with an `SRB_IO_CONTROL`.
    IoControl(DataBuffer),
    /// WMI.
    Wmi,
    /// Any other code; a miniport refuses what it does not know.
    Other(u8),
    /// A code whose request has data.
    WithData(u8, DataBuffer, Direction),
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `SRB_STATUS_*` without flags.
    pub srb_status: u8,
    /// SCSI status.
    pub scsi_status: u8,
    /// Sense data; empty unless the miniport said it is valid.
    pub sense: Vec<u8>,
    /// Bytes transferred.
    pub transferred: u32,
    /// From submission to completion.
    pub elapsed: Duration,
}

impl Outcome {
    /// An outcome that Storport made up.
    pub(super) fn made_up(srb_status: u8) -> Self {
        Self {
            srb_status,
            scsi_status: 0,
            sense: Vec::new(),
            transferred: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Whether the command succeeded.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.srb_status == status::SUCCESS && self.scsi_status == 0
    }
}

/// Called once with the outcome, on a thread of the lab: be short, never block. It may submit again.
pub type Done = Box<dyn FnOnce(Outcome) + Send>;

/// What became of a bus reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResetOutcome {
    /// What `HwStorResetBus` returned.
    pub success: bool,
    /// Requests that were in flight before and are complete.
    pub completed: usize,
    /// Requests that were in flight before and still are.
    pub left_behind: usize,
}

/// Something that outlived the adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// Worker, timer, pool, contiguous memory, ...
    pub kind: &'static str,
    /// Address or handle, size, place of the allocation.
    pub what: String,
}

/// How a removal went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovalReport {
    /// Nothing leaked, nothing refused, nothing left in flight.
    pub clean: bool,
    /// What leaked.
    pub leaks: Vec<Leak>,
    /// Requests that were still in flight.
    pub outstanding: usize,
}

/// Counters since [`super::Lab::load`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Statistics {
    /// Interrupt messages delivered.
    pub interrupts: u64,
    /// Of those, the ones the routine did not claim.
    pub unclaimed_interrupts: u64,
    /// DPC routines run.
    pub dpcs: u64,
    /// Work items queued.
    pub work_items_queued: u64,
    /// Work items run.
    pub work_items_run: u64,
    /// Timer callbacks run.
    pub timers_fired: u64,
    /// `HwStorResetBus` calls.
    pub resets: u64,
    /// Requests given to the miniport, retries included.
    pub srbs_issued: u64,
    /// Requests completed by the miniport, busy ones not.
    pub srbs_completed: u64,
    /// Requests issued again because the miniport was busy.
    pub busy_retries: u64,
    /// State and bus changes reported.
    pub state_changes: u64,
    /// Requests that timed out.
    pub time_outs: u64,
    /// Calls of the driver into the kernel.
    pub calls: u64,
    /// Of those, the ones that need memory.
    pub allocations: u64,
    /// Of those, the ones that were refused on purpose.
    pub allocations_failed: u64,
    /// Sum of all stalls.
    pub stalled: Duration,
}
