//! The I/O queue pairs: submission by the request that has the pair's channel, completion in the pair's DPC.
//!
//! Pair `i` has queue identifier `i + 1`, channel `i`, message `i + 1` and a DPC of its own. Two pairs share neither a lock nor a
//! cache line: what guards the producer's end is the channel ([`PerChannelState`](storport::lock::PerChannelState)), what guards
//! the consumer's end is that a DPC's routine runs once at a time, and between the two ends lies the command table.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nvme::{Completion as Entry, DataPointer, NamespaceId};
use nvme_core::{
    DmaStopped,
    command_table::{CommandTable, Published, Taken, Withdrawn},
    queue::{CompletionMemory, CompletionRing, InProgress, SubmissionMemory, SubmissionRing, Submitting},
    shadow::{self, Move, ShadowDoorbell},
};
use scsi_nvme::NvmCommand;
use storport::{
    Context,
    cell::SetOnce,
    context::{Device, Dpc, Exclusion, Irql, StartIo, Unspecified},
    dma::{Dma, Entries},
    register::{Register32, Registers},
    srb::{Completion, Fresh, Function, InFlight, Srb, SrbStatus, Stage, Started, Token},
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    adapter::Adapter,
    exchange,
    memory::{IO_ENTRIES, PairMemory, ShadowMemory},
    request::{Command, Extension},
    reset, trace,
};

const COMMANDS: usize = IO_ENTRIES as usize;
const ENTRY_BYTES: usize = 64;

/// Identifier of the queues of pair `index`; 0, the admin queue's, if there can be no such pair.
pub(crate) fn queue_id(index: usize) -> u16 {
    u16::try_from(index)
        .ok()
        .and_then(|index| index.checked_add(1))
        .unwrap_or(0)
}

/// The payload of a usual request, which moves all of its buffer; of others it is the number of bytes that they move.
const USUAL: usize = usize::MAX;

/// What both ends of a pair share. All zeroes: closed.
#[derive(FromZeros)]
pub(crate) struct IoQueue<'dev> {
    /// Its memory and doorbells, if there are any for it.
    pub(crate) pair: SetOnce<Pair<'dev>>,
    /// Counts the lives of the pair, above [`SHADOWED`] and the number of entries, which is 0 while it is closed: an end that
    /// finds another number begins anew.
    life: AtomicU64,
    /// A request is just being submitted.
    submitting: Submitting,
    reserved: u32,
    /// Requests in flight; closed until the controller is ready.
    pub(crate) table: CommandTable<COMMANDS>,
    /// Their SRBs, at the index of their slot.
    pub(crate) srbs: InFlight<'dev, FerroNvme, COMMANDS>,
    /// Another pair begins in another cache line.
    apart: [u64; 16],
}

/// The memory and the doorbells of a pair.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'dev> {
    pub(crate) submissions: Entries<'dev, 8>,
    pub(crate) completions: Entries<'dev, 2>,
    doorbells: Doorbells<'dev>,
    /// Used in a life that is [`SHADOWED`].
    shadows: Option<Shadows<'dev>>,
}

impl<'dev> Pair<'dev> {
    pub(crate) fn new(
        memory: &PairMemory<'dev>,
        doorbells: Doorbells<'dev>,
        shadows: Option<Shadows<'dev>>,
    ) -> Option<Self> {
        Some(Self {
            submissions: memory.submission.entries()?,
            completions: memory.completion.entries()?,
            doorbells,
            shadows,
        })
    }

    /// Tells the controller the submission tail, in a life of the pair.
    #[inline]
    pub(crate) fn tell_submission(&self, life: u64, step: Move) {
        if life & SHADOWED == 0 {
            self.doorbells.ring_submission(step.to);
        } else {
            tell_shadow(
                self.shadows.as_ref().map(|shadows| &shadows.submission),
                self.doorbells.submission,
                step,
            );
        }
    }

    /// Tells the controller the completion head, in a life of the pair.
    #[inline]
    pub(crate) fn tell_completion(&self, life: u64, step: Move) {
        if life & SHADOWED == 0 {
            self.doorbells.ring_completion(step.to);
        } else {
            tell_shadow(
                self.shadows.as_ref().map(|shadows| &shadows.completion),
                self.doorbells.completion,
                step,
            );
        }
    }
}

/// Tells the controller of a move in memory, and in the register if it asks for that.
#[cold]
#[inline(never)]
fn tell_shadow(shadow: Option<&Shadow<'_>>, register: Register32<'_>, step: Move) {
    if shadow.is_none_or(|shadow| shadow::tell(shadow, step)) {
        register.write(u32::from(step.to));
    }
}

/// The shadow doorbells of a pair.
#[derive(Clone, Copy)]
pub(crate) struct Shadows<'dev> {
    submission: Shadow<'dev>,
    completion: Shadow<'dev>,
}

impl<'dev> Shadows<'dev> {
    /// Those of queue `id`, where the specification has them in the two buffers: as in the registers.
    pub(crate) fn new(
        buffers: &ShadowMemory<'dev>,
        capabilities: nvme::Capabilities,
        id: u16,
    ) -> Option<Self> {
        let base = capabilities.doorbell_offset(0, nvme::Doorbell::SubmissionTail);
        let shadow = |kind| {
            let offset = capabilities.doorbell_offset(id, kind).checked_sub(base)?;
            let offset = usize::try_from(offset).ok()?;
            Some(Shadow {
                doorbell: buffers.doorbells.slice(offset, size_of::<u32>())?,
                event_index: buffers.event_indices.slice(offset, size_of::<u32>())?,
            })
        };
        Some(Self {
            submission: shadow(nvme::Doorbell::SubmissionTail)?,
            completion: shadow(nvme::Doorbell::CompletionHead)?,
        })
    }
}

/// The shadow of one doorbell.
#[derive(Clone, Copy)]
struct Shadow<'dev> {
    doorbell: Dma<'dev>,
    event_index: Dma<'dev>,
}

impl ShadowDoorbell for Shadow<'_> {
    fn store(&self, index: u32) {
        self.doorbell.write32(0, index);
    }

    fn event_index(&self) -> u32 {
        self.event_index.read32(0)
    }
}

/// The producer's end. Guarded by the channel.
#[derive(FromZeros)]
pub(crate) struct IoSubmission {
    ring: SubmissionRing,
    reserved: u32,
    life: u64,
    /// Another channel's end lies in another cache line.
    apart: [u64; 16],
}

/// The consumer's end. Belongs to the pair's DPC.
#[derive(FromZeros)]
pub(crate) struct IoCompletion {
    life: u64,
    ring: CompletionRing,
    reserved: u16,
}

/// Submission entries of the admin queue in DMA memory.
pub(crate) struct Submissions<'dev>(pub(crate) Dma<'dev>);

impl SubmissionMemory for Submissions<'_> {
    fn write(&self, index: u16, entry: &[u32; 16]) {
        let base = usize::from(index).saturating_mul(ENTRY_BYTES);
        self.0.write_words(base, entry);
    }
}

/// Completion entries in DMA memory.
pub(crate) struct Completions<'dev>(pub(crate) Entries<'dev, 2>);

impl CompletionMemory for Completions<'_> {
    #[inline]
    fn read(&self, index: u16, dword: u8) -> u32 {
        self.0.read32(index, usize::from(dword))
    }

    /// One aligned access of 64 bits: what it sees of the tag it sees of the rest.
    #[inline]
    #[expect(clippy::many_single_char_names, reason = "eight bytes in order")]
    fn read_status(&self, index: u16) -> [u32; 2] {
        let [a, b, c, d, e, f, g, h] = self.0.read64(index, 1).to_le_bytes();
        [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
    }
}

/// The doorbells of a queue pair.
#[derive(Clone, Copy)]
pub(crate) struct Doorbells<'dev> {
    submission: Register32<'dev>,
    completion: Register32<'dev>,
}

impl<'dev> Doorbells<'dev> {
    /// The doorbells of queue `id`, if they lie within the mapped registers.
    pub(crate) fn new(registers: Registers<'dev>, capabilities: nvme::Capabilities, id: u16) -> Option<Self> {
        let register = |kind| {
            let offset = u32::try_from(capabilities.doorbell_offset(id, kind)).ok()?;
            registers.register32(offset)
        };
        Some(Self {
            submission: register(nvme::Doorbell::SubmissionTail)?,
            completion: register(nvme::Doorbell::CompletionHead)?,
        })
    }

    /// Tells the controller the submission tail.
    #[inline]
    pub(crate) fn ring_submission(&self, tail: u16) {
        self.submission.write(u32::from(tail));
    }

    /// Tells the controller the completion head.
    #[inline]
    pub(crate) fn ring_completion(&self, head: u16) {
        self.completion.write(u32::from(head));
    }
}

impl IoQueue<'_> {
    /// A new pair of `entries` entries was created in the controller: both ends begin anew, and requests are admitted.
    pub(crate) fn open(&self, id: u16, epoch: nvme_core::Epoch, entries: u16, shadowed: bool) -> bool {
        let life = self.life.load(Ordering::Relaxed) | SHADOWED | ENTRIES;
        let shadowed = if shadowed { SHADOWED } else { 0 };
        self.life.store(
            life.wrapping_add(1) | shadowed | u64::from(entries),
            Ordering::Release,
        );
        self.table.start(id, epoch, entries).is_ok()
    }

    /// No request is admitted, and the rings are not to be touched, until the pair is opened again.
    pub(crate) fn close(&self) {
        self.table.close();
        self.life.fetch_and(!ENTRIES, Ordering::AcqRel);
    }

    /// Whoever makes the pair anew waits until the guard is dropped.
    pub(crate) fn begin_submitting(&self) -> InProgress<'_> {
        self.submitting.begin()
    }

    /// Nobody is between taking a slot and ringing the doorbell: asked of a closed pair, before it is made anew.
    pub(crate) fn is_idle(&self) -> bool {
        self.submitting.is_idle()
    }

    /// Whether a command of `namespace` is in flight; 0: of any.
    pub(crate) fn is_any_in_flight(&self, namespace: u32) -> bool {
        if namespace == 0 {
            self.table.used() != 0
        } else {
            self.table.in_flight(namespace).next().is_some()
        }
    }

    /// Whoever is submitting sees what was written before, or what it submits is seen after this.
    pub(crate) fn disturb(&self) {
        self.table.disturb();
    }

    /// Identifiers of the commands of `namespace` in flight; 0: of none.
    pub(crate) fn in_flight(&self, namespace: u32) -> impl Iterator<Item = u16> + '_ {
        self.table.in_flight(namespace)
    }

    #[inline]
    pub(crate) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }
}

/// The bits of a life that are the number of entries.
const ENTRIES: u64 = 0xFFFF;
/// The controller reads the pair's indices from its shadow doorbells.
const SHADOWED: u64 = 0x1_0000;

/// The number of entries in a life; 0: the pair is closed.
pub(crate) fn entries_of(life: u64) -> u16 {
    let [low, high, ..] = life.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// Submits `command` for `srb`.
pub(crate) fn submit<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
    command: &NvmCommand,
) -> Started<'srb> {
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
    let command = Command::new(&command.submission_entry(data));
    let what = What::Made(&command, bytes as usize);
    match issue(cx, adapter, srb, &what) {
        Ok(started) => started,
        Err(srb) => adapter.push_back(cx, srb),
    }
}

/// What is issued.
pub(crate) enum What<'a> {
    /// The command that `HwStorBuildIo` prepared, if it did and the unit takes it as it is.
    Prepared,
    /// Another one, which moves so many bytes.
    Made(&'a Command, usize),
}

impl What<'_> {
    #[inline]
    fn payload(&self) -> usize {
        match self {
            Self::Prepared => USUAL,
            Self::Made(_, bytes) => *bytes,
        }
    }

    /// What the submission entry of `srb` is made from; `None` if there is no such command.
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    fn entry<'a>(
        &'a self,
        adapter: &Adapter<'_>,
        srb: &'a mut Srb<'_, FerroNvme, Fresh<'_>>,
    ) -> Option<Unnamed<'a>> {
        match self {
            Self::Prepared => {
                let geometry = adapter.geometry(srb.address()?)?;
                let bytes = srb.data_length();
                let extension = srb.extension()?;
                extension
                    .is_admitted(&geometry, bytes)
                    .then_some(Unnamed::Prepared(extension, geometry.namespace))
            }
            Self::Made(command, _) => Some(Unnamed::Made(command)),
        }
    }
}

/// A submission entry without its command identifier.
enum Unnamed<'a> {
    Prepared(&'a Extension, NamespaceId),
    Made(&'a Command),
}

impl Unnamed<'_> {
    #[inline]
    fn namespace(&self) -> NamespaceId {
        match self {
            Self::Prepared(_, namespace) => *namespace,
            Self::Made(command) => command.namespace,
        }
    }

    #[inline]
    fn named(&self, command_id: u16) -> [u64; 8] {
        match self {
            Self::Prepared(extension, namespace) => extension.entry(command_id, *namespace),
            Self::Made(command) => command.entry(command_id),
        }
    }
}

/// Issues a command on the queue of the request's channel. The request is parked and published
/// before the doorbell is rung.
///
/// # Errors
/// Gives the request back if there is no such command, or it cannot be issued now.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
pub(crate) fn issue<'dev, 'srb>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
    what: &What<'_>,
) -> Result<Started<'srb>, Srb<'dev, FerroNvme, Fresh<'srb>>> {
    let Ok(channel) = cx.own_channel(&srb) else {
        return Err(srb);
    };
    let Some(queue) = adapter.queue(channel.number() as usize) else {
        return Err(srb);
    };
    // A reset that closes the table waits for the end of this before the pair is made anew.
    let _under_way = queue.submitting.begin();
    let Ok(claim) = queue.table.claim() else {
        return Err(srb);
    };
    let command_id = claim.command_id();
    #[cfg(ferroport_broken = "command-id-reuse")]
    let command_id = crate::broken::identifiers::short(channel.number(), claim.index(), command_id);
    let Some(entry) = what.entry(adapter, &mut srb) else {
        queue.table.cancel(claim);
        return Err(srb);
    };
    let life = queue.life();
    let (Some(pair), Some(producer)) = (queue.pair.get_ref(), adapter.producers.get(cx, &channel)) else {
        queue.table.cancel(claim);
        return Err(srb);
    };
    if producer.life != life && !producer.begin(life) {
        queue.table.cancel(claim);
        return Err(srb);
    }
    // The table admits fewer requests than the ring has entries: the one at the tail is free. The controller does not look
    // at it before the doorbell.
    let tail = producer.ring.tail();
    let namespace = entry.namespace().0;
    pair.submissions.write(tail, &entry.named(command_id));
    if reset::holds_back(adapter, namespace) {
        queue.table.cancel(claim);
        return Err(srb);
    }
    let index = usize::from(claim.index());
    let parked = match queue.srbs.park(index, srb) {
        Ok(parked) => parked,
        Err(srb) => {
            queue.table.cancel(claim);
            return Ok(srb.complete(cx, Completion::Status(SrbStatus::InternalError)));
        }
    };
    match queue.table.publish(claim, namespace, what.payload()) {
        Ok(Published::InFlight) => {
            if let Some(producer) = adapter.producers.get(cx, &channel) {
                let from = producer.ring.tail();
                let step = Move {
                    from,
                    to: producer.ring.advance(),
                    entries: producer.ring.entries(),
                };
                pair.tell_submission(producer.life, step);
            }
            Ok(parked)
        }
        Ok(Published::Reclaimed) => Ok(parked),
        // A reset began meanwhile: nothing was issued.
        Err(Withdrawn) => match queue.srbs.withdraw(cx, index, parked) {
            Ok(srb) => Err(srb),
            Err(parked) => Ok(parked),
        },
    }
}

impl IoSubmission {
    /// The pair has begun anew.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, life: u64) -> bool {
        let Ok(ring) = SubmissionRing::new(entries_of(life)) else {
            return false;
        };
        self.ring = ring;
        self.life = life;
        true
    }
}

/// Reaps the completion queue of pair `index`: at most one ring's worth, then one doorbell.
///
/// By itself, so that its loop has the registers.
#[inline(never)]
pub(crate) fn reap<'dev>(cx: &mut Dpc<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>, index: usize) {
    let Some(queue) = adapter.queue(index) else {
        return;
    };
    let Some(pair) = queue.pair.get_ref() else {
        return;
    };
    let id = queue_id(index);
    let completions = Completions(pair.completions);
    let life = queue.life();
    let state = &mut cx.state().ring;
    if state.life != life && !state.begin(life) {
        return;
    }
    // The DPC's own meanwhile: completing a request needs the context.
    let mut ring = state.ring.clone();
    let from = ring.head();
    let most = u32::from(IO_ENTRIES);
    let mut left = most;
    #[cfg(ferroport_broken = "lost-wake-up")]
    let mut seen = None;
    while left != 0 {
        #[cfg(ferroport_broken = "lost-wake-up")]
        if !crate::broken::wake_up::was_there(&mut seen, &ring, &completions) {
            break;
        }
        // A pair that was closed meanwhile is not looked at: its memory may be cleared for the next life, whose first
        // completion brings the next run.
        if queue.life() != life {
            break;
        }
        let Some(entry) = ring.pop_status(&completions) else {
            break;
        };
        left = left.wrapping_sub(1);
        finish(cx, queue, id, entry);
    }
    if left == most {
        return;
    }
    let step = Move {
        from,
        to: ring.head(),
        entries: ring.entries(),
    };
    cx.state().ring.ring = ring;
    if queue.life() == life {
        pair.tell_completion(life, step);
    }
}

impl IoCompletion {
    /// The pair has begun anew.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, life: u64) -> bool {
        // A pair that is closed, perhaps just now, is not looked at: its memory may be cleared for the next life.
        let Ok(ring) = CompletionRing::new(entries_of(life)) else {
            return false;
        };
        self.ring = ring;
        self.life = life;
        true
    }
}

/// Completes the request that a completion entry names, if it names one.
#[expect(clippy::inline_always, reason = "the path of every request")]
#[inline(always)]
fn finish<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    queue: &IoQueue<'dev>,
    id: u16,
    entry: Entry,
) {
    // Another queue's identifier is a controller's fault, or memory of an earlier life.
    if entry.submission_queue_id() != id {
        trace::completion_unknown(cx, id, entry);
        return;
    }
    // A late, repeated or invented identifier names nothing.
    let command_id = entry.command_id();
    #[cfg(ferroport_broken = "command-id-reuse")]
    let command_id = crate::broken::identifiers::long(u32::from(id).wrapping_sub(1), command_id);
    let Ok(taken) = queue.table.take(command_id) else {
        trace::completion_unknown(cx, id, entry);
        return;
    };
    if entry.status().is_success() && taken.payload() == USUAL {
        queue.srbs.complete_whole(cx, usize::from(taken.index()));
    } else {
        finish_unusual(cx, queue, &taken, entry.status());
    }
    // Only now: a table without a slot in use has no request that is not completed.
    queue.table.release(taken);
}

/// Completes a request whose command has failed, or moved other than all of the request's buffer.
#[cold]
#[inline(never)]
fn finish_unusual<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    queue: &IoQueue<'dev>,
    taken: &Taken,
    status: nvme::Status,
) {
    let Some(srb) = queue.srbs.take(cx, usize::from(taken.index())) else {
        return;
    };
    if !status.is_success() {
        return answer_failure(cx, srb, status);
    }
    let completion = if taken.payload() == USUAL {
        Completion::Whole
    } else {
        let transferred = u32::try_from(taken.payload()).unwrap_or(0);
        Completion::Success { transferred }
    };
    srb.complete(cx, completion);
}

/// Completes a request whose command has failed.
#[cold]
#[inline(never)]
fn answer_failure<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    srb: Srb<'dev, FerroNvme>,
    status: nvme::Status,
) {
    trace::command_failed(cx, &srb, status);
    if srb.function() == Function::ExecuteScsi {
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
    #[cfg(ferroport_broken = "wrong-sense-out-of-range")]
    let outcome = &crate::broken::mistaken(*outcome);
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
pub(crate) fn reclaim<'dev>(
    cx: &Context<'dev, FerroNvme, Device, Unspecified>,
    adapter: &'dev Adapter<'dev>,
    proof: DmaStopped,
    status: SrbStatus,
) {
    const PATIENCE: u32 = 400;
    const LOOK: Duration = Duration::from_micros(50);
    for (_, queue) in adapter.queues() {
        // A pair of another life has no request that the proof is about.
        let _ = queue.table.reclaim(&proof, |taken| {
            if let Some(srb) = queue.srbs.take(cx, usize::from(taken.index())) {
                srb.complete(cx, Completion::Status(status));
            }
        });
    }
    exchange::reclaim(cx, adapter, proof, status);
    // A request whose completion another processor is just reaping is that processor's to complete.
    for _ in 0..PATIENCE {
        if adapter.queues().all(|(_, queue)| queue.table.used() == 0) {
            break;
        }
        cx.stall(LOOK);
    }
}
