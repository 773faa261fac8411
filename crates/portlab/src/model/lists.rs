//! Lists that Storport guards for the driver: doubly linked ones under a spin lock of the driver's, and singly linked ones.
//!
//! The lists lie in the driver's memory, linked as Windows links them: a driver may walk what it owns.

use std::collections::BTreeSet;

use parking_lot::{Mutex, MutexGuard};

use super::{limits::status, machine::Machine, rules};
use crate::abi::{GuestAddress, codes::stor_status, exports::Arguments, guest};

/// `MEMORY_ALLOCATION_ALIGNMENT` on x64: what heads and entries of singly linked lists need.
const SLIST_ALIGNMENT: u64 = 16;
/// The link of an `SLIST_HEADER` shares its word with four flags.
const SLIST_FLAGS: u64 = 0xF;
/// Depth in the first word of an `SLIST_HEADER`.
const SLIST_DEPTH: u64 = 0xFFFF;

/// What was initialised, by address.
#[derive(Default)]
pub(super) struct DriverLists {
    /// Held while a list changes: all lists share it, as nothing waits inside.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    spin_locks: BTreeSet<GuestAddress>,
    heads: BTreeSet<GuestAddress>,
}

impl Machine {
    /// `StorPortInitializeSpinlock(HwDeviceExtension, Lock)`.
    pub(super) fn initialize_spin_lock(&self, arguments: Arguments) -> u32 {
        let lock = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Lock", lock)?;
            guest::write(lock, &0_u64);
            self.driver_lists.known.lock().spin_locks.insert(lock);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInterlockedInsertHeadList(HwDeviceExtension, ListHead, ListEntry, *Result, Lock)` and
    /// `StorPortInterlockedInsertTailList`. The result is the first (or last) entry there was, NULL if there was none.
    pub(super) fn interlocked_insert(&self, arguments: Arguments, at_head: bool) -> u32 {
        let (head, entry) = (arguments.pointer(2), arguments.pointer(3));
        let (out, lock) = (arguments.pointer(4), arguments.pointer(5));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("ListHead", head)?;
            self.not_null("ListEntry", entry)?;
            self.not_null("Result", out)?;
            self.not_null("Lock", lock)?;
            let known = self.driver_lists.known.lock();
            let known = self.guarded_by(known, lock)?;
            let neighbour = Self::link(head, entry, at_head);
            drop(known);
            let neighbour = neighbour.ok_or_else(|| self.broken_list(head))?;
            guest::write(out, &neighbour);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInterlockedRemoveHeadList(HwDeviceExtension, ListHead, *Result, Lock)`; NULL if the list is empty.
    pub(super) fn interlocked_remove_head(&self, arguments: Arguments) -> u32 {
        let (head, out, lock) = (arguments.pointer(2), arguments.pointer(3), arguments.pointer(4));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("ListHead", head)?;
            self.not_null("Result", out)?;
            self.not_null("Lock", lock)?;
            let known = self.driver_lists.known.lock();
            let known = self.guarded_by(known, lock)?;
            let removed = Self::unlink_first(head);
            drop(known);
            let removed = removed.ok_or_else(|| self.broken_list(head))?;
            guest::write(out, &removed);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// The list may be changed: its lock was initialised.
    fn guarded_by<'a>(
        &self,
        known: MutexGuard<'a, Known>,
        lock: GuestAddress,
    ) -> Result<MutexGuard<'a, Known>, u32> {
        if !known.spin_locks.contains(&lock) {
            drop(known);
            self.violate(&rules::BAD_PARAMETER, || {
                format!("the spin lock {lock:#x} was never initialised")
            });
            return Err(stor_status::INVALID_PARAMETER);
        }
        Ok(known)
    }

    /// Does something to lists while nobody else does.
    pub(super) fn with_lists<R>(&self, act: impl FnOnce() -> R) -> R {
        let _known = self.driver_lists.known.lock();
        act()
    }

    /// Links an entry in: the entry that was first (or last), 0 if there was none; `None` if it is no list.
    pub(super) fn link(head: GuestAddress, entry: GuestAddress, at_head: bool) -> Option<u64> {
        let [next, previous]: [u64; 2] = guest::read(head);
        if !is_list(head, next, previous) {
            return None;
        }
        let (before, behind) = if at_head { (head, next) } else { (previous, head) };
        guest::write(entry, &behind);
        guest::write(entry + 8, &before);
        guest::write(before, &entry);
        guest::write(behind + 8, &entry);
        let neighbour = if at_head { next } else { previous };
        Some(if neighbour == head { 0 } else { neighbour })
    }

    /// Takes the first entry out, 0 if there is none; `None` if it is no list.
    pub(super) fn unlink_first(head: GuestAddress) -> Option<u64> {
        let [first, last]: [u64; 2] = guest::read(head);
        if !is_list(head, first, last) {
            return None;
        }
        if first == head {
            return Some(0);
        }
        let second: u64 = guest::read(first);
        guest::write(head, &second);
        guest::write(second + 8, &head);
        Some(first)
    }

    /// A list whose neighbours do not point back: Windows stops the machine (fast fail, corrupt list).
    pub(super) fn broken_list(&self, head: GuestAddress) -> u32 {
        self.violate(&rules::BAD_PARAMETER, || {
            format!("the list at {head:#x} is no list: its neighbours do not point back")
        });
        stor_status::INVALID_PARAMETER
    }

    /// `StorPortInitializeSListHead(HwDeviceExtension, SListHead)`.
    pub(super) fn initialize_slist_head(&self, arguments: Arguments) -> u32 {
        let head = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("SListHead", head)?;
            self.aligned("SListHead", head)?;
            guest::write(head, &[0_u64; 2]);
            self.driver_lists.known.lock().heads.insert(head);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInterlockedPushEntrySList(HwDeviceExtension, SListHead, SListEntry, *Result)`: the entry that was first.
    pub(super) fn push_entry_slist(&self, arguments: Arguments) -> u32 {
        let entry = arguments.pointer(3);
        let out = arguments.pointer(4);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("SListEntry", entry)?;
            self.aligned("SListEntry", entry)?;
            self.not_null("Result", out)?;
            let first = self.change_slist(arguments.pointer(2), |depth, first| {
                guest::write(entry, &first);
                (depth.wrapping_add(1), entry, first)
            })?;
            guest::write(out, &first);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInterlockedPopEntrySList(HwDeviceExtension, SListHead, *Result)`; NULL if the list is empty.
    pub(super) fn pop_entry_slist(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(3);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Result", out)?;
            let first = self.change_slist(arguments.pointer(2), |depth, first| {
                if first == 0 {
                    (depth, 0, 0)
                } else {
                    (depth.wrapping_sub(1), guest::read(first), first)
                }
            })?;
            guest::write(out, &first);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInterlockedFlushSList(HwDeviceExtension, SListHead, *Result)`: the entry that was first, with all behind it.
    pub(super) fn flush_slist(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(3);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Result", out)?;
            let first = self.change_slist(arguments.pointer(2), |_, first| (0, 0, first))?;
            guest::write(out, &first);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortQueryDepthSList(HwDeviceExtension, SListHead, *Result)`; a 16-bit count.
    pub(super) fn query_depth_slist(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(3);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Result", out)?;
            let mut found = 0;
            self.change_slist(arguments.pointer(2), |depth, first| {
                found = depth;
                (depth, first, first)
            })?;
            guest::write(out, &found);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Changes a list: depth and first entry before, and after; what is returned.
    fn change_slist(
        &self,
        head: GuestAddress,
        change: impl FnOnce(u16, GuestAddress) -> (u16, GuestAddress, GuestAddress),
    ) -> Result<GuestAddress, u32> {
        self.not_null("SListHead", head)?;
        self.aligned("SListHead", head)?;
        let known = self.driver_lists.known.lock();
        if !known.heads.contains(&head) {
            drop(known);
            self.violate(&rules::BAD_PARAMETER, || {
                format!("the list at {head:#x} was never initialised")
            });
            return Err(stor_status::INVALID_PARAMETER);
        }
        let result = change_words(head, change);
        drop(known);
        Ok(result)
    }

    /// As above, for a list that need not be known: the kit's headers initialise some inline.
    pub(super) fn altered_slist(
        &self,
        head: GuestAddress,
        change: impl FnOnce(u16, GuestAddress) -> (u16, GuestAddress, GuestAddress),
    ) -> Result<GuestAddress, u32> {
        self.not_null("SListHead", head)?;
        self.aligned("SListHead", head)?;
        Ok(self.with_lists(|| change_words(head, change)))
    }

    fn aligned(&self, name: &str, address: GuestAddress) -> Result<(), u32> {
        if address.is_multiple_of(SLIST_ALIGNMENT) {
            return Ok(());
        }
        self.violate(&rules::BAD_PARAMETER, || {
            format!("{name} {address:#x} is not aligned to {SLIST_ALIGNMENT} bytes")
        });
        Err(stor_status::INVALID_PARAMETER)
    }
}

/// Neighbours of a list's head point back.
fn is_list(head: GuestAddress, next: GuestAddress, previous: GuestAddress) -> bool {
    next != 0 && previous != 0 && guest::read::<u64>(next + 8) == head && guest::read::<u64>(previous) == head
}

/// Changes the words of an `SLIST_HEADER`: depth and first entry.
fn change_words(
    head: GuestAddress,
    change: impl FnOnce(u16, GuestAddress) -> (u16, GuestAddress, GuestAddress),
) -> GuestAddress {
    let [word, link]: [u64; 2] = guest::read(head);
    let depth = u16::try_from(word & SLIST_DEPTH).unwrap_or(0);
    let (depth, first, result) = change(depth, link & !SLIST_FLAGS);
    // The rest of the first word counts changes.
    let sequence = (word & !SLIST_DEPTH).wrapping_add(SLIST_DEPTH + 1);
    guest::write(head, &[sequence | u64::from(depth), first | (link & SLIST_FLAGS)]);
    result
}
