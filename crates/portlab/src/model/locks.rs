//! Spin locks in the driver's hands.
//!
//! Order: the DPC lock or the StartIo lock first, then the interrupt lock or a message's lock. Between locks of
//! the same rank the order is the driver's own, but it has to keep it: the graph of what was taken while what
//! was held must have no cycle of two.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

use super::{limits::status, machine::Machine, rules};
use crate::{
    abi::{
        codes::stor_status,
        configuration::INTERRUPT_SYNCHRONIZE_PER_MESSAGE,
        exports::Arguments,
        guest,
        synchronization::{DPC_LOCK, INTERRUPT_LOCK, START_IO_LOCK, StorLockHandle},
    },
    engine::{Context, HeldLock, Irql, LockName, SpinLock, context::HeldBy},
};

/// What has been acquired while what was held.
#[derive(Default)]
pub(super) struct LockGraph {
    edges: Mutex<HashSet<(LockName, LockName)>>,
}

impl LockGraph {
    /// Notes that `next` is acquired while `held` are held; the one it contradicts is returned.
    fn note(&self, held: &[LockName], next: LockName) -> Option<LockName> {
        let mut edges = self.edges.lock();
        let mut contradicted = None;
        for &name in held {
            if name == next {
                continue;
            }
            if edges.contains(&(next, name)) {
                contradicted = Some(name);
            } else {
                edges.insert((name, next));
            }
        }
        contradicted
    }
}

impl Machine {
    /// `StorPortNotification(AcquireSpinLock, HwDeviceExtension, SpinLock, LockContext, LockHandle)`.
    pub(super) fn acquire_spin_lock(&self, arguments: Arguments) {
        let _ = self.acquire_named(arguments);
    }

    /// `StorPortAcquireSpinLockEx(HwDeviceExtension, SpinLock, LockContext, LockHandle)`.
    pub(super) fn acquire_spin_lock_ex(&self, arguments: Arguments) -> u32 {
        let (kind, context) = (arguments.u32(2), arguments.pointer(3));
        status((|| {
            if matches!(kind, START_IO_LOCK | INTERRUPT_LOCK) && context != 0 {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("LockContext {context:#x} with a lock that is no DPC's")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            // Above the lock's own IRQL it can neither be waited for nor taken.
            if matches!(kind, START_IO_LOCK | DPC_LOCK) && !self.at_most(Irql::DISPATCH) {
                return Err(stor_status::INVALID_IRQL);
            }
            self.acquire_named(arguments)?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Takes one of Storport's own locks.
    fn acquire_named(&self, arguments: Arguments) -> Result<(), u32> {
        let (extension, kind) = (arguments.pointer(1), arguments.u32(2));
        let (context, handle) = (arguments.pointer(3), arguments.pointer(4));
        self.any_irql(extension)?;
        self.not_null("LockHandle", handle)?;
        let lock = match kind {
            START_IO_LOCK => Some(Arc::clone(&self.adapter.start_io)),
            INTERRUPT_LOCK => Some(Arc::clone(&self.adapter.interrupt)),
            DPC_LOCK => {
                let lock = self.dpcs.lock(context);
                if lock.is_none() {
                    self.violate(&rules::DPC_UNINITIALIZED, || {
                        format!("the lock of DPC {context:#x}, which was never initialised")
                    });
                }
                lock
            }
            _ => {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("STOR_SPINLOCK {kind} does not exist")
                });
                None
            }
        };
        let lock = lock.ok_or(stor_status::INVALID_PARAMETER)?;
        let old_irql = Context::irql();
        self.driver_acquire(&lock, HeldBy::Handle(handle));
        let state = StorLockHandle {
            lock: kind,
            old_irql: old_irql.0,
            ..StorLockHandle::default()
        };
        guest::write(handle, &state);
        Ok(())
    }

    /// `StorPortNotification(ReleaseSpinLock, HwDeviceExtension, LockHandle)`.
    pub(super) fn release_spin_lock(&self, arguments: Arguments) {
        let (extension, handle) = (arguments.pointer(1), arguments.pointer(2));
        if !self.is_extension(extension) || self.not_null("LockHandle", handle).is_err() {
            return;
        }
        self.driver_release(
            |held| held.by == HeldBy::Handle(handle),
            || format!("no lock was acquired with the handle at {handle:#x}"),
        );
    }

    /// `StorPortAcquireMSISpinLock(HwDeviceExtension, MessageId, *OldIrql)`.
    pub(super) fn acquire_msi_spin_lock(&self, arguments: Arguments) -> u32 {
        let (extension, message, old) = (arguments.pointer(1), arguments.u32(2), arguments.pointer(3));
        status((|| {
            self.any_irql(extension)?;
            self.not_null("OldIrql", old)?;
            let lock = self.message_lock(message)?;
            let old_irql = Context::irql();
            self.driver_acquire(&lock, HeldBy::Message);
            guest::write(old, &u32::from(old_irql.0));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortReleaseMSISpinLock(HwDeviceExtension, MessageId, OldIrql)`.
    pub(super) fn release_msi_spin_lock(&self, arguments: Arguments) -> u32 {
        let (extension, message) = (arguments.pointer(1), arguments.u32(2));
        status((|| {
            self.any_irql(extension)?;
            let name = self.message_lock(message)?.name();
            self.driver_release(
                |held| held.by == HeldBy::Message && held.lock.name() == name,
                || format!("the {name} was not acquired"),
            );
            Ok(stor_status::SUCCESS)
        })())
    }

    /// The lock that guards a message's routine.
    pub(super) fn message_lock(&self, message: u32) -> Result<Arc<SpinLock>, u32> {
        let setup = self.setup();
        if message >= u32::from(setup.messages) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!(
                    "message {message} does not exist; {} are connected",
                    setup.messages
                )
            });
            return Err(stor_status::INVALID_PARAMETER);
        }
        if setup.configuration.interrupt_synchronization_mode == INTERRUPT_SYNCHRONIZE_PER_MESSAGE {
            self.adapter
                .message(message)
                .cloned()
                .ok_or(stor_status::INVALID_PARAMETER)
        } else {
            Ok(Arc::clone(&self.adapter.interrupt))
        }
    }

    pub(super) fn driver_acquire(&self, lock: &Arc<SpinLock>, by: HeldBy) {
        let name = lock.name();
        let held = Context::held_names();
        if held.contains(&name) {
            self.violate(&rules::LOCK_RECURSION, || format!("the {name} is held already"));
        } else if let Some(higher) = held.iter().find(|held| held.rank() > name.rank()) {
            self.violate(&rules::LOCK_ORDER, || {
                format!("the {name} is acquired while the {higher} is held")
            });
        } else if let Some(other) = self.lock_graph.note(&held, name) {
            self.violate(&rules::LOCK_ORDER, || {
                format!(
                    "the {name} is acquired while the {other} is held; elsewhere it was the other way round"
                )
            });
        }
        let old_irql = self.raise(name.irql());
        let real = !held.contains(&name);
        if real {
            self.engine.acquire(lock);
        }
        let entry = HeldLock {
            lock: Arc::clone(lock),
            by,
            old_irql,
            real,
        };
        Context::with(|context| context.held.borrow_mut().push(entry));
    }

    pub(super) fn driver_release(&self, is_it: impl Fn(&HeldLock) -> bool, absent: impl FnOnce() -> String) {
        let found = Context::with(|context| {
            let mut held = context.held.borrow_mut();
            held.iter().rposition(is_it).map(|index| {
                let entry = held.remove(index);
                // Released out of order: who was taken later now goes back to where this one began.
                if let Some(later) = held.get_mut(index) {
                    let base = later.old_irql.min(entry.old_irql);
                    later.old_irql = base;
                    (entry, true)
                } else {
                    (entry, false)
                }
            })
        });
        let Some((entry, out_of_order)) = found else {
            self.violate(&rules::LOCK_NOT_HELD, absent);
            return;
        };
        if entry.real {
            self.engine.release(&entry.lock);
        }
        if !out_of_order {
            self.lower(entry.old_irql);
        }
    }
}
