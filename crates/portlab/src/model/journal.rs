//! What the model writes down: violations, debug output, events, the bug check.

use std::{
    collections::HashMap,
    ffi::CString,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use serde::Serialize;

use super::{
    EtwEvent,
    observation::Observation,
    rules::{Rule, Severity, Tier},
};
use crate::{debugger, observe::Event};

/// A frame of the driver's stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Address of the instruction after the call.
    pub address: u64,
    /// Function, file and line, as far as known.
    pub place: String,
}

/// A rule that was broken.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// Rule id.
    pub rule: &'static str,
    /// Evidence tier of the rule.
    pub tier: Tier,
    /// How bad it is.
    pub severity: Severity,
    /// What the rule demands.
    pub sentence: &'static str,
    /// What happened instead.
    pub detail: String,
    /// The call or callback in which it was noticed.
    pub call: String,
    /// Virtual processor.
    pub processor: u32,
    /// IRQL.
    pub irql: u8,
    /// Locks held.
    pub locks: Vec<String>,
    /// The driver's stack, innermost first.
    pub backtrace: Vec<Frame>,
    /// How often the same happened (same rule, same call).
    pub count: u64,
}

/// The driver brought the system down.
#[derive(Debug, Clone, Serialize)]
pub struct BugCheck {
    /// Bug check code.
    pub code: u32,
    /// Its parameters.
    pub parameters: [u64; 4],
    /// In words, as far as the code is known.
    pub meaning: String,
    /// The driver's stack.
    pub backtrace: Vec<Frame>,
}

/// An entry of the system's event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// Event id: 129 for a reset that Storport ordered, 11 for an error that the miniport logged.
    pub id: u32,
    /// In words.
    pub text: String,
}

/// What the miniport told about its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum StateChange {
    /// `StorPortStateChangeDetected`: entity (1 LUN, 2 target, 4 bus), address, attributes.
    State {
        /// `STATE_CHANGE_*`.
        entity: u32,
        /// Path, target, LUN.
        address: [u8; 3],
        /// Attributes.
        attributes: u32,
    },
    /// `BusChangeDetected` on a path.
    Bus(u8),
    /// `StorPortAsyncNotificationDetected`.
    AsyncNotification {
        /// Path, target, LUN.
        address: [u8; 3],
        /// `RAID_ASYNC_NOTIFY_FLAG_*`.
        flags: u64,
    },
}

/// Lets a debugger stop where a rule is broken.
fn tell_debugger(record: &Violation) {
    let what = format!("{}: {} ({})", record.rule, record.detail, record.call);
    let what = CString::new(what.replace('\0', "?")).unwrap_or_default();
    debugger::portlab_rule_broken(what.as_ptr());
}

/// Records kept of one rule in one call; more only count.
const KEPT_PER_PLACE: u64 = 4;

/// Lines kept of the driver's debug output.
const DEBUG_LINES: usize = 10_000;
/// ETW events kept.
const ETW_EVENTS: usize = 10_000;

#[derive(Default)]
struct Records {
    all: Vec<Violation>,
    places: HashMap<(&'static str, String), (usize, u64)>,
}

/// The book.
#[derive(Default)]
pub(super) struct Journal {
    observation: Observation,
    records: Mutex<Records>,
    debug: Mutex<Vec<String>>,
    events: Mutex<Vec<EventRecord>>,
    etw: Mutex<Vec<EtwEvent>>,
    /// The device extension as it was when it went.
    extension: Mutex<Vec<u8>>,
    changes: Mutex<Vec<StateChange>>,
    bug_check: Mutex<Option<BugCheck>>,
    down: AtomicBool,
}

impl Journal {
    /// An empty book, whose entries are told too.
    pub(super) fn new(observation: Observation) -> Self {
        Self {
            observation,
            ..Self::default()
        }
    }

    /// Adds a violation; `describe` makes the record, if it is to be kept.
    pub(super) fn record(&self, rule: &'static Rule, call: &str, describe: impl FnOnce() -> Violation) {
        let key = (rule.id, call.to_owned());
        {
            let mut records = self.records.lock();
            if let Some(&(index, seen)) = records.places.get(&key)
                && seen >= KEPT_PER_PLACE
            {
                if let Some(record) = records.all.get_mut(index) {
                    record.count += 1;
                }
                return;
            }
        }
        // Describing walks the stack and reads the PDB: not under the lock.
        let record = describe();
        self.observation.tell(|| Event::Violation(&record));
        tell_debugger(&record);
        let mut records = self.records.lock();
        let index = records.all.len();
        records
            .places
            .entry(key)
            .and_modify(|place| place.1 += 1)
            .or_insert((index, 1));
        records.all.push(record);
    }

    pub(super) fn of(&self, severity: Severity) -> Vec<Violation> {
        self.records
            .lock()
            .all
            .iter()
            .filter(|record| record.severity == severity)
            .cloned()
            .collect()
    }

    pub(super) fn debug_line(&self, line: String) {
        self.observation.tell(|| Event::Printed(&line));
        let mut lines = self.debug.lock();
        if lines.len() < DEBUG_LINES {
            lines.push(line);
        }
    }

    pub(super) fn debug_log(&self) -> Vec<String> {
        self.debug.lock().clone()
    }

    pub(super) fn event(&self, id: u32, text: String) {
        let record = EventRecord { id, text };
        self.observation.tell(|| Event::Logged(&record));
        self.events.lock().push(record);
    }

    /// An ETW event; it is in the debug output, too.
    pub(super) fn etw_event(&self, event: EtwEvent) {
        self.debug_line(format!("etw {}", event.text()));
        let mut events = self.etw.lock();
        if events.len() < ETW_EVENTS {
            events.push(event);
        }
    }

    pub(super) fn etw_events(&self) -> Vec<EtwEvent> {
        self.etw.lock().clone()
    }

    pub(super) fn keep_extension(&self, bytes: Vec<u8>) {
        *self.extension.lock() = bytes;
    }

    pub(super) fn kept_extension(&self) -> Vec<u8> {
        self.extension.lock().clone()
    }

    pub(super) fn events(&self) -> Vec<EventRecord> {
        self.events.lock().clone()
    }

    pub(super) fn state_change(&self, change: StateChange) {
        self.observation.tell(|| Event::StateChange(&change));
        self.changes.lock().push(change);
    }

    pub(super) fn take_state_changes(&self) -> Vec<StateChange> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Notes the bug check; only the first counts.
    pub(super) fn crash(&self, bug_check: BugCheck) {
        self.observation.tell(|| Event::BugCheck(&bug_check));
        let mut slot = self.bug_check.lock();
        if slot.is_none() {
            *slot = Some(bug_check);
        }
        self.down.store(true, Ordering::Release);
    }

    /// The system is halted: nothing of the driver runs any more, and it is not the driver's doing.
    pub(super) fn halt(&self) {
        self.down.store(true, Ordering::Release);
    }

    /// Takes over what another machine's journal says of the same driver.
    pub(super) fn absorb(&self, other: &Self) {
        self.records.lock().all.append(&mut other.records.lock().all);
        self.debug.lock().append(&mut other.debug.lock());
        self.events.lock().append(&mut other.events.lock());
        self.etw.lock().append(&mut other.etw.lock());
        if let Some(check) = other.bug_check() {
            self.crash(check);
        }
    }

    pub(super) fn bug_check(&self) -> Option<BugCheck> {
        self.bug_check.lock().clone()
    }

    /// Whether the driver brought the system down.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
    }
}
