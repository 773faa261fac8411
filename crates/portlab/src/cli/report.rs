//! What is printed and written about a run.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use portlab::{
    model::{BugCheck, EtwEvent, EventRecord, Limits, RemovalReport, Statistics, TraceRing, Violation},
    workload::{
        startup::{Startup, Verdict},
        transfer::Traffic,
    },
};
use serde::Serialize;

/// What the lab saw of a driver.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Observed {
    /// What the adapter reported.
    pub(super) adapter: Option<Adapter>,
    /// The start-up commands.
    pub(super) startup: Option<Startup>,
    /// The traffic.
    pub(super) traffic: Option<Traffic>,
    /// The removal.
    pub(super) removal: Option<RemovalReport>,
    /// Counters.
    pub(super) statistics: Option<Statistics>,
    /// Rules broken.
    pub(super) violation_records: Vec<Violation>,
    /// What is not forbidden but noteworthy.
    pub(super) warnings: Vec<Violation>,
    /// How the driver stopped the machine, if it did.
    pub(super) bug_check: Option<BugCheck>,
    /// The system's event log.
    pub(super) event_log: Vec<EventRecord>,
    /// The ETW events that the driver wrote.
    pub(super) etw_events: Vec<EtwEvent>,
    /// How many of each, by id.
    pub(super) etw_events_seen: BTreeMap<u32, u64>,
    /// The trace ring in the device extension, if the driver has one.
    pub(super) trace_ring: Option<TraceRing>,
    /// The driver's debug output.
    pub(super) debug_log: Vec<String>,
    /// Where the driver asked for memory, and how often.
    pub(super) allocation_places: Vec<(String, u64)>,
    /// What a replay of this run has to agree with; absent with the parallel engine.
    pub(super) events: Option<Events>,
}

/// The book of the deterministic engine, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Events {
    count: u64,
    /// In hexadecimal: JSON's numbers are too small for it.
    hash: String,
}

impl Events {
    /// In words.
    pub(super) fn text(&self) -> String {
        format!("{} events, hash {}", self.count, self.hash)
    }
}

impl From<(u64, u64)> for Events {
    fn from((count, hash): (u64, u64)) -> Self {
        Self {
            count,
            hash: format!("{hash:016x}"),
        }
    }
}

/// The adapter's limits.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Adapter {
    max_transfer: u32,
    alignment: u32,
    physical_breaks: u32,
    buses: u8,
    targets: u8,
    luns: u8,
    max_io: u32,
    messages: u16,
    caches_data: bool,
    bus_type: u32,
}

impl From<Limits> for Adapter {
    fn from(limits: Limits) -> Self {
        Self {
            max_transfer: limits.max_transfer,
            alignment: limits.alignment_mask.saturating_add(1),
            physical_breaks: limits.physical_breaks,
            buses: limits.buses,
            targets: limits.targets,
            luns: limits.luns,
            max_io: limits.max_io,
            messages: limits.messages,
            caches_data: limits.caches_data,
            bus_type: limits.bus_type,
        }
    }
}

impl Observed {
    /// Whether the driver broke a rule or the machine.
    pub(super) fn is_violation(&self) -> bool {
        !self.violation_records.is_empty() || self.bug_check.is_some()
    }

    /// Prints the ETW events.
    pub(super) fn print_etw(&self) {
        for event in &self.etw_events {
            println!("etw        {}", event.text());
        }
    }

    /// Prints the trace ring.
    pub(super) fn print_trace_ring(&self) {
        let Some(ring) = &self.trace_ring else {
            println!("trace ring none in the device extension");
            return;
        };
        println!(
            "trace ring at {:#x}: {} record(s), {} handed on, {} lost",
            ring.offset, ring.begun, ring.handed_on, ring.lost
        );
        for record in &ring.records {
            println!("           {}", record.text());
        }
    }

    /// Prints what the driver reported and what it did wrong.
    pub(super) fn print(&self) {
        if let Some(adapter) = &self.adapter {
            println!(
                "adapter    bus type {:#04x}, {} message(s), transfers up to {} bytes in {} pieces, {} request(s) at a time",
                adapter.bus_type,
                adapter.messages,
                adapter.max_transfer,
                adapter.physical_breaks,
                adapter.max_io
            );
        }
        if let Some(startup) = &self.startup {
            print_startup(startup);
        }
        if let Some(statistics) = &self.statistics {
            println!(
                "activity   {} SRB(s), {} interrupt(s), {} DPC(s), {} work item(s), {} timer(s), {} reset(s), {} time-out(s)",
                statistics.srbs_completed,
                statistics.interrupts,
                statistics.dpcs,
                statistics.work_items_run,
                statistics.timers_fired,
                statistics.resets,
                statistics.time_outs
            );
        }
        if let Some(events) = &self.events {
            println!("events     {}, hash {}", events.count, events.hash);
        }
        for event in &self.event_log {
            println!("event {:>4} {}", event.id, event.text);
        }
        if let Some(removal) = &self.removal {
            for leak in &removal.leaks {
                println!("leak       {}: {}", leak.kind, leak.what);
            }
            if removal.outstanding > 0 {
                println!(
                    "removal    {} request(s) were still in flight",
                    removal.outstanding
                );
            }
        }
        for warning in &self.warnings {
            print_record("warning", warning);
        }
        for violation in &self.violation_records {
            print_record("violation", violation);
        }
        if let Some(bug_check) = &self.bug_check {
            let [a, b, c, d] = bug_check.parameters;
            println!(
                "bug check  {:#010x} ({a:#x}, {b:#x}, {c:#x}, {d:#x}) {}",
                bug_check.code, bug_check.meaning
            );
            for frame in &bug_check.backtrace {
                println!("             at {}", frame.place);
            }
            for line in self.debug_log.iter().rev().take(20).rev() {
                println!("             | {line}");
            }
        }
    }
}

fn print_startup(startup: &Startup) {
    for unit in &startup.units {
        println!(
            "unit {}  `{}` `{}` `{}`, serial {}, {} blocks of {} bytes{}",
            unit.unit,
            unit.vendor,
            unit.product,
            unit.revision,
            unit.serial.as_deref().unwrap_or("unknown"),
            unit.blocks,
            unit.block_size,
            match unit.write_cache {
                Some(true) => ", write cache on",
                Some(false) => ", write cache off",
                None => "",
            }
        );
    }
    let count = |verdict| {
        startup
            .checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    println!(
        "start-up   {} command(s): {} right, {} not implemented, {} wrong",
        startup.checks.len(),
        count(Verdict::Passed),
        count(Verdict::Absent),
        count(Verdict::Failed)
    );
    for check in startup.failures() {
        println!("wrong      {} {}: {}", check.unit, check.command, check.detail);
    }
}

fn print_record(kind: &str, record: &Violation) {
    println!(
        "{kind:<10} {} ({:?}): {}",
        record.rule, record.tier, record.sentence
    );
    if !record.detail.is_empty() {
        println!("             {}", record.detail);
    }
    let locks = if record.locks.is_empty() {
        String::new()
    } else {
        format!(", holding {}", record.locks.join(", "))
    };
    println!(
        "             in {} on processor {} at IRQL {}{locks}",
        record.call, record.processor, record.irql
    );
    for frame in &record.backtrace {
        println!("             at {}", frame.place);
    }
    if record.count > 1 {
        println!("             {} times", record.count);
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {error}", path = path.display())]
pub(super) struct WriteError {
    path: PathBuf,
    error: io::Error,
}

impl WriteError {
    /// `path` could not be written.
    pub(super) fn new(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            error,
        }
    }
}

/// Writes a report as JSON, making its directory.
pub(super) fn write(path: &Path, report: &impl Serialize) -> Result<(), WriteError> {
    let text = serde_json::to_string_pretty(report).map_err(|error| WriteError::new(path, error.into()))?;
    write_text(path, &format!("{text}\n"))
}

/// Writes a text, making its directory.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), WriteError> {
    let directory = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty());
    directory
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| WriteError::new(path, error))
}

/// SHA-256 in hexadecimal.
pub(super) fn hexadecimal(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
