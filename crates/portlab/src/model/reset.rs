//! Time-outs and resets: logical unit, then target, then bus.

use std::{sync::Arc, time::Duration};

use super::{
    activity::Activity,
    adapter::Phase,
    machine::Machine,
    request::{Address, Direction, Outcome, ResetOutcome},
    requests::{Command, Order, PortRequest, Stage},
    rules,
};
use crate::{
    abi::{
        entry::{Routine, boolean},
        srb::{function, status},
    },
    engine::{Irql, Level, SpinLock},
};

/// How often Storport looks at its requests.
const PERIOD: Duration = Duration::from_millis(250);
/// What a reset request gets before the next wider reset.
const RESET_TIMEOUT: Duration = Duration::from_secs(10);
/// What a callback on another processor gets to complete a request that a reset covers.
const GRACE: Duration = Duration::from_millis(100);
/// Event id of a reset.
const EVENT_RESET: u32 = 129;

/// How far a recovery has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Unit,
    Target,
    Bus,
}

impl Machine {
    /// Looks for requests that have timed out, now and from now on.
    pub(super) fn watch(self: &Arc<Self>) {
        let machine = Arc::clone(self);
        self.engine.after(PERIOD, 0, Box::new(move || machine.tick()));
    }

    fn tick(self: &Arc<Self>) {
        if self.journal.is_down() || self.phase() == Phase::Removed {
            return;
        }
        self.judge_memory(false);
        let now = self.engine.now();
        for (_, request) in self.requests.outstanding(|request| request.expired(now)) {
            self.timed_out(&request);
        }
        self.watch();
    }

    fn timed_out(self: &Arc<Self>, request: &Arc<PortRequest>) {
        // Once: what it waits for now is the reset.
        request.set_deadline(Duration::MAX);
        self.counters.time_outs();
        let address = request.address;
        match request.command {
            Command::Plain(function::RESET_LOGICAL_UNIT) => return self.recover(address, Step::Target),
            Command::Plain(function::RESET_DEVICE) => return self.recover(address, Step::Bus),
            _ => {}
        }
        let what = format!("the {} timed out after {:?}", request.describe(), request.timeout);
        self.journal
            .event(EVENT_RESET, format!("Reset to device: {what}"));
        if self.units.lock().set_resetting(address, true) {
            self.recover(address, Step::Unit);
        }
    }

    fn recover(self: &Arc<Self>, address: Address, step: Step) {
        let supported = self.setup().configuration.reset_target_supported != 0;
        let code = match step {
            Step::Unit => function::RESET_LOGICAL_UNIT,
            Step::Target if supported => function::RESET_DEVICE,
            Step::Target | Step::Bus => {
                let machine = Arc::clone(self);
                let job = Box::new(move || {
                    machine.reset_bus_now(address.path);
                    machine.recovered(address);
                });
                self.engine.post(0, Level::Thread, job);
                return;
            }
        };
        let next = if step == Step::Unit {
            Step::Target
        } else {
            Step::Bus
        };
        if step == Step::Target {
            self.journal.event(
                EVENT_RESET,
                format!("Reset to target {}:{}", address.path, address.target),
            );
        }
        let before = self.covered(address, step);
        let machine = Arc::clone(self);
        let done = Box::new(move |outcome: Outcome| {
            if outcome.srb_status == status::SUCCESS {
                machine.judge_reset(&before, &format!("{step:?} reset of {address}"));
                machine.recovered(address);
            } else if outcome.srb_status != status::TIMEOUT {
                machine.recover(address, next);
            }
        });
        let order = Order {
            command: Command::Plain(code),
            address,
            processor: 0,
            direction: Direction::None,
            buffer: None,
            timeout: RESET_TIMEOUT,
            bypass: true,
        };
        let request = self.requests.open(order, self.engine.now(), done);
        self.submit(request);
    }

    fn recovered(self: &Arc<Self>, address: Address) {
        self.units.lock().set_resetting(address, false);
        self.pump();
    }

    /// The requests a reset covers: given to the miniport and not back.
    pub(super) fn covered_by_unit(&self, address: Address) -> Vec<u64> {
        self.covered(address, Step::Unit)
    }

    /// As [`Machine::covered_by_unit`], for the whole target.
    pub(super) fn covered_by_target(&self, address: Address) -> Vec<u64> {
        self.covered(address, Step::Target)
    }

    fn covered(&self, address: Address, step: Step) -> Vec<u64> {
        let within = |other: Address| match step {
            Step::Unit => other == address,
            Step::Target => (other.path, other.target) == (address.path, address.target),
            Step::Bus => other.path == address.path,
        };
        let covered = self
            .requests
            .outstanding(|request| request.stage() == Stage::Issued && within(request.address));
        covered
            .into_iter()
            .filter(|(_, request)| step == Step::Bus || !request.bypass)
            .map(|(_, request)| request.id)
            .collect()
    }

    /// Judges a reset that was reported as successful: none of `before` may still be the miniport's. Storport
    /// ends what is left.
    ///
    /// A callback on another processor may be about to complete a request just now. That is no loss: it gets a
    /// moment, and a warning.
    pub(super) fn judge_reset(self: &Arc<Self>, before: &[u64], what: &str) -> usize {
        let still = || {
            self.requests
                .outstanding(|request| before.contains(&request.id) && request.stage() == Stage::Issued)
        };
        let at_return = still();
        if at_return.is_empty() {
            return 0;
        }
        let deadline = self.engine.now() + GRACE;
        while self.engine.now() < deadline && !self.journal.is_down() && !still().is_empty() {
            self.engine.stall(Duration::from_millis(1));
        }
        let left = still();
        for (srb, request) in &left {
            self.violate(&rules::SRB_LOST_IN_RESET, || {
                format!("{what} left the {} behind", request.describe())
            });
            self.give_up(*srb, status::BUS_RESET);
        }
        if left.is_empty() {
            self.violate(&rules::RESET_OVERTAKEN, || {
                let (_, first) = &at_return[0];
                format!(
                    "{what} returned before the {} was completed elsewhere",
                    first.describe()
                )
            });
        }
        left.len()
    }

    /// `HwStorResetBus`, on a processor's thread.
    pub(super) fn reset_bus_now(self: &Arc<Self>, path: u8) -> ResetOutcome {
        let setup = self.setup();
        self.journal.event(
            EVENT_RESET,
            format!("Reset to device, \\Device\\RaidPort0: bus {path}"),
        );
        let address = Address {
            path,
            ..Address::default()
        };
        let none = ResetOutcome {
            success: false,
            completed: 0,
            left_behind: 0,
        };
        let Some(routine) = Routine::new(setup.registration.hw_reset_bus) else {
            return none;
        };
        if !self.adapter.begin_reset() {
            return none;
        }
        self.counters.resets();
        let mut locks = self.timer_locks();
        if setup.concurrent() {
            // Before the StartIo lock, which whoever is in HwStorStartIo on a channel may wait for.
            locks.splice(0..0, self.adapter.channel_tokens(setup.channels).iter().cloned());
        }
        let locks: Vec<&Arc<SpinLock>> = locks.iter().collect();
        // Under the locks nothing is issued any more: what is covered is settled when the callback begins.
        let old = self.raise(Irql::DISPATCH);
        for lock in &locks {
            self.port_acquire(lock);
        }
        let before = self.covered(address, Step::Bus);
        let irql = if setup.half_duplex() {
            Irql::DEVICE
        } else {
            Irql::DISPATCH
        };
        let arguments = [setup.extension, u64::from(path)];
        let result = self.call(Activity::ResetBus, irql, &[], routine, &arguments);
        for lock in locks.iter().rev() {
            self.port_release(lock);
        }
        self.lower(old);
        self.adapter.end_reset();
        let success = result.is_some_and(boolean);
        let left = if success {
            self.judge_reset(&before, "HwStorResetBus")
        } else {
            self.violate(&rules::RESET_FALSE, || format!("for bus {path}"));
            self.requests
                .outstanding(|request| before.contains(&request.id))
                .len()
        };
        ResetOutcome {
            success,
            completed: before.len() - left.min(before.len()),
            left_behind: left,
        }
    }
}
