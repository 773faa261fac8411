//! What the pages of the work-item, timer and DPC calls say, row by row: the probe's own table.
//!
//! The driver reads from it which case it is to provoke, the runner what the answer has to be. The lab knows nothing
//! of it. A row is one return code with one way to it; a code that a page gives several causes has several rows.
//!
//! Source: the pages of the seven calls in the DDI reference (storport.h); each [`Function`] names its page.
#![no_std]

mod answer;
mod function;
mod table;

pub use answer::Answer;
pub use function::Function;
pub use table::ROWS;

/// One documented return code and one way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The call.
    pub function: Function,
    /// What it has to answer.
    pub answer: Answer,
    /// The state or the argument that leads there.
    pub cause: &'static str,
    /// How the probe gets there.
    pub way: Way,
}

/// How a row is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The probe provokes it.
    Reached(Reach),
    /// It cannot be reached, for this reason.
    Unreachable(&'static str),
}

/// What it takes to reach a row, and what else is to be seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// What the driver is told to do.
    pub case: Case,
    /// By which door.
    pub via: Via,
    /// What else must have happened.
    pub effect: Effect,
    /// Rules of the lab that the row breaks on purpose, in order of their names: these and no others.
    pub rules: &'static [&'static str],
    /// The memory that the call needs is not there.
    pub starved: bool,
    /// Arguments whose arrival in the callback the row checks, by index in the exported function (which has the
    /// function code first).
    pub delivers: &'static [usize],
}

/// By which door the probe goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The safe API of the crate `storport`, which has to name the code rightly.
    Safe,
    /// The DDI itself: the safe API's types forbid the mistake, or hide the state.
    Raw,
}

/// What else must be seen, as a number that the driver leaves: callbacks that ran as they should, or objects seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The number.
    pub count: u32,
    /// What it counts; empty if nothing is expected.
    pub meaning: &'static str,
}

/// Added to an effect when a callback ran in a way it never should: wrong arguments, wrong IRQL, or not at all wanted.
pub const WRONG: u32 = 0x8000_0000;

/// In place of an answer: the call has not been made.
pub const NOT_CALLED: u32 = 0xFFFF_FFFF;

/// Vendor-specific SCSI command that makes the probe provoke a case: the second byte is the case.
pub const PROVOKE: u8 = 0xC0;
/// Vendor-specific SCSI command that makes the probe free what the last case left.
pub const CLEAN_UP: u8 = 0xC1;

/// Register of the device in which the driver leaves the answer.
pub const ANSWER_REGISTER: u32 = 0x10;
/// Register of the device in which the driver leaves the effect.
pub const EFFECT_REGISTER: u32 = 0x14;

macro_rules! cases {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        /// What the driver is told to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Case {
            $($(#[$meta])* $name,)+
        }

        impl Case {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

cases! {
    /// A worker is made.
    InitializeWorker,
    /// As above, by the crate.
    InitializeWorkerSafe,
    /// Under the interrupt lock.
    InitializeWorkerAtDirql,
    /// No device extension.
    InitializeWorkerNoExtension,
    /// No place for the worker.
    InitializeWorkerNoWorker,
    /// Without memory, by the crate.
    InitializeWorkerStarved,
    /// An idle worker is queued.
    QueueWorkItem,
    /// As above, by the crate.
    QueueWorkItemSafe,
    /// A running worker queues itself again.
    QueueWorkItemRunning,
    /// A queued worker is queued.
    QueueWorkItemQueued,
    /// In the removal of the adapter.
    QueueWorkItemRemoving,
    /// Under the interrupt lock.
    QueueWorkItemAtDirql,
    /// No device extension.
    QueueWorkItemNoExtension,
    /// No worker.
    QueueWorkItemNoWorker,
    /// No callback.
    QueueWorkItemNoCallback,
    /// An idle worker is freed.
    FreeWorker,
    /// A running worker frees itself.
    FreeWorkerRunning,
    /// A queued worker is freed.
    FreeWorkerQueued,
    /// A free worker is freed.
    FreeWorkerTwice,
    /// Under the interrupt lock.
    FreeWorkerAtDirql,
    /// No device extension.
    FreeWorkerNoExtension,
    /// No worker.
    FreeWorkerNoWorker,
    /// A timer is made.
    InitializeTimer,
    /// A fifth timer is made beside four others.
    InitializeFifthTimer,
    /// Under the interrupt lock.
    InitializeTimerAtDirql,
    /// No device extension.
    InitializeTimerNoExtension,
    /// No place for the timer.
    InitializeTimerNoTimer,
    /// Without memory, by the crate.
    InitializeTimerStarved,
    /// An idle timer is set.
    RequestTimer,
    /// As above, by the crate.
    RequestTimerSafe,
    /// An idle timer is set under the interrupt lock.
    RequestTimerAtDirql,
    /// A timer is set in its callback.
    RequestTimerRunning,
    /// An active timer is cancelled.
    RequestTimerCancel,
    /// An active timer is set.
    RequestTimerActive,
    /// No device extension.
    RequestTimerNoExtension,
    /// No timer.
    RequestTimerNoTimer,
    /// No callback.
    RequestTimerNoCallback,
    /// A timer that is free.
    RequestTimerFreed,
    /// A timer that never was.
    RequestTimerUnknown,
    /// Under the interrupt lock, without memory, by the crate.
    RequestTimerStarved,
    /// An idle timer is freed.
    FreeTimer,
    /// A timer is freed in its callback.
    FreeTimerRunning,
    /// A free timer is freed.
    FreeTimerTwice,
    /// Without memory.
    FreeTimerStarved,
    /// Under the interrupt lock.
    FreeTimerAtDirql,
    /// No device extension.
    FreeTimerNoExtension,
    /// No timer.
    FreeTimerNoTimer,
    /// An idle DPC is issued.
    IssueDpc,
    /// A queued DPC is issued with other arguments.
    IssueDpcQueued,
}

impl Case {
    /// The case of a command's byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_documented_code_has_a_row() {
        for function in Function::ALL {
            for answer in function.answers() {
                let found = ROWS
                    .iter()
                    .any(|row| row.function == *function && row.answer == *answer);
                assert!(found, "{function:?} {answer:?}");
            }
        }
        for row in ROWS {
            assert!(row.function.answers().contains(&row.answer), "{row:?}");
        }
    }

    #[test]
    fn every_case_is_one_row() {
        let cases: HashSet<Case> = ROWS
            .iter()
            .filter_map(|row| match row.way {
                Way::Reached(reach) => Some(reach.case),
                Way::Unreachable(_) => None,
            })
            .collect();
        let reached = ROWS
            .iter()
            .filter(|row| matches!(row.way, Way::Reached(_)))
            .count();
        assert_eq!((cases.len(), reached), (Case::ALL.len(), Case::ALL.len()));
        for case in Case::ALL {
            assert_eq!(Case::from_byte(*case as u8), Some(*case));
        }
    }

    #[test]
    fn answers_are_distinct() {
        for function in Function::ALL {
            let values: HashSet<u32> = function.answers().iter().map(|answer| answer.value()).collect();
            assert_eq!(values.len(), function.answers().len(), "{function:?}");
        }
    }
}
