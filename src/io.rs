//! The I/O queue pair: submission under the StartIo lock, completion in its DPC.

use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nvme::{Completion as Entry, DataPointer};
use nvme_core::{
    DmaStopped,
    command_table::{ClaimError, CommandTable, Published, Withdrawn},
    queue::{CompletionMemory, CompletionRing, SubmissionHead, SubmissionMemory, SubmissionRing},
};
use scsi_nvme::NvmCommand;
use storport::{
    Context,
    context::{Dpc, Exclusion, Irql, StartIo},
    dma::Dma,
    register::Registers,
    srb::{Completion, Fresh, Function, InFlight, Srb, SrbStatus, Stage, Started, Token},
};
use zerocopy::FromZeros;

use crate::{FerroNvme, adapter::Adapter, memory::IO_ENTRIES, reset};

/// Identifier of the I/O queue pair.
pub(crate) const QUEUE: u16 = 1;

const COMMANDS: usize = IO_ENTRIES as usize;
const ENTRY_BYTES: usize = 64;
const COMPLETION_BYTES: usize = 16;

/// What both ends of the pair share. All zeroes: closed.
#[derive(FromZeros)]
pub(crate) struct IoQueue<'dev> {
    /// Requests in flight; closed until the controller is ready.
    pub(crate) table: CommandTable<COMMANDS>,
    /// Their SRBs, at the index of their slot.
    pub(crate) srbs: InFlight<'dev, FerroNvme, COMMANDS>,
    head: SubmissionHead,
    /// Counts the lives of the pair: an end that finds another number begins anew.
    life: AtomicU32,
    entries: AtomicU32,
}

/// The producer's end. Guarded by the StartIo lock.
#[derive(FromZeros)]
pub(crate) struct IoSubmission {
    ring: SubmissionRing,
    life: u32,
}

/// The consumer's end. Belongs to the pair's DPC.
#[derive(FromZeros)]
pub(crate) struct IoCompletion {
    ring: CompletionRing,
    life: u32,
}

/// Submission entries in DMA memory.
pub(crate) struct Submissions<'dev>(pub(crate) Dma<'dev>);

impl SubmissionMemory for Submissions<'_> {
    fn write(&self, index: u16, entry: &[u32; 16]) {
        let base = usize::from(index).saturating_mul(ENTRY_BYTES);
        self.0.write_words(base, entry);
    }
}

/// Completion entries in DMA memory.
pub(crate) struct Completions<'dev>(pub(crate) Dma<'dev>);

impl CompletionMemory for Completions<'_> {
    fn read(&self, index: u16, dword: u8) -> u32 {
        let base = usize::from(index).saturating_mul(COMPLETION_BYTES);
        self.0
            .read32(base.saturating_add(usize::from(dword).saturating_mul(4)))
    }
}

/// The doorbells of a queue pair.
#[derive(Clone, Copy)]
pub(crate) struct Doorbells<'dev> {
    registers: Registers<'dev>,
    submission: u32,
    completion: u32,
}

impl<'dev> Doorbells<'dev> {
    /// The doorbells of queue `id`, if they lie within the mapped registers.
    pub(crate) fn new(registers: Registers<'dev>, capabilities: nvme::Capabilities, id: u16) -> Option<Self> {
        let offset = |kind| u32::try_from(capabilities.doorbell_offset(id, kind)).ok();
        let submission = offset(nvme::Doorbell::SubmissionTail)?;
        let completion = offset(nvme::Doorbell::CompletionHead)?;
        let end = completion.max(submission).checked_add(4)?;
        (end <= registers.length()).then_some(Self {
            registers,
            submission,
            completion,
        })
    }

    /// Tells the controller the submission tail.
    pub(crate) fn ring_submission(&self, tail: u16) {
        self.registers.write32(self.submission, u32::from(tail));
    }

    /// Tells the controller the completion head.
    pub(crate) fn ring_completion(&self, head: u16) {
        self.registers.write32(self.completion, u32::from(head));
    }
}

impl IoQueue<'_> {
    /// A new pair of `entries` entries was created in the controller: both ends begin anew, and requests are admitted.
    pub(crate) fn open(&self, epoch: nvme_core::Epoch, entries: u16) -> bool {
        self.head.reset();
        self.life.fetch_add(1, Ordering::AcqRel);
        self.entries.store(u32::from(entries), Ordering::Release);
        self.table.start(QUEUE, epoch, entries).is_ok()
    }

    /// No request is admitted, and the rings are not to be touched, until the pair is opened again.
    pub(crate) fn close(&self) {
        self.table.close();
        self.entries.store(0, Ordering::Release);
    }

    /// Whether a command of `namespace` is in flight; 0: of any.
    pub(crate) fn is_any_in_flight(&self, namespace: u32) -> bool {
        if namespace == 0 {
            self.table.used() != 0
        } else {
            self.table.in_flight(namespace).next().is_some()
        }
    }

    fn entries(&self) -> u16 {
        u16::try_from(self.entries.load(Ordering::Acquire)).unwrap_or(0)
    }
}

/// Submits `command` for `srb`. The request is parked and published before the doorbell is rung.
pub(crate) fn submit<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
    command: &NvmCommand,
) -> Started<'srb> {
    let (Some(memory), Some(doorbells)) = (adapter.memory.get(), adapter.io_doorbells.get()) else {
        return srb.complete(cx, Completion::Status(SrbStatus::NoHba));
    };
    let bytes = command.data_length();
    let data = if bytes == 0 {
        Some(DataPointer::NONE)
    } else {
        srb.extension()
            .and_then(|extension| extension.data_pointer(bytes))
    };
    let Some(data) = data else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    if let Some(extension) = srb.extension() {
        extension.set_transfer(bytes);
    }
    let queue = &adapter.io;
    if reset::holds_back(adapter, command.namespace().0) {
        return srb.busy(cx);
    }
    let claim = match queue.table.claim() {
        Ok(claim) => claim,
        Err(ClaimError::Full | ClaimError::Closed) => {
            return adapter.push_back(cx, srb);
        }
    };
    let life = queue.life.load(Ordering::Acquire);
    let submission = &mut cx.start_io_state().submission;
    if submission.life != life {
        let Ok(ring) = SubmissionRing::new(queue.entries()) else {
            queue.table.cancel(claim);
            return adapter.push_back(cx, srb);
        };
        *submission = IoSubmission { ring, life };
    }
    if submission.ring.free(&queue.head) == 0 {
        // The table admits fewer requests than the ring has entries; with this one alone, what was heard of the head
        // is false, and nothing would ever correct it.
        if queue.table.used() == 1 {
            queue.head.catch_up(&submission.ring);
        } else {
            queue.table.cancel(claim);
            return srb.busy(cx);
        }
    }
    let index = usize::from(claim.index());
    let mut entry = command.submission_entry(data);
    entry.set_command_id(claim.command_id());
    #[cfg(ferroport_broken = "command-id-reuse")]
    entry.set_command_id(crate::broken::identifiers::short(
        claim.index(),
        claim.command_id(),
    ));
    let parked = match queue.srbs.park(index, srb) {
        Ok(parked) => parked,
        Err(srb) => {
            queue.table.cancel(claim);
            return srb.complete(cx, Completion::Status(SrbStatus::InternalError));
        }
    };
    match queue.table.publish(claim, command.namespace().0, 0) {
        Ok(Published::InFlight) => {
            // The StartIo lock is held and there was a free entry: this cannot be refused.
            if let Ok(tail) = cx.start_io_state().submission.ring.push(
                &queue.head,
                &Submissions(memory.io_submission),
                &entry,
            ) {
                doorbells.ring_submission(tail);
            }
        }
        Ok(Published::Reclaimed) => {}
        // A reset began meanwhile: nothing was issued.
        Err(Withdrawn) => {
            return match queue.srbs.withdraw(cx, index, parked) {
                Ok(srb) => adapter.push_back(cx, srb),
                Err(parked) => parked,
            };
        }
    }
    parked
}

/// Reaps the completion queue: at most one ring's worth, then one doorbell.
pub(crate) fn reap<'dev>(cx: &mut Dpc<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) {
    let (Some(memory), Some(doorbells)) = (adapter.memory.get(), adapter.io_doorbells.get()) else {
        return;
    };
    let queue = &adapter.io;
    let completions = Completions(memory.io_completion);
    let mut reaped = false;
    for _ in 0..IO_ENTRIES {
        // A pair that is closed, perhaps just now, is not looked at: its memory may be cleared for the next life.
        let entries = queue.entries();
        let life = queue.life.load(Ordering::Acquire);
        if entries == 0 {
            return;
        }
        let state = &mut cx.state().ring;
        if state.life != life {
            let Ok(ring) = CompletionRing::new(entries) else {
                return;
            };
            *state = IoCompletion { ring, life };
        }
        let Some(entry) = state.ring.pop(&completions) else {
            break;
        };
        reaped = true;
        finish(cx, queue, entries, entry);
    }
    let state = &cx.state().ring;
    if reaped && queue.entries() != 0 && queue.life.load(Ordering::Acquire) == state.life {
        doorbells.ring_completion(state.ring.head());
    }
}

/// Completes the request that a completion entry names, if it names one.
fn finish<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    queue: &IoQueue<'dev>,
    entries: u16,
    entry: Entry,
) {
    // Another queue's identifier is a controller's fault, or memory of an earlier life.
    if entry.submission_queue_id() != QUEUE {
        return;
    }
    // A head outside the ring is not believed; the table bounds what is outstanding.
    let _ = queue.head.update(entry, entries);
    // A late, repeated or invented identifier names nothing.
    let command_id = entry.command_id();
    #[cfg(ferroport_broken = "command-id-reuse")]
    let command_id = crate::broken::identifiers::long(command_id);
    let Ok(taken) = queue.table.take(command_id) else {
        return;
    };
    if let Some(srb) = queue.srbs.take(cx, usize::from(taken.index())) {
        answer(cx, srb, entry.status());
    }
    // Only now: a table without a slot in use has no request that is not completed.
    queue.table.release(taken);
}

/// Completes a request with the status of its command.
fn answer<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    mut srb: Srb<'dev, FerroNvme>,
    status: nvme::Status,
) {
    if status.is_success() {
        let transferred = srb.extension().map_or(0, |extension| extension.transfer());
        srb.complete(cx, Completion::Success { transferred });
    } else if srb.function() == Function::ExecuteScsi {
        fail(cx, srb, &scsi_nvme::outcome(status));
    } else {
        srb.complete(cx, Completion::Status(SrbStatus::Error));
    }
}

/// Completes a SCSI request with the status and sense data of a translation.
pub(crate) fn fail<'dev, I: Irql, X: Exclusion, S: Stage>(
    cx: &Context<'dev, FerroNvme, I, X>,
    srb: Srb<'dev, FerroNvme, S>,
    outcome: &scsi_nvme::Outcome,
) -> Token<S> {
    let sense = outcome.sense.map(scsi::sense::Sense::to_fixed);
    let sense = sense.as_ref().map_or(&[][..], |sense| &sense[..]);
    srb.complete(
        cx,
        Completion::Scsi {
            status: outcome.status.0,
            sense,
        },
    )
}

/// Completes every request in flight with `status`: the controller no longer touches their memory, as `proof` says.
pub(crate) fn reclaim<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    proof: DmaStopped,
    status: SrbStatus,
) -> bool {
    const PATIENCE: u32 = 400;
    const LOOK: Duration = Duration::from_micros(50);
    let queue = &adapter.io;
    let covered = queue.table.reclaim(&proof, |taken| {
        if let Some(srb) = queue.srbs.take(cx, usize::from(taken.index())) {
            srb.complete(cx, Completion::Status(status));
        }
    });
    // A request whose completion another processor is just reaping is that processor's to complete.
    for _ in 0..PATIENCE {
        if queue.table.used() == 0 {
            break;
        }
        cx.stall(LOOK);
    }
    covered.is_ok()
}
