//! Drivers for a stepped control path.
//!
//! Bringing a controller up, resetting it and restarting it is one sequence, needed in places that have nothing in common:
//! some callbacks may not return before its end, others may not wait at all. A miniport writes the sequence once, as a
//! state machine (`step(event, now) -> action`) that does no I/O and never waits, and lets these drive it:
//!
//! * [`run`]: bounded stalls, for `HwStorFindAdapter`, `HwStorInitialize`, `HwStorResetBus` and dump mode;
//! * [`visit`] and [`start`]: DPC plus timer (and work item), for everything that may be late;
//! * tests: anything that has a clock and can stall is a [`Stall`], so that both drivers above, and loops of a
//!   test's own, drive the same machine on virtual time.
//!
//! All of them share one [`Exclusive`]: who holds the machine alone steps it; who is refused leaves a note and
//! returns, and the holder looks again after it has left, so that no event is lost and nobody spins at a raised IRQL.
//! Nothing here allocates, and every loop has a bound that holds even if the clock stands still.

#[cfg(test)]
mod tests;

#[cfg(windows)]
mod port;

use core::time::Duration;

#[cfg(windows)]
pub use port::{AlarmPort, StallPort};

use crate::cell::{Entered, Exclusive};

/// Between two looks while polling by stalls: below the 1 ms that a stall may last.
pub const POLL: Duration = Duration::from_micros(50);
/// How often a machine that somebody else steps is tried by a caller that must have it: about a second.
const MAX_TRIES: u32 = 20_000;
/// Looks that [`run`] makes at least, however small the budget is.
const LEAST_LOOKS: u64 = 1000;
/// How many notes one caller of [`visit`] serves before it leaves the rest to the DPC.
const MAX_VISITS: u32 = 64;
/// Bounds of the time for which the timer is set. It comes early rather than never: an early look does no harm.
const SOONEST: Duration = Duration::from_micros(100);
const LATEST: Duration = Duration::from_millis(10);

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress<O, F> {
    /// It goes on when something comes, or when [`Stepped::due`] is reached.
    Waiting,
    /// It is done.
    Done(O),
    /// It has failed.
    Failed(F),
}

impl<O, F> Progress<O, F> {
    /// Whether the request goes on.
    pub const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting)
    }
}

/// Who steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Somebody who waits by stalls ([`run`]).
    Poller,
    /// A DPC or a timer.
    Interrupt,
    /// A work item.
    Worker,
}

/// A control path: a stepped machine together with whatever performs its actions.
///
/// `E` is the environment of one callback: its context, the registers, the memory. The machine itself is state only, and
/// begins as zeroes like everything in an adapter.
pub trait Stepped<E> {
    /// What it is asked to do.
    type Request;
    /// How a request ends well.
    type Outcome: Copy;
    /// How it ends badly.
    type Failure: Copy;

    /// Begins `request`, to be finished within `budget`; performs actions until the machine has to wait or is finished.
    fn begin(
        &mut self,
        environment: &E,
        request: Self::Request,
        budget: Duration,
        who: Who,
    ) -> Progress<Self::Outcome, Self::Failure>;

    /// One look at what has come and at the clock; performs what follows from it. With nothing under way, or nothing
    /// new, it is [`Progress::Waiting`].
    fn look(&mut self, environment: &E, who: Who) -> Progress<Self::Outcome, Self::Failure>;

    /// What `progress` changes for the rest of the adapter. Called after each begin and each row of looks.
    fn conclude(&mut self, environment: &E, progress: Progress<Self::Outcome, Self::Failure>);

    /// When it wants to be stepped without anything having come, by the port's clock; `None` if nothing is under way.
    fn due(&self) -> Option<Duration>;

    /// The caller of [`run`] gives up: the clock does not advance. Nothing is under way any more.
    fn abandon(&mut self);
}

/// What a driver needs of the port driver where it stalls.
pub trait Stall {
    /// Time since an arbitrary origin; never goes back.
    fn now(&self) -> Duration;
    /// Busy-waits, for less than 1 ms.
    fn stall(&self, time: Duration);
    /// Has [`visit`] called soon, by a DPC.
    fn visit_soon(&self);
}

/// What a driver needs of the port driver where it does not wait.
pub trait Alarm: Stall {
    /// Has [`visit`] called after `time`, by a timer. A timer that is set already comes earlier, and is set again then.
    fn visit_after(&self, time: Duration);
}

/// Why [`run`] and [`start`] did not get an answer from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveError<F> {
    /// Somebody else steps it and does not leave.
    Held,
    /// It did not end within its looks: the clock stands still.
    ClockStopped,
    /// The request has failed.
    Failed(F),
}

/// Enters the machine, waiting by stalls, for about a second at most, for whoever is in it.
pub fn enter<'a, T, P: Stall + ?Sized>(port: &P, cell: &'a Exclusive<T>) -> Option<Entered<'a, T>> {
    for _ in 0..MAX_TRIES {
        if let Some(entered) = cell.try_enter() {
            return Some(entered);
        }
        port.stall(POLL);
    }
    None
}

/// Leaves the machine: whoever was refused meanwhile is served by the DPC.
pub fn leave<T, P: Stall + ?Sized>(port: &P, cell: &Exclusive<T>, entered: Entered<'_, T>) {
    drop(entered);
    serve_refused(port, cell);
}

/// Has the DPC look for whoever was refused, if somebody was. For callers that have just left the machine.
pub fn serve_refused<T, P: Stall + ?Sized>(port: &P, cell: &Exclusive<T>) {
    if cell.has_note() {
        port.visit_soon();
    }
}

/// Runs `request` to its end by bounded stalls, within `budget`.
///
/// The machine keeps the budget by the clock. Looks are counted as well: at most four times as many as fit the budget,
/// so that this returns even if the clock stands still.
///
/// # Errors
/// If the request fails, if the machine is held by somebody who does not leave, or if the clock stands still.
pub fn run<E, S: Stepped<E>, P: Stall + ?Sized>(
    port: &P,
    cell: &Exclusive<S>,
    environment: &E,
    request: S::Request,
    budget: Duration,
) -> Result<S::Outcome, DriveError<S::Failure>> {
    let mut machine = enter(port, cell).ok_or(DriveError::Held)?;
    let mut progress = machine.begin(environment, request, budget, Who::Poller);
    let in_budget = budget.as_nanos().checked_div(POLL.as_nanos()).unwrap_or(0);
    let looks = u64::try_from(in_budget).unwrap_or(u64::MAX).saturating_mul(4);
    for _ in 0..looks.max(LEAST_LOOKS) {
        if !progress.is_waiting() {
            break;
        }
        port.stall(POLL);
        progress = machine.look(environment, Who::Poller);
    }
    machine.conclude(environment, progress);
    if progress.is_waiting() {
        machine.abandon();
    }
    leave(port, cell, machine);
    match progress {
        Progress::Done(outcome) => Ok(outcome),
        Progress::Failed(failure) => Err(DriveError::Failed(failure)),
        Progress::Waiting => Err(DriveError::ClockStopped),
    }
}

/// Begins `request` and returns; DPC and timer go on with it through [`visit`].
///
/// A request that ends at once is concluded like any other.
///
/// # Errors
/// If the machine is held by somebody who does not leave.
pub fn start<E, S: Stepped<E>, P: Alarm + ?Sized>(
    port: &P,
    cell: &Exclusive<S>,
    environment: &E,
    request: S::Request,
    budget: Duration,
) -> Result<(), DriveError<S::Failure>> {
    let mut machine = enter(port, cell).ok_or(DriveError::Held)?;
    let progress = machine.begin(environment, request, budget, Who::Interrupt);
    machine.conclude(environment, progress);
    set_alarm(port, machine.due());
    leave(port, cell, machine);
    Ok(())
}

/// A look by DPC, timer or work item, and another for each note that was left meanwhile. Once nothing is under way,
/// `next` says what to begin, if anything, and within which time.
///
/// Never waits: if somebody else steps the machine, a note is left and they look again.
pub fn visit<E, S: Stepped<E>, P: Alarm + ?Sized>(
    port: &P,
    cell: &Exclusive<S>,
    environment: &E,
    who: Who,
    mut next: impl FnMut(&mut S) -> Option<(S::Request, Duration)>,
) {
    for _ in 0..MAX_VISITS {
        let Some(mut machine) = cell.enter_or_note() else {
            return;
        };
        let progress = machine.look(environment, who);
        machine.conclude(environment, progress);
        if machine.due().is_none()
            && let Some((request, budget)) = next(&mut machine)
        {
            let progress = machine.begin(environment, request, budget, who);
            machine.conclude(environment, progress);
        }
        set_alarm(port, machine.due());
        drop(machine);
        if !cell.has_note() {
            return;
        }
    }
    // Whoever keeps leaving notes is served by the DPC.
    port.visit_soon();
}

/// Sets the timer for the time at which the machine wants to be stepped.
fn set_alarm<P: Alarm + ?Sized>(port: &P, due: Option<Duration>) {
    if let Some(due) = due {
        port.visit_after(due.saturating_sub(port.now()).clamp(SOONEST, LATEST));
    }
}
