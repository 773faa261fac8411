//! The calls, and the codes that their pages list.

use crate::Answer;

/// A call of the DDI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `nf-storport-storportinitializeworker`.
    InitializeWorker,
    /// `nf-storport-storportqueueworkitem`.
    QueueWorkItem,
    /// `nf-storport-storportfreeworker`.
    FreeWorker,
    /// `nf-storport-storportinitializetimer`.
    InitializeTimer,
    /// `nf-storport-storportrequesttimer`.
    RequestTimer,
    /// `nf-storport-storportfreetimer`.
    FreeTimer,
    /// `nf-storport-storportissuedpc`.
    IssueDpc,
}

impl Function {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::InitializeWorker,
        Self::QueueWorkItem,
        Self::FreeWorker,
        Self::InitializeTimer,
        Self::RequestTimer,
        Self::FreeTimer,
        Self::IssueDpc,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InitializeWorker => "StorPortInitializeWorker",
            Self::QueueWorkItem => "StorPortQueueWorkItem",
            Self::FreeWorker => "StorPortFreeWorker",
            Self::InitializeTimer => "StorPortInitializeTimer",
            Self::RequestTimer => "StorPortRequestTimer",
            Self::FreeTimer => "StorPortFreeTimer",
            Self::IssueDpc => "StorPortIssueDpc",
        }
    }

    /// The codes on its page.
    #[must_use]
    pub const fn answers(self) -> &'static [Answer] {
        use Answer::{
            Busy, False, InsufficientResources, InvalidDeviceState, InvalidIrql, InvalidParameter, Success,
            True, Unsuccessful,
        };
        match self {
            Self::InitializeWorker => &[Success, InvalidIrql, InvalidParameter, InsufficientResources],
            Self::QueueWorkItem => &[Success, Busy, InvalidDeviceState, InvalidIrql, InvalidParameter],
            Self::FreeWorker => &[Success, Busy, Unsuccessful, InvalidIrql, InvalidParameter],
            Self::RequestTimer => &[Success, Busy, InvalidParameter, InsufficientResources],
            Self::InitializeTimer | Self::FreeTimer => &[
                Success,
                Unsuccessful,
                InvalidIrql,
                InvalidParameter,
                InsufficientResources,
            ],
            Self::IssueDpc => &[True, False],
        }
    }
}
