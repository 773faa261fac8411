//! One life of the probe: loaded, started, told what to do, removed.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use portlab::{
    device::{Device, scratch::ScratchDevice},
    model::{
        AdapterParameters, Address, AllocationFailures, Direction, Lab, LabError, LabOptions, Mutation,
        Request, StartError,
    },
};
use probe_rows::{ANSWER_REGISTER, CLEAN_UP, Case, EFFECT_REGISTER, NOT_CALLED, PROVOKE, Reach, Row, WRONG};

use crate::observation::Observation;

/// How long a row may take, on a busy machine too.
pub const PATIENT: Duration = Duration::from_secs(10);
/// How long a row is watched whose model does something wrong: some wrongs are that nothing happens.
pub const HASTY: Duration = Duration::from_secs(1);
/// How long nothing more may happen once all is as it should be: longer than the probe's longest timer.
const SETTLED: Duration = Duration::from_millis(20);
/// Rules whose breach depends on how busy the host is.
const HOST_DEPENDENT: [&str; 2] = ["callback-too-long", "stall-total-too-long"];

/// Why the probe cannot be brought to life.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The host gives no memory.
    #[error("no memory for the device: {0}")]
    Device(#[from] io::Error),
    /// The driver cannot be loaded.
    #[error("the probe cannot be loaded: {0}; build it with ./x ddi")]
    Load(#[from] LabError),
    /// The adapter does not start.
    #[error("the probe does not start: {0}")]
    Start(#[from] StartError),
}

/// Whether a case is provoked by the removal of the adapter.
#[must_use]
pub fn ends_the_life(case: Case) -> bool {
    case == Case::QueueWorkItemRemoving
}

/// See the module's documentation.
pub struct Life {
    lab: Lab,
    device: Arc<ScratchDevice>,
    left_behind: Option<String>,
}

impl Life {
    /// Loads and starts the probe on a device of its own.
    ///
    /// # Errors
    /// See [`LifeError`].
    pub fn begin(driver: &Path) -> Result<Self, LifeError> {
        let device = Arc::new(ScratchDevice::new()?);
        let mut options = LabOptions::new(driver.to_owned(), Arc::clone(&device) as Arc<dyn Device>);
        options.registry = AdapterParameters {
            msi_supported: true,
            ..AdapterParameters::default()
        };
        let lab = Lab::load(options)?;
        lab.start()?;
        Ok(Self {
            lab,
            device,
            left_behind: None,
        })
    }

    /// Provokes a row and watches for at most `patience`.
    pub fn observe(
        &mut self,
        row: &Row,
        reach: &Reach,
        wrong: Option<&Mutation>,
        patience: Duration,
    ) -> Observation {
        let before = self.broken();
        if reach.starved {
            // The name of a call is a place, and 1 its first allocation.
            let plan: Option<AllocationFailures> = format!("{}:1", row.function.name()).parse().ok();
            self.lab.fail_allocations(plan);
        }
        self.lab.mutate(wrong.cloned());
        let mut trouble = self.command(PROVOKE, reach.case as u8);
        let (answer, effect) = self.watch(row.answer.value(), reach.effect.count, patience);
        self.lab.mutate(None);
        self.lab.fail_allocations(None);
        trouble = trouble.or_else(|| self.command(CLEAN_UP, 0));
        self.observed(answer, effect, &before, trouble)
    }

    /// Removes the adapter, which provokes the row that only a removal can.
    pub fn observe_removal(&mut self, wrong: Option<&Mutation>) -> Observation {
        let before = self.broken();
        let trouble = self.command(PROVOKE, Case::QueueWorkItemRemoving as u8);
        self.lab.mutate(wrong.cloned());
        let removal = self.lab.remove();
        self.lab.mutate(None);
        if !removal.clean {
            self.left_behind = Some(format!("the removal left {:?} behind", removal.leaks));
        }
        let (answer, effect) = self.registers();
        self.observed(answer, effect, &before, trouble)
    }

    /// What the removal found, if it was not clean.
    #[must_use]
    pub fn left_behind(&self) -> Option<String> {
        self.left_behind.clone()
    }

    /// How often the model was wrong on purpose.
    #[must_use]
    pub fn mutations_made(&self) -> u64 {
        self.lab.mutations_made()
    }

    fn observed(
        &self,
        answer: u32,
        effect: u32,
        before: &BTreeMap<&'static str, u64>,
        trouble: Option<String>,
    ) -> Observation {
        let rules = self
            .broken()
            .into_iter()
            .filter(|(rule, count)| before.get(rule).copied().unwrap_or(0) < *count)
            .map(|(rule, _)| rule)
            .collect();
        let bug_check = self.lab.bug_check().map(|check| check.meaning);
        Observation {
            answer: (answer != NOT_CALLED).then_some(answer),
            effect,
            rules,
            trouble: bug_check.or(trouble),
        }
    }

    fn registers(&self) -> (u32, u32) {
        let register = |offset| self.device.register(u64::from(offset));
        (register(ANSWER_REGISTER), register(EFFECT_REGISTER))
    }

    /// Waits until answer and effect are as expected and stay so, or cannot become so any more.
    fn watch(&self, answer: u32, effect: u32, patience: Duration) -> (u32, u32) {
        let begin = Instant::now();
        let mut right_since = None;
        loop {
            let seen = self.registers();
            let now = Instant::now();
            if seen == (answer, effect) {
                if now - *right_since.get_or_insert(now) >= SETTLED {
                    return seen;
                }
            } else {
                let wrong = seen.1 & WRONG != 0 || (seen.0 != NOT_CALLED && seen.0 != answer);
                if wrong || right_since.is_some() || now - begin > patience {
                    return seen;
                }
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// Sends a command; some trouble if the probe did not obey.
    fn command(&self, opcode: u8, operand: u8) -> Option<String> {
        let outcome = self.lab.execute(Request {
            processor: 0,
            address: Address::default(),
            cdb: vec![opcode, operand, 0, 0, 0, 0],
            direction: Direction::None,
            buffer: None,
            timeout: PATIENT,
        });
        (!outcome.is_success())
            .then(|| format!("the probe did not obey {opcode:#04x} {operand}: {outcome:?}"))
    }

    /// How often each rule has been broken.
    fn broken(&self) -> BTreeMap<&'static str, u64> {
        let mut broken = BTreeMap::new();
        for record in self.lab.violations().into_iter().chain(self.lab.warnings()) {
            if !HOST_DEPENDENT.contains(&record.rule) {
                *broken.entry(record.rule).or_default() += record.count;
            }
        }
        broken
    }
}
