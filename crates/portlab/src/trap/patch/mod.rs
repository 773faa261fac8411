//! Turns hot sites into jumps to trampolines.
//!
//! The first five bytes of a site become `jmp rel32` into a trampoline that enters the emulator without a
//! signal. A site is often shorter than that, so the jump covers the beginnings of the instructions behind it.
//! These may be branch targets, and other threads may be about to run them; nothing has to be proved about
//! that, because the trampoline's address is chosen so that each covered beginning holds the byte 0xcc, a
//! breakpoint: who arrives there traps and is sent to the copy of the instruction in the trampoline.
//! (Chamith et al., "Instruction punning: lightweight instrumentation for x86-64", PLDI 2017.)
//!
//! The bytes are exchanged under threads that run them by the protocol for cross-modifying code that Linux uses
//! for its own text: breakpoint first, then the tail, then the first byte, with a core-serialising barrier
//! between the steps.

mod plan;
mod space;

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use iced_x86::Instruction;

use super::{
    code, decode,
    operation::Operation,
    own_memory,
    site::{Answer, Work},
    statistics,
};
use plan::{Plan, Refused};
use space::Space;

/// Length of `jmp rel32`.
const JUMP: usize = 5;
const BREAKPOINT: u8 = 0xcc;

/// A site whose instruction was replaced by a jump. Never freed: a trampoline holds its address.
#[derive(Debug)]
pub(super) struct PatchedSite {
    pub(super) instruction: Instruction,
    pub(super) work: Work,
    /// Where to go on after the access.
    pub(super) resume: u64,
    /// A copy of the instruction, for accesses to ordinary memory.
    pub(super) plain: u64,
}

/// What is kept of a patch.
#[derive(Debug)]
struct Patch {
    /// The covered instructions: where each was, and where its copy is.
    copies: Vec<(u64, u64)>,
    trampoline: u64,
    pad: Option<u64>,
    /// The site holds a breakpoint, not a jump.
    breakpoint: bool,
}

#[derive(Debug, Default)]
struct Table {
    /// Code that may be changed.
    allowed: Vec<Range<u64>>,
    /// By address of the site.
    patches: BTreeMap<u64, Patch>,
    /// Beginnings of covered instructions, and the copies to go to.
    interior: BTreeMap<u64, u64>,
    /// By address of the trampoline: the site.
    trampolines: BTreeMap<u64, u64>,
    refused: HashSet<u64>,
    space: Space,
}

static TABLE: RwLock<Option<Box<Table>>> = RwLock::new(None);
static ENABLED: AtomicBool = AtomicBool::new(true);
/// Whether other processors can be made to see changed code.
static POSSIBLE: AtomicBool = AtomicBool::new(false);

fn read() -> RwLockReadGuard<'static, Option<Box<Table>>> {
    TABLE.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Option<Box<Table>>> {
    TABLE.write().unwrap_or_else(PoisonError::into_inner)
}

/// What has to be ready before the first trap.
pub(super) fn prepare() {
    own_memory::prepare();
    POSSIBLE.store(space::register_barrier(), Ordering::Relaxed);
}

/// Lets sites in `code` be patched.
pub(crate) fn allow_patching(code: Range<u64>) {
    code::enter(&code);
    write().get_or_insert_default().allowed.push(code);
}

/// Ends what [`allow_patching`] began; what is patched stays patched.
pub(crate) fn end_patching(code: Range<u64>) {
    if let Some(table) = write().as_mut() {
        table
            .allowed
            .retain(|allowed| allowed.start < code.start || allowed.end > code.end);
    }
}

/// Forgets everything about sites in `code`, which is about to vanish.
pub(crate) fn forget_patches(code: Range<u64>) {
    code::leave(&code);
    if let Some(table) = write().as_mut() {
        table
            .allowed
            .retain(|allowed| allowed.start < code.start || allowed.end > code.end);
        table.forget(code);
    }
}

/// Lets sites be patched (the default), or not. What is patched stays patched.
///
/// Under valgrind nothing is patched anyway: it runs translations of the code and would not see the change.
/// (It needs `--px-default=allregs-at-mem-access` for register traps to see the right registers.)
pub fn set_patching(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// The driver's own instruction for an address in a trampoline; other addresses are returned as they are.
#[must_use]
pub fn original_address(address: u64) -> u64 {
    let guard = read();
    let Some(table) = guard.as_ref() else {
        return address;
    };
    // A copy in a trampoline may be a patched site itself.
    let mut address = address;
    while let Some(original) = table.original(address) {
        address = original;
    }
    address
}

/// Where a thread that ran into the breakpoint at `address` has to go on; `None` if it is none of ours.
pub(super) fn redirect(address: u64) -> Option<u64> {
    // A patch in progress holds the lock: who comes here meanwhile waits for its end.
    let guard = read();
    let table = guard.as_ref()?;
    if let Some(patch) = table.patches.get(&address) {
        return Some(if patch.breakpoint {
            patch.trampoline
        } else {
            address
        });
    }
    let copy = table.interior.get(&address).copied()?;
    statistics::INTERIOR_TRAPS.count();
    Some(copy)
}

/// What a trapped thread finds at the address where it trapped.
pub(super) enum Found {
    Instruction(Instruction),
    /// Another thread patched the site meanwhile: go there.
    Elsewhere(u64),
    Nothing,
}

/// Reads the instruction at `address` while no patch is in progress.
pub(super) fn instruction_at(address: u64) -> Found {
    let guard = read();
    if let Some(table) = guard.as_ref() {
        if table.patches.contains_key(&address) {
            return Found::Elsewhere(address);
        }
        if let Some(copy) = table.interior.get(&address) {
            return Found::Elsewhere(*copy);
        }
    }
    decode::decode_at(address).map_or(Found::Nothing, Found::Instruction)
}

/// Patches a site that has just trapped, if that is possible.
pub(super) fn consider(instruction: &Instruction, operation: Operation) {
    if !ENABLED.load(Ordering::Relaxed) || !POSSIBLE.load(Ordering::Relaxed) {
        return;
    }
    let site = instruction.ip();
    let worth_trying = |table: &Table| {
        table.code_around(site).is_some()
            && !table.refused.contains(&site)
            && !table.patches.contains_key(&site)
    };
    if !read().as_ref().is_some_and(|table| worth_trying(table)) {
        return;
    }
    let mut guard = write();
    let Some(table) = guard.as_mut() else { return };
    if !worth_trying(table) {
        return;
    }
    if table.patch(instruction, Work::Access(operation)).is_ok() {
        statistics::PATCHED_SITES.count();
    } else {
        table.refused.insert(site);
        statistics::UNPATCHABLE_SITES.count();
    }
}

/// Patches sites that are no register accesses: scheduling points, and what asks the processor. All sites are patched, by a
/// breakpoint where there is no room for a jump; the number of those that could not be read.
///
/// No thread may be inside the code, and each address is an instruction of it.
pub(crate) fn patch_sites(sites: &[u64]) -> usize {
    let mut guard = write();
    let table = guard.get_or_insert_default();
    let mut refused = 0;
    for (index, site) in sites.iter().enumerate() {
        let Some(instruction) = decode::decode_at(*site) else {
            refused += 1;
            continue;
        };
        let work = Answer::of(&instruction).map_or(Work::Point, Work::Processor);
        // A jump must not cover the next site.
        let near = |other: &u64| other.abs_diff(*site) < JUMP as u64;
        let crowded = sites.get(index + 1).is_some_and(near)
            || index
                .checked_sub(1)
                .and_then(|index| sites.get(index))
                .is_some_and(near);
        let jumped = !crowded && table.patch(&instruction, work).is_ok();
        if jumped || table.break_at(&instruction, work).is_ok() {
            statistics::PATCHED_SITES.count();
        } else {
            refused += 1;
        }
    }
    refused
}

impl Table {
    /// The code that may be changed around `site`: a driver's, or a trampoline, whose copies of covered
    /// instructions may be register accesses too.
    fn code_around(&self, site: u64) -> Option<Range<u64>> {
        if let Some(code) = self.allowed.iter().find(|code| code.contains(&site)) {
            return Some(code.clone());
        }
        let trampoline = self.trampoline_of(site)?.0;
        Some(trampoline..trampoline + space::TRAMPOLINE as u64)
    }

    /// The trampoline that holds `address`, and its site.
    fn trampoline_of(&self, address: u64) -> Option<(u64, u64)> {
        let (trampoline, site) = self.trampolines.range(..=address).next_back()?;
        (address - trampoline < space::TRAMPOLINE as u64).then_some((*trampoline, *site))
    }

    /// One step back from a trampoline.
    fn original(&self, address: u64) -> Option<u64> {
        let (_, site) = self.trampoline_of(address)?;
        let copies = self
            .patches
            .get(&site)
            .map(|patch| patch.copies.as_slice())
            .unwrap_or_default();
        let last = copies.iter().rev().find(|(_, copy)| *copy <= address);
        Some(last.map_or(site, |(original, _)| *original))
    }

    fn forget(&mut self, code: Range<u64>) {
        self.refused.retain(|site| !code.contains(site));
        self.interior.retain(|address, _| !code.contains(address));
        let gone: Vec<u64> = self.patches.range(code).map(|(site, _)| *site).collect();
        for site in gone {
            if let Some(patch) = self.patches.remove(&site) {
                self.trampolines.remove(&patch.trampoline);
                self.forget(patch.trampoline..patch.trampoline + space::TRAMPOLINE as u64);
                self.space.give_trampoline(patch.trampoline);
                if let Some(pad) = patch.pad {
                    self.space.give_pad(pad);
                }
            }
        }
    }

    fn patch(&mut self, instruction: &Instruction, work: Work) -> Result<(), Refused> {
        let site = instruction.ip();
        let code = self.code_around(site).ok_or(Refused::NotOurs)?;
        let jump = site..site + JUMP as u64;
        if jump.end > code.end {
            return Err(Refused::NotOurs);
        }
        // Another patch's jump begins within this one's, or the other way round.
        let reach = site.saturating_sub(JUMP as u64 - 1)..jump.end;
        if self.patches.range(reach).next().is_some() {
            return Err(Refused::Overlap);
        }
        let plan = Plan::of(instruction, &code)?;
        let trampoline = self.space.take_trampoline(site).ok_or(Refused::NoRoom)?;
        let result = self.install(&plan, work, trampoline);
        if result.is_err() {
            self.space.give_trampoline(trampoline);
        }
        result
    }

    /// Makes a breakpoint of a site that has no room for a jump: slower, and possible everywhere.
    fn break_at(&mut self, instruction: &Instruction, work: Work) -> Result<(), Refused> {
        let site = instruction.ip();
        if self.code_around(site).is_none() || self.interior.contains_key(&site) {
            return Err(Refused::NotOurs);
        }
        let trampoline = self.space.take_trampoline(site).ok_or(Refused::NoRoom)?;
        let built = Plan::alone(instruction).build(work, trampoline)?;
        own_memory::write(trampoline, &built.bytes).map_err(|_| Refused::NotOurs)?;
        self.trampolines.insert(trampoline, site);
        self.patches.insert(
            site,
            Patch {
                copies: built.copies,
                trampoline,
                pad: None,
                breakpoint: true,
            },
        );
        own_memory::write(site, &[BREAKPOINT]).map_err(|_| Refused::NotOurs)
    }

    fn install(&mut self, plan: &Plan, work: Work, trampoline: u64) -> Result<(), Refused> {
        let built = plan.build(work, trampoline)?;
        own_memory::write(trampoline, &built.bytes).map_err(|_| Refused::NotOurs)?;
        let site = plan.site();
        let (target, pad) = if plan.beginnings().is_empty() {
            (trampoline, None)
        } else {
            let pad = self
                .space
                .take_pad(site + JUMP as u64, plan.beginnings(), trampoline)
                .ok_or(Refused::NoRoom)?;
            (pad, Some(pad))
        };
        let distance = target.wrapping_sub(site + JUMP as u64).cast_signed();
        let Ok(distance) = i32::try_from(distance) else {
            if let Some(pad) = pad {
                self.space.give_pad(pad);
            }
            return Err(Refused::NoRoom);
        };
        // Before the first byte changes: who runs into a breakpoint must find its way.
        for (original, copy) in built.copies.iter().skip(1) {
            if *original < site + JUMP as u64 {
                self.interior.insert(*original, *copy);
            }
        }
        self.trampolines.insert(trampoline, site);
        self.patches.insert(
            site,
            Patch {
                copies: built.copies,
                trampoline,
                pad,
                breakpoint: false,
            },
        );
        // From here on a failure leaves breakpoints that lead to the right places: slow, not wrong.
        let mut jump = vec![0xe9];
        jump.extend(distance.to_le_bytes());
        exchange(site, plan.beginnings(), &jump).map_err(|_| Refused::NotOurs)
    }
}

/// Writes the jump over code that other threads may be running.
fn exchange(site: u64, beginnings: &[usize], jump: &[u8]) -> std::io::Result<()> {
    own_memory::write(site, &[BREAKPOINT])?;
    for beginning in beginnings {
        own_memory::write(site + *beginning as u64, &[BREAKPOINT])?;
    }
    space::barrier();
    if let Some(tail) = jump.get(1..) {
        own_memory::write(site + 1, tail)?;
    }
    space::barrier();
    if let Some(first) = jump.get(..1) {
        own_memory::write(site, first)?;
    }
    space::barrier();
    Ok(())
}
