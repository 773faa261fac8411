//! The way of a request to the miniport: queue, `HwStorBuildIo`, `HwStorStartIo`.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    activity::{self, Activity},
    adapter::{Phase, Setup},
    limits::status as status_of,
    machine::Machine,
    request::Outcome,
    requests::{Command, PortRequest, Stage},
    rules,
};
use crate::{
    abi::{
        GuestAddress,
        codes::stor_status,
        control::unit_control,
        entry::{Routine, boolean},
        exports::Arguments,
        guest,
        performance::{StartIoPerformanceParameters, perf},
        srb::status,
    },
    engine::{Context, Irql, Level, SpinLock},
    observe::Event,
};

/// When Storport tries a refused request again.
const BUSY_DELAY: Duration = Duration::from_millis(2);
/// Opcode of INQUIRY.
const INQUIRY: u8 = 0x12;

fn is_inquiry(request: &PortRequest) -> bool {
    matches!(&request.command, Command::Scsi(cdb) if cdb.first() == Some(&INQUIRY))
}

impl Machine {
    /// Takes a request from a client.
    pub(super) fn submit(self: &Arc<Self>, request: Arc<PortRequest>) {
        self.tell_submitted(&request);
        if self.journal.is_down() {
            self.end(&request, Outcome::made_up(status::INTERNAL_ERROR));
            return;
        }
        let phase = self.phase();
        // A stopped adapter is powered down: its requests wait for the restart.
        let open = match phase {
            Phase::Running | Phase::Quiescing => true,
            Phase::Stopped | Phase::PoweredDown | Phase::Starting => !request.bypass,
            Phase::Removing | Phase::Gone => request.bypass,
            Phase::Unregistered | Phase::Loaded | Phase::Removed => false,
        };
        if !open {
            let absent = if phase == Phase::Gone {
                status::NO_DEVICE
            } else {
                status::NO_HBA
            };
            self.end(&request, Outcome::made_up(absent));
            return;
        }
        if request.bypass {
            self.post_begin(request);
        } else {
            self.units.lock().enqueue(request, false);
            self.pump();
        }
    }

    /// Issues whatever may be issued.
    pub(super) fn pump(self: &Arc<Self>) {
        if self.phase() != Phase::Running {
            return;
        }
        loop {
            let next = self.units.lock().next();
            let Some(request) = next else {
                return;
            };
            self.post_begin(request);
        }
    }

    fn post_begin(self: &Arc<Self>, request: Arc<PortRequest>) {
        let machine = Arc::clone(self);
        let processor = request.processor;
        self.engine.post(
            processor,
            Level::Thread,
            Box::new(move || machine.begin(&request)),
        );
    }

    /// Runs at DISPATCH_LEVEL on the request's processor.
    fn begin(self: &Arc<Self>, request: &Arc<PortRequest>) {
        if self.journal.is_down() {
            self.end(request, Outcome::made_up(status::INTERNAL_ERROR));
            return;
        }
        let setup = self.setup();
        if is_inquiry(request) {
            self.units.lock().inquire(request.address);
        }
        let Some(memory) = self.make_srb(&setup, request) else {
            self.finish(request, Outcome::made_up(status::INTERNAL_ERROR));
            return;
        };
        let srb = memory.address();
        *request.memory().lock() = Some(memory);
        request.set_stage(Stage::Building);
        self.lend_data(request);
        self.requests.hand_over(srb, request);
        self.tell_handed_over(request, srb);
        self.counters.srbs_issued();
        if !self.build_io(&setup, srb) {
            // Completed already, or to be completed by the miniport in its own time.
            self.start_clock(request);
            request.advance(Stage::Issued);
            return;
        }
        if request.stage() == Stage::Done {
            self.violate(&rules::BUILD_IO_COMPLETED, || {
                format!("for the {}, which is completed", request.describe())
            });
            return;
        }
        self.start_clock(request);
        self.start_io(&setup, request, srb);
    }

    fn start_clock(&self, request: &PortRequest) {
        request.set_deadline(self.engine.now() + request.timeout);
    }

    fn build_io(&self, setup: &Setup, srb: GuestAddress) -> bool {
        let Some(routine) = Routine::new(setup.registration.hw_build_io) else {
            return true;
        };
        let result = self.call(
            Activity::BuildIo,
            Irql::DISPATCH,
            &[],
            routine,
            &[setup.extension, srb],
        );
        result.is_none_or(boolean)
    }

    fn start_io(self: &Arc<Self>, setup: &Setup, request: &Arc<PortRequest>, srb: GuestAddress) {
        let Some(routine) = Routine::new(setup.registration.hw_start_io) else {
            return;
        };
        let locks = self.start_io_locks(setup);
        let irql = if setup.half_duplex() {
            Irql::DEVICE
        } else {
            Irql::DISPATCH
        };
        // It is the miniport's from here, not while it waits for the locks: a reset that holds them does not cover it.
        let old = self.raise(Irql::DISPATCH);
        for lock in &locks {
            self.port_acquire(lock);
        }
        let mut result = None;
        if request.advance(Stage::Issued) {
            result = self.call(Activity::StartIo, irql, &[], routine, &[setup.extension, srb]);
        }
        for lock in locks.iter().rev() {
            self.port_release(lock);
        }
        self.lower(old);
        if result.is_some_and(|rax| !boolean(rax)) {
            self.violate(&rules::START_IO_FALSE, || {
                format!("for the {}", request.describe())
            });
            if let Some(request) = self.requests.take_back(srb) {
                self.retry(&request);
            }
        }
        self.reset_if_armed();
    }

    fn start_io_locks(&self, setup: &Setup) -> Vec<Arc<SpinLock>> {
        if setup.concurrent() {
            let channel = Context::processor() % setup.channels;
            let mut locks: Vec<_> = self.adapter.channel(channel).cloned().into_iter().collect();
            if setup.half_duplex() {
                locks.push(Arc::clone(&self.adapter.interrupt));
            }
            return locks;
        }
        self.timer_locks()
    }

    /// Issues a request again that the miniport was too busy for.
    pub(super) fn retry(self: &Arc<Self>, request: &Arc<PortRequest>) {
        self.counters.busy_retries();
        self.observation.tell(|| Event::Refused { request: request.id });
        self.release_memory(request);
        request.set_stage(Stage::Waiting);
        let machine = Arc::clone(self);
        let request = Arc::clone(request);
        let processor = request.processor;
        let job = Box::new(move || {
            if request.bypass {
                machine.begin(&request);
                return;
            }
            // Nothing is issued to an adapter that is gone, and nothing of it waits.
            if matches!(machine.phase(), Phase::Gone | Phase::Removing | Phase::Removed) {
                machine.finish(&request, Outcome::made_up(status::NO_DEVICE));
                return;
            }
            {
                let mut units = machine.units.lock();
                units.returned(request.address);
                units.enqueue(request, true);
            }
            machine.pump();
        });
        self.engine.after(BUSY_DELAY, processor, job);
    }

    /// The SRB's memory goes back; touching it is a violation from now on.
    pub(super) fn release_memory(&self, request: &PortRequest) {
        let memory = request.memory().lock().take();
        if let Some(memory) = memory {
            self.end_lending(request, memory.extension);
            self.free_srb(&memory);
        }
    }

    /// Ends a request that was outstanding, and lets the next ones go.
    pub(super) fn finish(self: &Arc<Self>, request: &Arc<PortRequest>, outcome: Outcome) {
        if self.dump.is_none()
            && is_inquiry(request)
            && outcome.is_success()
            && self.units.lock().answered(request.address)
        {
            // Plug and Play starts the unit's device object.
            let machine = Arc::clone(self);
            let address = request.address;
            self.starting_units.fetch_add(1, Ordering::AcqRel);
            self.engine.work(Box::new(move || {
                // Plug and Play does one thing after the other: a device object that is being removed is not started any more.
                let removed = matches!(machine.phase(), Phase::Gone | Phase::Removing | Phase::Removed);
                if !removed && machine.units.lock().known().contains(&address) {
                    machine.unit_control(unit_control::START, address);
                }
                machine.starting_units.fetch_sub(1, Ordering::AcqRel);
                machine.engine.wake();
            }));
        }
        if !request.bypass {
            self.units.lock().returned(request.address);
        }
        self.end(request, outcome);
        self.pump();
    }

    /// `StorPortGetStartIoPerfParams(HwDeviceExtension, Srb, StartIoPerfParams)`.
    pub(super) fn get_start_io_perf_params(&self, arguments: Arguments) -> u32 {
        let (srb, out) = (arguments.pointer(2), arguments.pointer(3));
        status_of((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Srb", srb)?;
            self.not_null("StartIoPerfParams", out)?;
            if !self.is_srb(srb) {
                return Err(stor_status::INVALID_PARAMETER);
            }
            let current = activity::current();
            if !matches!(current, Some(Activity::StartIo | Activity::BuildIo)) {
                self.violate(&rules::CALL_WINDOW, || {
                    String::from("allowed in HwStorBuildIo and HwStorStartIo only")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let setup = self.setup();
            if setup.perf_flags == 0 {
                return Err(stor_status::UNSUCCESSFUL);
            }
            let mut parameters: StartIoPerformanceParameters = guest::read(out);
            let size = size_of::<StartIoPerformanceParameters>();
            if (parameters.size as usize) < size {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("Size is {}, at least {size}", parameters.size)
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let processor = Context::processor();
            parameters.channel_number = if setup.concurrent() {
                processor % setup.channels
            } else {
                0
            };
            let ranges = perf::INTERRUPT_MESSAGE_RANGES | perf::DPC_REDIRECTION;
            parameters.message_number = if setup.perf_flags & ranges != 0 {
                self.message_of(processor)
            } else {
                0
            };
            guest::write(out, &parameters);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Requests that have not ended.
    pub(super) fn outstanding(&self) -> usize {
        std::sync::atomic::fence(Ordering::Acquire);
        self.requests.open_count()
    }
}
