//! What the trap machinery asks its user: a scheduling point, and what the processor itself would tell a driver.

use std::{
    cell::Cell,
    sync::{PoisonError, RwLock},
};

use super::Registers;

/// Why the driver's code was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// It is about to run a patched site: an atomic access, `pause`, the end of a spin loop.
    Site,
    /// It has run the number of instructions that was asked for.
    Stepped,
    /// It has come to no point for a long time of the host.
    Overdue,
}

/// Called on the driver's own stack, in no signal context, with no lock of the lab held; each may switch stacks.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// Something else may run now. What it returns is the number of instructions of the driver until the next point of
    /// the kind [`Point::Stepped`]; 0 for none.
    pub point: fn(Point) -> u32,
    /// The time-stamp counter.
    pub time_stamp: fn() -> u64,
    /// A random number, for `rdrand` and `rdseed`.
    pub random: fn() -> u64,
    /// The driver moves a value to CR8.
    pub set_irql: fn(u8),
}

static HOOKS: RwLock<Option<Hooks>> = RwLock::new(None);

thread_local! {
    static INTERRUPTED: Cell<Option<Registers>> = const { Cell::new(None) };
}

/// Sets the hooks of the process. Without them points pass, and CR8 is what [`super::set_current_irql`] made it.
pub fn set_hooks(hooks: Hooks) {
    *HOOKS.write().unwrap_or_else(PoisonError::into_inner) = Some(hooks);
}

#[cfg(test)]
thread_local! {
    /// Instead of the process's, for tests of one thread.
    pub(super) static OWN: Cell<Option<Hooks>> = const { Cell::new(None) };
}

pub(super) fn hooks() -> Option<Hooks> {
    #[cfg(test)]
    if let Some(own) = OWN.get() {
        return Some(own);
    }
    *HOOKS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The registers of the driver's code that [`Hooks::point`] was called for, on this thread; `None` outside of it.
#[must_use]
pub fn interrupted() -> Option<Registers> {
    INTERRUPTED.get()
}

/// Sets what [`interrupted`] tells, for an engine that switches stacks; what it was.
#[must_use]
pub fn set_interrupted(registers: Option<Registers>) -> Option<Registers> {
    INTERRUPTED.replace(registers)
}

/// Runs the hook for code interrupted with these registers.
pub(super) fn at_point(point: Point, registers: Registers) -> u32 {
    let Some(hooks) = hooks() else { return 0 };
    let before = INTERRUPTED.replace(Some(registers));
    let steps = (hooks.point)(point);
    INTERRUPTED.set(before);
    steps
}
