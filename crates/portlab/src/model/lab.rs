//! The lab: a driver loaded, its adapter started, requests sent, everything judged.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{
    activity::{self, Activity},
    adapter::Phase,
    buffer::DataBuffer,
    driver,
    error::{LabError, StartError},
    journal::{BugCheck, EventRecord, StateChange, Violation},
    machine::Machine,
    options::{LabOptions, Limits},
    request::{
        Address, Direction, Done, Outcome, RemovalReport, Request, ResetOutcome, SrbFunction, Statistics,
    },
    requests::{Command, Order},
    rules::Severity,
};
use crate::{
    abi::{
        control::adapter_control,
        srb::{function, status},
    },
    engine::{
        Context, Engine, Level,
        parallel::{ParallelEngine, ThreadHooks},
    },
    trap,
};

/// How long the lab waits for a callback that should return at once.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a request without a time-out of its own may take.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes that one page of scatter/gather describes.
const PAGE: u32 = 4096;

/// A driver on the bench.
pub struct Lab {
    pub(super) machine: Arc<Machine>,
    engine: Arc<ParallelEngine>,
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
        let engine = Arc::new(ParallelEngine::new(options.processors));
        let machine = Machine::new(options, Arc::clone(&engine) as Arc<dyn Engine>)?;
        let weak = Arc::downgrade(&machine);
        engine.set_interrupt_handler(Box::new(move |message| {
            if let Some(machine) = weak.upgrade() {
                machine.deliver(message);
            }
        }));
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
        let lab = Self { machine, engine };
        lab.engine.start(&hooks)?;
        Ok(lab)
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
            Phase::Stopped => return Err(StartError::Phase("stopped: restart it")),
            Phase::Removing | Phase::Removed => return Err(StartError::Phase("removed")),
        }
        let result = self.bring_up();
        if result.is_err() {
            self.machine.options.device.disable_messages();
            self.machine.adapter.enter(Phase::Loaded);
        }
        result
    }

    fn bring_up(&self) -> Result<(), StartError> {
        self.passively("HwStorFindAdapter", Machine::find_adapter)?;
        self.machine.connect()?;
        self.on_first_processor("HwStorInitialize", |machine| machine.initialize())?;
        self.passively("HwStorPassiveInitialize", |machine| machine.passive_initialize())?;
        self.machine.adapter.enter(Phase::Running);
        self.machine.watch();
        Ok(())
    }

    /// What the adapter said of itself.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let setup = self.machine.setup();
        let said = &setup.configuration;
        // The first element of a scatter/gather list may begin anywhere in its page.
        let by_breaks = said
            .number_of_physical_breaks
            .saturating_sub(1)
            .max(1)
            .saturating_mul(PAGE);
        Limits {
            max_transfer: said.maximum_transfer_length.min(by_breaks),
            alignment_mask: said.alignment_mask,
            physical_breaks: said.number_of_physical_breaks,
            buses: said.number_of_buses,
            targets: said.maximum_number_of_targets,
            luns: said.maximum_number_of_logical_units,
            max_io: said.max_number_of_io,
            initial_lun_depth: said.initial_lun_queue_depth.min(said.max_ios_per_lun),
            messages: setup.messages,
            caches_data: said.caches_data != 0,
            bus_type: setup.bus_type,
        }
    }

    /// A data buffer that obeys the adapter's alignment.
    ///
    /// # Errors
    /// If the memory shared with the device is used up.
    pub fn buffer(&self, length: usize) -> Result<DataBuffer, LabError> {
        let mask = self.machine.setup().configuration.alignment_mask;
        let alignment = (mask as usize + 1).next_power_of_two().min(PAGE as usize);
        DataBuffer::new(&self.machine, length, alignment).ok_or(LabError::Memory(length))
    }

    /// Sends a SCSI command; `done` runs on a thread of the lab: it is short, never blocks, and may submit again.
    pub fn submit(&self, request: Request, done: Done) {
        let machine = &self.machine;
        let setup = machine.setup();
        let longest = if setup.extended_srbs { 32 } else { 16 };
        let length = request.buffer.as_ref().map_or(0, DataBuffer::len);
        if request.cdb.is_empty()
            || request.cdb.len() > longest
            || length > self.limits().max_transfer as usize
        {
            done(Outcome::made_up(status::INVALID_REQUEST));
            return;
        }
        let order = Order {
            command: Command::Scsi(request.cdb),
            address: request.address,
            processor: request.processor % machine.engine.processors(),
            direction: request.direction,
            buffer: request.buffer,
            timeout: request.timeout,
            bypass: false,
        };
        let request = machine.requests.open(order, machine.engine.now(), done);
        machine.submit(request);
    }

    /// Sends a SCSI command and waits for it. Not from within a `done`.
    #[must_use]
    pub fn execute(&self, request: Request) -> Outcome {
        let patience = request.timeout.max(Duration::from_secs(1)) * 2 + PATIENCE;
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |outcome| {
            // The receiver may have lost patience.
            let _ = sender.send(outcome);
        });
        self.submit(request, done);
        receiver
            .recv_timeout(patience)
            .unwrap_or_else(|_| Outcome::made_up(status::INTERNAL_ERROR))
    }

    /// Sends another SRB function and waits for it.
    #[must_use]
    pub fn srb_function(&self, function: SrbFunction, address: Address) -> Outcome {
        let machine = &self.machine;
        let (command, buffer, bypass) = match function {
            SrbFunction::Flush => (Command::Plain(function::FLUSH), None, false),
            SrbFunction::Shutdown => (Command::Plain(function::SHUTDOWN), None, false),
            SrbFunction::ResetLogicalUnit => (Command::Plain(function::RESET_LOGICAL_UNIT), None, true),
            SrbFunction::ResetDevice => (Command::Plain(function::RESET_DEVICE), None, true),
            SrbFunction::Pnp { action, flags } => (Command::Pnp(action, flags), None, true),
            SrbFunction::Power { device_state, action } => (Command::Power(device_state, action), None, true),
            SrbFunction::IoControl(buffer) => (Command::Plain(function::IO_CONTROL), Some(buffer), false),
            SrbFunction::Wmi => (Command::Plain(function::WMI), None, false),
            SrbFunction::Other(code) => (Command::Plain(code), None, false),
        };
        let covered = match command {
            Command::Plain(function::RESET_LOGICAL_UNIT) => machine.covered_by_unit(address),
            Command::Plain(function::RESET_DEVICE) => machine.covered_by_target(address),
            _ => Vec::new(),
        };
        let direction = if buffer.is_some() {
            Direction::In
        } else {
            Direction::None
        };
        let order = Order {
            command,
            address,
            processor: 0,
            direction,
            buffer,
            timeout: FUNCTION_TIMEOUT,
            bypass,
        };
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |outcome| {
            let _ = sender.send(outcome);
        });
        let request = machine.requests.open(order, machine.engine.now(), done);
        machine.submit(request);
        let outcome = receiver
            .recv_timeout(FUNCTION_TIMEOUT + PATIENCE)
            .unwrap_or_else(|_| Outcome::made_up(status::INTERNAL_ERROR));
        if outcome.is_success() && !covered.is_empty() {
            machine.judge_reset(&covered, "a reset request");
        }
        outcome
    }

    /// Resets a bus: `HwStorResetBus` under the documented locks.
    #[must_use]
    pub fn reset_bus(&self, path: u8) -> ResetOutcome {
        let machine = Arc::clone(&self.machine);
        if machine.phase() != Phase::Running {
            return ResetOutcome {
                success: false,
                completed: 0,
                left_behind: 0,
            };
        }
        self.on_processor("HwStorResetBus", move || machine.reset_bus_now(path))
            .unwrap_or(ResetOutcome {
                success: false,
                completed: 0,
                left_behind: self.outstanding(),
            })
    }

    /// Stops the adapter (`ScsiStopAdapter`).
    ///
    /// # Errors
    /// If the miniport refuses, or the adapter does not run.
    pub fn stop(&self) -> Result<(), StartError> {
        if self.machine.phase() != Phase::Running {
            return Err(StartError::Phase("not running"));
        }
        self.machine.adapter.enter(Phase::Stopped);
        if self.control(adapter_control::STOP_ADAPTER)? {
            Ok(())
        } else {
            Err(StartError::AdapterControl("ScsiStopAdapter"))
        }
    }

    /// Restarts a stopped adapter: `ScsiRestartAdapter`, or `FindAdapter` and Initialize once more on the same
    /// extension for a miniport without it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn restart(&self) -> Result<(), StartError> {
        if self.machine.phase() != Phase::Stopped {
            return Err(StartError::Phase("not stopped"));
        }
        let setup = self.machine.setup();
        if !setup.supports_adapter_control(adapter_control::RESTART_ADAPTER) {
            self.machine.options.device.disable_messages();
            return self.bring_up();
        }
        if setup.supports_adapter_control(adapter_control::SET_RUNNING_CONFIG) {
            self.control(adapter_control::SET_RUNNING_CONFIG)?;
        }
        if !self.control(adapter_control::RESTART_ADAPTER)? {
            return Err(StartError::AdapterControl("ScsiRestartAdapter"));
        }
        self.machine.adapter.enter(Phase::Running);
        self.machine.watch();
        self.machine.pump();
        Ok(())
    }

    /// Removes the adapter and looks for what it left. The lab takes no more requests afterwards.
    #[must_use]
    pub fn remove(&self) -> RemovalReport {
        let report = self.take_away();
        self.engine.shut_down();
        report
    }

    /// Calls an adapter control where this life makes such calls.
    pub(super) fn control(&self, kind: u32) -> Result<bool, StartError> {
        if self.machine.locked_controls(kind) {
            self.on_first_processor("HwStorAdapterControl", move |machine| {
                machine.adapter_control(kind)
            })
        } else {
            self.passively("HwStorAdapterControl", move |machine| {
                machine.adapter_control(kind)
            })
        }
    }

    /// Counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.machine.counters.snapshot()
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

    fn on_first_processor<R: Send + 'static>(
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
        let (sender, receiver) = mpsc::channel();
        self.engine.work(Box::new(move || {
            let _ = sender.send(job());
        }));
        self.wait_for(what, &receiver)
    }

    fn on_processor<R: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let (sender, receiver) = mpsc::channel();
        let job = Box::new(move || {
            let _ = sender.send(job());
        });
        self.engine.post(0, Level::Thread, job);
        self.wait_for(what, &receiver)
    }

    fn wait_for<R>(&self, what: &'static str, receiver: &mpsc::Receiver<R>) -> Option<R> {
        let deadline = self.engine.now() + PATIENCE;
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(result) => return Some(result),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.machine.journal.is_down() {
                // The thread may have finished at the same time.
                return receiver.recv_timeout(Duration::from_millis(50)).ok();
            }
            if self.engine.now() > deadline {
                self.machine
                    .journal
                    .event(0, format!("the driver did not return from {what}"));
                return None;
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.machine.options.device.disable_messages();
        self.engine.shut_down();
    }
}
