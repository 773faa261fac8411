//! Time, and what limits it. The performance counter is [`Context::now`].

use crate::{
    context::{Context, Exclusion, Irql},
    ffi::system as ffi,
    miniport::Miniport,
};

impl<M: Miniport, I: Irql, X: Exclusion> Context<'_, M, I, X> {
    /// The system's time in units of 100 ns since 1601 (`StorPortQuerySystemTime`; any IRQL). It can be set, and so go
    /// back.
    #[must_use]
    pub fn system_time(&self) -> u64 {
        ffi::query_system_time()
    }
}

#[cfg(feature = "inferred-ddi")]
pub use inferred::DpcWatchdog;

#[cfg(feature = "inferred-ddi")]
mod inferred {
    use core::time::Duration;

    use wdk_sys::STOR_DPC_WATCHDOG_INFORMATION;

    use super::{Context, Exclusion, Irql, Miniport};
    use crate::{
        context::{Dispatch, Passive},
        extension::SlotTable,
        ffi,
        status::InferredError,
        version::{Newer, Way, gate},
    };

    /// What is left to the DPCs of this processor, in clock ticks (`STOR_DPC_WATCHDOG_INFORMATION`; tier \[I\]).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DpcWatchdog {
        /// Limit of one DPC; 0 if there is none.
        pub dpc_limit: u32,
        /// What is left to this one.
        pub dpc_left: u32,
        /// Limit of all DPCs in a row; 0 if there is none.
        pub limit: u32,
        /// What is left to them.
        pub left: u32,
    }

    impl<M: Miniport, X: Exclusion> Context<'_, M, Passive, X> {
        /// Sleeps (`StorPortDelayExecution`; Windows 10 1803; tier \[I\]). Other threads run meanwhile.
        ///
        /// # Errors
        /// See [`InferredError`]; above 2^32 microseconds the time is cut.
        pub fn sleep(&self, time: Duration) -> Result<(), InferredError> {
            let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            // SAFETY: the extension is live.
            InferredError::check(unsafe { ffi::inferred::delay_execution(self.raw(), microseconds) })
        }
    }

    impl<M: Miniport, I: Irql, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// The IRQL (`StorPortGetCurrentIrql`; Windows Server 2022; tier \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn current_irql(&self) -> Result<u8, InferredError> {
            gate!(M, W, Server2022);
            let mut irql = 0;
            // SAFETY: the extension is live; the place outlives the call.
            InferredError::check(unsafe { ffi::inferred::get_current_irql(self.raw(), &raw mut irql) })?;
            Ok(irql)
        }

        /// The shortest time that a timer can be set to (`StorPortQueryTimerMinInterval`; Windows Server 2022; tier
        /// \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn timer_min_interval(&self) -> Result<Duration, InferredError> {
            gate!(M, W, Server2022);
            let mut microseconds = 0;
            // SAFETY: the extension is live; the place outlives the call.
            InferredError::check(unsafe {
                ffi::inferred::query_timer_min_interval(self.raw(), &raw mut microseconds)
            })?;
            Ok(Duration::from_micros(microseconds.into()))
        }

        /// Takes DPC `index` out of its queue (`StorPortCancelDpc`; Windows Server 2022; tier \[I\]). True if it was
        /// queued: what it was issued for does not run. False also if there is no such DPC.
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn cancel_dpc(&self, index: usize) -> Result<bool, InferredError> {
            gate!(M, W, Server2022);
            let extension = self.extension();
            let Some(slot) = extension
                .table
                .dpcs()
                .get(index)
                .filter(|_| extension.dpcs_are_ready())
            else {
                return Ok(false);
            };
            let mut cancelled = 0;
            // SAFETY: the extension is live; the DPC object lies in it and was initialised.
            InferredError::check(unsafe {
                ffi::inferred::cancel_dpc(self.raw(), slot.dpc.get(), &raw mut cancelled)
            })?;
            // What was queued had a rundown reference.
            let is_withdrawn = cancelled != 0 && slot.issued.withdraw();
            if is_withdrawn {
                self.release_reference();
            }
            Ok(is_withdrawn)
        }
    }

    impl<M: Miniport, X: Exclusion, W: Way> Newer<'_, '_, M, Dispatch, X, W> {
        /// What is left to the DPCs of this processor (`StorPortQueryDpcWatchdogInformation`; Windows Server 2022;
        /// `DISPATCH_LEVEL`; tier \[I\]).
        ///
        /// # Errors
        /// See [`InferredError`].
        pub fn dpc_watchdog(&self) -> Result<DpcWatchdog, InferredError> {
            gate!(M, W, Server2022);
            let mut information = STOR_DPC_WATCHDOG_INFORMATION::default();
            // SAFETY: the extension is live; the place outlives the call.
            InferredError::check(unsafe {
                ffi::inferred::query_dpc_watchdog_information(self.raw(), &raw mut information)
            })?;
            Ok(DpcWatchdog {
                dpc_limit: information.DpcTimeLimit,
                dpc_left: information.DpcTimeCount,
                limit: information.DpcWatchdogLimit,
                left: information.DpcWatchdogCount,
            })
        }
    }
}
