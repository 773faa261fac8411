//! `portlab torture`: many short lives of a driver, each decided by its seed.
//!
//! The lives are [`portlab::torture`]'s; here are the range of seeds, the processes that share it out, the replays and the report.

mod one;
mod processes;
mod report;
mod seeds;

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use portlab::{
    model::AdapterParameters,
    observe::Observer,
    package::parameters,
    torture::{
        Subject,
        faults::{Held, TWENTY},
    },
};

use self::{
    one::One,
    processes::{Outcome, Processes},
    report::{BrokenBuild, TortureReport},
    seeds::Seeds,
};
use super::{exit::Exit, report::write, run::refuse, watch};

/// Failures that are told one by one.
const TOLD: usize = 20;
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// A driver that is broken on purpose, its name, and what its mistake looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    name: String,
    /// What the reason of a life has to say to be this mistake's; any reason will do without it.
    sign: Option<String>,
    driver: PathBuf,
}

impl FromStr for Broken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, driver) = text
            .split_once('=')
            .filter(|(name, driver)| !name.is_empty() && !driver.is_empty())
            .ok_or("write NAME=DRIVER.sys or NAME:SIGN=DRIVER.sys")?;
        let (name, sign) = match name.split_once(':') {
            Some((name, sign)) => (name, Some(sign.to_owned())),
            None => (name, None),
        };
        Ok(Self {
            name: name.to_owned(),
            sign,
            driver: driver.into(),
        })
    }
}

impl Broken {
    /// Whether a life that failed for `reason` shows the mistake.
    fn shows(&self, reason: &str) -> bool {
        self.sign.as_ref().is_none_or(|sign| reason.contains(sign))
    }
}

/// Runs many short lives of a driver on the lab's own controller, each decided by its seed alone
///
/// A life is a start, requests, faults, resets, stop and restart, power cuts and a removal. Every request must end exactly once
/// and in time, no write that was acknowledged and flushed may be lost, nothing may be left behind, no rule be broken.
#[derive(Debug, Args)]
#[command(after_help = faults_in_lives())]
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
    /// Live one in so many lives a second time, and compare all events; 1 for each. Lives that fail are always
    /// lived twice
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..))]
    replay_one_in: u64,
    /// Processes that share out the seeds [default: one for each processor of this machine]. With 1 all lives are lived in
    /// this process, and what kills one kills it; no life knows how many there are
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Show the plan, the log and the latest events of each life: 60 of them, or as many as are asked for
    #[arg(long, value_name = "COUNT", num_args = 0..=1, require_equals = true, default_missing_value = "60")]
    events: Option<usize>,
    /// Write a timeline that <https://ui.perfetto.dev> opens; of one seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["serve", "broken"])]
    trace: Option<PathBuf>,
    /// A driver that is broken on purpose: one of the lives must show it, by a reason that holds the words SIGN if they are
    /// given. May be given several times
    #[arg(long, value_name = "NAME[:SIGN]=DRIVER.sys")]
    broken: Vec<Broken>,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Answers seeds on the standard input: what the processes of `--jobs` do
    #[arg(long, hide = true)]
    serve: bool,
}

/// The table of faults for `--help`.
fn faults_in_lives() -> String {
    let mut text = String::from("Faults in lives:\n");
    for (number, name, held) in TWENTY {
        // Writing to a String cannot fail.
        let _ = match held {
            Held::ByController => writeln!(text, "  {number:>2}  {name}"),
            Held::ByLife(how) => writeln!(text, "  {number:>2}  {name}: {how}"),
            Held::InPart(how) => writeln!(text, "  {number:>2}  {name}, in part: {how}"),
        };
    }
    text.push_str(
        "\nExit status:\n  0  no life failed, replays are identical, every broken driver was found out\n  \
         1  a life failed, a replay differs, or a broken driver was not found out\n  \
         2  no life could be lived",
    );
    text
}

impl Torture {
    /// Runs the lives.
    pub(super) fn run(self) -> Exit {
        match self.all() {
            Ok(exit) => exit,
            Err(error) => refuse(&error),
        }
    }

    fn all(&self) -> Result<Exit, String> {
        let timeline = match &self.trace {
            Some(_) if self.seeds.count() != 1 => {
                return Err(String::from(
                    "--trace shows one life: give one seed, as --seeds 7..8",
                ));
            }
            Some(path) => Some(watch::create(path).map_err(|error| error.to_string())?),
            None => None,
        };
        let subject = Subject {
            driver: self.driver.clone(),
            registry: self.registry()?,
            events: self.events.unwrap_or_default(),
            observer: timeline
                .as_ref()
                .map(|(_, timeline)| Arc::clone(timeline) as Arc<dyn Observer>),
        };
        let lives = one::Lives {
            subject,
            replay_one_in: self.replay_one_in,
            events: self.events.is_some(),
        };
        if self.serve {
            return processes::serve(&lives).map(|()| Exit::Success);
        }
        let mut report = TortureReport {
            driver: self.driver.clone(),
            seeds: self.seeds.to_string(),
            replay_identical: true,
            ..TortureReport::default()
        };
        let began = Instant::now();
        let mut told = began;
        self.each_life(&lives, &mut |seed, outcome| {
            self.add(seed, outcome, &mut report);
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                eprintln!(
                    "{} of {} lives, {} failed, {} a minute",
                    report.lives,
                    self.seeds.count(),
                    report.failures,
                    per_minute(&report, began)
                );
            }
            ControlFlow::Continue(())
        })?;
        report.lives_per_minute = per_minute(&report, began);
        if let Some((path, timeline)) = timeline {
            timeline.finish().map_err(|error| error.to_string())?;
            eprintln!(
                "trace      {} (open it in https://ui.perfetto.dev)",
                path.display()
            );
        }
        for broken in &self.broken {
            let found = self.find_out(broken, &lives, &report)?;
            report.broken_builds.push(found);
        }
        report.print();
        if let Some(path) = &self.json {
            write(path, &report).map_err(|error| error.to_string())?;
        }
        let found_out = report
            .broken_builds
            .iter()
            .all(|build| build.first_failing_seed.is_some());
        if report.failures == 0 && report.replay_identical && found_out {
            Ok(Exit::Success)
        } else {
            Ok(Exit::CheckFailed)
        }
    }

    /// The lives of all seeds in ascending order, here or in other processes, until `each` ends it.
    fn each_life(
        &self,
        lives: &one::Lives,
        each: &mut dyn FnMut(u64, Outcome) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let jobs = self
            .jobs
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            .min(usize::try_from(self.seeds.count()).unwrap_or(usize::MAX));
        let range = self.seeds.first..self.seeds.end;
        if jobs > 1 {
            let processes = Processes {
                jobs,
                lives,
                inf: self.inf_for(&lives.subject.driver),
            };
            return processes.run(range, each);
        }
        for seed in range {
            let one = lives.live(seed).map_err(|error| error.to_string())?;
            if each(seed, Outcome::Lived(Box::new(one))).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Adds a life to the report, and tells of it what there is to tell.
    fn add(&self, seed: u64, outcome: Outcome, report: &mut TortureReport) {
        let One {
            report: mut own,
            text,
        } = match outcome {
            Outcome::Lived(one) => *one,
            Outcome::Died(how) => One::of_death(seed, &how),
        };
        print!("{text}");
        for (seed, failure) in &mut own.failed {
            failure.replay = self.replay_command(*seed, &self.driver);
            if report.failed.len() < TOLD || self.events.is_some() {
                println!("seed {seed}: {}", failure.reason);
                println!("  {} events, hash {}", failure.events, failure.hash);
                println!("  replay: {}", failure.replay);
            }
        }
        report.add(own);
    }

    fn registry(&self) -> Result<AdapterParameters, String> {
        let inf = self
            .inf
            .clone()
            .unwrap_or_else(|| self.driver.with_extension("inf"));
        if self.inf.is_some() || inf.is_file() {
            return parameters::read(&inf).map_err(|error| error.to_string());
        }
        Ok(AdapterParameters {
            msi_supported: true,
            ..AdapterParameters::default()
        })
    }

    /// The first seed whose life shows what is broken.
    fn find_out(
        &self,
        broken: &Broken,
        own: &one::Lives,
        report: &TortureReport,
    ) -> Result<BrokenBuild, String> {
        let lives = one::Lives {
            subject: Subject {
                driver: broken.driver.clone(),
                registry: own.subject.registry.clone(),
                events: 0,
                observer: None,
            },
            // Lives that fail are replayed whatever their number is.
            replay_one_in: u64::MAX,
            events: false,
        };
        let mut found = BrokenBuild {
            name: broken.name.clone(),
            first_failing_seed: None,
            reason: None,
            replay: None,
        };
        self.each_life(&lives, &mut |seed, outcome| {
            let reason = match outcome {
                Outcome::Lived(one) => one
                    .report
                    .failed
                    .into_values()
                    .next()
                    .map(|failure| failure.reason),
                Outcome::Died(how) => Some(how),
            };
            match reason {
                // What the driver itself does wrong shows nothing of the mistake, nor does what looks otherwise.
                Some(reason) if !report.failed.contains_key(&seed) && broken.shows(&reason) => {
                    found.first_failing_seed = Some(seed);
                    found.reason = Some(reason);
                    found.replay = Some(self.replay_command(seed, &broken.driver));
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })?;
        Ok(found)
    }

    /// The INF that has to be named when `driver` is run.
    fn inf_for(&self, driver: &Path) -> Option<PathBuf> {
        self.inf.clone().or_else(|| {
            // A broken driver has no INF beside it.
            let beside = self.driver.with_extension("inf");
            (driver != self.driver && beside.is_file()).then_some(beside)
        })
    }

    /// The command that lives the life of `seed` again.
    fn replay_command(&self, seed: u64, driver: &Path) -> String {
        let own = std::env::args_os().next();
        let own = own.map_or_else(|| PathBuf::from("portlab"), PathBuf::from);
        let mut command = format!("{} torture {}", quoted(&own), quoted(driver));
        if let Some(inf) = self.inf_for(driver) {
            let _ = write!(command, " --inf {}", quoted(&inf));
        }
        let _ = write!(command, " --seeds {seed}..{} --events", seed + 1);
        command
    }
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+=:@%".contains(character);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate of a few digits")]
fn per_minute(report: &TortureReport, began: Instant) -> f64 {
    let lives = (report.lives + report.replayed) as f64;
    (lives * 60.0 / began.elapsed().as_secs_f64()).round()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("target/a-b_1.sys")), "target/a-b_1.sys");
        assert_eq!(quoted(Path::new("it's here/x.sys")), r"'it'\''s here/x.sys'");
    }

    #[test]
    fn the_help_names_all_twenty_faults() {
        let text = faults_in_lives();
        for (_, name, _) in TWENTY {
            assert!(text.contains(name), "{name}");
        }
    }

    #[test]
    fn a_broken_driver_has_a_name() {
        let broken: Broken = "lost-wake-up:timed out=a.sys".parse().expect("a sign");
        assert!(broken.shows("3 requests timed out") && !broken.shows("memory-leaked"));
        assert!(
            "lost-wake-up=a.sys"
                .parse::<Broken>()
                .is_ok_and(|broken| broken.shows("anything"))
        );
        for text in ["a.sys", "=a.sys", "a="] {
            assert!(text.parse::<Broken>().is_err(), "{text}");
        }
    }
}
