//! Preemption between two instructions: the driver's code runs one instruction at a time until a count is used up.
//!
//! The count is the thread's: who else runs on it with the trap flag set counts too, so that it is a function of what was run.
//! Repetitions of a string instruction count one by one.

use std::cell::Cell;

use super::{code, step};

thread_local! {
    // Without a destructor and without lazy initialisation: the signal handler uses it.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// What a trap of the trap flag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody asked for it any more: the flag is to be cleared.
    Stray,
    /// Not yet.
    GoOn,
    /// The count is used up: here is the point.
    Now,
}

/// Asks for a point after so many instructions of driver code (0 for none), of code whose flags get the trap flag by other
/// means; whether it is to have it.
pub(super) fn ask(instructions: u32) -> bool {
    if instructions != 0 {
        // The instruction that the code goes on with arrives first.
        LEFT.set(instructions.saturating_add(1));
    }
    instructions != 0
}

/// Asks for a point after so many instructions of the driver that is about to be called.
pub fn begin(instructions: u32) {
    if ask(instructions) {
        step::set_trap_flag();
    }
}

/// The driver has returned: the lab's own code is not stepped.
pub fn end() {
    if LEFT.get() != 0 && step::trap_flag() {
        step::clear_trap_flag();
    }
}

/// Whether this thread is on its way to a point; its trap flag is cleared then, for the lab's own code.
pub(super) fn suspend() -> bool {
    let stepping = LEFT.get() != 0 && step::trap_flag();
    if stepping {
        step::clear_trap_flag();
    }
    stepping
}

/// A trap by the trap flag at `address`, with a stack pointer that a point can be made at or not.
pub(super) fn arrive(address: u64, possible: bool) -> Step {
    let left = LEFT.get();
    if left == 0 {
        return Step::Stray;
    }
    if !code::contains(address) {
        return Step::GoOn;
    }
    if left > 1 {
        LEFT.set(left - 1);
        return Step::GoOn;
    }
    if !possible {
        return Step::GoOn;
    }
    LEFT.set(0);
    Step::Now
}
