//! Interrupt request levels: who is at `DISPATCH_LEVEL` or above has its processor alone.

use super::Shared;
use crate::engine::{Context, Irql};

impl Shared {
    pub(super) fn raise(&self, irql: Irql) -> Irql {
        let old = Context::irql();
        if irql >= Irql::DISPATCH && !Context::with(|context| context.occupies.get()) {
            let mut state = self.state();
            if let Some(current) = state.current
                && let Some(processor) = state.processor(Context::processor())
            {
                // Whoever runs, runs on a processor that nobody else has.
                debug_assert_eq!(processor.owner, None);
                processor.owner = Some(current);
                Context::with(|context| context.occupies.set(true));
            }
        }
        if irql > old {
            Context::set_irql(irql);
        }
        old
    }

    pub(super) fn descend(&self, irql: Irql) {
        Context::set_irql(irql);
        if irql < Irql::DISPATCH
            && Context::with(|context| context.occupies.replace(false))
            && let Some(processor) = self.state().processor(Context::processor())
        {
            processor.owner = None;
        }
    }

    pub(super) fn lower(&self, irql: Irql) {
        self.descend(irql);
        if irql < Irql::DISPATCH {
            // DPCs that were queued meanwhile come before what this activity would do next.
            self.serve(false);
        }
    }
}
