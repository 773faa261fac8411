//! Wrong answers on purpose: what a check of this model is worth shows when the model is wrong.
//!
//! The switch sits where calls enter the model and answers leave it. Off, which is how every lab begins, it costs one
//! relaxed load a call.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::machine::Machine;
use crate::abi::{
    GuestAddress,
    codes::notification,
    exports::{Call, Export},
    guest,
};

/// One thing that the model does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// The call, as violations name it: `StorPortQueueWorkItem`, `StorPortNotification(IssueDpc)`.
    pub call: String,
    /// What is wrong with it.
    pub change: Change,
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One answer is another.
    Answer {
        /// The answer of the model as it is.
        from: u32,
        /// What the driver is told.
        to: u32,
    },
    /// The call does nothing.
    Ignored {
        /// What the driver is told.
        answer: u32,
    },
    /// An argument arrives as something else.
    Argument {
        /// Index in the call of the exported function, which has the function code first.
        index: usize,
        /// What arrives.
        value: u64,
    },
    /// Of two requests the later one's arguments win, where the first one's should.
    LaterArgumentsWin,
}

/// The switch.
#[derive(Default)]
pub(super) struct Mutations {
    on: AtomicBool,
    mutation: Mutex<Option<Mutation>>,
    made: AtomicU64,
}

impl Mutations {
    pub(super) fn set(&self, mutation: Option<Mutation>) {
        let mut slot = self.mutation.lock();
        self.on.store(mutation.is_some(), Ordering::Release);
        *slot = mutation;
    }

    /// How often something wrong was done.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    fn of(&self, call: Call) -> Option<Change> {
        if !self.on.load(Ordering::Relaxed) {
            return None;
        }
        let mutation = self.mutation.lock();
        let mutation = mutation.as_ref()?;
        (mutation.call == Machine::call_name(call)).then_some(mutation.change)
    }

    fn count(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether of two requests in `call` the later one's arguments win.
    pub(super) fn later_arguments_win(&self, call: Option<Call>) -> bool {
        let wins = call.and_then(|call| self.of(call)) == Some(Change::LaterArgumentsWin);
        if wins {
            self.count();
        }
        wins
    }

    /// Answers `call` by `route`, or wrongly.
    pub(super) fn around(&self, call: Call, route: impl FnOnce() -> u64) -> u64 {
        match self.of(call) {
            None | Some(Change::LaterArgumentsWin) => route(),
            Some(Change::Ignored { answer }) => {
                self.count();
                replace(call, answer).unwrap_or_else(|| u64::from(answer))
            }
            Some(Change::Argument { index, value }) => {
                self.count();
                call.arguments.replace(index, value);
                route()
            }
            Some(Change::Answer { from, to }) => {
                let result = route();
                let answer =
                    answer_address(call).map_or_else(|| crate::abi::entry::ulong(result), guest::read::<u32>);
                if answer != from {
                    return result;
                }
                self.count();
                replace(call, to).unwrap_or_else(|| u64::from(to))
            }
        }
    }
}

/// Where the answer is, if it is not returned.
fn answer_address(call: Call) -> Option<GuestAddress> {
    let notifies = call.export == Export::StorPortNotification;
    (notifies && call.arguments.u32(0) == notification::ISSUE_DPC)
        .then(|| call.arguments.pointer(5))
        .filter(|&address| address != 0)
}

/// Replaces an answer that is not returned; RAX then.
fn replace(call: Call, answer: u32) -> Option<u64> {
    answer_address(call).map(|address| {
        guest::write(address, &answer);
        0
    })
}
