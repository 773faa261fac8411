//! Processors, messages, queues, registry, logs, power.

documented_errors! {
    /// Why a query for processors, groups or nodes was not answered.
    ProcessorError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
    }
}

documented_errors! {
    /// Why `StorPortGetLogicalProcessorRelationship` gave nothing.
    RelationshipError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
    }
}

documented_errors! {
    /// Why `StorPortGetMSIInfo` gave nothing.
    MessageError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
    }
}

documented_errors! {
    /// Why `StorPortInitializePerfOpts` or `StorPortGetStartIoPerfParams` did nothing.
    PerformanceError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// The version of the structure is not known.
        UnsupportedVersion = UNSUPPORTED_VERSION,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
    }
}

documented_errors! {
    /// Why a state change or an asynchronous notification was not taken.
    NotificationError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// An earlier call of the kind is outstanding.
        Busy = BUSY,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
    }
}

documented_errors! {
    /// Why `StorPortGetRequestInfo` told nothing.
    RequestInfoError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why `StorPortSetUnitAttributes` set nothing.
    UnitAttributesError {
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
    }
}

documented_errors! {
    /// Why `StorPortGetActivityIdSrb` told nothing.
    ActivityIdError {
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The request has no activity.
        Unsuccessful = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why `StorPortPoFxSetIdleTimeout` set nothing.
    IdleTimeoutError {
        /// A unit was named.
        InvalidParameter = INVALID_PARAMETER,
        /// The adapter is not registered for run-time power, or the operation failed.
        Unsuccessful = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why `StorPortGetSystemPortNumber` told nothing.
    PortNumberError {
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why a setting of the adapter was not changed or not told.
    AdapterError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why a value of the adapter's key was not read or written.
    RegistryError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// Access is denied.
        AccessDenied = ACCESS_DENIED,
    }
}

documented_errors! {
    /// Why `StorPortLogSystemEvent` logged nothing.
    LogSystemEventError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// The version of the structure is not known.
        UnsupportedVersion = UNSUPPORTED_VERSION,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
    }
}

documented_errors! {
    /// Why a trace or telemetry event was not logged.
    TraceError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
    }
}

documented_errors! {
    /// Why a call of the run-time power framework did nothing.
    PowerError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// An earlier call of the kind is outstanding.
        Busy = BUSY,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
    }
}

documented_errors! {
    /// Why `StorPortInvokeAcpiMethod` did nothing.
    AcpiError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
        /// The size of a buffer is wrong.
        InvalidBufferSize = INVALID_BUFFER_SIZE,
    }
}

documented_errors! {
    /// Why a call of tier \[I\] did nothing.
    InferredError {
        /// This version of Windows does not have the call.
        NotImplemented = NOT_IMPLEMENTED,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// Not in a callback that may call it, or not possible for this adapter.
        InvalidDeviceRequest = INVALID_DEVICE_REQUEST,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// The buffer is too small.
        BufferTooSmall = BUFFER_TOO_SMALL,
        /// An earlier call of the kind is outstanding.
        Busy = BUSY,
    }
}
