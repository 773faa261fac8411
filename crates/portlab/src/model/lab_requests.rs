//! The lab's requests: buffers, commands, SRB functions, resets.

use std::{sync::Arc, time::Duration};

use super::{
    adapter::Phase,
    buffer::DataBuffer,
    error::LabError,
    lab::{Lab, PATIENCE, Slot},
    machine::Machine,
    options::Limits,
    request::{Address, Direction, Done, Outcome, Request, ResetOutcome, SrbFunction},
    requests::{Command, Order},
};
use crate::{
    abi::srb::{function, status},
    engine::Level,
};

/// How long a request without a time-out of its own may take.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes that one page of scatter/gather describes.
const PAGE: u32 = 4096;

impl Lab {
    /// What the adapter said of itself.
    #[must_use]
    pub fn limits(&self) -> Limits {
        limits(&self.machine)
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
        submit(&self.machine, request, done);
    }

    /// What sends commands without the lab at hand, from a `done` for example.
    #[must_use]
    pub fn submitter(&self) -> Submitter {
        Submitter(Arc::clone(&self.machine))
    }

    /// Sends a SCSI command and waits for it. Not from within a `done`.
    #[must_use]
    pub fn execute(&self, request: Request) -> Outcome {
        let patience = request.timeout.max(Duration::from_secs(1)) * 2 + PATIENCE;
        let outcome = Slot::default();
        let slot = outcome.clone();
        // Ending a request wakes.
        self.submit(request, Box::new(move |outcome| slot.fill(outcome)));
        outcome
            .take(&*self.engine, patience)
            .unwrap_or_else(|| Outcome::made_up(status::INTERNAL_ERROR))
    }

    /// Sends another SRB function and waits for it.
    #[must_use]
    pub fn srb_function(&self, function: SrbFunction, address: Address) -> Outcome {
        self.function(function, address, false)
    }

    /// As [`Self::srb_function`], past the queues of an adapter that is being stopped.
    pub(super) fn bypassing(&self, function: SrbFunction, address: Address) -> Outcome {
        self.function(function, address, true)
    }

    fn function(&self, function: SrbFunction, address: Address, past_queues: bool) -> Outcome {
        let outcome = Slot::default();
        let slot = outcome.clone();
        let covered = self.submit_function(
            function,
            address,
            past_queues,
            Box::new(move |outcome| slot.fill(outcome)),
        );
        let outcome = outcome
            .take(&*self.engine, FUNCTION_TIMEOUT + PATIENCE)
            .unwrap_or_else(|| Outcome::made_up(status::INTERNAL_ERROR));
        if outcome.is_success() && !covered.is_empty() {
            self.machine.judge_reset(&covered, "a reset request");
        }
        outcome
    }

    /// Sends a reset of a unit or of a target without waiting for it, so that it can meet other resets; it is judged as
    /// [`Lab::srb_function`] judges it. `done` runs on a thread of the lab: it is short and never blocks.
    pub fn submit_reset(&self, whole_target: bool, address: Address, done: Done) {
        let function = if whole_target {
            SrbFunction::ResetDevice
        } else {
            SrbFunction::ResetLogicalUnit
        };
        let machine = Arc::clone(&self.machine);
        let covered = if whole_target {
            machine.covered_by_target(address)
        } else {
            machine.covered_by_unit(address)
        };
        let judged = Box::new(move |outcome: Outcome| {
            if outcome.is_success() {
                machine.judge_reset(&covered, "a reset request");
            }
            done(outcome);
        });
        self.submit_function(function, address, false, judged);
    }

    /// As [`Lab::reset_bus`], without waiting for it. `done` runs on a thread of the lab: it is short and never blocks.
    pub fn submit_bus_reset(&self, path: u8, done: Box<dyn FnOnce(ResetOutcome) + Send>) {
        let machine = Arc::clone(&self.machine);
        let job = Box::new(move || {
            let outcome = if machine.phase() == Phase::Running {
                machine.reset_bus_now(path)
            } else {
                ResetOutcome {
                    success: false,
                    completed: 0,
                    left_behind: 0,
                }
            };
            done(outcome);
            machine.engine.wake();
        });
        self.engine.post(0, Level::Thread, job);
    }

    /// Sends another SRB function: the requests that it covers, if it is a reset.
    fn submit_function(
        &self,
        function: SrbFunction,
        address: Address,
        past_queues: bool,
        done: Done,
    ) -> Vec<u64> {
        let machine = &self.machine;
        let mut direction = Direction::None;
        let (command, buffer, bypass) = match function {
            SrbFunction::Flush => (Command::Plain(function::FLUSH), None, false),
            SrbFunction::Shutdown => (Command::Plain(function::SHUTDOWN), None, false),
            SrbFunction::ResetLogicalUnit => (Command::Plain(function::RESET_LOGICAL_UNIT), None, true),
            SrbFunction::ResetDevice => (Command::Plain(function::RESET_DEVICE), None, true),
            SrbFunction::Pnp { action, flags } => (Command::Pnp(action, flags), None, true),
            SrbFunction::Power {
                device_state,
                action,
                flags,
            } => (Command::Power(device_state, action, flags), None, true),
            SrbFunction::IoControl(buffer) => {
                direction = Direction::In;
                (Command::Plain(function::IO_CONTROL), Some(buffer), false)
            }
            SrbFunction::Wmi => (Command::Plain(function::WMI), None, false),
            SrbFunction::Other(code) => (Command::Plain(code), None, false),
            SrbFunction::WithData(code, buffer, way) => {
                direction = way;
                (Command::Plain(code), Some(buffer), false)
            }
        };
        let covered = match command {
            Command::Plain(function::RESET_LOGICAL_UNIT) => machine.covered_by_unit(address),
            Command::Plain(function::RESET_DEVICE) => machine.covered_by_target(address),
            _ => Vec::new(),
        };
        let order = Order {
            command,
            address,
            processor: 0,
            direction,
            buffer,
            timeout: FUNCTION_TIMEOUT,
            bypass: bypass || past_queues,
        };
        let request = machine.requests.open(order, machine.engine.now(), done);
        machine.submit(request);
        covered
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
}

/// Sends commands to a lab. A handle: clones send to the same one.
#[derive(Clone)]
pub struct Submitter(Arc<Machine>);

impl std::fmt::Debug for Submitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submitter").finish_non_exhaustive()
    }
}

impl Submitter {
    /// As [`Lab::submit`].
    pub fn submit(&self, request: Request, done: Done) {
        submit(&self.0, request, done);
    }
}

fn limits(machine: &Machine) -> Limits {
    let setup = machine.setup();
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

fn submit(machine: &Arc<Machine>, request: Request, done: Done) {
    let setup = machine.setup();
    let longest = if setup.extended_srbs { 32 } else { 16 };
    let length = request.buffer.as_ref().map_or(0, DataBuffer::len);
    if request.cdb.is_empty() || request.cdb.len() > longest || length > limits(machine).max_transfer as usize
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
