//! `portlab run --life`: what else happens in an adapter's life, with verified traffic around it.

use std::sync::Mutex;

use clap::ValueEnum;
use portlab::{
    model::{Address, DumpMode, DumpPlan, DumpReport, Lab, PowerAction, Resources, StartError},
    workload::{
        progress::Progress,
        startup::UnitReport,
        transfer::{self, Incident, Phase, Source},
    },
};
use serde::Serialize;

use super::bench::{Bench, BenchError};

/// Bytes of a dump.
const DUMP: u64 = 256 << 10;
/// How far a rebalance moves the registers.
const MOVED_BY: u64 = 16 << 20;

/// Something that happens to a running adapter
#[expect(clippy::doc_markdown, reason = "the help shows them as they are")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Life {
    /// Stop and restart in the middle of the traffic (ScsiStopAdapter, ScsiRestartAdapter)
    StopRestart,
    /// Stop, then HwStorFindAdapter once more on the same extension
    FindAgain,
    /// Stop, other bus addresses and one interrupt message, start; then back
    Rebalance,
    /// The system sleeps and wakes in the middle of the traffic: D3, D0
    PowerCycle,
    /// The adapter idles and wakes, if it registered with the power framework
    Idle,
    /// D3, the hibernation file through a second load of the driver, D0
    Hibernate,
    /// The system crashes in the middle of the traffic and a dump is written through a second load; ends the life
    Dump,
    /// The device is pulled out in the middle of the traffic; ends the life
    SurpriseRemoval,
}

/// How it went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LifeReport {
    life: Life,
    ok: bool,
    failure: Option<String>,
    /// Dump and hibernation.
    dump: Option<DumpReport>,
}

impl LifeReport {
    /// Whether the system crashed in it.
    pub(super) fn is_crash(&self) -> bool {
        self.life == Life::Dump
    }
}

impl Life {
    /// Whether nothing comes after it.
    pub(super) fn is_last(self) -> bool {
        matches!(self, Self::Dump | Self::SurpriseRemoval)
    }

    /// Lives it.
    pub(super) fn live(
        self,
        bench: &mut Bench,
        source: &Source,
        seed: u64,
        progress: &dyn Progress,
    ) -> (LifeReport, Result<(), BenchError>) {
        let mut dump = None;
        let result = self.happen(bench, source, seed, progress, &mut dump);
        let failure = result.as_ref().err().map(ToString::to_string);
        println!(
            "life       {}: {}",
            self.to_possible_value()
                .map_or_else(String::new, |value| value.get_name().to_owned()),
            failure.as_deref().unwrap_or("ok")
        );
        let report = LifeReport {
            life: self,
            ok: failure.is_none(),
            failure,
            dump,
        };
        (report, result)
    }

    fn happen(
        self,
        bench: &mut Bench,
        source: &Source,
        seed: u64,
        progress: &dyn Progress,
        dump: &mut Option<DumpReport>,
    ) -> Result<(), BenchError> {
        let within = |lab: &Lab| -> Result<(), StartError> {
            match self {
                Self::StopRestart => lab.stop().and_then(|()| lab.restart()),
                Self::FindAgain => lab.stop().and_then(|()| lab.find_again()),
                Self::Rebalance => {
                    let moved = Resources {
                        moved_by: MOVED_BY,
                        messages: Some(1),
                    };
                    lab.rebalance(moved)?;
                    lab.rebalance(Resources::default())
                }
                Self::PowerCycle => {
                    lab.power_down(PowerAction::Sleep)?;
                    lab.power_up(PowerAction::Sleep)
                }
                Self::Idle => {
                    if lab.idle()? {
                        lab.wake()?;
                    }
                    Ok(())
                }
                Self::Hibernate | Self::Dump => Ok(()),
                Self::SurpriseRemoval => {
                    lab.pull_device()?;
                    lab.notice_absence()
                }
            }
        };
        if self == Self::Hibernate {
            return hibernate(bench, source, seed, progress, dump);
        }
        if self == Self::Dump {
            return crash(bench, seed, dump);
        }
        let failed: Mutex<Option<StartError>> = Mutex::new(None);
        let lab = bench.shared_lab();
        let call = || {
            if let Err(error) = within(&lab) {
                // The traffic would wait for a restart that nobody tries.
                lab.give_up();
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            }
        };
        let mut options = transfer::Options::quiet(seed);
        options.incidents.push((Phase::Write, 500, Incident::Call(&call)));
        if !self.is_last() {
            options.incidents.push((Phase::Read, 500, Incident::Call(&call)));
        }
        let traffic = bench.traffic(source, &options, progress);
        if let Some(error) = failed
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            return Err(error.into());
        }
        match traffic {
            // What was in flight, and what came afterwards, failed: there is no device.
            Err(_) if self == Self::SurpriseRemoval && !bench.device.alive() => Ok(()),
            result => result,
        }
    }
}

fn disk(bench: &Bench) -> Result<UnitReport, BenchError> {
    let startup = bench.observed.startup.as_ref();
    startup
        .and_then(|startup| startup.disks().next().cloned())
        .ok_or(BenchError::NoDisk)
}

/// What a dump writes: the last blocks of the disk.
fn plan(unit: &UnitReport, seed: u64) -> DumpPlan {
    let block = u64::from(unit.block_size.max(1));
    let blocks = (DUMP / block).min(unit.blocks);
    let mut random = fastrand::Rng::with_seed(seed ^ 0xD0_3F);
    let length = usize::try_from(blocks * block).unwrap_or(0);
    DumpPlan {
        unit: unit.unit,
        block_bytes: unit.block_size,
        first_block: unit.blocks - blocks,
        contents: std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
    }
}

fn crash(bench: &mut Bench, seed: u64, dump: &mut Option<DumpReport>) -> Result<(), BenchError> {
    let unit = disk(bench)?;
    let plan = plan(&unit, seed);
    let report = bench
        .lab()
        .crash_dump(&plan)
        .map_err(|error| BenchError::Unmet(error.to_string()))?;
    *dump = Some(report);
    outside(bench, unit.unit, &plan)
}

/// The dump, as it is on the disk without the driver.
fn outside(bench: &Bench, unit: Address, plan: &DumpPlan) -> Result<(), BenchError> {
    bench.device.power_off()?;
    let number = u32::from(unit.target) + u32::from(unit.lun) + 1;
    let mut found = vec![0; plan.contents.len()];
    let offset = plan.first_block * u64::from(plan.block_bytes);
    bench
        .device
        .read_image(number, offset, &mut found)
        .map_err(|error| BenchError::Unmet(format!("the image: {error}")))?;
    if found == plan.contents {
        return Ok(());
    }
    Err(BenchError::Unmet(
        "the dump is not on the disk as it was written".to_owned(),
    ))
}

fn hibernate(
    bench: &mut Bench,
    source: &Source,
    seed: u64,
    progress: &dyn Progress,
    dump: &mut Option<DumpReport>,
) -> Result<(), BenchError> {
    let unit = disk(bench)?;
    let plan = plan(&unit, seed);
    let lab = bench.lab();
    let unmet = |error: portlab::model::DumpError| BenchError::Unmet(error.to_string());
    let identity = lab.identity(unit.unit);
    lab.power_down(PowerAction::Hibernate)?;
    let pass = |mode| lab.hibernation_pass(mode, &plan, identity.clone()).map_err(unmet);
    let written = pass(DumpMode::MarkMemory).and_then(|_| pass(DumpMode::Hibernate));
    lab.power_up(PowerAction::Hibernate)?;
    *dump = Some(written?);
    bench.traffic(source, &transfer::Options::quiet(seed), progress)
}
