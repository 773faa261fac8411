//! The table.

use crate::{
    Answer::{
        self, Busy, False, InsufficientResources, InvalidDeviceState, InvalidIrql, InvalidParameter, Success,
        True, Unsuccessful,
    },
    Case, Effect,
    Function::{
        self, FreeTimer, FreeWorker, InitializeTimer, InitializeWorker, IssueDpc, QueueWorkItem, RequestTimer,
    },
    Reach, Row,
    Via::{Raw, Safe},
    Way,
};

const NOTHING: Effect = Effect {
    count: 0,
    meaning: "",
};
const HANDLE: Effect = Effect {
    count: 1,
    meaning: "a handle is given out",
};
const ONE_RUN: Effect = Effect {
    count: 1,
    meaning: "the callback runs once, with its arguments, at its IRQL",
};
const TWO_RUNS: Effect = Effect {
    count: 2,
    meaning: "the callback runs twice, with its arguments, at its IRQL",
};
const IS_FREE: Effect = Effect {
    count: 1,
    meaning: "it is free: freeing it once more says so",
};
const CANCELLED: Effect = Effect {
    count: 1,
    meaning: "the cancelled callback never runs; the timer takes another request, whose callback does",
};

const NO_RULE: &[&str] = &[];
const BAD_PARAMETER: &[&str] = &["bad-parameter"];
const WRONG_EXTENSION: &[&str] = &["wrong-device-extension"];
const IRQL_TOO_HIGH: &[&str] = &["irql-too-high"];
const STALE_HANDLE: &[&str] = &["stale-handle"];
const WORKER_FREED_TWICE: &[&str] = &["worker-freed-twice"];
const WORKER_FREED_QUEUED: &[&str] = &["worker-freed-while-queued"];
const TIMER_FREED_TWICE: &[&str] = &["timer-freed-twice"];
const TIMER_FREED_IN_CALLBACK: &[&str] = &["timer-freed-in-callback", "timer-freed-twice"];
const DPC_ARGUMENTS_LOST: &[&str] = &["dpc-arguments-lost"];

/// A reached row without anything special.
const fn row(function: Function, answer: Answer, provoked: Case, cause: &'static str) -> Row {
    Row {
        function,
        answer,
        cause,
        way: Way::Reached(Reach {
            case: provoked,
            via: Raw,
            effect: NOTHING,
            rules: NO_RULE,
            starved: false,
            delivers: &[],
        }),
    }
}

impl Row {
    const fn change(self, change: Reach) -> Self {
        Self {
            way: Way::Reached(change),
            ..self
        }
    }

    const fn reach(&self) -> Reach {
        match self.way {
            Way::Reached(reach) => reach,
            Way::Unreachable(_) => panic!("an unreachable row has nothing to be seen"),
        }
    }

    const fn safe(self) -> Self {
        let reach = self.reach();
        self.change(Reach { via: Safe, ..reach })
    }

    const fn starved(self) -> Self {
        let reach = self.reach();
        self.change(Reach {
            starved: true,
            ..reach
        })
    }

    const fn effect(self, effect: Effect) -> Self {
        let reach = self.reach();
        self.change(Reach { effect, ..reach })
    }

    const fn breaks(self, rules: &'static [&'static str]) -> Self {
        let reach = self.reach();
        self.change(Reach { rules, ..reach })
    }

    const fn delivers(self, delivers: &'static [usize]) -> Self {
        let reach = self.reach();
        self.change(Reach { delivers, ..reach })
    }
}

/// Index of `Context` in `StorPortQueueWorkItem`.
const WORK_CONTEXT: &[usize] = &[4];
/// Index of `CallbackContext` in `StorPortRequestTimer`.
const TIMER_CONTEXT: &[usize] = &[4];
/// Indexes of the arguments of `StorPortIssueDpc`.
const DPC_ARGUMENTS: &[usize] = &[3, 4];

/// All rows, by call, in the order of the pages; the one that ends the adapter's life is done last by the runner.
pub const ROWS: &[Row] = &[
    row(
        InitializeWorker,
        Success,
        Case::InitializeWorker,
        "at DISPATCH_LEVEL",
    )
    .effect(HANDLE),
    row(
        InitializeWorker,
        Success,
        Case::InitializeWorkerSafe,
        "at DISPATCH_LEVEL",
    )
    .safe(),
    row(
        InitializeWorker,
        InvalidIrql,
        Case::InitializeWorkerAtDirql,
        "at DIRQL",
    )
    .breaks(IRQL_TOO_HIGH),
    row(
        InitializeWorker,
        InvalidParameter,
        Case::InitializeWorkerNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        InitializeWorker,
        InvalidParameter,
        Case::InitializeWorkerNoWorker,
        "Worker is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        InitializeWorker,
        InsufficientResources,
        Case::InitializeWorkerStarved,
        "its allocation fails",
    )
    .safe()
    .starved(),
    row(QueueWorkItem, Success, Case::QueueWorkItem, "the worker is idle")
        .effect(ONE_RUN)
        .delivers(WORK_CONTEXT),
    row(
        QueueWorkItem,
        Success,
        Case::QueueWorkItemSafe,
        "the worker is idle",
    )
    .safe()
    .effect(ONE_RUN),
    row(
        QueueWorkItem,
        Success,
        Case::QueueWorkItemRunning,
        "the worker runs: its callback queues it again",
    )
    .effect(TWO_RUNS)
    .delivers(WORK_CONTEXT),
    row(
        QueueWorkItem,
        Busy,
        Case::QueueWorkItemQueued,
        "the worker is queued",
    )
    .effect(ONE_RUN),
    row(
        QueueWorkItem,
        InvalidDeviceState,
        Case::QueueWorkItemRemoving,
        "the adapter is being removed",
    ),
    row(QueueWorkItem, InvalidIrql, Case::QueueWorkItemAtDirql, "at DIRQL").breaks(IRQL_TOO_HIGH),
    row(
        QueueWorkItem,
        InvalidParameter,
        Case::QueueWorkItemNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        QueueWorkItem,
        InvalidParameter,
        Case::QueueWorkItemNoWorker,
        "Worker is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        QueueWorkItem,
        InvalidParameter,
        Case::QueueWorkItemNoCallback,
        "WorkItemCallback is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(FreeWorker, Success, Case::FreeWorker, "the worker is idle")
        .effect(IS_FREE)
        .breaks(WORKER_FREED_TWICE),
    row(
        FreeWorker,
        Success,
        Case::FreeWorkerRunning,
        "the worker runs: its callback frees it",
    )
    .effect(IS_FREE)
    .breaks(WORKER_FREED_TWICE),
    row(FreeWorker, Busy, Case::FreeWorkerQueued, "the worker is queued")
        .effect(ONE_RUN)
        .breaks(WORKER_FREED_QUEUED),
    row(
        FreeWorker,
        Unsuccessful,
        Case::FreeWorkerTwice,
        "the worker is free",
    )
    .breaks(WORKER_FREED_TWICE),
    row(FreeWorker, InvalidIrql, Case::FreeWorkerAtDirql, "at DIRQL").breaks(IRQL_TOO_HIGH),
    row(
        FreeWorker,
        InvalidParameter,
        Case::FreeWorkerNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        FreeWorker,
        InvalidParameter,
        Case::FreeWorkerNoWorker,
        "Worker is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        InitializeTimer,
        Success,
        Case::InitializeTimer,
        "at DISPATCH_LEVEL",
    )
    .effect(HANDLE),
    row(
        InitializeTimer,
        Success,
        Case::InitializeFifthTimer,
        "four timers exist",
    )
    .effect(HANDLE),
    Row {
        function: InitializeTimer,
        answer: Unsuccessful,
        cause: "more timers than are supported",
        way: Way::Unreachable(
            "before Windows 8 only: the page says that the number of timers has no limit since then, and the floor is \
             Windows 10 1809",
        ),
    },
    row(
        InitializeTimer,
        InvalidIrql,
        Case::InitializeTimerAtDirql,
        "at DIRQL",
    )
    .breaks(IRQL_TOO_HIGH),
    row(
        InitializeTimer,
        InvalidParameter,
        Case::InitializeTimerNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        InitializeTimer,
        InvalidParameter,
        Case::InitializeTimerNoTimer,
        "TimerHandle is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        InitializeTimer,
        InsufficientResources,
        Case::InitializeTimerStarved,
        "its allocation fails",
    )
    .safe()
    .starved(),
    row(RequestTimer, Success, Case::RequestTimer, "the timer is idle")
        .effect(ONE_RUN)
        .delivers(TIMER_CONTEXT),
    row(RequestTimer, Success, Case::RequestTimerSafe, "the timer is idle")
        .safe()
        .effect(ONE_RUN),
    row(
        RequestTimer,
        Success,
        Case::RequestTimerAtDirql,
        "the timer is idle, at DIRQL: its scheduling is deferred",
    )
    .effect(ONE_RUN)
    .delivers(TIMER_CONTEXT),
    row(
        RequestTimer,
        Success,
        Case::RequestTimerRunning,
        "the timer fires: its callback sets it again",
    )
    .effect(TWO_RUNS)
    .delivers(TIMER_CONTEXT),
    row(
        RequestTimer,
        Success,
        Case::RequestTimerCancel,
        "the timer is active and TimerValue is 0",
    )
    .effect(CANCELLED),
    row(
        RequestTimer,
        Busy,
        Case::RequestTimerActive,
        "the timer is active",
    )
    .effect(ONE_RUN),
    row(
        RequestTimer,
        InvalidParameter,
        Case::RequestTimerNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        RequestTimer,
        InvalidParameter,
        Case::RequestTimerNoTimer,
        "TimerHandle is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        RequestTimer,
        InvalidParameter,
        Case::RequestTimerNoCallback,
        "TimerCallback is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        RequestTimer,
        InvalidParameter,
        Case::RequestTimerFreed,
        "TimerHandle is invalid: the timer is free",
    )
    .breaks(STALE_HANDLE),
    row(
        RequestTimer,
        InvalidParameter,
        Case::RequestTimerUnknown,
        "TimerHandle is invalid: no such timer was made",
    )
    .breaks(STALE_HANDLE),
    row(
        RequestTimer,
        InsufficientResources,
        Case::RequestTimerStarved,
        "at DIRQL, and the allocation that deferring takes fails",
    )
    .safe()
    .starved(),
    row(FreeTimer, Success, Case::FreeTimer, "the timer is idle")
        .effect(IS_FREE)
        .breaks(TIMER_FREED_TWICE),
    row(
        FreeTimer,
        Success,
        Case::FreeTimerRunning,
        "the timer fires: its callback frees it",
    )
    .effect(IS_FREE)
    .breaks(TIMER_FREED_IN_CALLBACK),
    row(FreeTimer, Unsuccessful, Case::FreeTimerTwice, "the timer is free").breaks(TIMER_FREED_TWICE),
    row(FreeTimer, InvalidIrql, Case::FreeTimerAtDirql, "at DIRQL").breaks(IRQL_TOO_HIGH),
    row(
        FreeTimer,
        InvalidParameter,
        Case::FreeTimerNoExtension,
        "HwDeviceExtension is NULL",
    )
    .breaks(WRONG_EXTENSION),
    row(
        FreeTimer,
        InvalidParameter,
        Case::FreeTimerNoTimer,
        "TimerHandle is NULL",
    )
    .breaks(BAD_PARAMETER),
    row(
        FreeTimer,
        InsufficientResources,
        Case::FreeTimerStarved,
        "the allocation that freeing takes fails",
    )
    .starved(),
    row(IssueDpc, True, Case::IssueDpc, "the DPC is idle")
        .effect(ONE_RUN)
        .delivers(DPC_ARGUMENTS),
    row(IssueDpc, False, Case::IssueDpcQueued, "the DPC is queued")
        .effect(Effect {
            count: 1,
            meaning: "the routine runs once, with the arguments of the first request",
        })
        .delivers(DPC_ARGUMENTS)
        .breaks(DPC_ARGUMENTS_LOST),
];
