//! Threads of the driver's that it has from the kernel, and handles: `PsCreateSystemThread`, `ZwClose` and their kin.
//!
//! Sources: Microsoft Learn, wdm.h and ntddk.h.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    kernel::{INVALID_PARAMETER, SUCCESS},
    machine::Machine,
    request::Leak,
    rules,
};
use crate::abi::{
    GuestAddress,
    entry::Routine,
    exports::{Arguments, Export},
    guest,
};

/// `STATUS_INVALID_HANDLE`, `STATUS_INSUFFICIENT_RESOURCES`.
pub(super) const INVALID_HANDLE: u64 = 0xC000_0008;
const INSUFFICIENT_RESOURCES: u64 = 0xC000_009A;
/// Handles of the kernel have the uppermost bits set.
const FIRST_HANDLE: u64 = 0xFFFF_FFFF_8000_0100;
/// A thread's usual priority.
const PRIORITY: u64 = 8;

/// What a handle stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// A thread.
    Thread(GuestAddress),
    /// A key of the registry, below the service's own.
    Key(String),
}

/// Open handles, and where they were opened.
#[derive(Default)]
pub(super) struct KernelHandles(Mutex<BTreeMap<u64, (Object, String)>>);

impl KernelHandles {
    /// A new handle.
    pub(super) fn open(&self, object: Object, place: String) -> u64 {
        let mut table = self.0.lock();
        let handle = table.last_key_value().map_or(FIRST_HANDLE, |(&last, _)| last + 4);
        table.insert(handle, (object, place));
        handle
    }

    /// What a handle stands for.
    pub(super) fn find(&self, handle: u64) -> Option<Object> {
        self.0.lock().get(&handle).map(|(object, _)| object.clone())
    }

    /// What was never closed; it is forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let table = std::mem::take(&mut *self.0.lock());
        let leak = |(handle, (object, place)): (u64, (Object, String))| Leak {
            kind: "handle",
            what: format!("{handle:#x} of {object:?}, opened by {place}"),
        };
        table.into_iter().map(leak).collect()
    }
}

impl Machine {
    pub(super) fn kernel_threads(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let first = arguments.pointer(0);
        Some(match export {
            Export::PsCreateSystemThread => self.ps_create_system_thread(arguments),
            Export::PsTerminateSystemThread => {
                self.end_thread(0);
                // Reached only by a thread that is not the driver's.
                INVALID_PARAMETER
            }
            Export::ObReferenceObjectByHandle => match self.kernel_handles.find(first) {
                Some(Object::Thread(thread)) => {
                    guest::write(arguments.pointer(4), &thread);
                    SUCCESS
                }
                _ => self.wrong_handle(first),
            },
            Export::ObfReferenceObject | Export::ObfDereferenceObject => {
                if self.threads.has_ended(first).is_none() {
                    self.unknown_object("object", first);
                }
                1
            }
            Export::ZwClose => {
                let closed = self.kernel_handles.0.lock().remove(&first);
                if closed.is_some() {
                    SUCCESS
                } else {
                    self.wrong_handle(first)
                }
            }
            // The lab's threads have no priorities: the host schedules them.
            Export::KeSetPriorityThread => PRIORITY,
            _ => return None,
        })
    }

    /// A handle that is none.
    pub(super) fn wrong_handle(&self, handle: u64) -> u64 {
        self.violate(&rules::STATUS_IGNORED_HANDLE, || {
            format!("{handle:#x} is no open handle of the kind that is asked for")
        });
        INVALID_HANDLE
    }

    /// `PsCreateSystemThread(*ThreadHandle, DesiredAccess, ObjectAttributes, ProcessHandle, ClientId, StartRoutine, StartContext)`.
    fn ps_create_system_thread(self: &Arc<Self>, arguments: Arguments) -> u64 {
        let (out, context) = (arguments.pointer(0), arguments.pointer(6));
        let Some(start) = Routine::new(arguments.pointer(5)).filter(|_| out != 0) else {
            let _ = self.not_null("ThreadHandle and StartRoutine", 0);
            return INVALID_PARAMETER;
        };
        if !self.memory_left() {
            return INSUFFICIENT_RESOURCES;
        }
        let Some(thread) = self.threads.enter(Self::place(), usize::MAX) else {
            return INSUFFICIENT_RESOURCES;
        };
        let handle = self.kernel_handles.open(Object::Thread(thread), Self::place());
        guest::write(out, &handle);
        let machine = Arc::clone(self);
        self.engine.thread(Box::new(move || {
            // A start routine that returns ends its thread.
            machine.run_thread(start, context, thread, true);
        }));
        SUCCESS
    }
}
