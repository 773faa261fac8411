//! `STOR_STATUS_*` values and the errors that each call documents.
//!
//! Values: storport.h; meanings: the page of each DDI function. Every error type here lists exactly what its
//! call documents, and [`Undocumented`] carries anything else, so that nothing is folded away.

/// A `STOR_STATUS` value that the call's documentation does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undocumented(pub u32);

/// `STOR_STATUS_SUCCESS`.
pub const SUCCESS: u32 = 0;
/// `STOR_STATUS_UNSUCCESSFUL`.
pub const UNSUCCESSFUL: u32 = 0xC100_0001;
/// `STOR_STATUS_NOT_IMPLEMENTED`.
pub const NOT_IMPLEMENTED: u32 = 0xC100_0002;
/// `STOR_STATUS_INSUFFICIENT_RESOURCES`.
pub const INSUFFICIENT_RESOURCES: u32 = 0xC100_0003;
/// `STOR_STATUS_INVALID_PARAMETER`.
pub const INVALID_PARAMETER: u32 = 0xC100_0006;
/// `STOR_STATUS_INVALID_IRQL`.
pub const INVALID_IRQL: u32 = 0xC100_0008;
/// `STOR_STATUS_INVALID_DEVICE_STATE`.
pub const INVALID_DEVICE_STATE: u32 = 0xC100_0009;
/// `STOR_STATUS_BUSY`.
pub const BUSY: u32 = 0xC100_000C;

macro_rules! documented_errors {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $value:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A status that the page of the call does not list.
            Other(Undocumented),
        }

        impl $name {
            /// Reads the status that the call returned.
            ///
            /// # Errors
            /// Any status but `STOR_STATUS_SUCCESS`.
            pub const fn check(status: u32) -> Result<(), Self> {
                match status {
                    SUCCESS => Ok(()),
                    $($value => Err(Self::$variant),)+
                    other => Err(Self::Other(Undocumented(other))),
                }
            }
        }
    };
}

documented_errors! {
    /// Why `StorPortInitializeWorker` gave no worker.
    InitializeWorkerError {
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// The device extension or the place for the worker is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// No memory for the worker.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortQueueWorkItem` refused.
    QueueWorkItemError {
        /// The work item is already queued for processing.
        Busy = BUSY,
        /// The device is being removed.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// The device extension, the worker or the callback is NULL.
        InvalidParameter = INVALID_PARAMETER,
    }
}

documented_errors! {
    /// Why `StorPortFreeWorker` did not free.
    FreeWorkerError {
        /// The work item is currently queued.
        Busy = BUSY,
        /// The worker is already free.
        AlreadyFree = UNSUCCESSFUL,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// The device extension or the worker is NULL.
        InvalidParameter = INVALID_PARAMETER,
    }
}

documented_errors! {
    /// Why `StorPortInitializeTimer` gave no timer.
    InitializeTimerError {
        /// More timers than are supported.
        TooMany = UNSUCCESSFUL,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// A pointer is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// No memory for the timer.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortRequestTimer` refused.
    RequestTimerError {
        /// An earlier request is active: its routine has not been called.
        Busy = BUSY,
        /// A pointer is NULL, or the timer is invalid.
        InvalidParameter = INVALID_PARAMETER,
        /// No memory to put the request off until the IRQL is low enough.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortFreeTimer` did not free.
    FreeTimerError {
        /// The timer is already free.
        AlreadyFree = UNSUCCESSFUL,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// The device extension or the timer is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// No memory to free the timer with.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why a call that documents no particular refusal failed.
    CallError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// The port driver is busy with an earlier call of the kind.
        Busy = BUSY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_of_the_work_item_calls_is_distinct() {
        assert_eq!(InitializeWorkerError::check(SUCCESS), Ok(()));
        assert_eq!(
            [INVALID_IRQL, INVALID_PARAMETER, INSUFFICIENT_RESOURCES].map(InitializeWorkerError::check),
            [
                Err(InitializeWorkerError::InvalidIrql),
                Err(InitializeWorkerError::InvalidParameter),
                Err(InitializeWorkerError::InsufficientResources)
            ]
        );
        assert_eq!(
            [BUSY, INVALID_DEVICE_STATE, INVALID_IRQL, INVALID_PARAMETER].map(QueueWorkItemError::check),
            [
                Err(QueueWorkItemError::Busy),
                Err(QueueWorkItemError::InvalidDeviceState),
                Err(QueueWorkItemError::InvalidIrql),
                Err(QueueWorkItemError::InvalidParameter)
            ]
        );
        assert_eq!(
            [BUSY, UNSUCCESSFUL, INVALID_IRQL, INVALID_PARAMETER].map(FreeWorkerError::check),
            [
                Err(FreeWorkerError::Busy),
                Err(FreeWorkerError::AlreadyFree),
                Err(FreeWorkerError::InvalidIrql),
                Err(FreeWorkerError::InvalidParameter)
            ]
        );
    }

    #[test]
    fn every_documented_code_of_the_timer_calls_is_distinct() {
        assert_eq!(
            [
                UNSUCCESSFUL,
                INVALID_IRQL,
                INVALID_PARAMETER,
                INSUFFICIENT_RESOURCES
            ]
            .map(InitializeTimerError::check),
            [
                Err(InitializeTimerError::TooMany),
                Err(InitializeTimerError::InvalidIrql),
                Err(InitializeTimerError::InvalidParameter),
                Err(InitializeTimerError::InsufficientResources)
            ]
        );
        assert_eq!(
            [BUSY, INVALID_PARAMETER, INSUFFICIENT_RESOURCES].map(RequestTimerError::check),
            [
                Err(RequestTimerError::Busy),
                Err(RequestTimerError::InvalidParameter),
                Err(RequestTimerError::InsufficientResources)
            ]
        );
        assert_eq!(
            [
                UNSUCCESSFUL,
                INVALID_IRQL,
                INVALID_PARAMETER,
                INSUFFICIENT_RESOURCES
            ]
            .map(FreeTimerError::check),
            [
                Err(FreeTimerError::AlreadyFree),
                Err(FreeTimerError::InvalidIrql),
                Err(FreeTimerError::InvalidParameter),
                Err(FreeTimerError::InsufficientResources)
            ]
        );
    }

    #[test]
    fn an_undocumented_code_is_kept() {
        assert_eq!(
            QueueWorkItemError::check(UNSUCCESSFUL),
            Err(QueueWorkItemError::Other(Undocumented(UNSUCCESSFUL)))
        );
    }
}
