//! Performing what the machine says, over a small hardware trait: one loop for the miniport and for tests.

use nvme::{Register, SubmissionEntry};

use super::{Action, Control, Event, Failure, Outcome, Tables};
use crate::{DmaStopped, Epoch, Instant};

/// More actions than this in a row do not happen: between two waits the machine has at most a few for each queue pair.
const MAX_ACTIONS: u32 = 4096;

/// What the machine's actions are done with.
///
/// Nothing here waits: a completion of [`Hardware::submit`] comes later, as [`Event::Completion`].
pub trait Hardware {
    /// The time; it does not go back.
    fn now(&self) -> Instant;
    /// Reads a register; 32-bit registers zero extended, all ones if the device is gone.
    fn read(&mut self, register: Register) -> u64;
    /// Writes a register; the low half for 32-bit ones.
    fn write(&mut self, register: Register, value: u64);
    /// [`Action::Reclaim`].
    fn reclaim(&mut self, proof: DmaStopped);
    /// [`Action::PrepareAdminQueue`]; false if the queue cannot be used, because a command of its last life is held.
    fn prepare_admin_queue(&mut self, entries: u16, epoch: Epoch) -> bool;
    /// [`Action::PrepareQueuePair`].
    fn prepare_queue_pair(&mut self, index: u16, entries: u16, epoch: Epoch);
    /// [`Action::Submit`]. Should there be no room, the command's deadline comes, which ends the request.
    fn submit(&mut self, tag: u32, entry: SubmissionEntry, transfers: bool);
}

/// How far a request is after a row of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// It goes on with a completion, or with [`Event::Tick`] at that time.
    Waiting {
        /// When; `None` if what was asked for stays as it is: the event answered nothing.
        until: Option<Instant>,
    },
    /// It is done.
    Done(Outcome),
    /// It has failed.
    Failed(Failure),
}

impl Control {
    /// Steps with `event`, performs what follows, and so on until the machine has to wait or the request has ended.
    pub fn advance<H: Hardware + ?Sized>(
        &mut self,
        event: Event<'_>,
        tables: &mut Tables<'_>,
        hardware: &mut H,
    ) -> Progress {
        let mut action = self.step(event, hardware.now(), tables);
        for _ in 0..MAX_ACTIONS {
            let answer = match action {
                Action::Read(register) => Event::Value(hardware.read(register)),
                Action::Write(register, value) => {
                    hardware.write(register, value);
                    Event::Performed
                }
                Action::Reclaim(proof) => {
                    hardware.reclaim(proof);
                    Event::Performed
                }
                Action::PrepareAdminQueue { entries, epoch } => {
                    if !hardware.prepare_admin_queue(entries, epoch) {
                        return self.give_up(Failure::CommandOutstanding);
                    }
                    Event::Performed
                }
                Action::PrepareQueuePair {
                    index,
                    entries,
                    epoch,
                } => {
                    hardware.prepare_queue_pair(index, entries, epoch);
                    Event::Performed
                }
                Action::Submit {
                    tag,
                    entry,
                    transfers,
                    deadline,
                } => {
                    hardware.submit(tag, entry, transfers);
                    let until = Some(deadline);
                    return Progress::Waiting { until };
                }
                Action::Wait { until } => {
                    let until = Some(until);
                    return Progress::Waiting { until };
                }
                Action::None => return Progress::Waiting { until: None },
                Action::Done(outcome) => return Progress::Done(outcome),
                Action::Failed(failure) => return Progress::Failed(failure),
            };
            action = self.step(answer, hardware.now(), tables);
        }
        self.give_up(Failure::ClockStopped)
    }

    fn give_up(&mut self, failure: Failure) -> Progress {
        let _ = self.fail(failure);
        Progress::Failed(failure)
    }
}
