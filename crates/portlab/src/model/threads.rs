//! Threads of the driver's own: `StorPortCreateSystemThread`, `StorPortSetPriorityThread`, `StorPortTerminateSystemThread`.

use std::{cell::Cell, collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{activity::Activity, limits::status, machine::Machine, request::Leak, rules};
use crate::{
    abi::{GuestAddress, codes::stor_status, entry::Routine, exports::Arguments, guest},
    engine::{Context, Irql},
};

/// Handles are addresses that nothing is mapped at: whoever follows one faults.
const FIRST_HANDLE: GuestAddress = 0x0000_7A14_0000_0000;
/// `STOR_THREAD_PRIORITY` has so many values.
const PRIORITIES: u32 = 7;

struct Thread {
    ended: bool,
    place: String,
}

/// All threads, by handle.
#[derive(Default)]
pub(super) struct Threads {
    table: Mutex<BTreeMap<GuestAddress, Thread>>,
}

thread_local! {
    /// The driver's thread that runs on this host thread; engines that switch stacks carry it by activity.
    static CURRENT: Cell<GuestAddress> = const { Cell::new(0) };
}

/// The driver's thread that runs; what it was before is returned.
pub(super) fn set_current(handle: GuestAddress) -> GuestAddress {
    CURRENT.replace(handle)
}

impl Threads {
    /// Threads that have not ended.
    pub(super) fn running(&self) -> usize {
        self.table.lock().values().filter(|thread| !thread.ended).count()
    }

    /// Whether the thread has ended; `None` if there never was one.
    pub(super) fn has_ended(&self, handle: GuestAddress) -> Option<bool> {
        self.table.lock().get(&handle).map(|thread| thread.ended)
    }

    /// A new thread's handle; `None` if `most` of them run.
    pub(super) fn enter(&self, place: String, most: usize) -> Option<GuestAddress> {
        let mut table = self.table.lock();
        if table.values().filter(|thread| !thread.ended).count() >= most {
            return None;
        }
        let last = table.last_key_value();
        let handle = last.map_or(FIRST_HANDLE, |(&last, _)| last + 0x10);
        table.insert(handle, Thread { ended: false, place });
        Some(handle)
    }

    fn end(&self, handle: GuestAddress) {
        if let Some(thread) = self.table.lock().get_mut(&handle) {
            thread.ended = true;
        }
    }

    /// Threads that never ended; they are forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let table = std::mem::take(&mut *self.table.lock());
        let left = table.into_iter().filter(|(_, thread)| !thread.ended);
        left.map(|(handle, thread)| Leak {
            kind: "thread",
            what: format!("{handle:#x}, created by {}", thread.place),
        })
        .collect()
    }
}

impl Machine {
    /// `StorPortCreateSystemThread(HwDeviceExtension, StartRoutine, StartContext, *Priority, *ThreadContext)`. At most as many as
    /// there are processors.
    pub(super) fn create_system_thread(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let (routine, context) = (arguments.pointer(2), arguments.pointer(3));
        let (priority, out) = (arguments.pointer(4), arguments.pointer(5));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("StartRoutine", routine)?;
            let start = Routine::new(routine).ok_or(stor_status::INVALID_PARAMETER)?;
            if priority != 0 {
                self.thread_priority(guest::read(priority))?;
            }
            // The page names no IRQL; threads are made at PASSIVE_LEVEL, and the page has no code for another.
            if !self.at_most(Irql::PASSIVE) || !self.memory_left() {
                return Err(stor_status::UNSUCCESSFUL);
            }
            let most = self.engine.processors() as usize;
            let handle = self.threads.enter(Self::place(), most);
            let handle = handle.ok_or(stor_status::UNSUCCESSFUL)?;
            if out != 0 {
                guest::write(out, &handle);
            }
            let machine = Arc::clone(self);
            self.engine.thread(Box::new(move || {
                machine.run_thread(start, context, handle, false);
            }));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Runs a thread's start routine, which may return or not.
    pub(super) fn run_thread(
        &self,
        start: Routine,
        context: GuestAddress,
        handle: GuestAddress,
        may_return: bool,
    ) {
        let before = set_current(handle);
        let returned = self.call(Activity::Thread, Irql::PASSIVE, &[], start, &[context]);
        set_current(before);
        if returned.is_some() && !may_return {
            self.violate(&rules::THREAD_UNDOCUMENTED, || {
                format!("the start routine of thread {handle:#x} returned")
            });
        }
        self.threads.end(handle);
        self.engine.wake();
    }

    /// `StorPortSetPriorityThread(HwDeviceExtension, ThreadContext, Priority)`. The lab's threads have no priorities: the host
    /// schedules them.
    pub(super) fn set_priority_thread(&self, arguments: Arguments) -> u32 {
        let (handle, priority) = (arguments.pointer(2), arguments.u32(3));
        status((|| {
            self.passive(arguments.pointer(1))?;
            self.not_null("ThreadContext", handle)?;
            self.thread_priority(priority)?;
            if self.threads.has_ended(handle) != Some(false) {
                self.violate(&rules::STATUS_IGNORED_HANDLE, || {
                    format!("{handle:#x} is no thread of the miniport's that runs")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    fn thread_priority(&self, priority: u32) -> Result<(), u32> {
        if priority < PRIORITIES {
            return Ok(());
        }
        self.violate(&rules::BAD_PARAMETER, || format!("thread priority {priority}"));
        Err(stor_status::INVALID_PARAMETER)
    }

    /// `StorPortNotification(TerminateSystemThread, HwDeviceExtension, ThreadContext)`: ends the thread that calls, and so does not
    /// return. The context may be NULL.
    pub(super) fn terminate_system_thread(&self, arguments: Arguments) {
        if self.any_irql(arguments.pointer(1)).is_ok() {
            self.end_thread(arguments.pointer(2));
        }
    }

    /// Ends the thread that calls, and does not return if it is one of the driver's; `handle` may be NULL.
    pub(super) fn end_thread(&self, handle: GuestAddress) {
        let current = CURRENT.get();
        if current == 0 || (handle != 0 && handle != current) {
            self.violate(&rules::THREAD_NOT_OWN, || {
                if current == 0 {
                    String::from("called by a thread that the miniport has not created")
                } else {
                    format!("thread {current:#x} ends {handle:#x}")
                }
            });
            return;
        }
        let held = Context::held_names();
        if !held.is_empty() || Context::irql() > Irql::PASSIVE {
            self.violate(&rules::LOCK_NOT_RELEASED, || {
                format!(
                    "a thread ends at {} holding {} lock(s)",
                    Context::irql(),
                    held.len()
                )
            });
        }
        set_current(0);
        self.threads.end(current);
        self.engine.wake();
        self.engine.abandon();
    }
}
