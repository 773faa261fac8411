//! The port driver behind the drivers: clock, stalls, DPC, timer.

use core::time::Duration;

use super::{Alarm, Stall};
use crate::{
    context::{Context, Exclusion, Irql, Running},
    miniport::Miniport,
    timer::TimerHandle,
};

/// For [`run`](super::run): any callback. Whoever was refused is served by DPC `dpc`.
pub struct StallPort<'a, 'dev, M: Miniport, I: Irql, X: Exclusion> {
    /// The callback's context.
    pub context: &'a Context<'dev, M, I, X>,
    /// Index of the DPC whose routine calls [`visit`](super::visit).
    pub dpc: usize,
}

impl<M: Miniport, I: Irql, X: Exclusion> Stall for StallPort<'_, '_, M, I, X> {
    fn now(&self) -> Duration {
        self.context.now()
    }

    fn stall(&self, time: Duration) {
        self.context.stall(time);
    }

    fn visit_soon(&self) {
        self.context.issue_dpc(self.dpc);
    }
}

/// For [`visit`](super::visit) and [`start`](super::start): a callback of an adapter that runs.
pub struct AlarmPort<'a, 'dev, M: Miniport, I: Irql, X: Running> {
    /// As for stalls.
    pub stalls: StallPort<'a, 'dev, M, I, X>,
    /// The timer whose routine calls [`visit`](super::visit); without one only the DPC does.
    pub timer: Option<TimerHandle<'dev>>,
}

impl<M: Miniport, I: Irql, X: Running> Stall for AlarmPort<'_, '_, M, I, X> {
    fn now(&self) -> Duration {
        self.stalls.now()
    }

    fn stall(&self, time: Duration) {
        self.stalls.stall(time);
    }

    fn visit_soon(&self) {
        self.stalls.visit_soon();
    }
}

impl<M: Miniport, I: Irql, X: Running> Alarm for AlarmPort<'_, '_, M, I, X> {
    fn visit_after(&self, time: Duration) {
        if let Some(timer) = self.timer {
            // Refused while it is set already: then it comes earlier, and this is called again.
            let _ = self.stalls.context.start_timer(timer, time);
        }
    }
}
