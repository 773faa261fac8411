//! Requests that take more than one command: `scsi_nvme`'s exchanges, driven.
//!
//! An exchange has one of [`EXCHANGES`] places: an SRB, a state, and two pages of DMA memory. Its I/O commands go through a
//! queue pair of their own, the last, so that the next one can be submitted where the last one's completion is seen, which the
//! pairs of the channels do not allow; on a controller with a single pair no exchange has any. Its admin commands go through
//! the admin queue. Everything here runs under the StartIo lock but for two things that need no lock: taking an SRB out of its place, which one caller can, and noting the completion of an
//! admin command.
//!
//! A reset closes the pair like the others, waits until nobody submits, and takes the SRBs out of their places; a step that
//! finds its SRB taken, or the pair closed, issues nothing.

use core::{sync::atomic::Ordering, time::Duration};

use nvme::{DataPointer, Status, StatusCode};
use nvme_core::{
    DmaStopped, How,
    command_table::{Claim, Published},
    queue::{CompletionRing, SubmissionRing},
    shadow::Move,
};
use scsi_nvme::{Area, Command, Data, DataOut, Exchange, Next, Queue};
use storport::{
    Context,
    cell::Late,
    context::{AtMostDispatch, Exclusion, Irql, Unshared},
    srb::{Completion, Fresh, Srb, SrbStatus, Started},
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme, Locked,
    adapter::{Adapter, State},
    control, events,
    io::{self, Completions, IoQueue, Pair},
    memory::{EXCHANGES, ExchangeMemory},
    reset,
    start_io::Answer,
};

/// A noted completion: this bit, the status, and above nothing.
const NOTED: u32 = 1 << 16;

/// Guarded by the StartIo lock. All zeroes: nothing is open.
#[derive(FromZeros)]
pub(crate) struct Exchanges {
    places: [Late<Open>; EXCHANGES],
    /// The life of the queue pair that the rings are of.
    life: u64,
    submission: SubmissionRing,
    completion: CompletionRing,
    /// The places, a bit each, with which the watch timer goes on.
    later: u16,
}

/// An exchange that is open.
#[derive(Clone, Copy)]
struct Open {
    exchange: Exchange,
    /// Where the request's own buffer lies, and its rest.
    buffer: [DataPointer; 2],
    /// Completions to come before the next step.
    waiting: u8,
    /// What those that came say.
    status: Status,
}

/// No command could be issued: the queues are closed, or full.
struct Refused;

/// The area of a place, and what its commands' data pointers are made of.
struct Place<'dev>(ExchangeMemory<'dev>);

impl Area for Place<'_> {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.0.area.write(offset, bytes);
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        self.0.area.read(offset, target);
    }
}

impl<'dev> Place<'dev> {
    #[inline(never)]
    fn of(adapter: &Adapter<'dev>, place: usize) -> Option<Self> {
        adapter.memory.get()?.exchange(place).map(Self)
    }

    fn data_pointer(&self, open: &Open, command: &Command) -> DataPointer {
        const PAGE: u32 = 4096;
        let page = self.0.area.bus_address();
        let [buffer, rest] = open.buffer;
        match command.data {
            Data::None => DataPointer::NONE,
            Data::Buffer => buffer,
            Data::BufferRest => rest,
            Data::Area => DataPointer::page(page),
            Data::Repeat if command.bytes <= PAGE => DataPointer::page(page),
            Data::Repeat if command.bytes <= PAGE * 2 => DataPointer {
                prp1: page,
                prp2: page,
            },
            Data::Repeat => DataPointer {
                prp1: page,
                prp2: self.0.list.bus_address(),
            },
        }
    }
}

/// The mapped data buffer, read.
struct Buffer<'a, 'dev, 'srb>(&'a mut Srb<'dev, FerroNvme, Fresh<'srb>>);

impl DataOut for Buffer<'_, '_, '_> {
    fn read(&mut self, offset: usize, target: &mut [u8]) -> usize {
        let buffer = self.0.data_buffer();
        buffer.map_or(0, |buffer| buffer.read_at(offset, target))
    }
}

/// Begins an exchange for `srb`. Without a free place the request comes again later.
#[inline(never)]
pub(crate) fn start<'dev, 'srb>(
    cx: &mut Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    mut srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
    mut exchange: Exchange,
) -> Started<'srb> {
    let Some(queue) = adapter.exchange_gate() else {
        return adapter.push_back(cx, srb);
    };
    let _under_way = queue.begin_submitting();
    let srbs = &adapter.exchange_srbs;
    let Some(index) = (0..EXCHANGES).find(|&place| !srbs.is_taken(place)) else {
        return adapter.push_back(cx, srb);
    };
    if adapter.state() != State::Ready || reset::holds_back(adapter, exchange.namespace().0) {
        return adapter.push_back(cx, srb);
    }
    let Some(mut place) = Place::of(adapter, index) else {
        return adapter.push_back(cx, srb);
    };
    let buffer = match exchange.buffer_bytes() {
        [0, _] => Some([DataPointer::NONE; 2]),
        [bytes, 0] => srb
            .extension()
            .and_then(|extension| Some([extension.data_pointer(bytes)?, DataPointer::NONE])),
        [bytes, rest] => srb
            .extension()
            .and_then(|extension| Some([extension.part(0, bytes)?, extension.part(bytes, rest)?])),
    };
    let Some(buffer) = buffer else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    let next = exchange.begin(&mut Buffer(&mut srb), &mut place);
    #[cfg(ferroport_broken = "unmap-does-nothing")]
    let next = crate::broken::without_unmap(next);
    match next {
        Next::Submit(_) | Next::SubmitFused(..) => {}
        Next::Done { transferred } | Next::CacheSet { transferred, .. } | Next::Activate { transferred } => {
            return srb.complete(cx, Completion::Success { transferred });
        }
        Next::Answer | Next::Later => return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest)),
        Next::Fail(outcome) => return io::fail(cx, srb, &outcome),
    }
    let open = Open {
        exchange,
        buffer,
        waiting: 0,
        status: Status::new(),
    };
    let state = &mut cx.start_io_state().exchanges;
    // The place's last exchange may have waited when a reset took it.
    state.later &= !bit(index);
    if let Some(place) = state.places.get_mut(index) {
        place.put(open);
    }
    adapter.set_exchange(index, exchange.namespace().0);
    let token = match srbs.park(index, srb) {
        Ok(token) => token,
        Err(srb) => return adapter.push_back(cx, srb),
    };
    if submit(cx, adapter, index, &next).is_ok() {
        return token;
    }
    match srbs.withdraw(cx, index, token) {
        Ok(srb) => adapter.push_back(cx, srb),
        Err(token) => token,
    }
}

/// Whether an exchange of `namespace` is open; 0: of any.
pub(crate) fn is_any_open(adapter: &Adapter<'_>, namespace: u32) -> bool {
    (0..EXCHANGES).any(|place| {
        adapter.exchange_srbs.is_taken(place)
            && (namespace == 0 || adapter.exchange_namespace(place) == Some(namespace))
    })
}

/// Completes every open exchange with `status`, if `proof` is about the whole controller.
pub(crate) fn reclaim<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    proof: DmaStopped,
    status: SrbStatus,
) {
    if matches!(proof.how(), How::SubmissionQueueDeleted { .. }) {
        return;
    }
    for place in 0..EXCHANGES {
        if let Some(srb) = adapter.exchange_srbs.take(cx, place) {
            srb.complete(cx, Completion::Status(status));
        }
    }
}

/// The completion of an admin command of the exchange at `place`: noted, to be dealt with by the DPC.
pub(crate) fn note<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    place: u32,
    status: Status,
) {
    if let Some(noted) = adapter.exchange_results.get(place as usize) {
        noted.store(u32::from(status.into_bits()) | NOTED, Ordering::Release);
    }
    cx.issue_dpc(control::CONTROL_DPC);
}

/// The control DPC: what has come for exchanges, and what follows from it.
pub(crate) fn pump<'dev, I: AtMostDispatch>(
    cx: &mut Context<'dev, FerroNvme, I, Unshared>,
    adapter: &'dev Adapter<'dev>,
) {
    let is_noted = |noted: &core::sync::atomic::AtomicU32| noted.load(Ordering::Relaxed) != 0;
    let Some(queue) = adapter.exchange_gate() else {
        return;
    };
    let has_queue = adapter.exchange_queue().is_some();
    if (!has_queue || queue.table.used() == 0) && !adapter.exchange_results.iter().any(is_noted) {
        return;
    }
    cx.with_start_io_lock(|cx| {
        let _under_way = queue.begin_submitting();
        if has_queue {
            reap(cx, adapter, queue);
        }
        for (place, noted) in adapter.exchange_results.iter().enumerate() {
            let noted = noted.swap(0, Ordering::AcqRel);
            if let Ok(bits) = u16::try_from(noted & !NOTED)
                && noted != 0
            {
                completed(cx, adapter, place, Status::from_bits(bits));
            }
        }
    });
}

/// Reaps the pair's completion queue: at most one ring's worth, then one doorbell.
#[inline(never)]
fn reap<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>, queue: &IoQueue<'dev>) {
    let Some(pair) = queue.pair.get_ref() else {
        return;
    };
    let completions = Completions(pair.completions);
    let id = adapter.exchange_queue_id();
    let mut from = None;
    for _ in 0..crate::memory::IO_ENTRIES {
        let life = queue.life();
        let state = &mut cx.start_io_state().exchanges;
        if !state.is_of(life) {
            return;
        }
        let head = state.completion.head();
        let Some(entry) = state.completion.pop_status(&completions) else {
            break;
        };
        from = from.or(Some(head));
        if entry.submission_queue_id() != id {
            continue;
        }
        let Ok(taken) = queue.table.take(entry.command_id()) else {
            continue;
        };
        completed(cx, adapter, taken.payload(), entry.status());
        // Only now: a pair without a command in flight has no exchange between two of them.
        queue.table.release(taken);
    }
    let state = &cx.start_io_state().exchanges;
    if let Some(from) = from
        && queue.life() == state.life
    {
        let step = Move {
            from,
            to: state.completion.head(),
            entries: state.completion.entries(),
        };
        pair.tell_completion(state.life, step);
    }
}

/// A command of the exchange at `place` has ended: the next one, or the end.
#[inline(never)]
fn completed<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>, index: usize, status: Status) {
    if !adapter.exchange_srbs.is_taken(index) {
        return;
    }
    let state = &mut cx.start_io_state().exchanges;
    let open = state.places.get_mut(index).and_then(Late::get_mut);
    let (Some(open), Some(place)) = (open, Place::of(adapter, index)) else {
        return;
    };
    // Of a fused pair that half counts which failed by itself.
    let by_itself = |status: Status| {
        !matches!(
            status.code(),
            StatusCode::SUCCESS | StatusCode::ABORTED_FAILED_FUSED
        )
    };
    if open.status.is_success() || by_itself(status) && !by_itself(open.status) {
        open.status = status;
    }
    open.waiting = open.waiting.saturating_sub(1);
    if open.waiting != 0 {
        return;
    }
    let next = open.exchange.resume(open.status, &place);
    let exchange = open.exchange;
    if matches!(next, Next::Submit(_) | Next::SubmitFused(..) | Next::Later) {
        // While the unit is being reset its exchanges end where they are.
        let goes_on = !reset::holds_back(adapter, exchange.namespace().0)
            && match next {
                Next::Later => wait(cx, adapter, index),
                _ => submit(cx, adapter, index, &next).is_ok(),
            };
        if goes_on {
            return;
        }
    }
    let Some(mut srb) = adapter.exchange_srbs.take(cx, index) else {
        return;
    };
    let completion = match next {
        Next::Done { transferred } => Completion::Success { transferred },
        Next::CacheSet { transferred, enabled } => {
            control::write_cache_set(cx, adapter, enabled);
            Completion::Success { transferred }
        }
        Next::Activate { transferred } => {
            srb.complete(cx, Completion::Success { transferred });
            events::reset(cx, adapter);
            return;
        }
        Next::Answer => {
            let transferred = exchange.answer(&place, &mut Answer(&mut srb));
            Completion::Success { transferred }
        }
        Next::Fail(outcome) => {
            io::fail(cx, srb, &outcome);
            return;
        }
        // Nothing more can be issued: a reset or a stop is under way.
        Next::Submit(_) | Next::SubmitFused(..) | Next::Later => Completion::Status(match adapter.state() {
            State::Ready | State::Recovering => SrbStatus::BusReset,
            State::Down | State::Stopped | State::Failed => SrbStatus::NoDevice,
        }),
    };
    srb.complete(cx, completion);
}

/// The bit of a place.
fn bit(place: usize) -> u16 {
    const { assert!(EXCHANGES <= u16::BITS as usize) };
    1_u16.wrapping_shl(u32::try_from(place).unwrap_or(0))
}

/// The watch timer is to go on with the exchange at `index`.
fn wait<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>, index: usize) -> bool {
    const LATER: Duration = Duration::from_millis(200);
    cx.start_io_state().exchanges.later |= bit(index);
    reset::watch(cx, adapter, LATER)
}

/// The watch timer: goes on with what has waited.
pub(crate) fn go_on<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>) {
    let mut later = core::mem::take(&mut cx.start_io_state().exchanges.later);
    let _under_way = adapter.exchange_gate().map(IoQueue::begin_submitting);
    while later != 0 {
        let index = later.trailing_zeros();
        later &= later.wrapping_sub(1);
        completed(cx, adapter, index as usize, Status::new());
    }
}

/// Issues what comes next for the exchange at `index`.
fn submit<'dev>(
    cx: &mut Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    index: usize,
    next: &Next,
) -> Result<(), Refused> {
    let (first, second) = match next {
        Next::Submit(command) => (command, None),
        Next::SubmitFused(first, second) => (first, Some(second)),
        _ => return Err(Refused),
    };
    let place = Place::of(adapter, index).ok_or(Refused)?;
    let open = cx.start_io_state().exchanges.places.get_mut(index);
    let open = open.and_then(Late::get_mut).ok_or(Refused)?;
    open.status = Status::new();
    open.waiting = if second.is_some() { 2 } else { 1 };
    let open = *open;
    let whole = |command: &Command| command.entry.with_data(place.data_pointer(&open, command));
    if first.queue == Queue::Admin {
        if let Some(noted) = adapter.exchange_results.get(index) {
            noted.store(0, Ordering::Release);
        }
        let tag = u32::try_from(index).map_err(|_| Refused)?;
        return if control::submit_exchange(cx, adapter, whole(first), tag) {
            Ok(())
        } else {
            Err(Refused)
        };
    }
    let queue = adapter.exchange_queue().ok_or(Refused)?;
    let pair = queue.pair.get_ref().ok_or(Refused)?;
    let claim = queue.table.claim().map_err(|_| Refused)?;
    let claims = if second.is_some() {
        let Ok(second) = queue.table.claim() else {
            queue.table.cancel(claim);
            return Err(Refused);
        };
        (claim, Some(second))
    } else {
        (claim, None)
    };
    let life = queue.life();
    let state = &mut cx.start_io_state().exchanges;
    if !state.is_of(life) {
        queue.table.cancel(claims.0);
        if let Some(second) = claims.1 {
            queue.table.cancel(second);
        }
        return Err(Refused);
    }
    let (from, entries) = (state.submission.tail(), state.submission.entries());
    let namespace = open.exchange.namespace().0;
    let mut put = |claim: Claim, entry: nvme::SubmissionEntry| -> Result<u16, Refused> {
        issue(state, pair, queue, claim, entry, namespace, index)
    };
    let first_tail = put(claims.0, whole(first));
    let last_tail = match (claims.1, second) {
        (Some(claim), Some(second)) => {
            if first_tail.is_ok() {
                put(claim, whole(second))
            } else {
                queue.table.cancel(claim);
                Err(Refused)
            }
        }
        _ => first_tail,
    };
    // A pair that was closed between its halves is never told to the controller: the reset takes it.
    let to = last_tail?;
    pair.tell_submission(life, Move { from, to, entries });
    Ok(())
}

/// Writes the entry and publishes the command; the new tail.
#[inline(never)]
fn issue(
    state: &mut Exchanges,
    pair: &Pair<'_>,
    queue: &IoQueue<'_>,
    claim: Claim,
    mut entry: nvme::SubmissionEntry,
    namespace: u32,
    place: usize,
) -> Result<u16, Refused> {
    entry.set_command_id(claim.command_id());
    // The table admits fewer commands than the ring has entries: the one at the tail is free.
    pair.submissions
        .write(state.submission.tail(), &entry.to_qwords());
    match queue.table.publish(claim, namespace, place) {
        Ok(Published::InFlight | Published::Reclaimed) => Ok(state.submission.advance()),
        Err(_) => Err(Refused),
    }
}

impl Exchanges {
    /// Whether the rings are those of `life`, after they have begun it if they have not; false if the pair is closed.
    fn is_of(&mut self, life: u64) -> bool {
        if self.life == life {
            return io::entries_of(life) != 0;
        }
        let entries = io::entries_of(life);
        let (Ok(submission), Ok(completion)) = (SubmissionRing::new(entries), CompletionRing::new(entries))
        else {
            return false;
        };
        self.submission = submission;
        self.completion = completion;
        self.life = life;
        true
    }
}
