//! Dispatcher objects of the driver's: events and semaphores, and waiting for them, for timers and for threads.
//!
//! What an object is lies in its own memory, as Windows lays it out (`DISPATCHER_HEADER`: its type, the state of its signal), so
//! that a driver's inline functions see it. Sources: Microsoft Learn, wdm.h.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    kernel::{INVALID_PARAMETER, SUCCESS},
    lab::PATIENCE,
    machine::Machine,
    rules,
};
use crate::{
    abi::{
        GuestAddress,
        exports::{Arguments, Export},
        guest,
    },
    engine::Irql,
};

/// Types of objects, as `DISPATCHER_HEADER` has them.
pub(super) mod kind {
    pub(in crate::model) const NOTIFICATION_EVENT: u8 = 0;
    pub(in crate::model) const SYNCHRONIZATION_EVENT: u8 = 1;
    pub(in crate::model) const SEMAPHORE: u8 = 5;
    pub(in crate::model) const NOTIFICATION_TIMER: u8 = 8;
    pub(in crate::model) const SYNCHRONIZATION_TIMER: u8 = 9;
}

/// Offset of `SignalState`, and of a semaphore's `Limit`.
const SIGNAL: u64 = 4;
const LIMIT: u64 = 24;
/// Bytes of the header: type, signal, list of those who wait.
const HEADER: usize = 24;
/// `STATUS_TIMEOUT`.
const TIMEOUT: u64 = 0x102;
/// `MAXIMUM_WAIT_OBJECTS`.
const MOST_OBJECTS: usize = 64;
/// Units of 100 ns from 1601 to 1970.
const EPOCH: u64 = 116_444_736_000_000_000;

/// A wait, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// This object has ended it.
    Over(usize),
    /// It goes on.
    On,
    /// Something is waited for that is no object.
    Unknown,
}

/// What was initialised.
#[derive(Default)]
pub(super) struct KernelObjects {
    /// Held while a signal is looked at or changed.
    known: Mutex<BTreeSet<GuestAddress>>,
}

fn signal(object: GuestAddress) -> i32 {
    guest::read(object + SIGNAL)
}

fn set_signal(object: GuestAddress, state: i32) {
    guest::write(object + SIGNAL, &state);
}

impl Machine {
    pub(super) fn kernel_objects(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let object = arguments.pointer(0);
        Some(match export {
            Export::KeInitializeEvent => {
                let kind = match arguments.u32(1) {
                    0 => kind::NOTIFICATION_EVENT,
                    1 => kind::SYNCHRONIZATION_EVENT,
                    other => {
                        self.violate(&rules::BAD_PARAMETER, || format!("event type {other}"));
                        return Some(0);
                    }
                };
                self.new_object(object, kind, i32::from(arguments.boolean(2)));
                0
            }
            Export::KeSetEvent => {
                // TRUE for Wait says that a wait follows at once, without the dispatcher's lock in between: here nothing comes between.
                let before = self.change_signal(object, |_| 1);
                self.engine.wake();
                before
            }
            Export::KeResetEvent | Export::KeClearEvent => self.change_signal(object, |_| 0),
            Export::KeReadStateEvent | Export::KeReadStateSemaphore | Export::KeReadStateTimer => {
                self.change_signal(object, |before| before)
            }
            Export::KeInitializeSemaphore => {
                let [count, limit] = [1, 2].map(|index| arguments.u32(index).cast_signed());
                if count < 0 || limit <= 0 || count > limit {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("a count of {count}, at most {limit}")
                    });
                }
                self.new_object(object, kind::SEMAPHORE, count);
                guest::write(object + LIMIT, &limit);
                0
            }
            Export::KeReleaseSemaphore => {
                let more = arguments.u32(2).cast_signed();
                let limit: i32 = guest::read(object + LIMIT);
                let mut over = false;
                let before = self.change_signal(object, |before| {
                    let after = before
                        .checked_add(more)
                        .filter(|&after| more > 0 && after <= limit);
                    over = after.is_none();
                    after.unwrap_or(before)
                });
                if over {
                    // STATUS_SEMAPHORE_LIMIT_EXCEEDED is raised on Windows.
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("the semaphore at {object:#x} is released by {more} beyond its limit {limit}")
                    });
                }
                self.engine.wake();
                before
            }
            Export::KeWaitForSingleObject => self.kernel_wait(&[object], false, arguments.pointer(4)),
            Export::KeWaitForMultipleObjects => {
                let count = arguments.u32(0) as usize;
                // Without wait blocks of the caller's there are three in the thread (THREAD_WAIT_OBJECTS).
                let most = if arguments.pointer(7) == 0 {
                    3
                } else {
                    MOST_OBJECTS
                };
                if count == 0 || count > most {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("{count} objects, at most {most}")
                    });
                    return Some(INVALID_PARAMETER);
                }
                let objects: Vec<GuestAddress> = (0..count as u64)
                    .map(|index| guest::read(arguments.pointer(1) + 8 * index))
                    .collect();
                // WaitAll is 0, WaitAny 1.
                self.kernel_wait(&objects, arguments.u32(2) == 0, arguments.pointer(6))
            }
            _ => return None,
        })
    }

    /// An object whose signal is as said.
    pub(super) fn new_object(&self, object: GuestAddress, kind: u8, state: i32) {
        if self.not_null("the object", object).is_err() {
            return;
        }
        let mut known = self.kernel_objects.known.lock();
        guest::write(object, &[0_u8; HEADER]);
        guest::write(object, &kind);
        set_signal(object, state);
        // The list of those who wait, which nobody is on.
        guest::write(object + 8, &[object + 8; 2]);
        known.insert(object);
    }

    /// Changes an object's signal; what it was before is returned.
    pub(super) fn change_signal(&self, object: GuestAddress, change: impl FnOnce(i32) -> i32) -> u64 {
        let known = self.kernel_objects.known.lock();
        if !known.contains(&object) {
            drop(known);
            self.unknown_object("object", object);
            return 0;
        }
        let before = signal(object);
        set_signal(object, change(before));
        u64::from(before.cast_unsigned())
    }

    /// An object that was never initialised is used.
    pub(super) fn unknown_object(&self, what: &str, address: GuestAddress) {
        self.violate(&rules::KERNEL_OBJECT, || {
            format!("the {what} at {address:#x} was never initialised")
        });
    }

    /// Which of the objects ends a wait now, which takes what it takes.
    fn satisfied(&self, objects: &[GuestAddress], all: bool) -> Wait {
        let known = self.kernel_objects.known.lock();
        let state = |object: &GuestAddress| {
            if known.contains(object) {
                Some(signal(*object) > 0)
            } else {
                self.threads.has_ended(*object)
            }
        };
        let Some(states) = objects.iter().map(state).collect::<Option<Vec<bool>>>() else {
            return Wait::Unknown;
        };
        let take = |object: GuestAddress| {
            if !known.contains(&object) {
                return;
            }
            match guest::read::<u8>(object) {
                kind::SYNCHRONIZATION_EVENT | kind::SYNCHRONIZATION_TIMER => set_signal(object, 0),
                kind::SEMAPHORE => set_signal(object, signal(object) - 1),
                _ => {}
            }
        };
        if all {
            let ready = states.iter().all(|&ready| ready);
            if ready {
                objects.iter().copied().for_each(take);
            }
            return if ready { Wait::Over(0) } else { Wait::On };
        }
        let first = states.iter().position(|&ready| ready);
        if let Some(object) = first.and_then(|index| objects.get(index)) {
            take(*object);
        }
        first.map_or(Wait::On, Wait::Over)
    }

    /// `LARGE_INTEGER` times: negative ones are relative, others since 1601; units of 100 ns.
    pub(super) fn due_in(&self, time: i64) -> Duration {
        let units = if time < 0 {
            time.unsigned_abs()
        } else {
            let now = u64::try_from(self.engine.time_of_day().as_nanos() / 100).unwrap_or(0);
            time.unsigned_abs().saturating_sub(now.saturating_add(EPOCH))
        };
        Duration::from_nanos(units.saturating_mul(100))
    }

    fn kernel_wait(&self, objects: &[GuestAddress], all: bool, timeout: GuestAddress) -> u64 {
        let time = (timeout != 0).then(|| guest::read::<i64>(timeout));
        // Who may have to wait must be where waiting is possible.
        let highest = if time == Some(0) {
            Irql::DISPATCH
        } else {
            Irql::APC
        };
        if !self.at_most(highest) {
            return TIMEOUT;
        }
        let limit = time.map_or(PATIENCE, |time| self.due_in(time));
        let mut found = Wait::On;
        let mut look = || {
            found = self.satisfied(objects, all);
            found != Wait::On || self.journal.is_down()
        };
        if !look() && time != Some(0) {
            self.engine.wait(limit.min(PATIENCE), &mut look);
        }
        match found {
            Wait::Over(index) => SUCCESS + index as u64,
            Wait::On => {
                if time.is_none() && !self.journal.is_down() {
                    self.violate(&rules::LIVELOCK, || {
                        format!("nothing has ended a wait without an end for {PATIENCE:?}")
                    });
                }
                TIMEOUT
            }
            Wait::Unknown => {
                for object in objects {
                    if self.satisfied(&[*object], true) == Wait::Unknown {
                        self.unknown_object("object", *object);
                    }
                }
                INVALID_PARAMETER
            }
        }
    }
}
