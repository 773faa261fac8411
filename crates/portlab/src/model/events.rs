//! Event objects, and waiting for them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

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
    changed: Condvar,
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
            self.events.changed.notify_all();
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

    /// `StorPortWaitForSingleObject(HwDeviceExtension, Object, Alertable, *Timeout)`: of events only.
    pub(super) fn wait_for_single_object(&self, arguments: Arguments) -> u32 {
        let (object, timeout) = (arguments.pointer(2), arguments.pointer(4));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Object", object)?;
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
            let deadline = Instant::now() + wait.min(PATIENCE);
            let mut table = self.events.table.lock();
            loop {
                let Some(event) = table.get_mut(&object) else {
                    drop(table);
                    return self.known_event(object, false).map(|()| stor_status::SUCCESS);
                };
                if event.set {
                    event.set = event.kind == NOTIFICATION;
                    return Ok(stor_status::SUCCESS);
                }
                if self.journal.is_down() || self.events.changed.wait_until(&mut table, deadline).timed_out()
                {
                    return Err(stor_status::UNSUCCESSFUL);
                }
            }
        })())
    }
}
