//! Lists of the driver's that the kernel guards: doubly and singly linked ones under a spin lock, sequenced ones, lookaside lists.
//!
//! What is inline in the kit's headers works on the fields of a lookaside list, so these lie where the headers have them
//! (`GENERAL_LOOKASIDE`). Sources: Microsoft Learn, wdm.h.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;

use super::{machine::Machine, memory::Origin, request::Leak, rules};
use crate::abi::{
    GuestAddress,
    entry::Routine,
    exports::{Arguments, Export},
    guest,
};

/// Offsets in `GENERAL_LOOKASIDE`: depth and its limit, counters, type, tag and size, routines.
const DEPTH: u64 = 16;
const COUNTERS: u64 = 20;
const TYPE: u64 = 36;
const ALLOCATE: u64 = 48;
const FREE: u64 = 56;
/// Bytes that are set when one is initialised.
const LENGTH: usize = 96;
/// Entries that a new list keeps, and the most it ever does.
const KEPT: [u16; 2] = [4, 256];
/// `NonPagedPool` and `PagedPool`.
const NON_PAGED: u32 = 0;
const PAGED: u32 = 1;
/// The least size of an entry: it is linked while it is kept.
const LEAST: u32 = 8;

/// Lookaside lists, and where they were initialised.
#[derive(Default)]
pub(super) struct LookasideLists(Mutex<BTreeSet<GuestAddress>>);

impl LookasideLists {
    /// Lists that were never deleted; they are forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let lists = std::mem::take(&mut *self.0.lock());
        let leak = |address: GuestAddress| Leak {
            kind: "lookaside list",
            what: format!("at {address:#x}"),
        };
        lists.into_iter().map(leak).collect()
    }
}

fn entry_of(export: Export) -> GuestAddress {
    export.address().expose_provenance() as u64
}

impl Machine {
    pub(super) fn kernel_lists(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let (head, entry) = (arguments.pointer(0), arguments.pointer(1));
        Some(match export {
            Export::ExInterlockedInsertHeadList => self.linked(head, entry, true),
            Export::ExInterlockedInsertTailList => self.linked(head, entry, false),
            Export::ExInterlockedRemoveHeadList => self.unlinked(head),
            Export::ExInterlockedPushEntryList => self.with_lists(|| {
                let before: u64 = guest::read(head);
                guest::write(entry, &before);
                guest::write(head, &entry);
                before
            }),
            Export::ExInterlockedPopEntryList => self.with_lists(|| {
                let first: u64 = guest::read(head);
                if first != 0 {
                    guest::write(head, &guest::read::<u64>(first));
                }
                first
            }),
            Export::InitializeSListHead => {
                guest::write(head, &[0_u64; 2]);
                0
            }
            Export::ExpInterlockedPushEntrySList => self.pushed(head, entry),
            Export::ExpInterlockedPopEntrySList => self.popped(head),
            Export::ExpInterlockedFlushSList => {
                self.altered_slist(head, |_, first| (0, 0, first)).unwrap_or(0)
            }
            Export::ExQueryDepthSList => u64::from(guest::read::<u16>(head)),
            Export::ExInitializeNPagedLookasideList | Export::ExInitializePagedLookasideList => {
                let pool = if export == Export::ExInitializePagedLookasideList {
                    PAGED
                } else {
                    NON_PAGED
                };
                let routines = [arguments.pointer(1), arguments.pointer(2)];
                self.new_lookaside(head, routines, pool, arguments.u32(4), arguments.u32(5));
                0
            }
            Export::ExInitializeLookasideListEx => {
                let routines = [arguments.pointer(1), arguments.pointer(2)];
                self.new_lookaside(
                    head,
                    routines,
                    arguments.u32(3),
                    arguments.u32(5),
                    arguments.u32(6),
                );
                0
            }
            Export::ExDeleteNPagedLookasideList
            | Export::ExDeletePagedLookasideList
            | Export::ExDeleteLookasideListEx => {
                if self.lookaside_lists.0.lock().remove(&head) {
                    self.empty_lookaside(head);
                } else {
                    self.unknown_object("lookaside list", head);
                }
                0
            }
            Export::ExFlushLookasideListEx => {
                self.empty_lookaside(head);
                0
            }
            _ => return None,
        })
    }

    fn linked(&self, head: GuestAddress, entry: GuestAddress, at_head: bool) -> u64 {
        let neighbour = self.with_lists(|| Self::link(head, entry, at_head));
        self.judged_list(head, neighbour)
    }

    fn unlinked(&self, head: GuestAddress) -> u64 {
        let first = self.with_lists(|| Self::unlink_first(head));
        self.judged_list(head, first)
    }

    fn judged_list(&self, head: GuestAddress, found: Option<u64>) -> u64 {
        if found.is_none() {
            self.broken_list(head);
        }
        found.unwrap_or(0)
    }

    fn pushed(&self, head: GuestAddress, entry: GuestAddress) -> u64 {
        let push = |depth: u16, first| {
            guest::write(entry, &first);
            (depth.wrapping_add(1), entry, first)
        };
        if !entry.is_multiple_of(16) {
            // STATUS_DATATYPE_MISALIGNMENT is raised on Windows.
            self.violate(&rules::BAD_PARAMETER, || {
                format!("the entry at {entry:#x} is not aligned to 16 bytes")
            });
            return 0;
        }
        self.altered_slist(head, push).unwrap_or(0)
    }

    fn popped(&self, head: GuestAddress) -> u64 {
        let pop = |depth: u16, first| {
            if first == 0 {
                (depth, 0, 0)
            } else {
                (depth.wrapping_sub(1), guest::read(first), first)
            }
        };
        self.altered_slist(head, pop).unwrap_or(0)
    }

    /// `[allocate, free]` may be NULL: pool then.
    fn new_lookaside(&self, list: GuestAddress, routines: [u64; 2], pool: u32, size: u32, tag: u32) {
        if self.not_null("Lookaside", list).is_err() {
            return;
        }
        if !list.is_multiple_of(16) || size < LEAST {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("a lookaside list at {list:#x} for entries of {size} bytes")
            });
        }
        let [allocate, free] = routines;
        let default = |given: u64, export: Export| if given == 0 { entry_of(export) } else { given };
        guest::write(list, &[0_u8; LENGTH]);
        guest::write(list + DEPTH, &KEPT);
        guest::write(list + COUNTERS, &[0_u32; 4]);
        guest::write(list + TYPE, &[pool, tag, size]);
        guest::write(list + ALLOCATE, &default(allocate, Export::ExAllocatePoolWithTag));
        guest::write(list + FREE, &default(free, Export::ExFreePool));
        self.lookaside_lists.0.lock().insert(list);
    }

    /// Frees what a list keeps.
    fn empty_lookaside(self: &Arc<Self>, list: GuestAddress) {
        let free: GuestAddress = guest::read(list + FREE);
        loop {
            let entry = self.popped(list);
            if entry == 0 {
                break;
            }
            if free == entry_of(Export::ExFreePool) {
                self.driver_free(Origin::Pool, entry, None);
            } else if let Some(routine) = Routine::new(free) {
                // The list itself is the second argument of `FreeEx`.
                let _ = routine.call(&[entry, list]);
            }
        }
    }
}
