//! The lab: a driver loaded, its adapter started, requests sent, everything judged.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    activity::{self, Activity},
    adapter::Phase,
    allocation_failures::AllocationFailures,
    driver,
    error::{LabError, StartError},
    journal::{BugCheck, EventRecord, StateChange, Violation},
    machine::Machine,
    mutation::Mutation,
    options::{EngineKind, LabOptions, RegistryValue},
    request::{RemovalReport, Statistics},
    rules::{self, Severity},
    tracing::{EtwEvent, TraceRing, trace_ring},
};
use crate::{
    engine::{
        Context, Engine, InterruptHandler, Level,
        deterministic::{self, DeterministicEngine, LivelockHandler},
        parallel::{ParallelEngine, ThreadHooks},
    },
    memory::Ground,
    pe::Origin,
    trap,
};

/// How long the lab waits for a callback that should return at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// A driver on the bench.
pub struct Lab {
    pub(super) machine: Arc<Machine>,
    pub(super) engine: Arc<dyn Engine>,
    /// The same, if it is the deterministic one.
    deterministic: Option<Arc<DeterministicEngine>>,
}

/// Where a result is put for whoever waits for it.
pub(super) struct Slot<R>(Arc<Mutex<Option<R>>>);

impl<R> Default for Slot<R> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }
}

impl<R> Clone for Slot<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> Slot<R> {
    /// Puts it there; whoever does wakes.
    pub(super) fn fill(&self, result: R) {
        *self.0.lock() = Some(result);
    }

    fn is_filled(&self) -> bool {
        self.0.lock().is_some()
    }

    fn take_now(&self) -> Option<R> {
        self.0.lock().take()
    }

    /// Waits for it.
    pub(super) fn take(&self, engine: &dyn Engine, patience: Duration) -> Option<R> {
        engine.wait(patience, &mut || self.is_filled());
        self.take_now()
    }
}

impl Lab {
    /// Loads the driver and runs its `DriverEntry`.
    ///
    /// # Errors
    /// See [`LabError`].
    pub fn load(options: LabOptions) -> Result<Self, LabError> {
        let image = options.image.clone();
        let lab = Self::build(options)?;
        driver::load(&lab.machine, &image)?;
        let entry = lab
            .machine
            .image
            .get()
            .and_then(|loaded| driver::entry(&loaded.image));
        lab.driver_entry(entry)?;
        Ok(lab)
    }

    /// A machine with its threads, and no driver.
    pub(super) fn build(options: LabOptions) -> Result<Self, LabError> {
        driver::install_hooks();
        match options.engine {
            EngineKind::Parallel => Self::build_parallel(options),
            EngineKind::Deterministic => Self::build_deterministic(options),
        }
    }

    fn build_deterministic(options: LabOptions) -> Result<Self, LabError> {
        let device = Arc::clone(&options.device).movable();
        let device = device.ok_or(LabError::MovesByItself)?;
        let ground = Ground::claim().map(Arc::new);
        let engine = DeterministicEngine::new(&deterministic::Options {
            processors: options.processors,
            preemption: options.preemption,
            ground: ground.clone(),
            exchange: activity::exchange,
            keep_events: options.keep_events,
            ..deterministic::Options::new(options.seed)
        })?;
        let engine = Arc::new(engine);
        engine.add_device(device);
        let machine = Machine::new(options, Arc::clone(&engine) as Arc<dyn Engine>, ground)?;
        engine.set_interrupt_handler(interrupt_handler(&machine));
        engine.set_livelock_handler(livelock_handler(&machine));
        // This thread is the engine's: all activities run on it.
        trap::prepare_thread()?;
        activity::bind(&machine);
        Ok(Self {
            machine,
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            deterministic: Some(engine),
        })
    }

    fn build_parallel(options: LabOptions) -> Result<Self, LabError> {
        let engine = Arc::new(ParallelEngine::new(options.processors));
        let machine = Machine::new(options, Arc::clone(&engine) as Arc<dyn Engine>, None)?;
        engine.set_interrupt_handler(interrupt_handler(&machine));
        let bound = Arc::downgrade(&machine);
        let hooks = ThreadHooks {
            enter: Arc::new(move || {
                // Without it the first call of the driver faults, and the fault is reported.
                let _ = trap::prepare_thread();
                trap::set_current_processor(Context::processor());
                if let Some(machine) = bound.upgrade() {
                    activity::bind(&machine);
                }
            }),
            leave: Arc::new(activity::unbind),
        };
        engine.start(&hooks)?;
        Ok(Self {
            machine,
            engine,
            deterministic: None,
        })
    }

    /// A machine whose engine somebody else drives.
    pub(super) fn around(machine: Arc<Machine>, engine: Arc<dyn Engine>) -> Self {
        Self {
            machine,
            engine,
            deterministic: None,
        }
    }

    /// Number of events of this life and a hash of all of them, with the deterministic engine: lives with the same seed
    /// have the same.
    #[must_use]
    pub fn event_hash(&self) -> Option<(u64, u64)> {
        self.deterministic.as_ref().map(|engine| engine.hash())
    }

    /// The latest events of this life, oldest first; none with the parallel engine, which keeps no book.
    #[must_use]
    pub fn scheduling_events(&self) -> Vec<deterministic::Record> {
        self.deterministic
            .as_ref()
            .map_or_else(Vec::new, |engine| engine.events())
    }

    /// Runs the machine until `ready` says so, at most for `patience`, by the engine's time; `false` if it does not.
    pub fn wait_until(&self, patience: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        self.engine.wait(patience, ready)
    }

    /// Time since the machine was switched on, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.engine.now()
    }

    /// Runs `DriverEntry` (`entry`) on a system thread.
    pub(super) fn driver_entry(&self, entry: Option<crate::abi::entry::Routine>) -> Result<(), LabError> {
        let entry = entry.ok_or(LabError::NotAMiniport)?;
        let (object, path) = driver::objects(&self.machine).ok_or(LabError::Memory(0))?;
        let machine = Arc::clone(&self.machine);
        let result = self.on_worker("DriverEntry", move || {
            machine.call(
                Activity::DriverEntry,
                crate::engine::Irql::PASSIVE,
                &[],
                entry,
                &[object, path],
            )
        });
        let result = match result {
            Some(Some(rax)) => crate::abi::entry::ulong(rax),
            _ => {
                return Err(match self.bug_check() {
                    Some(check) => LabError::BugCheck(check.meaning),
                    None => LabError::Hung("DriverEntry"),
                });
            }
        };
        if result & 0x8000_0000 != 0 {
            return Err(LabError::DriverEntry(result));
        }
        if self.machine.phase() == Phase::Loaded {
            Ok(())
        } else {
            Err(LabError::NotAMiniport)
        }
    }

    /// Starts the adapter as Plug and Play would.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(&self) -> Result<(), StartError> {
        match self.machine.phase() {
            Phase::Loaded => {}
            Phase::Unregistered => return Err(StartError::NotRegistered),
            Phase::Running | Phase::Starting => return Err(StartError::Phase("started already")),
            Phase::Quiescing | Phase::Stopped => return Err(StartError::Phase("stopped: restart it")),
            Phase::PoweredDown => return Err(StartError::Phase("powered down: power it up")),
            Phase::Gone => return Err(StartError::Phase("gone: remove it")),
            Phase::Removing | Phase::Removed => return Err(StartError::Phase("removed")),
        }
        let result = self.bring_up();
        if result.is_err() {
            self.machine.disconnect();
            self.machine.adapter.enter(Phase::Loaded);
        }
        result
    }

    pub(super) fn bring_up(&self) -> Result<(), StartError> {
        self.passively("HwStorFindAdapter", Machine::find_adapter)?;
        self.machine.connect()?;
        self.on_first_processor("HwStorInitialize", |machine| machine.initialize())?;
        self.passively("HwStorPassiveInitialize", |machine| machine.passive_initialize())?;
        self.machine.adapter.enter(Phase::Running);
        self.machine.watch();
        self.machine.pump();
        Ok(())
    }

    /// Keeps work items queued, as if the system's threads were busy, or lets them run.
    pub fn hold_work_items(&self, held: bool) {
        self.machine.workers.hold(held);
        self.machine.engine.wake();
    }

    /// Removes the adapter and looks for what it left. The lab takes no more requests afterwards.
    #[must_use]
    pub fn remove(&self) -> RemovalReport {
        let report = self.take_away();
        self.engine.shut_down();
        report
    }

    /// Changes a value of the driver's `Parameters` key (`Device\Name` for one below `Device`), as an administrator would.
    pub fn set_registry_value(&self, name: &str, value: RegistryValue) {
        self.machine.set_registry_value(name.to_owned(), value);
    }

    /// Lets some of the driver's allocations fail from now on, or none any more.
    pub fn fail_allocations(&self, failures: Option<AllocationFailures>) {
        let machine = &self.machine;
        machine.failing_allocations.set(failures, machine.options.seed);
    }

    /// The places that the driver has asked for memory from, "call in callback" as violations show them, and how often.
    #[must_use]
    pub fn allocation_places(&self) -> Vec<(String, u64)> {
        self.machine.failing_allocations.seen()
    }

    /// Makes the model wrong, or right again: for checks of a check.
    pub fn mutate(&self, mutation: Option<Mutation>) {
        self.machine.mutations.set(mutation);
    }

    /// How often the model has been wrong on purpose.
    #[must_use]
    pub fn mutations_made(&self) -> u64 {
        self.machine.mutations.made()
    }

    /// Counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.machine.counters.snapshot()
    }

    /// The functions of the DDI that the driver has called, without `StorPort`, and how often.
    #[must_use]
    pub fn calls(&self) -> Vec<(&'static str, u64)> {
        self.machine.calls.made()
    }

    /// Rules broken so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.machine.judge_memory(false);
        self.machine.journal.of(Severity::Violation)
    }

    /// What looks wrong but depends on the host's speed or on judgement.
    #[must_use]
    pub fn warnings(&self) -> Vec<Violation> {
        self.machine.journal.of(Severity::Warning)
    }

    /// Some once the driver brought the system down; requests end at once from then on.
    #[must_use]
    pub fn bug_check(&self) -> Option<BugCheck> {
        self.machine.journal.bug_check()
    }

    /// Debug output of the driver, line by line.
    #[must_use]
    pub fn debug_log(&self) -> Vec<String> {
        self.machine.journal.debug_log()
    }

    /// The ETW events that the driver has written.
    #[must_use]
    pub fn etw_events(&self) -> Vec<EtwEvent> {
        self.machine.journal.etw_events()
    }

    /// The trace ring in the device extension, as it is or as it was when the adapter was removed; none if the driver has none.
    #[must_use]
    pub fn trace_ring(&self) -> Option<TraceRing> {
        let kept = self.machine.journal.kept_extension();
        let bytes = if kept.is_empty() {
            self.machine.extension_bytes()
        } else {
            kept
        };
        trace_ring(&bytes, &self.etw_events())
    }

    /// The system's event log.
    #[must_use]
    pub fn event_log(&self) -> Vec<EventRecord> {
        self.machine.journal.events()
    }

    /// What the miniport told about its bus since the last call.
    #[must_use]
    pub fn take_state_changes(&self) -> Vec<StateChange> {
        self.machine.journal.take_state_changes()
    }

    /// Requests that have not ended.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.machine.outstanding()
    }

    pub(super) fn passively<R: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&Arc<Machine>) -> Result<R, StartError> + Send + 'static,
    ) -> Result<R, StartError> {
        let machine = Arc::clone(&self.machine);
        self.on_worker(what, move || job(&machine))
            .unwrap_or_else(|| Err(self.hung(what)))
    }

    pub(super) fn on_first_processor<R: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&Arc<Machine>) -> Result<R, StartError> + Send + 'static,
    ) -> Result<R, StartError> {
        let machine = Arc::clone(&self.machine);
        self.on_processor(what, move || job(&machine))
            .unwrap_or_else(|| Err(self.hung(what)))
    }

    fn hung(&self, what: &'static str) -> StartError {
        match self.bug_check() {
            Some(check) => StartError::BugCheck(check.meaning),
            None => StartError::Hung(what),
        }
    }

    fn on_worker<R: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let result = Slot::default();
        let (slot, engine) = (result.clone(), Arc::downgrade(&self.engine));
        self.engine.work(Box::new(move || {
            slot.fill(job());
            if let Some(engine) = engine.upgrade() {
                engine.wake();
            }
        }));
        self.wait_for(what, &result)
    }

    pub(super) fn on_processor<R: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let result = Slot::default();
        let (slot, engine) = (result.clone(), Arc::downgrade(&self.engine));
        let job = Box::new(move || {
            slot.fill(job());
            if let Some(engine) = engine.upgrade() {
                engine.wake();
            }
        });
        self.engine.post(0, Level::Thread, job);
        self.wait_for(what, &result)
    }

    fn wait_for<R>(&self, what: &'static str, result: &Slot<R>) -> Option<R> {
        let journal = &self.machine.journal;
        let came = self
            .engine
            .wait(PATIENCE, &mut || result.is_filled() || journal.is_down());
        if !came {
            journal.event(0, format!("the driver did not return from {what}"));
        } else if !result.is_filled() {
            // It is down; the activity may have finished at the same time.
            self.engine
                .wait(Duration::from_millis(50), &mut || result.is_filled());
        }
        result.take_now()
    }
}

fn interrupt_handler(machine: &Arc<Machine>) -> InterruptHandler {
    let machine = Arc::downgrade(machine);
    Box::new(move |message| {
        if let Some(machine) = machine.upgrade() {
            machine.interrupted(message);
        }
    })
}

/// Work that never ends is told with the place of whoever is at it.
fn livelock_handler(machine: &Arc<Machine>) -> LivelockHandler {
    let machine = Arc::downgrade(machine);
    Box::new(move |text| {
        if let Some(machine) = machine.upgrade() {
            let at_call = Context::with(|context| context.call.get().is_some());
            let frames = match trap::interrupted() {
                Some(registers) if !at_call => machine.frames(&registers, Origin::Interrupted),
                _ => machine.backtrace(),
            };
            let place = frames
                .first()
                .map(|frame| format!("{}: ", frame.place))
                .unwrap_or_default();
            machine.violate_at(&rules::LIVELOCK, || format!("{place}{text}"), frames);
        }
    })
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.machine.observation.unwatch(&*self.machine.options.device);
        self.machine.disconnect();
        self.engine.shut_down();
        if self.deterministic.is_some() {
            activity::unbind();
        }
    }
}
