//! Work items and timers.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{
        BUSY, INSUFFICIENT_RESOURCES, INVALID_DEVICE_STATE, INVALID_IRQL, INVALID_PARAMETER, SUCCESS,
        UNSUCCESSFUL, Undocumented,
    };

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
