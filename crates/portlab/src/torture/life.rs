//! One life: lived by its plan, then judged.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use nvme_controller::fault::{Fault, Kind};

use super::{
    plan::{Act, Ending, Plan, Reset},
    traffic::{Tally, Traffic, TrafficError},
};
use crate::{
    device::{
        Device,
        in_process::{self, InProcessNvme},
    },
    model::{
        AdapterParameters, Address, EngineKind, Lab, LabError, LabOptions, PowerAction, Resources,
        StartError, UnitRemoval, Violation,
    },
    observe::Observer,
};

/// How long resets that were asked for may take together.
const RESETS: Duration = Duration::from_secs(400);

/// What is tortured.
#[derive(Clone)]
pub struct Subject {
    /// The `.sys` file.
    pub driver: PathBuf,
    /// What its INF wrote to the registry.
    pub registry: AdapterParameters,
    /// Events told of a life, the latest ones; none are kept for 0.
    pub events: usize,
    /// Who watches; nobody, usually.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Why a life cannot be lived: nothing that the driver did.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The controller.
    #[error(transparent)]
    Device(#[from] in_process::OpenError),
    /// The driver's file, or the lab.
    #[error("{path}: {error}", path = path.display())]
    Load {
        /// The driver.
        path: PathBuf,
        /// What is wrong with it.
        error: LabError,
    },
}

/// What went wrong in a life, the first of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A rule was broken.
    #[error("{rule}: {detail}; {call}")]
    Rule {
        /// Its identifier.
        rule: String,
        /// What was seen.
        detail: String,
        /// In which call.
        call: String,
    },
    /// The driver brought the system down.
    #[error("bug check: {0}")]
    BugCheck(String),
    /// Requests or data.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// The adapter did not start, and nothing excuses it.
    #[error("the adapter does not start: {0}")]
    Start(String),
    /// Requests timed out, and nothing in the plan takes that long.
    #[error("{0} request(s) timed out with no cause")]
    TimeOuts(u64),
    /// It did not stop or restart, and nothing excuses it.
    #[error("the adapter does not restart: {0}")]
    Restart(String),
    /// Resets that never returned.
    #[error("{0} reset(s) never ended")]
    Resets(usize),
    /// The removal left something.
    #[error("the removal left {0} thing(s) behind")]
    Left(usize),
    /// The removal was refused, or its callbacks did not end.
    #[error("the removal was not clean")]
    Removal,
}

/// How a life went.
#[derive(Debug, Clone)]
pub struct Life {
    /// What was wrong, if anything.
    pub wrong: Option<Wrong>,
    /// Number of events, and a hash of all of them: lives of the same seed have the same.
    pub events: (u64, u64),
    /// What the requests came to.
    pub tally: Tally,
    /// Bus resets.
    pub resets: u64,
    /// Requests that timed out.
    pub time_outs: u64,
    /// Allocations that were made to fail.
    pub starved: u64,
    /// Whether the adapter started.
    pub started: bool,
    /// Faults that the controller made, by kind.
    pub injected: Vec<(&'static str, u64)>,
    /// The latest events.
    pub latest: Vec<String>,
    /// All rules broken.
    pub violations: Vec<Violation>,
    /// The system's event log and the driver's prints.
    pub log: Vec<String>,
}

/// Lives the life of `seed`.
///
/// # Errors
/// If it cannot be lived at all; what the driver does wrong is in [`Life::wrong`].
pub fn live(seed: u64, plan: &Plan, subject: &Subject) -> Result<Life, LifeError> {
    let device = Arc::new(InProcessNvme::open_movable(&plan.device, seed)?);
    let mut options = LabOptions::new(subject.driver.clone(), Arc::clone(&device) as Arc<dyn Device>);
    options.processors = plan.processors;
    options.registry = subject.registry.clone();
    if plan.message_limit.is_some() {
        options.registry.message_number_limit = plan.message_limit;
    }
    options.seed = seed;
    options.allocation_failures.clone_from(&plan.starved_start);
    options.engine = EngineKind::Deterministic;
    options.keep_events = subject.events;
    options.observer.clone_from(&subject.observer);
    let lab = match Lab::load(options) {
        Ok(lab) => lab,
        // Its DriverEntry is the driver's: everything else is ours or the file's.
        Err(error) => {
            return Err(LifeError::Load {
                path: subject.driver.clone(),
                error,
            });
        }
    };
    let mut living = Living {
        lab: &lab,
        device: &device,
        plan,
        random: Rng::with_seed(seed ^ 0xac75),
        tally: Tally::default(),
        started: false,
    };
    let result = living.whole(seed);
    let (tally, started) = (living.tally, living.started);
    Ok(judged(&lab, &device, result, tally, started, subject.events))
}

fn judged(
    lab: &Lab,
    device: &InProcessNvme,
    result: Result<(), Wrong>,
    tally: Tally,
    started: bool,
    told: usize,
) -> Life {
    let violations = lab.violations();
    let bug_check = lab.bug_check().map(|check| Wrong::BugCheck(check.meaning));
    let broken = violations.first().map(|violation| Wrong::Rule {
        rule: violation.rule.to_string(),
        detail: violation.detail.clone(),
        call: violation.call.clone(),
    });
    let statistics = lab.statistics();
    let events = lab.scheduling_events();
    let from = events.len().saturating_sub(told);
    let mut log: Vec<String> = lab
        .event_log()
        .iter()
        .map(|event| format!("event {}: {}", event.id, event.text))
        .collect();
    log.extend(lab.debug_log());
    Life {
        // A rule names the culprit; what follows from breaking it does not.
        wrong: bug_check.or(broken).or(result.err()),
        events: lab.event_hash().unwrap_or_default(),
        tally,
        resets: statistics.resets,
        time_outs: statistics.time_outs,
        starved: statistics.allocations_failed,
        started,
        injected: device.with_controller(|controller| controller.injected().to_vec()),
        latest: events.iter().skip(from).map(ToString::to_string).collect(),
        violations,
        log,
    }
}

struct Living<'a> {
    lab: &'a Lab,
    device: &'a InProcessNvme,
    plan: &'a Plan,
    random: Rng,
    tally: Tally,
    started: bool,
}

impl Living<'_> {
    fn whole(&mut self, seed: u64) -> Result<(), Wrong> {
        match self.lab.start() {
            Ok(()) => self.started = true,
            Err(error) => {
                let excused = self.plan.excuses.start && is_refusal(&error);
                let removed = self.removed();
                return if excused {
                    removed
                } else {
                    Err(Wrong::Start(error.to_string()))
                };
            }
        }
        if self.plan.starved_start.is_some() {
            self.lab.fail_allocations(None);
        }
        let mut traffic = Traffic::new(self.lab, self.device, self.plan, seed);
        let discovered = traffic.discover().map_err(Wrong::from);
        let lived = discovered.and_then(|()| self.acts(&mut traffic));
        let ended = match lived {
            Ok(true) => self.end(&mut traffic),
            Ok(false) => {
                // A device that does not start again is removed by surprise (IRP_MN_SURPRISE_REMOVAL): nobody was asked.
                let _ = self.lab.notice_absence();
                Ok(())
            }
            Err(wrong) => Err(wrong),
        };
        // Whatever happened, the adapter is removed; what that shows comes second.
        let removed = self.removed();
        let all_ended = ended.is_ok().then(|| traffic.removed());
        self.tally = traffic.tally;
        ended?;
        removed?;
        all_ended.transpose()?;
        Ok(traffic.compare_durable()?)
    }

    /// False if that was the adapter's end, excused.
    fn acts(&mut self, traffic: &mut Traffic<'_>) -> Result<bool, Wrong> {
        for act in &self.plan.acts {
            let goes_on = match act {
                Act::Io(count) => {
                    traffic.run(*count)?;
                    true
                }
                Act::Resets(resets) => {
                    self.resets(resets)?;
                    true
                }
                Act::Starve(failures) => {
                    self.lab.fail_allocations(failures.clone());
                    true
                }
                Act::Restart => {
                    // As the class driver does before the power goes.
                    traffic.flush_all()?;
                    self.may_fail(self.lab.stop().and_then(|()| self.lab.restart()))?
                }
                Act::Sleep => {
                    traffic.flush_all()?;
                    let down = self.lab.power_down(PowerAction::Sleep);
                    traffic.power_cut();
                    self.may_fail(down.and_then(|()| self.lab.power_up(PowerAction::Sleep)))?
                }
                Act::RemoveUnit(unit) => {
                    self.remove_unit(traffic, *unit, UnitRemoval::Asked)?;
                    true
                }
                Act::Rescan => {
                    self.rescan(traffic)?;
                    true
                }
                Act::Rebalance { messages } => {
                    let resources = Resources {
                        moved_by: self.random.u64(1..16) << 20,
                        messages: *messages,
                    };
                    self.may_fail(self.lab.rebalance(resources))?
                }
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Plug and Play removes a unit's device object, when its class driver has let go of it, and asks what is there.
    fn remove_unit(&self, traffic: &mut Traffic<'_>, unit: u8, how: UnitRemoval) -> Result<(), Wrong> {
        traffic.drain_unit(unit)?;
        let address = Address {
            lun: unit,
            ..Address::default()
        };
        self.lab
            .remove_unit(address, how)
            .map_err(|error| Wrong::Restart(error.to_string()))?;
        Ok(traffic.inquire(unit)?)
    }

    /// Plug and Play asks which units there are, and does what follows.
    fn rescan(&self, traffic: &mut Traffic<'_>) -> Result<(), Wrong> {
        let Some(listed) = traffic.list_units()? else {
            return Ok(());
        };
        for unit in 0..self.plan.device.backing.units {
            if listed.contains(&unit) {
                traffic.inquire(unit)?;
            } else {
                self.remove_unit(traffic, unit, UnitRemoval::Missing)?;
            }
        }
        Ok(())
    }

    /// Whether the adapter runs again; an error unless it may refuse.
    fn may_fail(&self, result: Result<(), StartError>) -> Result<bool, Wrong> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if self.plan.excuses.adapter && is_refusal(&error) => Ok(false),
            Err(error) => Err(Wrong::Restart(error.to_string())),
        }
    }

    fn resets(&mut self, resets: &[Reset]) -> Result<(), Wrong> {
        let left = Arc::new(AtomicUsize::new(resets.len()));
        for reset in resets {
            let left = Arc::clone(&left);
            let over = move || {
                left.fetch_sub(1, Ordering::AcqRel);
            };
            match *reset {
                Reset::Bus => self.lab.submit_bus_reset(0, Box::new(move |_| over())),
                Reset::Target => self
                    .lab
                    .submit_reset(true, Address::default(), Box::new(move |_| over())),
                Reset::Unit(lun) => {
                    let unit = Address {
                        lun,
                        ..Address::default()
                    };
                    self.lab.submit_reset(false, unit, Box::new(move |_| over()));
                }
            }
        }
        if self.random.bool() {
            // The next act comes while they are under way.
            return Ok(());
        }
        let over = self
            .lab
            .wait_until(RESETS, &mut || left.load(Ordering::Acquire) == 0);
        if over || self.lab.bug_check().is_some() {
            Ok(())
        } else {
            Err(Wrong::Resets(left.load(Ordering::Acquire)))
        }
    }

    fn end(&mut self, traffic: &mut Traffic<'_>) -> Result<(), Wrong> {
        if !self.plan.excuses.adapter {
            traffic.insist_on_life()?;
        }
        self.in_time()?;
        match self.plan.ending {
            Ending::Orderly => {
                traffic.drain()?;
                traffic.flush_all()?;
                // What the drain waited for, too.
                self.in_time()?;
            }
            Ending::UnderLoad => traffic.run(self.random.u32(1..=40))?,
            Ending::Surprise => {
                self.strike(Kind::Vanish);
                traffic.gone = true;
                traffic.run(self.random.u32(10..=60))?;
                if self.random.bool() {
                    traffic.drain()?;
                }
                self.lab
                    .notice_absence()
                    .map_err(|error| Wrong::Restart(error.to_string()))?;
            }
            Ending::PowerCut => {
                traffic.run(self.random.u32(1..=60))?;
                self.device
                    .with_controller(nvme_controller::Controller::cut_power);
                traffic.power_cut();
                traffic.compare_durable()?;
                // What is in flight ends by time-outs and resets, or with the removal.
                if self.random.bool() {
                    traffic.drain()?;
                }
            }
        }
        Ok(())
    }

    /// No request ran into its time-out, unless that is excused.
    fn in_time(&self) -> Result<(), Wrong> {
        match self.lab.statistics().time_outs {
            time_outs if time_outs > 0 && !self.plan.excuses.time_outs => Err(Wrong::TimeOuts(time_outs)),
            _ => Ok(()),
        }
    }

    /// Something happens to the controller soon, at a moment that the schedule decides.
    fn strike(&mut self, kind: Kind) {
        let after = Duration::from_micros(self.random.u64(0..=2000));
        self.device.with_controller(|controller| {
            let at = controller.now() + after;
            controller.plan().add(Fault {
                kind,
                opcode: None,
                blocks: None,
                nth: 1,
                times: Some(1),
                at: Some(at),
            });
        });
    }

    fn removed(&self) -> Result<(), Wrong> {
        let removal = self.lab.remove();
        let left = removal.leaks.len() + removal.outstanding;
        if removal.clean {
            Ok(())
        } else if left > 0 {
            Err(Wrong::Left(left))
        } else {
            Err(Wrong::Removal)
        }
    }
}

/// The driver said no, rather than hang or fall.
fn is_refusal(error: &StartError) -> bool {
    matches!(
        error,
        StartError::FindAdapter(_)
            | StartError::Initialize
            | StartError::PassiveInitialize
            | StartError::AdapterControl(_)
    )
}
