//! `portlab torture`: many short lives of a driver, each decided by its seed.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, sync::Arc, time::Instant};

use clap::Args;
use fastrand::Rng;
use portlab::{
    device::{
        Powered,
        in_process::InProcessNvme,
        spec::{DeviceSpec, LabNvmeSpec},
    },
    model::{AdapterParameters, EngineKind},
    package::parameters,
    workload::{
        progress::Silent,
        transfer::{self, Incident, Phase, Source, outside},
    },
};
use serde::Serialize;

use super::{
    bench::{Bench, BenchError, Setup},
    exit::Exit,
    report::{self, Observed},
    run::refuse,
};

/// Bytes of verified traffic in a life, at most.
const TRAFFIC: u64 = 256 << 10;
/// Failures that are told one by one.
const TOLD: usize = 20;
/// Events shown of a life that failed.
const SHOWN: usize = 60;
/// What controllers do wrong, by fault plan; `N` is the number of the request that meets it. A driver survives each: by a
/// reset, or because nothing is lost.
const FAULTS: [&str; 10] = [
    "lose-completion+opcode=io:0x01+nth=N",
    "lose-completion+opcode=io:0x02+nth=N",
    "late-completion+opcode=io:0x01+nth=N",
    "late-completion+opcode=io:0x02+nth=N",
    "duplicate-completion+opcode=io:0x02+nth=N",
    "wrong-command+opcode=io:0x01+nth=N",
    "wrong-queue+opcode=io:0x01+nth=N",
    "storm=50+opcode=io:0x01+nth=N",
    "fatal+opcode=io:0x02+nth=N",
    "slow=300+opcode=io:0x01+nth=N",
];

/// Seeds, the last one excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    first: u64,
    end: u64,
}

impl FromStr for Seeds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (first, end) = text.split_once("..")?;
            Some((first.parse().ok()?, end.parse().ok()?))
        };
        match parse() {
            Some((first, end)) if first < end => Ok(Self { first, end }),
            _ => Err("give a range of seeds such as 0..2000"),
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// Runs many short lives (start, I/O, faults, resets, stop and restart, removal) of a driver on the lab's own controller,
/// each decided by its seed alone, and checks that every request ends once and in time, that no flushed write is lost and that
/// nothing is left behind
#[derive(Debug, Args)]
pub(super) struct Torture {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The seeds, the last one excluded
    #[arg(long, default_value = "0..200", value_name = "A..B")]
    seeds: Seeds,
    /// Live one in so many lives a second time, and compare all events; 1 for each
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..))]
    replay_one_in: u64,
    /// Show the latest events of each life
    #[arg(long)]
    events: bool,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The report.
#[derive(Debug, Default, Serialize)]
struct TortureReport {
    driver: PathBuf,
    seeds: String,
    lives: u64,
    failures: usize,
    /// Seeds that failed, and why.
    failed: BTreeMap<u64, String>,
    replayed: u64,
    replay_identical: bool,
    lives_per_minute: f64,
    /// Scheduling events of all lives.
    events: u64,
    requests: u64,
    resets: u64,
    faults_injected: BTreeMap<&'static str, u64>,
}

/// How one life went.
struct Life {
    failure: Option<String>,
    hash: (u64, u64),
    requests: u64,
    resets: u64,
    injected: Vec<(&'static str, u64)>,
    events: Vec<String>,
}

/// What a seed decides about a life, besides the schedule.
#[derive(Debug, Clone)]
struct Plan {
    device: LabNvmeSpec,
    processors: u32,
    depth: usize,
    length: u64,
    /// Bus resets in the middle, by phase and thousandths of it.
    resets: Vec<(Phase, u32)>,
    restarts: bool,
}

impl Plan {
    fn of(seed: u64) -> Result<Self, String> {
        // Another stream than the schedule's.
        let mut random = Rng::with_seed(seed ^ 0x7021_7e57);
        let pick = |random: &mut Rng, of: &[u32]| random.choice(of.iter().copied()).unwrap_or(0);
        let mut text = format!(
            "lab:nvme,size=2M,ram=64M,queues={},mdts={},latency={},cache={},block={}",
            random.u32(1..=4),
            // Small transfers: many requests.
            random.u32(1..=5),
            pick(&mut random, &[0, 0, 5, 50, 1000]),
            if random.bool() { "on" } else { "off" },
            pick(&mut random, &[512, 4096]),
        );
        if random.bool() {
            let fault = random.choice(FAULTS).unwrap_or_default();
            let nth = random.u32(1..=16).to_string();
            text.push_str(",faults=");
            text.push_str(&fault.replace('N', &nth));
        }
        let device = match text.parse() {
            Ok(DeviceSpec::LabNvme(device)) => device,
            Ok(_) => return Err(format!("{text} is another device")),
            Err(error) => return Err(format!("{text}: {error}")),
        };
        let count = random.usize(0..3);
        let resets = (0..count).map(|_| {
            let phase = if random.bool() { Phase::Write } else { Phase::Read };
            (phase, random.u32(0..900))
        });
        let resets = resets.collect();
        Ok(Self {
            device,
            processors: random.u32(1..=4),
            depth: random.usize(1..=32),
            length: TRAFFIC >> random.u32(0..=3),
            resets,
            restarts: random.u32(0..4) == 0,
        })
    }
}

impl Torture {
    /// Runs the lives.
    pub(super) fn run(self) -> Exit {
        let inf = self
            .inf
            .clone()
            .unwrap_or_else(|| self.driver.with_extension("inf"));
        let registry = if self.inf.is_some() || inf.is_file() {
            match parameters::read(&inf) {
                Ok(registry) => registry,
                Err(error) => return refuse(&error),
            }
        } else {
            AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }
        };
        let source = match Source::take(&self.driver, TRAFFIC) {
            Ok(source) => source,
            Err(error) => return refuse(&error),
        };
        let mut report = TortureReport {
            driver: self.driver.clone(),
            seeds: self.seeds.to_string(),
            replay_identical: true,
            ..TortureReport::default()
        };
        let began = Instant::now();
        for seed in self.seeds.first..self.seeds.end {
            if let Err(error) = self.live(seed, &registry, &source, &mut report) {
                return refuse(&error);
            }
        }
        report.failures = report.failed.len();
        #[expect(clippy::cast_precision_loss, reason = "a rate of a few digits")]
        let lives = (report.lives + report.replayed) as f64;
        report.lives_per_minute = (lives * 60.0 / began.elapsed().as_secs_f64()).round();
        println!(
            "torture    {} lives, {} failed; {} replayed, {}; {} requests, {} resets, {} events; {} lives a minute",
            report.lives,
            report.failures,
            report.replayed,
            if report.replay_identical {
                "all identical"
            } else {
                "NOT identical"
            },
            report.requests,
            report.resets,
            report.events,
            report.lives_per_minute,
        );
        for (kind, count) in &report.faults_injected {
            println!("fault      {kind}: {count}");
        }
        if let Some(path) = &self.json
            && let Err(error) = report::write(path, &report)
        {
            return refuse(&error);
        }
        if report.failures == 0 && report.replay_identical {
            Exit::Success
        } else {
            Exit::CheckFailed
        }
    }

    /// One seed, with its replay if it has one.
    fn live(
        &self,
        seed: u64,
        registry: &AdapterParameters,
        source: &Source,
        report: &mut TortureReport,
    ) -> Result<(), String> {
        let plan = Plan::of(seed)?;
        let life = self.life(seed, &plan, registry, source)?;
        report.lives += 1;
        report.events += life.hash.0;
        report.requests += life.requests;
        report.resets += life.resets;
        for (kind, count) in &life.injected {
            *report.faults_injected.entry(kind).or_default() += count;
        }
        if self.events {
            println!("seed {seed}: {plan:?}");
            for event in &life.events {
                println!("  {event}");
            }
        }
        if seed.is_multiple_of(self.replay_one_in) {
            let again = self.life(seed, &plan, registry, source)?;
            report.replayed += 1;
            if again.hash != life.hash {
                report.replay_identical = false;
                println!(
                    "seed {seed}: its replay differs: {:x?}, then {:x?}",
                    life.hash, again.hash
                );
            }
        }
        if let Some(failure) = life.failure {
            if report.failed.len() < TOLD {
                println!("seed {seed}: {failure}");
                println!(
                    "  replay: portlab torture {} --seeds {seed}..{} --replay-one-in 1 --events",
                    self.driver.display(),
                    seed + 1
                );
            }
            report.failed.insert(seed, failure);
        }
        Ok(())
    }

    fn life(
        &self,
        seed: u64,
        plan: &Plan,
        registry: &AdapterParameters,
        source: &Source,
    ) -> Result<Life, String> {
        let device = InProcessNvme::open_movable(&plan.device, seed).map_err(|error| error.to_string())?;
        let device = Arc::new(device);
        let setup = Setup {
            driver: self.driver.clone(),
            device: DeviceSpec::LabNvme(plan.device.clone()),
            registry: registry.clone(),
            processors: plan.processors,
            seed,
            allocation_failures: None,
            engine: EngineKind::Deterministic,
        };
        let mut bench =
            Bench::put(Arc::clone(&device) as Arc<dyn Powered>, setup).map_err(|error| error.to_string())?;
        let source = source.prefix(plan.length).map_err(|error| error.to_string())?;
        let result = exercise(&mut bench, seed, plan, &source);
        let removed = bench.remove();
        bench.observe();
        let result = result.and(removed).and_then(|()| durable(&source, &device));
        let events = bench.lab().scheduling_events();
        let from = events.len().saturating_sub(SHOWN);
        let observed = &bench.observed;
        Ok(Life {
            failure: failure(observed, result.err()),
            hash: bench.lab().event_hash().unwrap_or_default(),
            requests: observed
                .statistics
                .as_ref()
                .map_or(0, |statistics| statistics.srbs_completed),
            resets: observed
                .statistics
                .as_ref()
                .map_or(0, |statistics| statistics.resets),
            injected: device.with_controller(|controller| controller.injected().to_vec()),
            events: events.iter().skip(from).map(ToString::to_string).collect(),
        })
    }
}

/// From the start to the flush before the removal.
fn exercise(bench: &mut Bench, seed: u64, plan: &Plan, source: &Source) -> Result<(), BenchError> {
    bench.start(&Silent)?;
    let mut options = transfer::Options::quiet(seed);
    options.depth = plan.depth;
    for &(phase, when) in &plan.resets {
        options.incidents.push((phase, when, Incident::ResetBus));
    }
    bench.traffic(source, &options, &Silent)?;
    if plan.restarts {
        bench.lab().stop()?;
        bench.lab().restart()?;
        bench.traffic(source, &transfer::Options::quiet(seed), &Silent)?;
    }
    bench.quiesce()
}

/// What was flushed is durable: a power cut would leave it.
fn durable(source: &Source, device: &InProcessNvme) -> Result<(), BenchError> {
    outside::compare(source, |buffer, offset| device.read_durable(1, offset, buffer))
        .map(drop)
        .map_err(|error| BenchError::Unmet(error.to_string()))
}

/// What is wrong with a life, in a line.
fn failure(observed: &Observed, error: Option<BenchError>) -> Option<String> {
    let broken = observed
        .violation_records
        .first()
        .map(|violation| format!("{}: {}; {}", violation.rule, violation.detail, violation.call));
    let bug_check = observed.bug_check.as_ref().map(|check| check.meaning.clone());
    let all: Vec<String> = error
        .map(|error| error.to_string())
        .into_iter()
        .chain(bug_check)
        .chain(broken)
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::{FAULTS, Plan, Seeds};

    #[test]
    fn every_seed_has_a_plan_and_the_plans_differ() {
        let plans: Vec<Plan> = (0..500).map(|seed| Plan::of(seed).expect("a plan")).collect();
        let with_faults = plans.iter().filter(|plan| plan.device.faults.is_some()).count();
        assert!((150..350).contains(&with_faults), "{with_faults}");
        assert!(plans.iter().any(|plan| plan.restarts) && plans.iter().any(|plan| !plan.restarts));
        for fault in FAULTS {
            assert!(fault.contains("nth=N"), "{fault}");
        }
    }

    #[test]
    fn seeds_are_a_range() {
        let seeds: Seeds = "3..7".parse().expect("a range");
        assert_eq!((seeds.first, seeds.end), (3, 7));
        for text in ["7..3", "3", "..", "a..b", "3..3"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
