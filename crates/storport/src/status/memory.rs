//! What the memory calls answer, by call: exactly what each page lists.

documented_errors! {
    /// Why `StorPortAllocatePool` gave no memory.
    AllocatePoolError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The place for the address is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// No memory of that size.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortFreePool`, `StorPortFreeMdl` or `StorPortPutScatterGatherList` did not free. Each page lists these.
    FreeError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// A pointer is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
    }
}

documented_errors! {
    /// Why `StorPortAllocateContiguousMemorySpecifyCacheNode` or `StorPortAllocateDmaMemory` gave no memory.
    AllocateContiguousError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// No memory that is contiguous and lies where it was wanted.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortFreeContiguousMemorySpecifyCache` or `StorPortFreeDmaMemory` did not free.
    FreeContiguousError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
    }
}

documented_errors! {
    /// Why `StorPortAllocateHostMemoryBuffer` gave no memory.
    AllocateHostBufferError {
        /// The minimum is greater than the preferred size, a size is not page-aligned, or there is no place for ranges.
        InvalidParameter = INVALID_PARAMETER,
        /// The buffer could not be allocated.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortFreeHostMemoryBuffer` did not free.
    FreeHostBufferError {
        /// The buffer is not valid: it is freed already.
        NotValid = UNSUCCESSFUL,
    }
}

documented_errors! {
    /// Why `StorPortAllocateMdl` gave no MDL.
    AllocateMdlError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// A pointer is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// No memory for the MDL.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortBuildMdlForNonPagedPool` did not fill the MDL in.
    BuildMdlError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The MDL is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
    }
}

documented_errors! {
    /// Why `StorPortBuildScatterGatherList` builds no list.
    BuildScatterGatherError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The device extension is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Not called at `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// Not enough map registers.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// The list does not fit its buffer.
        BufferTooSmall = BUFFER_TOO_SMALL,
    }
}

documented_errors! {
    /// Why `StorPortGetOriginalMdl` or `StorPortGetPfns` did not answer. Each page lists these.
    GetMdlError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// A pointer is NULL.
        InvalidParameter = INVALID_PARAMETER,
    }
}

documented_errors! {
    /// Why `StorPortGetSystemAddress` gave no address.
    GetSystemAddressError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The request has no data buffer.
        InvalidParameter = INVALID_PARAMETER,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// The buffer could not be mapped.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortGetDataInBufferMdl` or `StorPortGetDataInBufferScatterGatherList` did not answer.
    GetDataInError {
        /// The place for the answer is NULL.
        InvalidParameter = INVALID_PARAMETER,
    }
}

documented_errors! {
    /// Why `StorPortGetDataInBufferSystemAddress` gave no address.
    GetDataInAddressError {
        /// The place for the answer is NULL.
        InvalidParameter = INVALID_PARAMETER,
        /// Called above `DISPATCH_LEVEL`.
        InvalidIrql = INVALID_IRQL,
        /// No system address can be assigned.
        InsufficientResources = INSUFFICIENT_RESOURCES,
    }
}

documented_errors! {
    /// Why `StorPortMarkDumpMemory` did not mark.
    MarkDumpMemoryError {
        /// A flag is wrong.
        InvalidParameter = INVALID_PARAMETER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{BUFFER_TOO_SMALL, INVALID_IRQL, UNSUCCESSFUL, Undocumented};

    #[test]
    fn each_call_tells_its_own_codes_apart() {
        assert_eq!(
            BuildScatterGatherError::check(BUFFER_TOO_SMALL),
            Err(BuildScatterGatherError::BufferTooSmall)
        );
        assert_eq!(
            FreeHostBufferError::check(UNSUCCESSFUL),
            Err(FreeHostBufferError::NotValid)
        );
        assert_eq!(
            AllocateContiguousError::check(INVALID_IRQL),
            Err(AllocateContiguousError::Other(Undocumented(INVALID_IRQL))),
            "what a page does not list is kept, not folded away"
        );
    }
}
