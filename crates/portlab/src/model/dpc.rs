//! DPCs: `StorPortInitializeDpc` and `StorPortIssueDpc`.
//!
//! A DPC that is queued ignores another request, arguments included; it stops being queued when its routine
//! starts, and its routine never runs twice at a time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::{activity::Activity, adapter::Phase, machine::Machine, rules};
use crate::{
    abi::{
        GuestAddress, entry::Routine, exports::Arguments, guest, performance::perf, synchronization::StorDpc,
    },
    engine::{Context, Irql, Level, LockName, SpinLock},
};

/// KDPC's object type.
const DPC_OBJECT: u16 = 0x13;
/// One redirected DPC in so many runs on another processor.
const REDIRECTED: u64 = 4;

struct Dpc {
    routine: Routine,
    lock: Arc<SpinLock>,
    /// Serialises the routine; never the driver's to take.
    serial: Arc<SpinLock>,
    queued: Option<(u64, u64)>,
}

#[derive(Default)]
pub(super) struct Dpcs {
    table: Mutex<BTreeMap<GuestAddress, Dpc>>,
    issued: AtomicU64,
}

impl Dpcs {
    /// The spin lock of the DPC at `address`.
    pub(super) fn lock(&self, address: GuestAddress) -> Option<Arc<SpinLock>> {
        self.table.lock().get(&address).map(|dpc| Arc::clone(&dpc.lock))
    }

    /// Queued DPCs.
    pub(super) fn queued(&self) -> usize {
        self.table
            .lock()
            .values()
            .filter(|dpc| dpc.queued.is_some())
            .count()
    }

    /// Forgets all DPC objects: they lived in the device extension.
    pub(super) fn clear(&self) {
        self.table.lock().clear();
    }
}

impl Dpcs {
    /// Takes a DPC out of its queue: whether it was in it, or `None` if it was never initialised.
    pub(super) fn cancel(&self, address: GuestAddress) -> Option<bool> {
        self.table
            .lock()
            .get_mut(&address)
            .map(|dpc| dpc.queued.take().is_some())
    }
}

impl Machine {
    /// `StorPortNotification(InitializeDpc, HwDeviceExtension, Dpc, HwDpcRoutine)`.
    pub(super) fn initialize_dpc(&self, arguments: Arguments) {
        let (extension, address, routine) =
            (arguments.pointer(1), arguments.pointer(2), arguments.pointer(3));
        if !self.is_extension(extension) || self.not_null("Dpc", address).is_err() {
            return;
        }
        let Some(routine) = Routine::new(routine) else {
            let _ = self.not_null("HwDpcRoutine", 0);
            return;
        };
        // Noted only: the page does not say that the call would fail elsewhere.
        self.within("HwStorPassiveInitialize", |activity| {
            activity == Activity::PassiveInitialize
        });
        if self
            .dpcs
            .table
            .lock()
            .get(&address)
            .is_some_and(|dpc| dpc.queued.is_some())
        {
            self.violate(&rules::DPC_REINITIALIZED, || {
                format!("DPC {address:#x} is queued")
            });
        }
        let object = StorDpc {
            kind: DPC_OBJECT,
            deferred_routine: routine.address(),
            deferred_context: extension,
            ..StorDpc::default()
        };
        guest::write(address, &object);
        let dpc = Dpc {
            routine,
            lock: Arc::new(SpinLock::new(LockName::Dpc(address))),
            serial: Arc::new(SpinLock::new(LockName::Dpc(address))),
            queued: None,
        };
        self.dpcs.table.lock().insert(address, dpc);
    }

    /// `StorPortNotification(IssueDpc, HwDeviceExtension, Dpc, SystemArgument1, SystemArgument2, *Result)`.
    pub(super) fn issue_dpc(self: &Arc<Self>, arguments: Arguments) {
        let (extension, address) = (arguments.pointer(1), arguments.pointer(2));
        let given = (arguments.get(3), arguments.get(4));
        let result = arguments.pointer(5);
        let answer = |queued: bool| {
            if result != 0 {
                guest::write(result, &i32::from(queued));
            }
        };
        if !self.is_extension(extension) {
            return answer(false);
        }
        let later_wins = self
            .mutations
            .later_arguments_win(Context::with(|context| context.call.get()));
        let before = {
            let mut table = self.dpcs.table.lock();
            table.get_mut(&address).map(|dpc| {
                let before = dpc.queued;
                if dpc.queued.is_none() || later_wins {
                    dpc.queued = Some(given);
                }
                before
            })
        };
        match before {
            None => {
                self.violate(&rules::DPC_UNINITIALIZED, || {
                    format!("DPC {address:#x} was never initialised")
                });
                answer(false);
            }
            Some(Some(earlier)) => {
                if earlier != given {
                    self.violate(&rules::DPC_LOST, || {
                        format!("DPC {address:#x} is queued with {earlier:x?}; {given:x?} are lost")
                    });
                }
                answer(false);
            }
            Some(None) => {
                let machine = Arc::clone(self);
                let job = Box::new(move || machine.run_dpc(extension, address));
                self.engine.post(self.dpc_processor(), Level::Dpc, job);
                answer(true);
            }
        }
    }

    /// Where a DPC runs that is issued here. With `STOR_PERF_DPC_REDIRECTION` Storport may send it to another processor, of its own
    /// choice: now and then it does. `STOR_PERF_DPC_REDIRECTION_CURRENT_CPU` keeps it where it is.
    fn dpc_processor(&self) -> u32 {
        let current = Context::processor();
        let flags = self.setup().perf_flags;
        if flags & perf::DPC_REDIRECTION == 0 || flags & perf::DPC_REDIRECTION_CURRENT_CPU != 0 {
            return current;
        }
        let count = self.dpcs.issued.fetch_add(1, Ordering::Relaxed);
        if count.wrapping_add(self.options.seed).is_multiple_of(REDIRECTED) {
            (current + 1) % self.engine.processors()
        } else {
            current
        }
    }

    fn run_dpc(&self, extension: GuestAddress, address: GuestAddress) {
        let serial = self
            .dpcs
            .table
            .lock()
            .get(&address)
            .map(|dpc| Arc::clone(&dpc.serial));
        let Some(serial) = serial else {
            return;
        };
        {
            self.engine.acquire(&serial);
            let taken = self
                .dpcs
                .table
                .lock()
                .get_mut(&address)
                .and_then(|dpc| Some((dpc.routine, dpc.queued.take()?)));
            if let Some((routine, (first, second))) = taken
                && self.phase() != Phase::Removed
            {
                self.counters.dpcs();
                self.call(
                    Activity::Dpc,
                    Irql::DISPATCH,
                    &[],
                    routine,
                    &[address, extension, first, second],
                );
            }
            self.engine.release(&serial);
        }
        self.engine.wake();
    }
}
