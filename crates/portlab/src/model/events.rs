//! Event objects, and waiting for them.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::{lab::PATIENCE, limits::status, machine::Machine, rules};
use crate::{
    abi::{GuestAddress, codes::stor_status, exports::Arguments, guest},
    engine::Irql,
};

/// `StorNotificationEvent` and `StorSynchronizationEvent`.
const NOTIFICATION: u32 = 0;
const SYNCHRONIZATION: u32 = 1;

struct Event {
    kind: u32,
    set: bool,
}

/// All events, by address.
#[derive(Default)]
pub(super) struct Events {
    table: Mutex<BTreeMap<GuestAddress, Event>>,
}

impl Machine {
    /// `StorPortInitializeEvent(HwDeviceExtension, Event, Type, State)`.
    pub(super) fn initialize_event(&self, arguments: Arguments) -> u32 {
        let (event, kind, set) = (arguments.pointer(2), arguments.u32(3), arguments.boolean(4));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Event", event)?;
            if kind > SYNCHRONIZATION {
                self.violate(&rules::BAD_PARAMETER, || format!("event type {kind}"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.events.table.lock().insert(event, Event { kind, set });
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetEvent(HwDeviceExtension, Event)`; as `KeSetEvent`, up to `DISPATCH_LEVEL`.
    pub(super) fn set_event(&self, arguments: Arguments) -> u32 {
        let event = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Event", event)?;
            let known = {
                let mut table = self.events.table.lock();
                table.get_mut(&event).map(|event| event.set = true).is_some()
            };
            self.known_event(event, known)?;
            self.engine.wake();
            Ok(stor_status::SUCCESS)
        })())
    }

    fn known_event(&self, event: GuestAddress, known: bool) -> Result<(), u32> {
        if known {
            return Ok(());
        }
        self.violate(&rules::BAD_PARAMETER, || {
            format!("event {event:#x} was never initialised")
        });
        Err(stor_status::INVALID_PARAMETER)
    }

    /// Whether a wait for the object is over now, and takes what ends it; `None` if it is no such object.
    fn look_at(&self, object: GuestAddress) -> Option<bool> {
        if let Some(event) = self.events.table.lock().get_mut(&object) {
            let set = event.set;
            event.set = set && event.kind == NOTIFICATION;
            return Some(set);
        }
        self.threads.has_ended(object)
    }

    /// `StorPortWaitForSingleObject(HwDeviceExtension, Object, Alertable, *Timeout)`: of events, and of the driver's own
    /// threads.
    pub(super) fn wait_for_single_object(&self, arguments: Arguments) -> u32 {
        let (object, timeout) = (arguments.pointer(2), arguments.pointer(4));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Object", object)?;
            if self.threads.has_ended(object).is_some() {
                self.violate(&rules::THREAD_UNDOCUMENTED, || {
                    format!("the context of thread {object:#x} is waited for")
                });
            }
            let ticks = (timeout != 0).then(|| guest::read::<i64>(timeout));
            // Who may have to wait must be where waiting is possible.
            let highest = if ticks == Some(0) {
                Irql::DISPATCH
            } else {
                Irql::APC
            };
            if !self.at_most(highest) {
                return Err(stor_status::INVALID_IRQL);
            }
            if ticks.is_some_and(|ticks| ticks > 0) {
                self.not_modelled("waiting until an absolute time");
                return Err(stor_status::NOT_IMPLEMENTED);
            }
            let wait = ticks.map_or(PATIENCE, |ticks| {
                Duration::from_nanos(ticks.unsigned_abs().saturating_mul(100))
            });
            let mut found = None;
            let mut look = || {
                found = self.look_at(object);
                found != Some(false) || self.journal.is_down()
            };
            if !look() && ticks != Some(0) {
                self.engine.wait(wait.min(PATIENCE), &mut look);
            }
            match found {
                Some(true) => Ok(stor_status::SUCCESS),
                Some(false) => Err(stor_status::UNSUCCESSFUL),
                None => self.known_event(object, false).map(|()| stor_status::SUCCESS),
            }
        })())
    }
}
