//! The cases that the safe API reaches: its errors have to name the codes of the DDI rightly.

use core::time::Duration;

use probe_rows::{Answer, Case, NOT_CALLED};
use storport::{
    context::{StartIo, WorkItem},
    status::{
        InitializeTimerError, InitializeWorkerError, QueueWorkItemError, RequestTimerError, Undocumented,
    },
    timer::{CreateTimerError, TimerError},
    work_item::{CreateWorkerError, QueueError, Work, Worker},
};

use crate::{Probe, bench::Bench, workers};

/// What the payload of a work item holds.
const PAYLOAD: u64 = 0x0123_4567_89AB_CDEF;

/// Until a timer fires.
const DELAY: Duration = Duration::from_millis(1);

/// The payload.
struct Payload(u64);

impl Work<Probe> for Payload {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, Probe>,
        bench: &'dev Bench<'dev>,
        worker: Worker<'dev, Probe, Self>,
    ) {
        cx.close_worker(worker);
        bench.effect(self.0 == PAYLOAD);
    }
}

fn of_create_worker(error: CreateWorkerError) -> u32 {
    match error {
        CreateWorkerError::Initialize(error) => match error {
            InitializeWorkerError::InvalidIrql => Answer::InvalidIrql.value(),
            InitializeWorkerError::InvalidParameter => Answer::InvalidParameter.value(),
            InitializeWorkerError::InsufficientResources => Answer::InsufficientResources.value(),
            InitializeWorkerError::Other(Undocumented(code)) => code,
        },
        CreateWorkerError::NoSlot | CreateWorkerError::Removing => NOT_CALLED,
    }
}

fn of_queue(error: QueueError) -> u32 {
    match error {
        QueueError::Queue(error) => match error {
            QueueWorkItemError::Busy => Answer::Busy.value(),
            QueueWorkItemError::InvalidDeviceState => Answer::InvalidDeviceState.value(),
            QueueWorkItemError::InvalidIrql => Answer::InvalidIrql.value(),
            QueueWorkItemError::InvalidParameter => Answer::InvalidParameter.value(),
            QueueWorkItemError::Other(Undocumented(code)) => code,
        },
        QueueError::Gone | QueueError::NotStarted | QueueError::Busy => NOT_CALLED,
    }
}

fn of_create_timer(error: CreateTimerError) -> u32 {
    match error {
        CreateTimerError::Initialize(error) => match error {
            InitializeTimerError::TooMany => Answer::Unsuccessful.value(),
            InitializeTimerError::InvalidIrql => Answer::InvalidIrql.value(),
            InitializeTimerError::InvalidParameter => Answer::InvalidParameter.value(),
            InitializeTimerError::InsufficientResources => Answer::InsufficientResources.value(),
            InitializeTimerError::Other(Undocumented(code)) => code,
        },
        CreateTimerError::NoSlot | CreateTimerError::Removing => NOT_CALLED,
    }
}

fn of_start_timer(error: TimerError) -> u32 {
    match error {
        TimerError::Request(error) => match error {
            RequestTimerError::Busy => Answer::Busy.value(),
            RequestTimerError::InvalidParameter => Answer::InvalidParameter.value(),
            RequestTimerError::InsufficientResources => Answer::InsufficientResources.value(),
            RequestTimerError::Other(Undocumented(code)) => code,
        },
        TimerError::Gone | TimerError::NotStarted | TimerError::Busy => NOT_CALLED,
    }
}

/// The code that stands behind a result.
fn code<T, E>(result: Result<T, E>, of_error: impl FnOnce(E) -> u32) -> u32 {
    result.map_or_else(of_error, |_| Answer::Success.value())
}

/// Provokes a case; false if it is none of the safe API's. In `HwStorStartIo`.
pub(crate) fn provoke<'dev>(case: Case, cx: &mut StartIo<'dev, Probe>, bench: &Bench<'dev>) -> bool {
    match case {
        Case::InitializeWorkerSafe | Case::InitializeWorkerStarved => {
            let created = cx.create_worker::<Payload>();
            if let Ok(worker) = created {
                cx.close_worker(worker);
            }
            bench.answer(code(created, of_create_worker));
        }
        Case::QueueWorkItemSafe => {
            // Else it might run before the call returns: then the crate takes a refusal for what it is, untrue.
            workers::occupy_threads(cx.device_extension());
            if let Ok(worker) = cx.create_worker::<Payload>() {
                let queued = cx
                    .queue(worker, Payload(PAYLOAD))
                    .map_err(|refusal| refusal.reason);
                bench.answer(code(queued, of_queue));
            }
        }
        Case::InitializeTimerStarved => bench.answer(code(cx.create_timer(), of_create_timer)),
        Case::RequestTimerSafe => {
            if let Ok(timer) = cx.create_timer() {
                let started = cx.start_timer(timer, DELAY);
                bench.answer(code(started, of_start_timer));
            }
        }
        Case::RequestTimerStarved => {
            if let Ok(timer) = cx.create_timer() {
                let started = cx.with_interrupt_lock(|cx| cx.start_timer(timer, DELAY));
                bench.answer(code(started, of_start_timer));
            }
        }
        _ => return false,
    }
    true
}
