//! What each callback costs: instructions, calls into the port driver, register accesses.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use serde::Serialize;

use super::{
    activity::Activity,
    lab::{Lab, PATIENCE},
    machine::Machine,
};
use crate::{
    abi::exports::Call,
    engine::Level,
    pe::SourceFrame,
    trap::{
        self, Accesses,
        step::{self, Profile, Suspended},
    },
};

/// A callback on the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Callback {
    /// `HwStorBuildIo`.
    BuildIo,
    /// `HwStorStartIo`.
    StartIo,
    /// `HwMSInterruptRoutine`.
    Interrupt,
    /// A DPC routine.
    Dpc,
    /// Any other.
    Other,
}

impl Callback {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BuildIo,
        Self::StartIo,
        Self::Interrupt,
        Self::Dpc,
        Self::Other,
    ];
}

impl From<Activity> for Callback {
    fn from(activity: Activity) -> Self {
        match activity {
            Activity::BuildIo => Self::BuildIo,
            Activity::StartIo => Self::StartIo,
            Activity::Message(_) => Self::Interrupt,
            Activity::Dpc => Self::Dpc,
            _ => Self::Other,
        }
    }
}

/// One run of a callback. What it was interrupted by, or brought about while it ran, is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Which.
    pub callback: Callback,
    /// Instructions of the image, each run of each counted once; a repeated string instruction is one.
    pub instructions: u64,
    /// Calls into the port driver and the kernel, by name.
    pub port_calls: BTreeMap<String, u64>,
    /// Register reads.
    pub register_reads: u64,
    /// Register writes.
    pub register_writes: u64,
}

/// An instruction of the image that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// In which callback.
    pub callback: Callback,
    /// Its offset in the image.
    pub offset: u32,
    /// How often.
    pub times: u64,
    /// The functions there, innermost first.
    pub source: Vec<SourceFrame>,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the order in which they returned.
    pub invocations: Vec<Invocation>,
    /// By callback and address.
    pub instructions: Vec<Executed>,
}

/// The counters of a machine.
#[derive(Default)]
pub(super) struct Counting {
    enabled: AtomicBool,
    /// Never freed: a signal handler may be at them.
    profiles: OnceLock<BTreeMap<Callback, &'static Profile>>,
    invocations: Mutex<Vec<Invocation>>,
}

/// A callback that runs on this thread.
struct Running {
    port_calls: BTreeMap<String, u64>,
    /// Register accesses of this thread when it began.
    before: Accesses,
    /// Those of callbacks that ran within it.
    within: Accesses,
}

thread_local! {
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

/// What [`Counting::begin`] began.
pub(super) struct Counted(Option<(Callback, Suspended)>);

impl Counting {
    /// The callback is about to be called.
    pub(super) fn begin(&self, activity: Activity) -> Counted {
        let callback = Callback::from(activity);
        let profile = self
            .profiles
            .get()
            .filter(|_| self.enabled.load(Ordering::Acquire))
            .and_then(|profiles| profiles.get(&callback));
        let Some(profile) = profile else {
            return Counted(None);
        };
        RUNNING.with(|running| {
            running.borrow_mut().push(Running {
                port_calls: BTreeMap::new(),
                before: trap::accesses_of_this_thread(),
                within: Accesses::default(),
            });
        });
        Counted(Some((callback, step::begin(profile))))
    }

    /// The callback has returned.
    pub(super) fn end(&self, counted: Counted) {
        let Some((callback, suspended)) = counted.0 else {
            return;
        };
        let instructions = step::end(suspended);
        let now = trap::accesses_of_this_thread();
        let ended = RUNNING.with(|running| {
            let mut running = running.borrow_mut();
            let ended = running.pop()?;
            if let Some(around) = running.last_mut() {
                around.within.reads += now.reads - ended.before.reads;
                around.within.writes += now.writes - ended.before.writes;
            }
            Some(ended)
        });
        let Some(ended) = ended else { return };
        self.invocations.lock().push(Invocation {
            callback,
            instructions,
            port_calls: ended.port_calls,
            register_reads: now.reads - ended.before.reads - ended.within.reads,
            register_writes: now.writes - ended.before.writes - ended.within.writes,
        });
    }
}

/// The driver calls; noted for the callback that runs on this thread, if it is counted.
pub(super) fn note_call(call: Call) {
    RUNNING.with(|running| {
        if let Some(running) = running.borrow_mut().last_mut() {
            *running.port_calls.entry(Machine::call_name(call)).or_default() += 1;
        }
    });
}

impl Lab {
    /// Begins to count, or ends it. What was counted is kept until [`Lab::take_counts`].
    ///
    /// Counted code runs about a thousand times slower. Sites that are patched into trampolines escape the count:
    /// call [`trap::set_patching`] before the driver is loaded.
    pub fn count_instructions(&self, enabled: bool) {
        let counting = &self.machine.counting;
        if enabled && let Some(loaded) = self.machine.image.get() {
            counting.profiles.get_or_init(|| {
                let sections: Vec<_> = loaded.image.code().collect();
                let start = sections.iter().map(|section| section.start).min().unwrap_or(0);
                let end = sections.iter().map(|section| section.end).max().unwrap_or(0);
                let all = start as u64..end as u64;
                let profile = |callback| (callback, &*Box::leak(Box::new(Profile::new(all.clone()))));
                Callback::ALL.into_iter().map(profile).collect()
            });
        }
        counting.enabled.store(enabled, Ordering::Release);
    }

    /// What was counted since the last call. No request may be on its way; what the processors are still at is waited
    /// for.
    #[must_use]
    pub fn take_counts(&self) -> Counts {
        self.settle();
        let counting = &self.machine.counting;
        let mut instructions = Vec::new();
        if let Some(profiles) = counting.profiles.get()
            && let Some(loaded) = self.machine.image.get()
        {
            let base = loaded.image.range().start as u64;
            for (callback, profile) in profiles {
                for (address, times) in profile.executed() {
                    let offset = u32::try_from(address - base).unwrap_or(u32::MAX);
                    let symbols = loaded.symbols.as_ref();
                    instructions.push(Executed {
                        callback: *callback,
                        offset,
                        times,
                        source: symbols.map(|symbols| symbols.at(offset)).unwrap_or_default(),
                    });
                }
                profile.clear();
            }
        }
        Counts {
            invocations: std::mem::take(&mut *counting.invocations.lock()),
            instructions,
        }
    }

    /// Waits until each processor has done what was posted to it before.
    pub fn settle(&self) {
        let processors = self.engine.processors();
        let left = Arc::new(AtomicU32::new(processors));
        for processor in 0..processors {
            let (left, engine) = (Arc::clone(&left), Arc::clone(&self.engine));
            let done = Box::new(move || {
                left.fetch_sub(1, Ordering::AcqRel);
                engine.wake();
            });
            self.engine.post(processor, Level::Thread, done);
        }
        self.engine
            .wait(PATIENCE, &mut || left.load(Ordering::Acquire) == 0);
    }
}
