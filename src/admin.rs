//! The admin queue: one command of the control machine at a time, beside it event requests and aborts.

use nvme::SubmissionEntry;
use nvme_core::{
    DmaStopped, Epoch,
    command_table::{CommandTable, Published},
    queue::{CompletionRing, SubmissionHead, SubmissionRing},
};
use zerocopy::FromZeros;

use crate::{
    io::{Completions, Doorbells, Submissions},
    memory::{ADMIN_ENTRIES, Memory},
};

const COMMANDS: usize = ADMIN_ENTRIES as usize;
const QUEUE: u16 = 0;

/// Who a completion is for: the key of the command table.
pub(crate) const MACHINE: u32 = 1;
/// An asynchronous event.
pub(crate) const EVENT: u32 = 2;
/// The end of an Abort; the aborted command answers for itself.
const ABORT: u32 = 3;
/// A command of an exchange; the tag is its place.
pub(crate) const EXCHANGE: u32 = 4;

/// The rings and what is outstanding. All zeroes: closed.
#[derive(FromZeros)]
pub(crate) struct AdminQueue {
    table: CommandTable<COMMANDS>,
    submission: SubmissionRing,
    completion: CompletionRing,
    head: SubmissionHead,
}

/// A completion of the admin queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completed {
    /// [`MACHINE`], [`EVENT`], [`EXCHANGE`] or nobody's.
    pub(crate) key: u32,
    /// The tag it was submitted with.
    pub(crate) tag: u32,
    /// Status.
    pub(crate) status: nvme::Status,
    /// Dword 0.
    pub(crate) result: u32,
}

impl AdminQueue {
    /// Begins anew over zeroed memory.
    pub(crate) fn prepare(&mut self, memory: &Memory<'_>, entries: u16, epoch: Epoch) -> bool {
        memory.admin_completion.zero();
        let (Ok(submission), Ok(completion)) = (SubmissionRing::new(entries), CompletionRing::new(entries))
        else {
            return false;
        };
        self.submission = submission;
        self.completion = completion;
        self.head.reset();
        self.table.close();
        self.table.start(QUEUE, epoch, entries).is_ok()
    }

    /// Tells the commands of this find from those of the earlier ones.
    pub(crate) fn salt(&self, life: u32) {
        self.table.salt(life);
    }

    /// Forgets what was outstanding: the controller no longer transfers.
    pub(crate) fn reclaim(&mut self, proof: DmaStopped) {
        let _ = self.table.reclaim(&proof, |_| {});
    }

    /// Submits a command; false if there is no room.
    pub(crate) fn submit(
        &mut self,
        memory: &Memory<'_>,
        doorbells: &Doorbells<'_>,
        mut entry: SubmissionEntry,
        key: u32,
        tag: u32,
    ) -> bool {
        let Ok(claim) = self.table.claim() else {
            return false;
        };
        if self.submission.free(&self.head) == 0 {
            self.table.cancel(claim);
            return false;
        }
        entry.set_command_id(claim.command_id());
        if !matches!(
            self.table.publish(claim, key, tag as usize),
            Ok(Published::InFlight)
        ) {
            return false;
        }
        match self
            .submission
            .push(&self.head, &Submissions(memory.admin_submission), &entry)
        {
            Ok(tail) => {
                doorbells.ring_submission(tail);
                true
            }
            Err(_) => false,
        }
    }

    /// Submits an Abort of an I/O command.
    pub(crate) fn abort(
        &mut self,
        memory: &Memory<'_>,
        doorbells: &Doorbells<'_>,
        queue: u16,
        command_id: u16,
    ) -> bool {
        self.submit(memory, doorbells, nvme::admin::abort(queue, command_id), ABORT, 0)
    }

    /// The next completion, if there is one. Those that name nothing are passed over, at most a ring's worth.
    pub(crate) fn next(&mut self, memory: &Memory<'_>, doorbells: &Doorbells<'_>) -> Option<Completed> {
        for _ in 0..self.completion.entries() {
            let entry = self
                .completion
                .pop(&Completions(memory.admin_completion.entries()?))?;
            doorbells.ring_completion(self.completion.head());
            if entry.submission_queue_id() != QUEUE {
                continue;
            }
            let _ = self.head.update(entry, self.submission.entries());
            let Ok(taken) = self.table.take(entry.command_id()) else {
                continue;
            };
            let completed = Completed {
                key: self.table.key(&taken),
                tag: u32::try_from(taken.payload()).unwrap_or(0),
                status: entry.status(),
                result: entry.result,
            };
            self.table.release(taken);
            return Some(completed);
        }
        None
    }
}
