//! Addresses for trampolines, and the barrier that lets changed code be seen.
#![expect(
    unsafe_code,
    reason = "maps executable pages near the driver; the membarrier system call"
)]

use std::collections::BTreeMap;

use rustix::mm::{self, MapFlags, ProtFlags};

use super::BREAKPOINT;
use crate::{
    memory::{pointer, size},
    trap::own_memory,
};

/// Bytes of a trampoline.
pub(super) const TRAMPOLINE: usize = 128;
/// Bytes of trampolines mapped at a time.
const ARENA: usize = 64 << 10;
/// Nearer than this is near enough that every distance to or from it fits a jump.
const NEAR: u64 = 1 << 30;
/// How far below a site its trampolines begin: an image mapped later beside its own finds its place.
const AWAY: u64 = 256 << 20;
/// Bytes of a pad: `jmp [rip + 0]` and the address.
const PAD: usize = 14;
const PAGE: u64 = 4096;
/// Pages tried for one pad before giving up.
const TRIES: usize = 64;

/// Executable memory near the driver's code.
#[derive(Debug, Default)]
pub(super) struct Space {
    free_trampolines: Vec<u64>,
    /// Pages of pads, and the pads' offsets in them.
    pads: BTreeMap<u64, Vec<u16>>,
}

/// Maps pages at exactly `address`, if nothing is there. They are written through the kernel, never by a store.
fn map(address: u64, length: usize) -> Option<u64> {
    let hint = pointer(address);
    let access = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: NOREPLACE: nothing that exists is touched.
    let memory = unsafe {
        mm::mmap_anonymous(
            hint,
            length,
            access,
            MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
        )
    };
    memory.ok().map(|memory| memory as u64)
}

impl Space {
    /// Room for a trampoline near `site`.
    pub(super) fn take_trampoline(&mut self, site: u64) -> Option<u64> {
        let near = |address: &u64| address.abs_diff(site) < NEAR;
        if let Some(index) = self.free_trampolines.iter().position(near) {
            return Some(self.free_trampolines.swap_remove(index));
        }
        let arena = (0..TRIES as u64).find_map(|step| {
            let address = (site & !(ARENA as u64 - 1)).checked_sub(AWAY + step * 4 * ARENA as u64)?;
            map(address, ARENA)
        })?;
        self.free_trampolines
            .extend((0..ARENA / TRAMPOLINE).map(|index| arena + (index * TRAMPOLINE) as u64));
        self.free_trampolines.pop()
    }

    pub(super) fn give_trampoline(&mut self, address: u64) {
        self.free_trampolines.push(address);
    }

    /// Writes a jump to `trampoline` at an address whose distance from `from` has breakpoint bytes where
    /// `beginnings` (offsets into the five bytes of the jump) ask for them.
    pub(super) fn take_pad(&mut self, from: u64, beginnings: &[usize], trampoline: u64) -> Option<u64> {
        let mut tries = 0;
        let pad = distances(beginnings).find_map(|distance| {
            let address = from.checked_add_signed(distance.into())?;
            if tries < TRIES {
                self.claim(address, &mut tries)
            } else {
                None
            }
        })?;
        let mut bytes = vec![0xff, 0x25, 0, 0, 0, 0];
        bytes.extend(trampoline.to_le_bytes());
        if own_memory::write(pad, &bytes).is_err() {
            self.give_pad(pad);
            return None;
        }
        Some(pad)
    }

    fn claim(&mut self, address: u64, tries: &mut usize) -> Option<u64> {
        let (page, offset) = (address & !(PAGE - 1), address & (PAGE - 1));
        if offset + PAD as u64 > PAGE {
            return None;
        }
        let offset = u16::try_from(offset).ok()?;
        if !self.pads.contains_key(&page) {
            *tries += 1;
            map(page, size(PAGE))?;
        }
        let pads = self.pads.entry(page).or_default();
        if pads.iter().any(|other| usize::from(other.abs_diff(offset)) < PAD) {
            return None;
        }
        pads.push(offset);
        Some(address)
    }

    pub(super) fn give_pad(&mut self, pad: u64) {
        if let Some(pads) = self.pads.get_mut(&(pad & !(PAGE - 1))) {
            pads.retain(|offset| u64::from(*offset) != pad & (PAGE - 1));
        }
    }
}

/// Distances with breakpoints in the right bytes: those that share pages first.
fn distances(beginnings: &[usize]) -> impl Iterator<Item = i32> {
    let fixed = |byte: usize| beginnings.contains(&(byte + 1));
    let choices = |byte: usize, free: Vec<u8>| if fixed(byte) { vec![BREAKPOINT] } else { free };
    // Of the highest byte only what stays well within reach on both sides.
    let highest = choices(3, vec![0x10, 0x20, 0x30, 0xf0, 0xe0, 0xd0]);
    let third = choices(2, (0..=0xff).step_by(8).collect());
    let second = choices(1, (0..=0xff).step_by(16).collect());
    let lowest = choices(0, (0..=0xff).step_by(16).collect());
    highest.into_iter().flat_map(move |d| {
        let (second, lowest) = (second.clone(), lowest.clone());
        third.clone().into_iter().flat_map(move |c| {
            let lowest = lowest.clone();
            second.clone().into_iter().flat_map(move |b| {
                lowest
                    .clone()
                    .into_iter()
                    .map(move |a| i32::from_le_bytes([a, b, c, d]))
            })
        })
    })
}

const MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE: libc::c_int = 1 << 5;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: libc::c_int = 1 << 6;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call touches no memory of the process.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Asks for the barrier; false if the kernel has none (before 4.16), or if barriers do not help because valgrind
/// runs translations of the code.
pub(super) fn register_barrier() -> bool {
    !runs_on_valgrind() && membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)
}

/// Valgrind's client request `RUNNING_ON_VALGRIND` (valgrind.h): instructions that do nothing on a processor.
fn runs_on_valgrind() -> bool {
    const RUNNING_ON_VALGRIND: u64 = 0x1001;
    let request = [RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0];
    let mut depth = 0_u64;
    // SAFETY: rdi is rotated by 128 bits in all, rbx exchanged with itself; valgrind reads the request and sets rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") depth,
            in("rdi") 0_u64,
            options(nostack)
        );
    }
    depth != 0
}

/// Every thread of the process runs a serialising instruction before it goes on.
pub(super) fn barrier() {
    membarrier(MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE);
}
