//! Removal: the PNP requests, `ScsiStopAdapter`, and what is left behind.

use std::time::Duration;

use super::{
    adapter::Phase,
    control::Answer,
    lab::Lab,
    request::{Address, Leak, RemovalReport, SrbFunction},
    rules,
};
use crate::abi::{
    control::{adapter_control, unit_control},
    srb::{SRB_PNP_FLAGS_ADAPTER_REQUEST, pnp_action, status},
};

/// How long requests in flight may still take.
const DRAIN: Duration = if cfg!(test) {
    Duration::from_millis(300)
} else {
    Duration::from_secs(10)
};
/// How long callbacks may still run after the adapter is stopped.
const SETTLE: Duration = if cfg!(test) {
    Duration::from_millis(300)
} else {
    Duration::from_secs(5)
};

impl Lab {
    pub(super) fn take_away(&self) -> RemovalReport {
        let machine = &self.machine;
        let phase = machine.phase();
        let mut refused = false;
        // An adapter without power, or one that was stopped, is not called any more but for what it was stopped by.
        if matches!(phase, Phase::Running | Phase::Gone) && !machine.journal.is_down() {
            self.drain();
            self.units_have_started();
            let known = machine.units.lock().known();
            for unit in known {
                self.unit_removed(unit);
                refused |= !self.pnp_request(pnp_action::REMOVE_DEVICE, unit, 0);
            }
            machine.adapter.enter(Phase::Removing);
            self.fail_waiting();
            refused |= !self.pnp_request(
                pnp_action::REMOVE_DEVICE,
                Address::default(),
                SRB_PNP_FLAGS_ADAPTER_REQUEST,
            );
            refused |= !self.stopped();
        }
        machine.disconnect();
        self.free_extension();
        // What came back to wait is the port driver's, not the miniport's.
        self.fail_waiting();
        let settled = machine.settle(SETTLE);
        self.end_retries();
        let outstanding = machine.outstanding();
        if outstanding > 0 {
            self.judge_outstanding();
        }
        if !settled && !machine.journal.is_down() {
            machine.violate(&rules::WORKER_AFTER_REMOVAL, || {
                format!("callbacks are still queued or running {SETTLE:?} after ScsiStopAdapter")
            });
        }
        let leaks = self.judge_leaks();
        machine.adapter.enter(Phase::Removed);
        if settled && !machine.journal.is_down() {
            // Whoever still touches a register faults.
            machine.windows.clear();
        }
        let clean = leaks.is_empty() && !refused && settled && outstanding == 0 && !machine.journal.is_down();
        RemovalReport {
            clean,
            leaks,
            outstanding,
        }
    }

    /// The adapter's device object goes, and the device extension with it: whoever still touches it faults. Work items that
    /// are queued or running are not waited for; timer routines that the port driver has begun to call, and threads on their way out,
    /// are.
    fn free_extension(&self) {
        let machine = &self.machine;
        if machine.journal.is_down() {
            return;
        }
        machine.engine.wait(SETTLE, &mut || {
            machine.timers.running() == 0 && machine.threads.running() == 0
        });
        if machine.dpcs.queued() > 0 {
            machine.violate(&rules::DPC_AFTER_REMOVAL, || {
                format!("{} are queued", machine.dpcs.queued())
            });
        }
        machine.end_kernel_dpcs();
        let extension = machine.setup().extension;
        if extension != 0 {
            machine.journal.keep_extension(machine.extension_bytes());
            let _ = machine.memory.pool.free(extension);
        }
    }

    fn stopped(&self) -> bool {
        let stopped = matches!(self.control(adapter_control::STOP_ADAPTER, &[]), Ok(Answer::Done));
        if !stopped && !self.machine.journal.is_down() {
            self.machine
                .violate(&rules::RETURN_VALUE, || String::from("ScsiStopAdapter failed"));
        }
        stopped
    }

    fn unit_removed(&self, unit: Address) {
        let machine = std::sync::Arc::clone(&self.machine);
        // The removal goes on whatever becomes of it.
        let _ = self.passively("HwStorUnitControl", move |_| {
            machine.unit_control(unit_control::REMOVE, unit);
            Ok(())
        });
    }

    /// Waits a moment for requests in flight.
    pub(super) fn drain(&self) {
        let machine = &self.machine;
        machine.engine.wait(DRAIN, &mut || machine.outstanding() == 0);
    }

    /// `SRB_FUNCTION_PNP`; whether the miniport took it well.
    pub(super) fn pnp_request(&self, action: u32, address: Address, flags: u32) -> bool {
        let outcome = self.bypassing(SrbFunction::Pnp { action, flags }, address);
        // A miniport that does not know the function says so, and nothing is lost.
        let accepted = matches!(outcome.srb_status, status::SUCCESS | status::INVALID_REQUEST);
        if !accepted && !self.machine.journal.is_down() {
            self.machine.violate(&rules::REMOVAL_FAILED, || {
                let name = if action == pnp_action::SURPRISE_REMOVAL {
                    "StorSurpriseRemoval"
                } else {
                    "StorRemoveDevice"
                };
                format!(
                    "{name} to {address} (flags {flags}) ended with SRB status {:#04x}",
                    outcome.srb_status
                )
            });
        }
        accepted
    }

    /// Ends the requests that wait in the port driver's queues.
    pub(super) fn fail_waiting(&self) {
        let waiting = self.machine.units.lock().drain();
        for request in waiting {
            self.machine
                .end(&request, super::request::Outcome::made_up(status::NO_HBA));
        }
    }

    /// Requests that the miniport was too busy for end when they would be tried again.
    fn end_retries(&self) {
        let machine = &self.machine;
        machine.engine.wait(SETTLE, &mut || {
            machine.outstanding() <= machine.requests.owned_count()
        });
    }

    fn judge_outstanding(&self) {
        for (srb, request) in self.machine.requests.outstanding(|_| true) {
            self.machine
                .violate(&rules::SRB_LOST_AT_REMOVAL, || request.describe());
            self.machine.give_up(srb, status::NO_HBA);
        }
    }

    fn judge_leaks(&self) -> Vec<Leak> {
        let machine = &self.machine;
        if machine.journal.is_down() {
            return Vec::new();
        }
        let paused = machine.units.lock().paused();
        for paused in paused {
            machine.violate(&rules::PAUSED_FOREVER, || format!("{paused} is paused"));
        }
        for timer in machine.timers.active() {
            machine.violate(&rules::TIMER_AFTER_REMOVAL, || format!("{timer} is to fire yet"));
        }
        let (timers, active) = machine.timers.drain_leaks();
        for id in active {
            machine.engine.cancel(id);
        }
        let threads = machine.threads.drain_leaks();
        let workers = machine.workers.drain_leaks();
        let mut memory = machine.memory.drain_leaks();
        memory.extend(machine.mdls.drain_leaks());
        memory.extend(machine.kernel_handles.drain_leaks());
        memory.extend(machine.lookaside_lists.drain_leaks());
        memory.extend(machine.lists.drain_leaks());
        memory.extend(machine.host_buffers.drain_leaks());
        for (rule, leaks) in [
            (&rules::THREAD_LEAKED, &threads),
            (&rules::WORKER_LEAKED, &workers),
            (&rules::TIMER_LEAKED, &timers),
            (&rules::MEMORY_LEAKED, &memory),
        ] {
            for leak in leaks {
                machine.violate(rule, || format!("{}: {}", leak.kind, leak.what));
            }
        }
        machine.dpcs.clear();
        let extensions = machine.units.lock().take_extensions();
        for extension in extensions {
            let _ = machine.memory.pool.free(extension);
        }
        machine.judge_memory(true);
        let leaks = threads.into_iter().chain(workers).chain(timers);
        leaks.chain(memory).collect()
    }
}
