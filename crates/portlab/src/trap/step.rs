//! Counts the instructions of driver code by running it one at a time.
//!
//! The processor's trap flag makes every instruction end in a debug exception (Intel SDM volume 3, 17.3.1.4 and
//! 18.3.1.4); the kernel delivers it as SIGTRAP with `TRAP_TRACE`, and the handler counts the instruction that is
//! about to run if it lies in the watched code. A register access that faults is emulated and resumed behind the
//! instruction, with the flag still set; the lab's own code between the driver's calls is left unwatched
//! (`suspend`). So the count is of instructions begun, each once: the repetitions of a string instruction, which
//! trap each, count as one.
//!
//! Nothing is sampled and nothing depends on time: the same path gives the same number. Code that patched sites
//! moved into trampolines is not in the watched range: switch patching off ([`super::set_patching`]) before the
//! driver is loaded.
#![expect(unsafe_code, reason = "sets the processor's trap flag")]

use std::{
    arch::asm,
    cell::Cell,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// `si_code` of a trap by the trap flag (`asm-generic/siginfo.h`).
pub(super) const TRAP_TRACE: libc::c_int = 2;

/// The trap flag in RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;

/// Executions by address, of one kind of callback.
#[derive(Debug)]
pub struct Profile {
    code: Range<u64>,
    executions: Box<[AtomicU64]>,
}

impl Profile {
    /// A profile of the code at `code`, all zero.
    #[must_use]
    pub fn new(code: Range<u64>) -> Self {
        let length = usize::try_from(code.end.saturating_sub(code.start)).unwrap_or(0);
        Self {
            code,
            executions: (0..length).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The addresses that were executed, and how often.
    pub fn executed(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (self.code.start..)
            .zip(&self.executions)
            .map(|(address, count)| (address, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count != 0)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for count in &self.executions {
            count.store(0, Ordering::Relaxed);
        }
    }

    fn count(&self, address: u64) -> bool {
        let index = usize::try_from(address.wrapping_sub(self.code.start)).unwrap_or(usize::MAX);
        let Some(count) = self.executions.get(index) else {
            return false;
        };
        count.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// What a thread is counting.
#[derive(Clone, Copy)]
struct Watch {
    profile: Option<&'static Profile>,
    instructions: u64,
    /// Address of the latest instruction; of the next one, if that is a repetition, too.
    latest: u64,
}

const NOTHING: Watch = Watch {
    profile: None,
    instructions: 0,
    latest: 0,
};

thread_local! {
    // Without a destructor and without lazy initialisation: the signal handler uses it.
    static WATCH: Cell<Watch> = const { Cell::new(NOTHING) };
}

/// What the thread counted before [`begin`].
#[must_use]
pub struct Suspended(Watch);

/// Counts, on this thread, the instructions in the profile's code until [`end`].
pub fn begin(profile: &'static Profile) -> Suspended {
    let before = Suspended(WATCH.get());
    WATCH.set(Watch {
        profile: Some(profile),
        ..NOTHING
    });
    set_trap_flag();
    before
}

/// Ends what [`begin`] began: the number of instructions.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it is to be given back once")]
pub fn end(before: Suspended) -> u64 {
    clear_trap_flag();
    WATCH.replace(before.0).instructions
}

/// Ends the stepping on this thread while the lab's own code runs; true if there was any.
pub(crate) fn suspend() -> bool {
    let counting = WATCH.get().profile.is_some();
    if counting {
        clear_trap_flag();
    }
    counting || super::preempt::suspend()
}

/// Goes on stepping if `suspend` said that there was any.
pub(crate) fn resume(counting: bool) {
    if counting {
        set_trap_flag();
    }
}

/// An instruction at `address` is about to run; false if this thread counts nothing.
pub(super) fn arrive(address: u64) -> bool {
    let mut watch = WATCH.get();
    let Some(profile) = watch.profile else {
        return false;
    };
    if watch.latest != address || !super::decode::is_repeated(address) {
        watch.instructions += u64::from(profile.count(address));
    }
    watch.latest = address;
    WATCH.set(watch);
    true
}

/// Makes every instruction from now on trap.
pub(super) fn set_trap_flag() {
    // SAFETY: the stack is the asm block's to push on; the flag only makes the next instructions trap, and the
    // handler of this module's process expects that.
    unsafe {
        asm!(
            "pushfq",
            "or qword ptr [rsp], {flag}",
            "popfq",
            flag = const TRAP_FLAG,
        );
    }
}

/// Ends what [`set_trap_flag`] began.
pub(super) fn clear_trap_flag() {
    // SAFETY: as above.
    unsafe {
        asm!(
            "pushfq",
            "and qword ptr [rsp], {mask}",
            "popfq",
            mask = const !TRAP_FLAG.cast_signed(),
        );
    }
}

/// Whether instructions trap.
pub(super) fn trap_flag() -> bool {
    let flags: u64;
    // SAFETY: pushes and pops one word on the stack that is the asm block's to use.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(preserves_flags)) };
    flags & TRAP_FLAG != 0
}
