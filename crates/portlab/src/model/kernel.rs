//! What miniports import from the kernel besides its run time: IRQL, spin locks of their own, time, processors, version.
//!
//! Microsoft's guidance is that a storage miniport calls the port driver's routines only; many published ones call these all the
//! same. What is not here is refused by name when it is called. Sources: Microsoft Learn, wdm.h and ntddk.h.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{kernel_table, machine::Machine, rules};
use crate::{
    abi::{
        GuestAddress,
        exports::{self, Arguments, Call, Export},
        guest,
    },
    engine::{Context, Irql, LockName, SpinLock, context::HeldBy},
};

/// `STATUS_SUCCESS`.
pub(super) const SUCCESS: u64 = 0;
/// `STATUS_INVALID_PARAMETER`.
pub(super) const INVALID_PARAMETER: u64 = 0xC000_000D;
/// What Windows 10 1809 says of itself.
const VERSION: [u32; 4] = [10, 0, 17763, 2];
/// 100 ns units of a clock tick.
const TIME_INCREMENT: u64 = 156_250;
/// Characters of a routine's name.
const NAME: usize = 128;

/// Spin locks that the driver keeps itself, by address.
#[derive(Default)]
pub(super) struct OwnLocks(Mutex<BTreeMap<GuestAddress, Arc<SpinLock>>>);

impl OwnLocks {
    fn at(&self, address: GuestAddress) -> Arc<SpinLock> {
        let mut locks = self.0.lock();
        let lock = locks
            .entry(address)
            .or_insert_with(|| Arc::new(SpinLock::new(LockName::Own(address))));
        Arc::clone(lock)
    }
}

impl Machine {
    /// Answers a call of the kernel; `None` if it is none of these.
    pub(super) fn kernel(self: &Arc<Self>, call: Call) -> Option<u64> {
        let arguments = call.arguments;
        if let Some(highest) = kernel_table::highest(call.export) {
            self.at_most(highest);
        }
        self.irql_and_locks(call.export, arguments)
            .or_else(|| self.kernel_time(call.export, arguments))
            .or_else(|| self.kernel_processors(call.export, arguments))
            .or_else(|| self.kernel_system(call.export, arguments))
            .or_else(|| self.kernel_text(call.export, arguments))
            .or_else(|| self.kernel_tracing(call.export, arguments))
            .or_else(|| self.kernel_objects(call.export, arguments))
            .or_else(|| self.kernel_dpcs(call.export, arguments))
            .or_else(|| self.kernel_lists(call.export, arguments))
            .or_else(|| self.kernel_memory(call.export, arguments))
            .or_else(|| self.kernel_threads(call.export, arguments))
            .or_else(|| self.kernel_registry(call.export, arguments))
            .or_else(|| Self::kernel_wide(call.export, arguments))
            .or_else(|| self.kernel_strings(call.export, arguments))
            .or_else(|| self.kernel_affinity(call.export, arguments))
    }

    fn irql_and_locks(&self, export: Export, arguments: Arguments) -> Option<u64> {
        let lock = arguments.pointer(0);
        match export {
            Export::KfRaiseIrql => {
                let irql = Irql(arguments.u8(0));
                if irql < Context::irql() {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("raised from {} to {irql}", Context::irql())
                    });
                }
                Some(u64::from(self.raise(irql).0))
            }
            Export::KeRaiseIrqlToDpcLevel => Some(u64::from(self.raise(Irql::DISPATCH).0)),
            Export::KeLowerIrql => {
                let irql = Irql(arguments.u8(0));
                if irql > Context::irql() {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("lowered from {} to {irql}", Context::irql())
                    });
                } else {
                    self.lower(irql);
                }
                Some(0)
            }
            Export::KeInitializeSpinLock => {
                guest::write(lock, &0_u64);
                Some(0)
            }
            Export::KeAcquireSpinLockRaiseToDpc => {
                let old = Context::irql();
                self.own_acquire(lock, lock);
                Some(u64::from(old.0))
            }
            Export::KeAcquireSpinLockAtDpcLevel => {
                if Context::irql() < Irql::DISPATCH {
                    self.violate(&rules::IRQL_TOO_LOW, || format!("called at {}", Context::irql()));
                }
                self.own_acquire(lock, lock);
                Some(0)
            }
            Export::KeAcquireInStackQueuedSpinLockAtDpcLevel => {
                if Context::irql() < Irql::DISPATCH {
                    self.violate(&rules::IRQL_TOO_LOW, || format!("called at {}", Context::irql()));
                }
                self.own_acquire(lock, arguments.pointer(1));
                Some(0)
            }
            Export::KeAcquireInStackQueuedSpinLock => {
                self.own_acquire(lock, arguments.pointer(1));
                Some(0)
            }
            // The lock, or the handle of a queued one.
            Export::KeReleaseSpinLock
            | Export::KeReleaseSpinLockFromDpcLevel
            | Export::KeReleaseInStackQueuedSpinLock
            | Export::KeReleaseInStackQueuedSpinLockFromDpcLevel => {
                self.own_release(lock);
                Some(0)
            }
            _ => None,
        }
    }

    fn own_acquire(&self, lock: GuestAddress, handle: GuestAddress) {
        if self.at_most(Irql::DISPATCH) && self.not_null("SpinLock", lock).is_ok() {
            self.driver_acquire(&self.own_locks.at(lock), HeldBy::Handle(handle));
        }
    }

    fn own_release(&self, handle: GuestAddress) {
        self.driver_release(
            |held| held.by == HeldBy::Handle(handle),
            || format!("no lock was acquired as {handle:#x}"),
        );
    }

    fn kernel_time(&self, export: Export, arguments: Arguments) -> Option<u64> {
        let ticks = |time: Duration| u64::try_from(time.as_nanos() / 100).unwrap_or(u64::MAX);
        match export {
            Export::KeStallExecutionProcessor => {
                self.stall_execution(arguments);
                Some(0)
            }
            Export::KeDelayExecutionThread => {
                // Negative: relative, in units of 100 ns.
                let interval: i64 = guest::read(arguments.pointer(2));
                let delay = Duration::from_nanos(interval.min(0).unsigned_abs().saturating_mul(100));
                if self.at_most(Irql::APC) {
                    self.sleep(delay);
                }
                Some(SUCCESS)
            }
            Export::KeQueryTimeIncrement => Some(TIME_INCREMENT),
            Export::KeQuerySystemTimePrecise => {
                self.query_system_time(arguments);
                Some(0)
            }
            Export::KeQueryInterruptTimePrecise => {
                let now = ticks(self.engine.now());
                if arguments.pointer(0) != 0 {
                    guest::write(arguments.pointer(0), &now);
                }
                Some(now)
            }
            Export::KeQueryUnbiasedInterruptTime => Some(ticks(self.engine.now())),
            _ => None,
        }
    }

    /// One group and one node, as everywhere in the lab.
    fn kernel_processors(&self, export: Export, arguments: Arguments) -> Option<u64> {
        let count = u64::from(self.engine.processors());
        let mask = u64::MAX >> (64 - count.clamp(1, 64));
        let in_group = |group: u32| matches!(group & 0xFFFF, 0 | 0xFFFF);
        let number_at = |address: GuestAddress, index: u32| {
            if address != 0 {
                guest::write(address, &[0, 0, (index & 0xFF) as u8, 0]);
            }
        };
        Some(match export {
            Export::KeQueryActiveProcessorCount | Export::KeQueryMaximumProcessorCount => {
                if export == Export::KeQueryActiveProcessorCount && arguments.pointer(0) != 0 {
                    guest::write(arguments.pointer(0), &mask);
                }
                count
            }
            Export::KeQueryActiveProcessorCountEx | Export::KeQueryMaximumProcessorCountEx => {
                if in_group(arguments.u32(0)) { count } else { 0 }
            }
            Export::KeQueryActiveProcessors => mask,
            Export::KeQueryActiveGroupCount | Export::KeQueryMaximumGroupCount => 1,
            Export::KeQueryHighestNodeNumber => 0,
            Export::KeGetCurrentProcessorNumberEx => {
                number_at(arguments.pointer(0), Context::processor());
                u64::from(Context::processor())
            }
            Export::KeGetProcessorIndexFromNumber => {
                let [group, _, number, _]: [u8; 4] = guest::read(arguments.pointer(0));
                if group == 0 && u64::from(number) < count {
                    u64::from(number)
                } else {
                    // INVALID_PROCESSOR_INDEX
                    u64::from(u32::MAX)
                }
            }
            Export::KeGetProcessorNumberFromIndex => {
                if u64::from(arguments.u32(0)) >= count {
                    return Some(INVALID_PARAMETER);
                }
                number_at(arguments.pointer(1), arguments.u32(0));
                SUCCESS
            }
            _ => return None,
        })
    }

    /// Affinities of threads and of groups. System threads of the lab are on no virtual processor, so that every legal affinity holds
    /// already.
    fn kernel_affinity(&self, export: Export, arguments: Arguments) -> Option<u64> {
        let first = arguments.pointer(0);
        let all = self.all_processors();
        // GROUP_AFFINITY: a mask, the group.
        let affinity = [all, 0];
        Some(match export {
            Export::KeQueryGroupAffinity => {
                if first_u16(first) == 0 {
                    all
                } else {
                    0
                }
            }
            // Bytes of a cache line.
            Export::KeGetRecommendedSharedDataAlignment => 64,
            Export::KeQueryNodeActiveAffinity => {
                let here = first_u16(first) == 0;
                if here && arguments.pointer(1) != 0 {
                    guest::write(arguments.pointer(1), &affinity);
                }
                if arguments.pointer(2) != 0 {
                    let count = if here { all.count_ones() } else { 0 };
                    guest::write(arguments.pointer(2), &u16::try_from(count).unwrap_or(u16::MAX));
                }
                0
            }
            // What is returned is what the thread had: nothing of its own.
            Export::KeSetSystemAffinityThreadEx => {
                if first & all == 0 {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("affinity {first:#x} of {all:#x}")
                    });
                }
                0
            }
            // And one node.
            Export::KeRevertToUserAffinityThreadEx
            | Export::KeRevertToUserGroupAffinityThread
            | Export::KeGetCurrentNodeNumber => 0,
            Export::KeSetSystemGroupAffinityThread => {
                let [mask, group]: [u64; 2] = guest::read(first);
                if mask & all == 0 || group != 0 {
                    self.violate(&rules::BAD_PARAMETER, || {
                        format!("affinity {mask:#x} of group {:#x}", group & 0xFFFF)
                    });
                }
                if arguments.pointer(1) != 0 {
                    guest::write(arguments.pointer(1), &[0_u64; 2]);
                }
                0
            }
            _ => return None,
        })
    }

    fn kernel_system(&self, export: Export, arguments: Arguments) -> Option<u64> {
        match export {
            Export::RtlGetVersion => {
                // RTL_OSVERSIONINFOW: its size, then these.
                if self.at_most(Irql::PASSIVE) {
                    guest::write(arguments.pointer(0) + 4, &VERSION);
                }
                Some(SUCCESS)
            }
            Export::PsGetVersion => {
                for (index, value) in VERSION.iter().take(3).enumerate() {
                    if arguments.pointer(index) != 0 {
                        guest::write(arguments.pointer(index), value);
                    }
                }
                // FALSE: no checked build.
                Some(0)
            }
            Export::MmGetSystemRoutineAddress => {
                if !self.at_most(Irql::PASSIVE) {
                    return Some(0);
                }
                let name = read_unicode(arguments.pointer(0));
                let found = exports::resolve("ntoskrnl.exe", &name);
                if found.is_none() {
                    self.journal.debug_line(format!(
                        "portlab: MmGetSystemRoutineAddress: the model lacks {name}"
                    ));
                }
                Some(found.map_or(0, |address| address.expose_provenance() as u64))
            }
            _ => None,
        }
    }
}

/// A USHORT.
fn first_u16(value: u64) -> u16 {
    let [low, high, ..] = value.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// A `UNICODE_STRING`: bytes, bytes of the buffer, buffer.
pub(super) fn read_unicode(address: GuestAddress) -> String {
    let length: u16 = guest::read(address);
    let buffer: GuestAddress = guest::read(address + 8);
    guest::read_wide_string(buffer, usize::from(length / 2).min(NAME))
}
