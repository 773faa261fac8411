//! The machine: one driver, one adapter, and everything Storport keeps for them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use super::{
    activity,
    adapter::{Adapter, Phase, Setup},
    allocation_failures::FailingAllocations,
    buffer::ChangingBuffers,
    bus::Windows,
    counters::Counters,
    counting::Counting,
    ddi::Calls,
    dpc::Dpcs,
    dump_mode::DumpMode,
    entitlement::Entitlements,
    events::Events,
    host_buffer::HostBuffers,
    journal::{BugCheck, Frame, Journal, Violation},
    kept,
    kernel::OwnLocks,
    kernel_dpcs::KernelDpcs,
    kernel_lists::LookasideLists,
    kernel_objects::KernelObjects,
    kernel_threads::KernelHandles,
    lists::DriverLists,
    locks::LockGraph,
    mdl::Mdls,
    memory::Memory,
    mutation::Mutations,
    observation::Observation,
    options::{LabOptions, RegistryValue},
    platform::MaskedMessages,
    power::Pofx,
    requests::Requests,
    reset_under_load::ResetUnderLoad,
    resources::Assignment,
    rules::{self, Rule},
    scatter::Lists,
    threads::Threads,
    timers::Timers,
    units::Units,
    workers::Workers,
};
use crate::{
    abi::{
        GuestAddress, codes,
        entry::Routine,
        exports::{Call, Export},
        performance::GroupAffinity,
    },
    engine::{Context, Engine},
    memory::Ground,
    pe::{Image, Origin, Symbols},
    trap,
};

/// See the module's documentation.
pub(super) struct Machine {
    pub(super) options: LabOptions,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) memory: Memory,
    pub(super) journal: Journal,
    pub(super) observation: Observation,
    pub(super) counters: Counters,
    pub(super) counting: Counting,
    pub(super) adapter: Adapter,
    pub(super) setup: RwLock<Arc<Setup>>,
    pub(super) requests: Requests,
    pub(super) units: Mutex<Units>,
    pub(super) windows: Windows,
    pub(super) assignment: Assignment,
    /// GUIDs of the power settings that the driver wants to hear of.
    pub(super) power_settings: Mutex<Vec<[u8; 16]>>,
    /// `HwStorFindAdapter` comes at DISPATCH_LEVEL: the adapter is initialised again for want of `ScsiRestartAdapter`.
    pub(super) finds_raised: AtomicBool,
    /// What dump mode this machine is for; none in normal life.
    pub(super) dump: Option<DumpMode>,
    /// `StorPortMarkDumpMemory` calls.
    pub(super) marked: AtomicU64,
    /// The adapter is in D3: its function does not answer.
    pub(super) powered_down: Arc<AtomicBool>,
    pub(super) mdls: Mdls,
    pub(super) lists: Lists,
    pub(super) host_buffers: HostBuffers,
    pub(super) workers: Workers,
    pub(super) reset_under_load: ResetUnderLoad,
    /// Units whose device objects Plug and Play is starting.
    pub(super) starting_units: AtomicUsize,
    pub(super) threads: Threads,
    pub(super) driver_lists: DriverLists,
    pub(super) timers: Timers,
    pub(super) dpcs: Dpcs,
    pub(super) lock_graph: LockGraph,
    pub(super) own_locks: OwnLocks,
    pub(super) kernel_objects: KernelObjects,
    pub(super) kernel_dpcs: KernelDpcs,
    pub(super) kernel_handles: KernelHandles,
    pub(super) lookaside_lists: LookasideLists,
    pub(super) changing_buffers: ChangingBuffers,
    pub(super) failing_allocations: FailingAllocations,
    pub(super) mutations: Mutations,
    pub(super) image: OnceLock<LoadedImage>,
    /// Where everything of a deterministic life lies.
    pub(super) ground: Option<Arc<Ground>>,
    pub(super) registry: Mutex<BTreeMap<String, RegistryValue>>,
    /// `HW_REGISTRY_NOTIFICATION_ROUTINE`.
    pub(super) registry_notification: Mutex<Option<Routine>>,
    /// `DriverObject` and `RegistryPath`, as `DriverEntry` got them.
    pub(super) driver_objects: Mutex<(GuestAddress, GuestAddress)>,
    state_change: AtomicBool,
    /// How often each function was called.
    pub(super) calls: Calls,
    pub(super) events: Events,
    pub(super) entitlements: Entitlements,
    pub(super) pofx: Mutex<Pofx>,
    pub(super) masked_messages: Mutex<MaskedMessages>,
    /// The affinity that the driver gave a system thread.
    pub(super) thread_affinity: Mutex<Option<GroupAffinity>>,
}

/// The driver's image with its symbols.
pub(super) struct LoadedImage {
    /// If it is to be kept for other lives.
    pub(super) key: Option<kept::Key>,
    pub(super) image: Image,
    pub(super) symbols: Option<Symbols>,
    /// Texts of its message table.
    pub(super) messages: BTreeMap<u32, String>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(loaded) = self.image.take() {
            kept::give(loaded);
        }
    }
}

impl Machine {
    /// A machine without a driver.
    pub(super) fn new(
        options: LabOptions,
        engine: Arc<dyn Engine>,
        ground: Option<Arc<Ground>>,
    ) -> std::io::Result<Arc<Self>> {
        Self::make(options, engine, None, ground)
    }

    /// The machine of the dump stack.
    pub(super) fn for_dump(
        options: LabOptions,
        engine: Arc<dyn Engine>,
        mode: DumpMode,
    ) -> std::io::Result<Arc<Self>> {
        Self::make(options, engine, Some(mode), None)
    }

    fn make(
        options: LabOptions,
        engine: Arc<dyn Engine>,
        dump: Option<DumpMode>,
        ground: Option<Arc<Ground>>,
    ) -> std::io::Result<Arc<Self>> {
        let memory = Memory::new(
            options.device.dma(),
            options.seed,
            options.engine,
            ground.as_deref(),
        )?;
        let observation = Observation::new(options.observer.clone(), &engine);
        observation.watch(&*options.device);
        let adapter = Adapter::new(
            options.device.message_count(),
            engine.processors(),
            observation.clone(),
        );
        let setup = Setup {
            bus_type: options.registry.bus_type,
            channels: 1,
            ..Setup::default()
        };
        let failing_allocations = FailingAllocations::new(options.allocation_failures.clone(), options.seed);
        let machine = Arc::new(Self {
            failing_allocations,
            mutations: Mutations::default(),
            registry: Mutex::new(options.registry.values.clone()),
            registry_notification: Mutex::default(),
            options,
            engine,
            memory,
            journal: Journal::new(observation.clone()),
            observation,
            counters: Counters::default(),
            counting: Counting::default(),
            adapter,
            setup: RwLock::new(Arc::new(setup)),
            requests: Requests::default(),
            units: Mutex::default(),
            windows: Windows::default(),
            assignment: Assignment::default(),
            power_settings: Mutex::default(),
            finds_raised: AtomicBool::new(false),
            dump,
            marked: AtomicU64::new(0),
            powered_down: Arc::default(),
            mdls: Mdls::default(),
            lists: Lists::default(),
            host_buffers: HostBuffers::default(),
            workers: Workers::default(),
            reset_under_load: ResetUnderLoad::default(),
            starting_units: AtomicUsize::new(0),
            threads: Threads::default(),
            driver_lists: DriverLists::default(),
            timers: Timers::default(),
            dpcs: Dpcs::default(),
            lock_graph: LockGraph::default(),
            own_locks: OwnLocks::default(),
            kernel_objects: KernelObjects::default(),
            kernel_dpcs: KernelDpcs::default(),
            kernel_handles: KernelHandles::default(),
            lookaside_lists: LookasideLists::default(),
            changing_buffers: ChangingBuffers::default(),
            image: OnceLock::new(),
            ground,
            driver_objects: Mutex::default(),
            state_change: AtomicBool::new(false),
            calls: Calls::default(),
            events: Events::default(),
            entitlements: Entitlements::default(),
            pofx: Mutex::default(),
            masked_messages: Mutex::default(),
            thread_affinity: Mutex::default(),
        });
        machine.watch_dma();
        Ok(machine)
    }

    /// Marks a state change outstanding; `false` if one is.
    pub(super) fn begin_state_change(&self) -> bool {
        !self.state_change.swap(true, Ordering::AcqRel)
    }

    /// The outstanding state change is processed.
    pub(super) fn end_state_change(&self) {
        self.state_change.store(false, Ordering::Release);
    }

    /// The adapter's life phase.
    pub(super) fn phase(&self) -> Phase {
        *self.adapter.phase.lock()
    }

    /// What `FindAdapter` and Initialize settled.
    pub(super) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.read())
    }

    /// Changes what is settled.
    pub(super) fn change_setup(&self, change: impl FnOnce(&mut Setup)) {
        let mut slot = self.setup.write();
        let mut setup = Setup::clone(&slot);
        change(&mut setup);
        *slot = Arc::new(setup);
    }

    /// Writes down a breach of `rule`.
    pub(super) fn violate(&self, rule: &'static Rule, detail: impl FnOnce() -> String) {
        self.record(rule, detail, || self.backtrace());
    }

    /// As [`Machine::violate`], with a back-trace from elsewhere.
    pub(super) fn violate_at(
        &self,
        rule: &'static Rule,
        detail: impl FnOnce() -> String,
        frames: Vec<Frame>,
    ) {
        self.record(rule, detail, || frames);
    }

    fn record(
        &self,
        rule: &'static Rule,
        detail: impl FnOnce() -> String,
        frames: impl FnOnce() -> Vec<Frame>,
    ) {
        if self.options.without_rule.as_deref() == Some(rule.id) {
            return;
        }
        let place = Self::place();
        self.journal.record(rule, &place, || Violation {
            rule: rule.id,
            tier: rule.tier,
            severity: rule.severity,
            sentence: rule.sentence,
            detail: detail(),
            call: place.clone(),
            processor: Context::processor(),
            irql: Context::irql().0,
            locks: Context::held_names().iter().map(ToString::to_string).collect(),
            backtrace: frames(),
            count: 1,
        });
    }

    /// The call that is being answered and the callback it comes from, in words.
    pub(super) fn place() -> String {
        let call = Context::with(|context| context.call.get());
        let name = call.map(Self::call_name);
        match (name, activity::current()) {
            (Some(name), Some(activity)) => format!("{name} in {activity}"),
            (Some(name), None) => name,
            (None, Some(activity)) => activity.to_string(),
            (None, None) => String::from("Storport"),
        }
    }

    /// A call in words, while its arguments are there.
    pub(super) fn call_name(call: Call) -> String {
        let (export, code) = Self::call_code(call);
        Self::coded_name(export, code)
    }

    /// What names a call when its arguments are gone: the export, and which of its functions it is.
    pub(super) fn call_code(call: Call) -> (Export, Option<u32>) {
        let coded = matches!(
            call.export,
            Export::StorPortExtendedFunction | Export::StorPortNotification
        );
        (call.export, coded.then(|| call.arguments.u32(0)))
    }

    /// In words: the inline function of storport.h that it is, or the export.
    pub(super) fn coded_name(export: Export, code: Option<u32>) -> String {
        match (export, code) {
            (Export::StorPortExtendedFunction, Some(code)) => codes::function_name(code).map_or_else(
                || format!("StorPortExtendedFunction({code})"),
                |name| format!("StorPort{name}"),
            ),
            (Export::StorPortNotification, Some(code)) => codes::notification::name(code).map_or_else(
                || format!("StorPortNotification({code})"),
                |name| format!("StorPortNotification({name})"),
            ),
            (export, _) => export.name().to_owned(),
        }
    }

    /// The driver's stack at the call that is being answered.
    pub(super) fn backtrace(&self) -> Vec<Frame> {
        let answering = Context::with(|context| context.call.get().is_some());
        match activity::call_site() {
            Some(registers) if answering => self.frames(&registers, Origin::Call),
            _ => Vec::new(),
        }
    }

    /// The driver's stack from `registers` on.
    pub(super) fn frames(&self, registers: &trap::Registers, origin: Origin) -> Vec<Frame> {
        let Some(loaded) = self.image.get() else {
            return Vec::new();
        };
        let trace = loaded.image.backtrace(registers, origin, loaded.symbols.as_ref());
        let mut frames = Vec::new();
        for frame in &trace.frames {
            let mut place = format!("{}+{:#x}", trace.image, frame.offset);
            for source in &frame.source {
                place.push(' ');
                place.push_str(&source.to_string());
            }
            frames.push(Frame {
                address: frame.address,
                place,
            });
        }
        frames
    }

    /// Brings the system down: nothing of the driver runs any more, all requests end.
    pub(super) fn crash(
        self: &Arc<Self>,
        code: u32,
        parameters: [u64; 4],
        meaning: String,
        backtrace: Vec<Frame>,
    ) {
        let shown = backtrace.clone();
        self.violate_at(
            &rules::BUG_CHECK,
            || format!("bug check {code:#x}: {meaning}"),
            shown,
        );
        self.journal.crash(BugCheck {
            code,
            parameters,
            meaning,
            backtrace,
        });
        self.abandon_requests();
        self.engine.wake();
    }
}
