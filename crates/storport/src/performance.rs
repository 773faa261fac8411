//! Performance options: `StorPortInitializePerfOpts`, `StorPortGetStartIoPerfParams`.

use core::{marker::PhantomData, ops::RangeInclusive, sync::atomic::Ordering};

use wdk_sys::{
    GROUP_AFFINITY, PERF_CONFIGURATION_DATA, STARTIO_PERFORMANCE_PARAMETERS, STOR_PERF_ADV_CONFIG_LOCALITY,
    STOR_PERF_CONCURRENT_CHANNELS, STOR_PERF_DPC_REDIRECTION, STOR_PERF_DPC_REDIRECTION_CURRENT_CPU,
    STOR_PERF_INTERRUPT_MESSAGE_RANGES, STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO,
    STOR_PERF_VERSION_5,
};

use crate::{
    context::{Context, Exclusion, InterruptLock, Irql, StartIo, Starting},
    ffi::system as ffi,
    miniport::{ConcurrentChannels, Miniport},
    processor::GroupAffinity,
    srb::{Fresh, Srb},
    status::PerformanceError,
};

/// The exclusion of `HwStorInitialize` and `HwStorPassiveInitialize`: [`Starting`], with the interrupt lock or without.
/// `HwStorFindAdapter` has another one.
pub trait Initializing: Exclusion {}
impl Initializing for Starting {}
impl Initializing for InterruptLock<Starting> {}

/// Options that the port driver offers (`STOR_PERF_*` of version 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedPerformance {
    flags: u32,
    /// Channels that requests may be started on at a time.
    pub concurrent_channels: u32,
}

impl OfferedPerformance {
    /// `STOR_PERF_DPC_REDIRECTION`.
    #[must_use]
    pub const fn dpc_redirection(&self) -> bool {
        self.flags & STOR_PERF_DPC_REDIRECTION != 0
    }

    /// `STOR_PERF_CONCURRENT_CHANNELS`.
    #[must_use]
    pub const fn concurrent_channels(&self) -> bool {
        self.flags & STOR_PERF_CONCURRENT_CHANNELS != 0
    }

    /// `STOR_PERF_INTERRUPT_MESSAGE_RANGES`.
    #[must_use]
    pub const fn interrupt_message_ranges(&self) -> bool {
        self.flags & STOR_PERF_INTERRUPT_MESSAGE_RANGES != 0
    }

    /// `STOR_PERF_ADV_CONFIG_LOCALITY`: the port driver tells the processors of each message.
    #[must_use]
    pub const fn message_targets(&self) -> bool {
        self.flags & STOR_PERF_ADV_CONFIG_LOCALITY != 0
    }

    /// `STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO`.
    #[must_use]
    pub const fn completion_during_start_io(&self) -> bool {
        self.flags & STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO != 0
    }

    /// `STOR_PERF_DPC_REDIRECTION_CURRENT_CPU`.
    #[must_use]
    pub const fn dpc_redirection_to_current(&self) -> bool {
        self.flags & STOR_PERF_DPC_REDIRECTION_CURRENT_CPU != 0
    }
}

/// Options to be set; what is not offered is refused by the port driver.
pub struct Performance<M> {
    flags: u32,
    channels: u32,
    first: u32,
    last: u32,
    // Invariant: a subtype may be another miniport, with other channels.
    miniport: PhantomData<fn(M) -> M>,
}

impl<M: Miniport> Default for Performance<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Miniport> Performance<M> {
    /// No option.
    #[must_use]
    pub fn new() -> Self {
        Self {
            flags: 0,
            channels: 0,
            first: 0,
            last: 0,
            miniport: PhantomData,
        }
    }

    /// Completions run on the processor that the request came from (`STOR_PERF_DPC_REDIRECTION`).
    #[must_use]
    pub fn dpc_redirection(mut self) -> Self {
        self.flags |= STOR_PERF_DPC_REDIRECTION;
        self
    }

    /// DPCs are queued to the processor that issues them (`STOR_PERF_DPC_REDIRECTION_CURRENT_CPU`).
    #[must_use]
    pub fn dpc_redirection_to_current(mut self) -> Self {
        self.flags |= STOR_PERF_DPC_REDIRECTION_CURRENT_CPU;
        self
    }

    /// The messages that requests complete with (`STOR_PERF_INTERRUPT_MESSAGE_RANGES`).
    #[must_use]
    pub fn messages(mut self, range: RangeInclusive<u32>) -> Self {
        self.flags |= STOR_PERF_INTERRUPT_MESSAGE_RANGES;
        (self.first, self.last) = range.into_inner();
        self
    }

    /// Requests may be completed in `HwStorStartIo` at no extra cost
    /// (`STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO`).
    #[must_use]
    pub fn completion_during_start_io(mut self) -> Self {
        self.flags |= STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO;
        self
    }
}

impl<M: Miniport<Channels = ConcurrentChannels>> Performance<M> {
    /// `HwStorStartIo` runs on up to `channels` processors at a time (`STOR_PERF_CONCURRENT_CHANNELS`): for miniports whose
    /// [`Miniport::Channels`] says so.
    #[must_use]
    pub fn concurrent_channels(mut self, channels: u32) -> Self {
        self.flags |= STOR_PERF_CONCURRENT_CHANNELS;
        self.channels = channels;
        self
    }
}

/// What the port driver says of one request (`STARTIO_PERFORMANCE_PARAMETERS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartIoParameters {
    /// The message that this request is best completed with.
    pub message: u32,
    /// The channel that it runs on; with concurrent channels no other request does.
    pub channel: u32,
}

fn data<M>(performance: &Performance<M>) -> PERF_CONFIGURATION_DATA {
    PERF_CONFIGURATION_DATA {
        Version: STOR_PERF_VERSION_5,
        Size: u32::try_from(size_of::<PERF_CONFIGURATION_DATA>()).unwrap_or(0),
        Flags: performance.flags,
        ConcurrentChannels: performance.channels,
        FirstRedirectionMessageNumber: performance.first,
        LastRedirectionMessageNumber: performance.last,
        ..Default::default()
    }
}

/// Most messages whose targets [`Context::set_performance_with_targets`] can tell.
pub const MOST_TARGETS: usize = 64;

impl<M: Miniport, I: Irql, X: Initializing> Context<'_, M, I, X> {
    fn performance(&self, query: bool, data: &mut PERF_CONFIGURATION_DATA) -> Result<(), PerformanceError> {
        // SAFETY: the extension is live; the structure outlives the call.
        PerformanceError::check(unsafe {
            ffi::initialize_perf_opts(self.raw(), ffi::widened(query), core::ptr::from_mut(data))
        })
    }

    /// What is offered (`StorPortInitializePerfOpts` with Query; `HwStorInitialize` and `HwStorPassiveInitialize`).
    ///
    /// # Errors
    /// See [`PerformanceError`].
    pub fn offered_performance(&self) -> Result<OfferedPerformance, PerformanceError> {
        let mut data = data(&Performance::<M>::new());
        self.performance(true, &mut data)?;
        Ok(OfferedPerformance {
            flags: data.Flags,
            concurrent_channels: data.ConcurrentChannels,
        })
    }

    /// Sets options (`StorPortInitializePerfOpts`; as [`Context::offered_performance`]).
    ///
    /// # Errors
    /// See [`PerformanceError`].
    pub fn set_performance(&self, performance: &Performance<M>) -> Result<(), PerformanceError> {
        self.performance(false, &mut data(performance))?;
        self.note_channels(performance);
        Ok(())
    }

    /// The port driver grants what was asked for.
    fn note_channels(&self, performance: &Performance<M>) {
        let channels = &self.extension().header.channels;
        channels.store(performance.channels, Ordering::Relaxed);
    }

    /// As [`Context::set_performance`], with `STOR_PERF_ADV_CONFIG_LOCALITY`: the processors that each message
    /// interrupts are written to `targets`, one element for each message that was granted.
    ///
    /// # Errors
    /// See [`PerformanceError`]; an invalid parameter if there are more than [`MOST_TARGETS`] messages, or more messages
    /// than elements.
    pub fn set_performance_with_targets(
        &self,
        performance: &Performance<M>,
        targets: &mut [GroupAffinity],
    ) -> Result<(), PerformanceError> {
        let messages = self.message_count() as usize;
        if messages > MOST_TARGETS || messages > targets.len() {
            return Err(PerformanceError::InvalidParameter);
        }
        let mut raw = [GROUP_AFFINITY::default(); MOST_TARGETS];
        let mut data = data(performance);
        data.Flags |= STOR_PERF_ADV_CONFIG_LOCALITY;
        data.MessageTargets = raw.as_mut_ptr();
        self.performance(false, &mut data)?;
        self.note_channels(performance);
        for (target, raw) in targets.iter_mut().zip(raw.iter().take(messages)) {
            *target = GroupAffinity::from_raw(raw);
        }
        Ok(())
    }
}

/// The channel of the request that `HwStorStartIo` has: nobody else is in `HwStorStartIo` with it.
#[derive(Debug)]
pub struct OwnChannel<'srb> {
    number: u32,
    srb: PhantomData<&'srb mut &'srb ()>,
}

impl OwnChannel<'_> {
    /// Its number, below the number of channels that were asked for; 0 if there is but one.
    #[must_use]
    #[inline]
    pub const fn number(&self) -> u32 {
        self.number
    }
}

impl<'dev, M: Miniport> StartIo<'dev, M> {
    /// The channel of this request (`StorPortGetStartIoPerfParams`, which is called only if there are several).
    ///
    /// # Errors
    /// See [`PerformanceError`].
    #[inline]
    pub fn own_channel<'srb>(
        &self,
        srb: &Srb<'dev, M, Fresh<'srb>>,
    ) -> Result<OwnChannel<'srb>, PerformanceError> {
        let number = if self.extension().header.has_channels() {
            self.start_io_parameters(srb)?.channel
        } else {
            0
        };
        Ok(OwnChannel {
            number,
            srb: PhantomData,
        })
    }

    /// Which message and channel suit this request (`StorPortGetStartIoPerfParams`).
    ///
    /// # Errors
    /// See [`PerformanceError`].
    pub fn start_io_parameters(
        &self,
        srb: &Srb<'dev, M, Fresh<'_>>,
    ) -> Result<StartIoParameters, PerformanceError> {
        let mut parameters = STARTIO_PERFORMANCE_PARAMETERS {
            Size: u32::try_from(size_of::<STARTIO_PERFORMANCE_PARAMETERS>()).unwrap_or(0),
            ..Default::default()
        };
        // SAFETY: the extension is live, the SRB is ours, the structure outlives the call.
        PerformanceError::check(unsafe {
            ffi::get_start_io_perf_params(self.raw(), srb.pointer(), (&raw mut parameters).cast())
        })?;
        Ok(StartIoParameters {
            message: parameters.MessageNumber,
            channel: parameters.ChannelNumber,
        })
    }
}
