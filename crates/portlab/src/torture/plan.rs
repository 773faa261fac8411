//! What a seed decides about a life, besides the schedule.

use std::{fmt, num::NonZeroU64, time::Duration};

use fastrand::Rng;

use super::faults::{self, Excuses};
use crate::{
    device::spec::{DeviceSpec, LabNvmeSpec},
    model::{AllocationFailures, Which},
};

/// Bytes of each unit that the traffic uses.
const AREA: u64 = 64 << 10;

/// A reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// `RESET_LOGICAL_UNIT` of that unit.
    Unit(u8),
    /// `RESET_DEVICE`.
    Target,
    /// `HwStorResetBus`.
    Bus,
}

/// What happens while requests are in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// So many requests more.
    Io(u32),
    /// Resets, all at once.
    Resets(Vec<Reset>),
    /// `ScsiStopAdapter`, then `ScsiRestartAdapter`.
    Restart,
    /// The system sleeps: D3, the controller loses all that is volatile, D0.
    Sleep,
    /// Resources are taken and others given: the BAR moves, so many messages are granted at most.
    Rebalance {
        /// Messages.
        messages: Option<u16>,
    },
    /// Allocations fail from here on, or no more.
    Starve(Option<AllocationFailures>),
    /// That unit's device object is removed, and found again.
    RemoveUnit(u8),
    /// Plug and Play asks which units there are: those that are gone lose their device objects.
    Rescan,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Flush, shutdown, removal.
    Orderly,
    /// Removal with requests in flight.
    UnderLoad,
    /// The controller leaves the bus with requests in flight; then it is removed.
    Surprise,
    /// The power fails with requests in flight: what the medium then holds is judged.
    PowerCut,
}

/// A life, but for its schedule.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The controller, its faults among it.
    pub device: LabNvmeSpec,
    /// Virtual processors.
    pub processors: u32,
    /// Requests in flight.
    pub depth: usize,
    /// Time-out of each.
    pub timeout: Duration,
    /// Blocks of each unit that the traffic uses.
    pub blocks: u64,
    /// Threads of applications go on writing to some buffers that the driver has.
    pub changes_buffers: bool,
    /// Interrupt messages that Windows grants at most.
    pub message_limit: Option<u32>,
    /// Which allocations fail while the adapter starts.
    pub starved_start: Option<AllocationFailures>,
    /// What happens.
    pub acts: Vec<Act>,
    /// How it ends.
    pub ending: Ending,
    /// What the faults excuse.
    pub excuses: Excuses,
    /// Which of the twenty faults it holds; see [`faults::TWENTY`].
    pub holds: Vec<u8>,
}

fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(0..of.len())]
}

fn starve(random: &mut Rng) -> AllocationFailures {
    let number = NonZeroU64::MIN.saturating_add(random.u64(0..24));
    AllocationFailures {
        place: String::new(),
        which: match random.u32(0..4) {
            0 => Which::OneIn(number),
            1 => Which::From(number),
            _ => Which::Nth(number),
        },
    }
}

fn resets(random: &mut Rng, units: u8) -> Act {
    let together = pick(random, &[1, 1, 2, 3]);
    let resets = (0..together).map(|_| match random.u32(0..4) {
        0 => Reset::Target,
        1 | 2 => Reset::Unit(random.u8(0..units)),
        _ => Reset::Bus,
    });
    Act::Resets(resets.collect())
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        // Another stream than the schedule's.
        let random = &mut Rng::with_seed(seed ^ 0x7021_7e57);
        let units = random.u8(1..=3);
        let block: u32 = pick(random, &[512, 512, 4096]);
        let small_queues = random.u32(0..4) == 0;
        let vectors = pick(random, &[None, None, Some(1), Some(2)]);
        let mut device = LabNvmeSpec {
            mdts: random.u8(1..=5),
            queues: random.u16(1..=4),
            vectors,
            latency: Duration::from_micros(pick(random, &[0, 0, 5, 50, 1000])),
            cache: random.u32(0..3) != 0,
            thin: random.u32(0..4) != 0,
            ..Self::small_controller(block, units)
        };
        // Not drawn: the other choices of a seed stay what they are.
        device.shadow = seed % 4 == 2;
        if small_queues {
            device.entries = pick(random, &[4, 8, 32]);
        }
        let mut plan = Self {
            device,
            processors: random.u32(1..=4),
            depth: random.usize(1..=48),
            timeout: Duration::from_secs(random.u64(1..=4)),
            blocks: AREA / u64::from(block),
            changes_buffers: random.u32(0..3) == 0,
            message_limit: pick(random, &[None, None, None, Some(1), Some(2)]),
            starved_start: None,
            acts: Vec::new(),
            ending: match random.u32(0..10) {
                0..4 => Ending::Orderly,
                4 | 5 => Ending::UnderLoad,
                6 | 7 => Ending::Surprise,
                _ => Ending::PowerCut,
            },
            excuses: Excuses::default(),
            holds: Vec::new(),
        };
        plan.draw_faults(random);
        plan.draw_acts(random, units);
        plan.note_what_it_holds(small_queues);
        plan
    }

    fn small_controller(block: u32, units: u8) -> LabNvmeSpec {
        let text = format!("lab:nvme,size=2M,ram=64M,namespaces={units},block={block}");
        match text.parse() {
            Ok(DeviceSpec::LabNvme(device)) => device,
            other => unreachable!("{text}: {other:?}"),
        }
    }

    fn draw_faults(&mut self, random: &mut Rng) {
        let mut text = Vec::new();
        for _ in 0..pick(random, &[0, 1, 1, 1, 2, 2, 3]) {
            let (fault, excuses, number) = faults::draw(random);
            text.push(fault);
            self.excuses = self.excuses.and(excuses);
            self.holds.push(number);
        }
        if !text.is_empty() {
            let text = text.join(";").replace('+', ",");
            match text.parse() {
                Ok(plan) => self.device.faults = Some(plan),
                Err(error) => unreachable!("{text}: {error}"),
            }
        }
        if random.u32(0..8) == 0 {
            self.starved_start = Some(starve(random));
            self.excuses = self.excuses.and(Excuses {
                start: true,
                adapter: true,
                time_outs: true,
                ..Excuses::default()
            });
        }
    }

    fn draw_acts(&mut self, random: &mut Rng, units: u8) {
        let io = |random: &mut Rng| Act::Io(random.u32(1..=40));
        self.acts.push(io(random));
        for _ in 0..random.u32(0..=3) {
            match random.u32(0..10) {
                8 => self.acts.push(Act::RemoveUnit(random.u8(0..units))),
                9 => self.acts.push(Act::Rescan),
                0..4 => self.acts.push(resets(random, units)),
                4 => self.acts.push(Act::Restart),
                5 => self.acts.push(Act::Sleep),
                6 => {
                    self.acts.push(Act::Starve(Some(starve(random))));
                    self.acts.push(resets(random, units));
                    self.acts.push(io(random));
                    self.acts.push(Act::Starve(None));
                    self.excuses.adapter = true;
                    self.excuses.time_outs = true;
                }
                _ => self.acts.push(Act::Rebalance {
                    messages: pick(random, &[None, Some(1), Some(2)]),
                }),
            }
            self.acts.push(io(random));
        }
    }

    fn note_what_it_holds(&mut self, small_queues: bool) {
        let resets = |act: &Act| matches!(act, Act::Resets(resets) if resets.len() > 1);
        let conditions = [
            (11, self.ending == Ending::Surprise),
            (12, self.acts.iter().any(resets)),
            (15, small_queues),
            (
                16,
                self.starved_start.is_some()
                    || self.acts.iter().any(|act| matches!(act, Act::Starve(Some(_)))),
            ),
            (17, self.device.vectors.is_some() || self.message_limit.is_some()),
            (
                18,
                self.acts
                    .iter()
                    .any(|act| matches!(act, Act::Sleep | Act::Restart)),
            ),
            (20, self.ending == Ending::PowerCut),
        ];
        let more = conditions
            .iter()
            .filter(|(_, holds)| *holds)
            .map(|(number, _)| *number);
        self.holds.extend(more);
        self.holds.sort_unstable();
        self.holds.dedup();
    }

    /// Whether the controller may have given too few queues, or Windows too few messages, for a pair that exchanges have of their own.
    #[must_use]
    pub fn may_lack_queues(&self) -> bool {
        self.device.queues < 2
            || self.device.vectors.is_some()
            || self.message_limit.is_some()
            || self.device.faults.is_some()
            || self.starved_start.is_some()
            || self.acts.iter().any(|act| matches!(act, Act::Rebalance { .. }))
    }

    /// Whether a unit may be missing.
    #[must_use]
    pub fn may_be_away(&self, unit: u8) -> bool {
        self.excuses.adapter || self.excuses.unit == Some(u32::from(unit) + 1)
    }

    /// Whether a unit may have another size than it had.
    #[must_use]
    pub fn may_be_resized(&self, unit: u8) -> bool {
        unit == 1 && self.device.faults.is_some()
    }

    /// Whether nothing is wrong in it: then no request may even have to be tried again.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.device.faults.is_none()
            && self.starved_start.is_none()
            && matches!(self.ending, Ending::Orderly | Ending::UnderLoad)
            && self
                .acts
                .iter()
                .all(|act| matches!(act, Act::Io(_) | Act::RemoveUnit(_) | Act::Rescan))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        write!(
            f,
            "{} namespace(s) of {}-byte blocks, {} queue(s) of {} entries, mdts {}, latency {:?}, cache {}; {} processor(s), depth {}, time-out {:?}",
            device.backing.units,
            device.backing.block,
            device.queues,
            device.entries,
            device.mdts,
            device.latency,
            if device.cache { "on" } else { "off" },
            self.processors,
            self.depth,
            self.timeout,
        )?;
        if self.changes_buffers {
            f.write_str(", changing buffers")?;
        }
        if let Some(vectors) = device.vectors {
            write!(f, ", {vectors} vector(s)")?;
        }
        if let Some(limit) = self.message_limit {
            write!(f, ", {limit} message(s) granted")?;
        }
        if let Some(faults) = &device.faults {
            write!(f, "; faults {faults}")?;
        }
        if let Some(starved) = &self.starved_start {
            write!(f, "; failing allocations {starved}")?;
        }
        for act in &self.acts {
            match act {
                Act::Io(count) => write!(f, "; {count} request(s)")?,
                Act::Resets(resets) => write!(f, "; resets {resets:?}")?,
                Act::Restart => f.write_str("; stop and restart")?,
                Act::Sleep => f.write_str("; D3 and D0")?,
                Act::Rebalance { messages } => write!(f, "; rebalance, messages {messages:?}")?,
                Act::Starve(Some(failures)) => write!(f, "; failing allocations {failures}")?,
                Act::Starve(None) => f.write_str("; no more failing allocations")?,
                Act::RemoveUnit(unit) => write!(f, "; removal of unit {unit}")?,
                Act::Rescan => f.write_str("; rescan")?,
            }
        }
        f.write_str(match self.ending {
            Ending::Orderly => "; shutdown and removal",
            Ending::UnderLoad => "; removal under load",
            Ending::Surprise => "; surprise removal",
            Ending::PowerCut => "; power cut",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{faults::TWENTY, *};

    #[test]
    fn each_of_the_twenty_faults_is_in_some_of_two_thousand_lives() {
        let mut lives = BTreeMap::new();
        let plans: Vec<Plan> = (0..2000).map(Plan::of).collect();
        for number in plans.iter().flat_map(|plan| &plan.holds) {
            *lives.entry(*number).or_insert(0) += 1;
        }
        for (number, name, _) in TWENTY {
            let count = lives.get(&number).copied().unwrap_or(0);
            assert!(count >= 20, "{number}, {name}: in {count} lives");
        }
        let quiet = plans.iter().filter(|plan| plan.is_quiet()).count();
        assert!((20..400).contains(&quiet), "{quiet} quiet lives");
    }

    #[test]
    fn a_seed_has_one_plan_and_seeds_differ() {
        let text = |seed| Plan::of(seed).to_string();
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}
