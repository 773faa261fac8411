//! What the device may reach: the driver's own memory as long as it is allocated, what a request lends until it is completed.
//!
//! A device in the lab's process tells of each access; one in an emulator reaches its memory without telling, and is judged
//! by what it left in memory that was freed ([`super::Memory`]'s quarantine).

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    activity,
    journal::Frame,
    machine::Machine,
    request::Direction,
    requests::{PortRequest, RequestName},
    rules,
};
use crate::{
    abi::exports::Export,
    device::DmaWatch,
    engine::Context,
    memory::{Block, Entitlement, Granules, Segment},
    pe::Origin,
    trap::Registers,
};

/// Ends of entitlements that are remembered, to name who had the memory.
const REMEMBERED: usize = 4096;

/// The end of an entitlement.
struct Ended {
    /// Where the device sees it.
    segments: Vec<Segment>,
    what: What,
    at: Duration,
    /// The driver's registers at the call that ended it.
    by: Option<Registers>,
    /// That call: its arguments are gone when it is told of.
    call: Option<(Export, Option<u32>)>,
}

/// Whose the memory was.
enum What {
    /// The data of a request.
    Data(RequestName),
    /// The extension of a request.
    Extension(RequestName),
    /// What the driver allocated, in words.
    Memory(&'static str),
}

impl What {
    fn describe(&self) -> String {
        match self {
            Self::Data(request) => format!("data buffer of the {request}"),
            Self::Extension(request) => format!("SRB extension of the {request}"),
            Self::Memory(what) => (*what).to_owned(),
        }
    }
}

/// The latest ends of entitlements.
#[derive(Default)]
pub(super) struct Entitlements {
    ended: Mutex<VecDeque<Ended>>,
}

/// How the device reaches the machine; it may outlive it.
struct Watch {
    granules: Arc<Granules>,
    machine: Weak<Machine>,
}

impl DmaWatch for Watch {
    fn accessed(&self, address: u64, length: usize, write: bool) {
        if !self.granules.allow(address, length as u64, write)
            && let Some(machine) = self.machine.upgrade()
        {
            machine.judge_access(address, length, write);
        }
    }
}

impl Machine {
    /// Has the device tell of each of its accesses.
    pub(super) fn watch_dma(self: &Arc<Self>) {
        self.options.device.watch_dma(self.dma_watch());
    }

    /// Who judges accesses.
    pub(super) fn dma_watch(self: &Arc<Self>) -> Arc<dyn DmaWatch> {
        Arc::new(Watch {
            granules: self.memory.dma.entitlements(),
            machine: Arc::downgrade(self),
        })
    }

    /// The device gets a request's data.
    pub(super) fn lend_data(&self, request: &PortRequest) {
        let entitlement = match request.direction {
            Direction::None => return,
            Direction::In => Entitlement::Write,
            Direction::Out => Entitlement::Read,
        };
        for segment in request
            .buffer
            .iter()
            .flat_map(super::buffer::DataBuffer::segments)
        {
            self.memory.dma.entitle(&segment, entitlement);
        }
    }

    /// A request came back: nothing of it is the device's any more.
    pub(super) fn end_lending(&self, request: &PortRequest, extension: Option<Block>) {
        if let Some(data) = request.buffer.as_ref().filter(|data| !data.is_empty()) {
            let segments = data.segments();
            for segment in &segments {
                self.memory.dma.entitle(segment, Entitlement::None);
            }
            self.remember(segments, What::Data(request.name()));
        }
        let segment = extension.and_then(|block| self.memory.dma.translate(block.address));
        if let Some(segment) = segment {
            self.remember(vec![segment], What::Extension(request.name()));
        }
    }

    /// The driver frees memory that the device could reach.
    pub(super) fn end_memory(&self, address: u64, what: &'static str) {
        let dma = &self.memory.dma;
        let segments = dma
            .find(address)
            .and_then(|block| dma.segments(block.address, block.length));
        if let Some(segments) = segments {
            self.remember(segments, What::Memory(what));
        }
    }

    fn remember(&self, segments: Vec<Segment>, what: What) {
        let ended = Ended {
            segments,
            what,
            at: self.engine.now(),
            by: activity::call_site(),
            call: Context::with(|context| context.call.get()).map(Self::call_code),
        };
        let mut all = self.entitlements.ended.lock();
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(ended);
    }

    /// Judges an access of the device.
    fn judge_access(&self, address: u64, length: usize, write: bool) {
        let bytes = length as u64;
        if self.is_lent(address, bytes, write) {
            return;
        }
        let readable = write && self.memory.dma.entitlements().allow(address, bytes, false);
        let (rule, verb) = match (write, readable) {
            (true, true) => (&rules::DMA_DIRECTION, "writes"),
            (true, false) => (&rules::DMA_NOT_ENTITLED, "writes"),
            (false, _) => (&rules::DMA_NOT_ENTITLED, "reads"),
        };
        let now = self.memory.dma.describe_device_address(address);
        let (culprit, frames) = self.culprit(address, bytes);
        self.violate_at(
            rule,
            || {
                let now = now.unwrap_or_else(|| String::from("nobody's memory"));
                format!("the device {verb} {length} bytes at {address:#x}: {now}{culprit}")
            },
            frames,
        );
    }

    /// Whether a request that the miniport owns lends the range: two requests may have lent the same memory, of which one is
    /// back.
    fn is_lent(&self, address: u64, length: u64, write: bool) -> bool {
        let lends = |request: &PortRequest| {
            let fits = !write || request.direction == Direction::In;
            let covers = |segment: &Segment| {
                address >= segment.device_address
                    && address - segment.device_address <= segment.length.saturating_sub(length)
                    && length <= segment.length
            };
            fits && request
                .buffer
                .iter()
                .flat_map(super::buffer::DataBuffer::segments)
                .any(|segment| covers(&segment))
        };
        !self.requests.outstanding(lends).is_empty()
    }

    /// Who had the memory last, and where the driver gave it away.
    fn culprit(&self, address: u64, length: u64) -> (String, Vec<Frame>) {
        let ended = self.entitlements.ended.lock();
        let touches = |segment: &Segment| {
            segment.device_address < address.saturating_add(length)
                && address < segment.device_address + segment.length
        };
        let had = |ended: &&Ended| ended.segments.iter().any(touches);
        let Some(last) = ended.iter().rev().find(had) else {
            return (String::new(), Vec::new());
        };
        let ago = self.engine.now().saturating_sub(last.at);
        let call = last.call.map_or_else(
            || String::from("the port driver"),
            |(export, code)| Self::coded_name(export, code),
        );
        let text = format!(
            "; it was the {}, given back {ago:?} earlier by {call}",
            last.what.describe()
        );
        let by = last.by;
        drop(ended);
        // The stack of that time is gone: the call itself is known.
        let mut frames = by.map_or_else(Vec::new, |registers| self.frames(&registers, Origin::Call));
        frames.truncate(1);
        (text, frames)
    }
}
