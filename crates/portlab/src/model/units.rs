//! Logical units and their queues: depth, busy, pause.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{machine::Machine, request::Address, requests::PortRequest, rules};
use crate::{
    abi::{GuestAddress, exports::Arguments},
    engine::TimerId,
    memory::Request,
};

/// What Storport assumes until the miniport says otherwise.
const INITIAL_DEPTH: u32 = 20;

#[derive(Default)]
struct Unit {
    depth: u32,
    outstanding: u32,
    waiting: VecDeque<Arc<PortRequest>>,
    paused: Option<Pause>,
    /// Completions to wait for before the next request.
    busy: u32,
    resetting: bool,
    extension: GuestAddress,
    inquired: bool,
    answered: bool,
}

struct Pause {
    generation: u64,
    timer: Option<TimerId>,
}

/// All units of the adapter, and the adapter's own gate.
pub(super) struct Units {
    table: BTreeMap<Address, Unit>,
    initial_depth: u32,
    highest: u32,
    outstanding: u32,
    paused: Option<Pause>,
    busy: u32,
    generation: u64,
}

impl Default for Units {
    fn default() -> Self {
        Self {
            table: BTreeMap::new(),
            initial_depth: INITIAL_DEPTH,
            highest: 1000,
            outstanding: 0,
            paused: None,
            busy: 0,
            generation: 0,
        }
    }
}

impl Units {
    /// Sets what the configuration says.
    pub(super) fn configure(&mut self, initial_depth: u32, highest: u32) {
        self.initial_depth = initial_depth.max(1);
        self.highest = highest.max(1);
    }

    fn unit(&mut self, address: Address) -> &mut Unit {
        let depth = self.initial_depth;
        self.table.entry(address).or_insert_with(|| Unit {
            depth,
            ..Unit::default()
        })
    }

    /// Puts a request into its queue.
    pub(super) fn enqueue(&mut self, request: Arc<PortRequest>, front: bool) {
        let waiting = &mut self.unit(request.address).waiting;
        if front {
            waiting.push_front(request);
        } else {
            waiting.push_back(request);
        }
    }

    /// Takes a request that may be issued now; it counts as outstanding from here on.
    pub(super) fn next(&mut self) -> Option<Arc<PortRequest>> {
        if self.paused.is_some() || self.busy > 0 || self.outstanding >= self.highest {
            return None;
        }
        let unit = self.table.values_mut().find(|unit| {
            !unit.waiting.is_empty()
                && unit.paused.is_none()
                && unit.busy == 0
                && !unit.resetting
                && unit.outstanding < unit.depth
        })?;
        let request = unit.waiting.pop_front()?;
        unit.outstanding += 1;
        self.outstanding += 1;
        Some(request)
    }

    /// A request came back. A busy unit or adapter that has nothing outstanding any more is not busy.
    pub(super) fn returned(&mut self, address: Address) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.busy = if self.outstanding == 0 {
            0
        } else {
            self.busy.saturating_sub(1)
        };
        let unit = self.unit(address);
        unit.outstanding = unit.outstanding.saturating_sub(1);
        unit.busy = if unit.outstanding == 0 {
            0
        } else {
            unit.busy.saturating_sub(1)
        };
    }

    /// Stops or resumes the issue of requests to a unit during its reset. `false` if nothing changed.
    pub(super) fn set_resetting(&mut self, address: Address, resetting: bool) -> bool {
        std::mem::replace(&mut self.unit(address).resetting, resetting) != resetting
    }

    /// Everything that waits, out of the queues.
    pub(super) fn drain(&mut self) -> Vec<Arc<PortRequest>> {
        self.table
            .values_mut()
            .flat_map(|unit| unit.waiting.drain(..))
            .collect()
    }

    /// Requests that are on their way to the miniport or with it.
    pub(super) fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// The units that have answered an INQUIRY.
    pub(super) fn known(&self) -> Vec<Address> {
        self.table
            .iter()
            .filter(|(_, unit)| unit.answered)
            .map(|(&address, _)| address)
            .collect()
    }

    /// A unit gets an INQUIRY.
    pub(super) fn inquire(&mut self, address: Address) {
        self.unit(address).inquired = true;
    }

    /// A unit has answered an INQUIRY; `true` for the first time.
    pub(super) fn answered(&mut self, address: Address) -> bool {
        !std::mem::replace(&mut self.unit(address).answered, true)
    }

    /// A unit's device object is gone: the next INQUIRY that is answered makes another. What waits for it, out of its queue.
    pub(super) fn forget(&mut self, address: Address) -> Vec<Arc<PortRequest>> {
        let unit = self.unit(address);
        unit.answered = false;
        unit.waiting.drain(..).collect()
    }

    /// What is still paused, in words.
    pub(super) fn paused(&self) -> Vec<String> {
        let adapter = self.paused.iter().map(|_| String::from("the adapter"));
        let units = self.table.iter().filter(|(_, unit)| unit.paused.is_some());
        adapter
            .chain(units.map(|(address, _)| format!("unit {address}")))
            .collect()
    }

    /// Unit extensions, out of the table.
    pub(super) fn take_extensions(&mut self) -> Vec<GuestAddress> {
        self.table
            .values_mut()
            .map(|unit| std::mem::take(&mut unit.extension))
            .filter(|&address| address != 0)
            .collect()
    }
}

fn address(arguments: Arguments) -> Address {
    Address {
        path: arguments.u8(1),
        target: arguments.u8(2),
        lun: arguments.u8(3),
    }
}

impl Machine {
    /// `StorPortPause(HwDeviceExtension, Timeout)`; seconds.
    pub(super) fn pause(self: &Arc<Self>, arguments: Arguments) -> bool {
        self.is_extension(arguments.pointer(0)) && self.set_pause(None, arguments.u32(1))
    }

    /// `StorPortResume(HwDeviceExtension)`.
    pub(super) fn resume(self: &Arc<Self>, arguments: Arguments) -> bool {
        self.is_extension(arguments.pointer(0)) && self.end_pause(None, None)
    }

    /// `StorPortPauseDevice(HwDeviceExtension, PathId, TargetId, Lun, TimeOut)`.
    pub(super) fn pause_device(self: &Arc<Self>, arguments: Arguments) -> bool {
        self.is_extension(arguments.pointer(0)) && self.set_pause(Some(address(arguments)), arguments.u32(4))
    }

    /// `StorPortResumeDevice(HwDeviceExtension, PathId, TargetId, Lun)`.
    pub(super) fn resume_device(self: &Arc<Self>, arguments: Arguments) -> bool {
        self.is_extension(arguments.pointer(0)) && self.end_pause(Some(address(arguments)), None)
    }

    /// `StorPortBusy(HwDeviceExtension, RequestsToComplete)`.
    pub(super) fn busy(&self, arguments: Arguments) -> bool {
        if !self.is_extension(arguments.pointer(0)) {
            return false;
        }
        let mut units = self.units.lock();
        units.busy = arguments.u32(1).max(1).min(units.outstanding);
        true
    }

    /// `StorPortReady(HwDeviceExtension)`.
    pub(super) fn ready(self: &Arc<Self>, arguments: Arguments) -> bool {
        if !self.is_extension(arguments.pointer(0)) {
            return false;
        }
        self.units.lock().busy = 0;
        self.pump();
        true
    }

    /// `StorPortDeviceBusy(HwDeviceExtension, PathId, TargetId, Lun, RequestsToComplete)`.
    pub(super) fn device_busy(&self, arguments: Arguments) -> bool {
        if !self.is_extension(arguments.pointer(0)) {
            return false;
        }
        let mut units = self.units.lock();
        let unit = units.unit(address(arguments));
        unit.busy = arguments.u32(4).max(1).min(unit.outstanding);
        true
    }

    /// `StorPortDeviceReady(HwDeviceExtension, PathId, TargetId, Lun)`.
    pub(super) fn device_ready(self: &Arc<Self>, arguments: Arguments) -> bool {
        if !self.is_extension(arguments.pointer(0)) {
            return false;
        }
        self.units.lock().unit(address(arguments)).busy = 0;
        self.pump();
        true
    }

    /// `StorPortSetDeviceQueueDepth(HwDeviceExtension, PathId, TargetId, Lun, Depth)`.
    pub(super) fn set_device_queue_depth(self: &Arc<Self>, arguments: Arguments) -> bool {
        let depth = arguments.u32(4);
        if !self.is_extension(arguments.pointer(0)) {
            return false;
        }
        let address = address(arguments);
        let highest = self.setup().configuration.max_ios_per_lun.clamp(1, 0xFFFF);
        let inquired = self.units.lock().unit(address).inquired;
        if !inquired {
            self.violate(&rules::QUEUE_DEPTH_EARLY, || {
                format!("unit {address} has not had an INQUIRY yet")
            });
            return false;
        }
        if depth == 0 || depth > highest {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("depth {depth}; the unit takes 1 to {highest}")
            });
            return false;
        }
        self.units.lock().unit(address).depth = depth;
        self.pump();
        true
    }

    /// `StorPortGetLogicalUnit(HwDeviceExtension, PathId, TargetId, Lun)`: the unit's extension.
    pub(super) fn get_logical_unit(&self, arguments: Arguments) -> GuestAddress {
        if !self.is_extension(arguments.pointer(0)) {
            return 0;
        }
        let setup = self.setup();
        let length = setup.configuration.specific_lu_extension_size as usize;
        let address = address(arguments);
        let mut units = self.units.lock();
        let Some(unit) = units.table.get_mut(&address) else {
            return 0;
        };
        if unit.extension == 0 && length != 0 {
            // Storport zeroes these.
            let request = Request::new(length, format!("extension of unit {address}")).zeroed();
            unit.extension = self.memory.port_pool(&request).map_or(0, |block| block.address);
        }
        unit.extension
    }

    fn set_pause(self: &Arc<Self>, address: Option<Address>, seconds: u32) -> bool {
        let generation = {
            let mut units = self.units.lock();
            units.generation += 1;
            units.generation
        };
        let timer = (seconds != 0).then(|| {
            let machine = Arc::clone(self);
            let job = Box::new(move || {
                machine.end_pause(address, Some(generation));
            });
            self.engine.after(Duration::from_secs(u64::from(seconds)), 0, job)
        });
        let mut units = self.units.lock();
        let slot = match address {
            None => &mut units.paused,
            Some(address) => &mut units.unit(address).paused,
        };
        let before = slot.replace(Pause { generation, timer });
        drop(units);
        if let Some(timer) = before.and_then(|pause| pause.timer) {
            self.engine.cancel(timer);
        }
        true
    }

    /// Ends a pause; with `generation` only that very one.
    fn end_pause(self: &Arc<Self>, address: Option<Address>, generation: Option<u64>) -> bool {
        let ended = {
            let mut units = self.units.lock();
            let slot = match address {
                None => &mut units.paused,
                Some(address) => &mut units.unit(address).paused,
            };
            let applies = slot
                .as_ref()
                .is_some_and(|pause| generation.is_none_or(|g| g == pause.generation));
            if applies { slot.take() } else { None }
        };
        let Some(pause) = ended else {
            return generation.is_none();
        };
        if generation.is_none()
            && let Some(timer) = pause.timer
        {
            self.engine.cancel(timer);
        }
        self.pump();
        true
    }
}
