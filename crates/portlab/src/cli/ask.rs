//! `portlab ask`: commands for a driver's first disk, given as bytes, and its answers as bytes.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use portlab::{
    device::spec::DeviceSpec,
    model::{AdapterParameters, Direction, EngineKind},
    package::parameters,
    workload::{
        disk::{Command, Disk as _},
        status::Verdict,
    },
};
use serde::Serialize;

use super::{
    bench::{Bench, BenchError, Setup},
    console::Console,
    exit::Exit,
    report,
    run::{conclude, refuse},
};

/// Time-out of a command.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often one is tried again.
const RETRIES: u32 = 8;

/// Sends CDBs to the driver's first disk and shows the answers as bytes, for programs that decode them
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The device, as for `portlab run`
    #[arg(long, default_value = "qemu:nvme")]
    device: DeviceSpec,
    /// The CDBs, in hexadecimal, each with the number of bytes to be read, as in 120000002400:36
    #[arg(value_name = "CDB[:LENGTH]", required = true)]
    questions: Vec<Question>,
    /// Write the answers
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A command.
#[derive(Debug, Clone)]
struct Question {
    cdb: Vec<u8>,
    length: usize,
}

impl FromStr for Question {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "give a CDB of 6 to 16 bytes in hexadecimal, and a length of at most 65536, as in 120000002400:36";
        let (cdb, length) = text.split_once(':').unwrap_or((text, "0"));
        let (pairs, odd) = cdb.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let text = std::str::from_utf8(pair)
                .ok()
                .filter(|text| !text.starts_with('+'))?;
            u8::from_str_radix(text, 16).ok()
        };
        let cdb: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let length = length.parse().ok().filter(|length| *length <= 1 << 16);
        match (cdb, length) {
            (Some(cdb), Some(length)) if odd.is_empty() && (6..=16).contains(&cdb.len()) => {
                Ok(Self { cdb, length })
            }
            _ => Err(FORM),
        }
    }
}

/// What came back.
#[derive(Debug, Serialize)]
struct Answer {
    /// In hexadecimal.
    cdb: String,
    ok: bool,
    /// In words.
    outcome: String,
    /// In hexadecimal.
    data: String,
}

impl Ask {
    /// Asks.
    pub(super) fn run(self) -> Exit {
        let inf = self
            .inf
            .clone()
            .or_else(|| Some(self.driver.with_extension("inf")).filter(|path| path.is_file()));
        let registry = match inf.as_deref().map(parameters::read).transpose() {
            Ok(registry) => registry.unwrap_or_else(|| AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }),
            Err(error) => return refuse(&error),
        };
        let setup = Setup {
            driver: self.driver,
            device: self.device,
            registry,
            processors: 1,
            seed: 0,
            allocation_failures: None,
            engine: EngineKind::Parallel,
            observer: None,
        };
        let mut bench = match Bench::load(setup) {
            Ok(bench) => bench,
            Err(error) => return conclude(&report::Observed::default(), Some(&error)),
        };
        let asked = answers(&mut bench, &self.questions);
        let removed = bench.remove();
        bench.observe();
        let (answers, failure) = match (asked, removed) {
            (Ok(answers), removed) => (answers, removed.err()),
            (Err(error), _) => (Vec::new(), Some(error)),
        };
        for Answer {
            cdb, outcome, data, ..
        } in &answers
        {
            println!("{cdb}  {outcome}  {data}");
        }
        if let Some(path) = self.json.filter(|_| failure.is_none())
            && let Err(error) = report::write(&path, &answers)
        {
            return refuse(&error);
        }
        conclude(&bench.observed, failure.as_ref())
    }
}

fn answers(bench: &mut Bench, questions: &[Question]) -> Result<Vec<Answer>, BenchError> {
    match bench.start(&Console::new()) {
        // Other checks judge these; here, answers are shown.
        Err(BenchError::Startup(_)) => {}
        result => result?,
    }
    let startup = bench.observed.startup.as_ref();
    let unit = startup
        .and_then(|startup| startup.disks().next())
        .ok_or(BenchError::NoDisk)?
        .unit;
    let disk = bench.disk();
    questions
        .iter()
        .map(|Question { cdb, length }| {
            let buffer = (*length > 0).then(|| disk.buffer(*length)).transpose();
            let buffer = buffer.map_err(|error| BenchError::Unmet(error.to_string()))?;
            let mut attempt = 0;
            let outcome = loop {
                let outcome = disk.execute(Command {
                    processor: 0,
                    unit,
                    cdb: cdb.clone(),
                    direction: if buffer.is_some() {
                        Direction::In
                    } else {
                        Direction::None
                    },
                    buffer: buffer.clone(),
                    timeout: TIMEOUT,
                });
                match outcome.verdict() {
                    Verdict::Retry(pause) if attempt < RETRIES => disk.pause(pause),
                    _ => break outcome,
                }
                attempt += 1;
            };
            let mut data = vec![0; (outcome.transferred as usize).min(*length)];
            if let Some(buffer) = &buffer {
                buffer.read(0, &mut data);
            }
            Ok(Answer {
                cdb: report::hexadecimal(cdb),
                ok: outcome.is_success(),
                outcome: outcome.to_string(),
                data: report::hexadecimal(&data),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_bytes_and_a_length() {
        let question: Question = "120000002400:36".parse().expect("good");
        assert_eq!(
            (&question.cdb[..], question.length),
            (&[0x12, 0, 0, 0, 0x24, 0][..], 36)
        );
        for text in [
            "",
            "12",
            "1200000024zz:3",
            "1200000024000",
            "120000002400:70000",
            "+1+1+1+1+1+1",
            "120000002400:",
        ] {
            assert!(text.parse::<Question>().is_err(), "{text}");
        }
    }
}
