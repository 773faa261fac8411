//! Requests on their way: what Storport keeps of each, and which SRBs the miniport owns.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    buffer::DataBuffer,
    machine::Machine,
    request::{Address, Direction, Done, Outcome},
    rules,
    srb_memory::SrbMemory,
};
use crate::{
    abi::{GuestAddress, srb::status},
    observe::Event,
};

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Not given to the miniport.
    Waiting,
    /// In `HwStorBuildIo` or on its way from there.
    Building,
    /// Given to `HwStorStartIo`.
    Issued,
    /// Back.
    Done,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// `EXECUTE_SCSI`.
    Scsi(Vec<u8>),
    /// A function without parameters.
    Plain(u8),
    /// PNP: action, flags.
    Pnp(u32, u32),
    /// POWER: device state, action, flags.
    Power(u32, u32, u8),
}

/// A request in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestName {
    id: u64,
    address: Address,
    kind: RequestKind,
}

#[derive(Debug, Clone, Copy)]
enum RequestKind {
    Scsi(u8),
    Plain(u8),
    Pnp(u32, u32),
    Power(u32),
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} (request {})", self.kind, self.address, self.id)
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scsi(opcode) => write!(f, "SCSI command {opcode:#04x}"),
            Self::Plain(function) => write!(f, "SRB function {function:#04x}"),
            Self::Pnp(action, flags) => write!(f, "PNP action {action:#x} (flags {flags:#x})"),
            Self::Power(state) => write!(f, "POWER request to D{}", state.saturating_sub(1)),
        }
    }
}

/// One request.
pub(super) struct PortRequest {
    pub(super) id: u64,
    pub(super) command: Command,
    pub(super) address: Address,
    pub(super) processor: u32,
    pub(super) direction: Direction,
    pub(super) buffer: Option<DataBuffer>,
    pub(super) timeout: Duration,
    pub(super) submitted: Duration,
    /// Not subject to queue depths and pauses: resets, PNP, POWER.
    pub(super) bypass: bool,
    stage: AtomicU8,
    deadline: AtomicU64,
    memory: Mutex<Option<SrbMemory>>,
    done: Mutex<Option<Done>>,
}

impl PortRequest {
    /// Bytes to transfer.
    pub(super) fn length(&self) -> u32 {
        self.buffer
            .as_ref()
            .map_or(0, |buffer| u32::try_from(buffer.len()).unwrap_or(u32::MAX))
    }

    /// Where it is.
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Waiting,
            1 => Stage::Building,
            2 => Stage::Issued,
            _ => Stage::Done,
        }
    }

    /// Moves it on.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Moves it on unless it is done.
    pub(super) fn advance(&self, stage: Stage) -> bool {
        self.stage
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now != Stage::Done as u8).then_some(stage as u8)
            })
            .is_ok()
    }

    /// Starts its time-out.
    pub(super) fn set_deadline(&self, deadline: Duration) {
        self.deadline.store(
            u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            Ordering::Release,
        );
    }

    /// Whether it has timed out at `now`.
    pub(super) fn expired(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.stage() == Stage::Issued && self.deadline.load(Ordering::Acquire) < now
    }

    /// Its SRB.
    pub(super) fn memory(&self) -> &Mutex<Option<SrbMemory>> {
        &self.memory
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        self.name().to_string()
    }

    /// What it asks for, in words.
    pub(super) fn what(&self) -> String {
        self.name().kind.to_string()
    }

    /// What it is called, without the request.
    pub(super) fn name(&self) -> RequestName {
        RequestName {
            id: self.id,
            address: self.address,
            kind: match &self.command {
                Command::Scsi(cdb) => RequestKind::Scsi(cdb.first().copied().unwrap_or(0)),
                Command::Plain(function) => RequestKind::Plain(*function),
                Command::Pnp(action, flags) => RequestKind::Pnp(*action, *flags),
                Command::Power(state, ..) => RequestKind::Power(*state),
            },
        }
    }

    fn take_done(&self) -> Option<Done> {
        self.done.lock().take()
    }
}

/// All requests.
#[derive(Default)]
pub(super) struct Requests {
    /// By SRB: what the miniport owns.
    owned: Mutex<HashMap<GuestAddress, Arc<PortRequest>>>,
    /// SRBs that came back and whose addresses were not used again.
    returned: Mutex<HashSet<GuestAddress>>,
    last_id: AtomicU64,
    open: AtomicUsize,
}

/// What is to be asked of the miniport.
pub(super) struct Order {
    pub(super) command: Command,
    pub(super) address: Address,
    pub(super) processor: u32,
    pub(super) direction: Direction,
    pub(super) buffer: Option<DataBuffer>,
    pub(super) timeout: Duration,
    pub(super) bypass: bool,
}

impl Requests {
    /// A new request.
    pub(super) fn open(&self, order: Order, now: Duration, done: Done) -> Arc<PortRequest> {
        self.open.fetch_add(1, Ordering::AcqRel);
        Arc::new(PortRequest {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            command: order.command,
            address: order.address,
            processor: order.processor,
            direction: order.direction,
            buffer: order.buffer,
            timeout: order.timeout.max(Duration::from_secs(1)),
            submitted: now,
            bypass: order.bypass,
            stage: AtomicU8::new(Stage::Waiting as u8),
            deadline: AtomicU64::new(u64::MAX),
            memory: Mutex::new(None),
            done: Mutex::new(Some(done)),
        })
    }

    /// The miniport gets the SRB.
    pub(super) fn hand_over(&self, srb: GuestAddress, request: &Arc<PortRequest>) {
        self.returned.lock().remove(&srb);
        self.owned.lock().insert(srb, Arc::clone(request));
    }

    /// The miniport gives the SRB back; `None` if it is not the miniport's to give.
    pub(super) fn take_back(&self, srb: GuestAddress) -> Option<Arc<PortRequest>> {
        let request = self.owned.lock().remove(&srb)?;
        self.returned.lock().insert(srb);
        Some(request)
    }

    /// The request behind an SRB that the miniport owns.
    pub(super) fn owned(&self, srb: GuestAddress) -> Option<Arc<PortRequest>> {
        self.owned.lock().get(&srb).cloned()
    }

    /// Whether this SRB was the miniport's and came back.
    pub(super) fn was_returned(&self, srb: GuestAddress) -> bool {
        self.returned.lock().contains(&srb)
    }

    /// What the miniport owns and `select` picks, oldest first.
    pub(super) fn outstanding(
        &self,
        select: impl Fn(&PortRequest) -> bool,
    ) -> Vec<(GuestAddress, Arc<PortRequest>)> {
        let owned = self.owned.lock();
        let mut found: Vec<_> = owned
            .iter()
            .filter(|(_, request)| select(request))
            .map(|(&srb, request)| (srb, Arc::clone(request)))
            .collect();
        found.sort_by_key(|(_, request)| request.id);
        found
    }

    /// Whether `address` lies in the data buffer of a request that the miniport owns.
    pub(super) fn buffer_holds(&self, address: GuestAddress) -> bool {
        let owned = self.owned.lock();
        owned.values().any(|request| {
            request.buffer.as_ref().is_some_and(|buffer| {
                let start = buffer.address();
                address >= start && address - start < buffer.len() as u64
            })
        })
    }

    /// Whether `address` lies in the SRB extension of a request that the miniport owns.
    pub(super) fn extension_holds(&self, address: GuestAddress) -> bool {
        let owned = self.owned.lock();
        owned.values().any(|request| {
            let memory = request.memory().lock();
            let extension = memory.as_ref().and_then(|memory| memory.extension);
            extension.is_some_and(|block| block.contains(address, 1))
        })
    }

    /// SRBs that the miniport owns.
    pub(super) fn owned_count(&self) -> usize {
        self.owned.lock().len()
    }

    /// Requests that have not ended.
    pub(super) fn open_count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl Machine {
    /// Whether `srb` is the miniport's; a breach is written down.
    pub(super) fn is_srb(&self, srb: GuestAddress) -> bool {
        if self.requests.owned(srb).is_some() {
            return true;
        }
        self.violate(&rules::SRB_UNKNOWN, || {
            if self.requests.was_returned(srb) {
                format!("the SRB at {srb:#x} is completed already")
            } else {
                format!("{srb:#x} is no SRB that Storport handed out")
            }
        });
        false
    }

    /// Ends a request towards whoever submitted it.
    pub(super) fn end(&self, request: &PortRequest, mut outcome: Outcome) {
        let Some(done) = request.take_done() else {
            return;
        };
        self.engine
            .note("request ends", [request.id, u64::from(outcome.srb_status)]);
        outcome.elapsed = self.engine.now().saturating_sub(request.submitted);
        self.observation.tell(|| Event::Ended {
            request: request.id,
            srb_status: outcome.srb_status,
            scsi_status: outcome.scsi_status,
            transferred: outcome.transferred,
            elapsed: outcome.elapsed,
        });
        self.requests.open.fetch_sub(1, Ordering::AcqRel);
        done(outcome);
        self.engine.wake();
    }

    /// Takes a request away from a miniport that did not complete it when it had to. Its memory stays where it
    /// is: the device may still use it.
    pub(super) fn give_up(self: &Arc<Self>, srb: GuestAddress, srb_status: u8) {
        if let Some(request) = self.requests.take_back(srb) {
            request.set_stage(Stage::Done);
            self.finish(&request, Outcome::made_up(srb_status));
        }
    }

    /// Ends everything: the system is down.
    pub(super) fn abandon_requests(self: &Arc<Self>) {
        let waiting = self.units.lock().drain();
        for request in waiting {
            self.end(&request, Outcome::made_up(status::INTERNAL_ERROR));
        }
        let mut owned: Vec<_> = self
            .requests
            .owned
            .lock()
            .drain()
            .map(|(_, request)| request)
            .collect();
        owned.sort_by_key(|request| request.id);
        for request in owned {
            self.end(&request, Outcome::made_up(status::INTERNAL_ERROR));
        }
    }
}
