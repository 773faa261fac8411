//! What issuing and running a DPC does, in order: the state, a rundown reference, the DDI.

use super::{
    Reference,
    dpc_state::{Begin, DpcState, Issue},
};
use crate::{rundown::Rundown, sync::mutated};

/// The DDI's half of DPCs.
pub trait DpcDdi {
    /// `StorPortIssueDpc`: whether the DPC was put into the queue.
    fn issue(&self) -> bool;
}

/// Issues a DPC: its routine begins after this. False if the adapter is being removed or the port driver refused.
pub fn issue(state: &DpcState, rundown: &Rundown, ddi: &impl DpcDdi) -> (bool, Reference) {
    if state.issue() == Issue::Coming {
        return (true, Reference::Keep);
    }
    if mutated("issue-without-a-reference") {
        return (queue(state, ddi), Reference::Keep);
    }
    if !rundown.acquire() {
        let _ = state.withdraw();
        return (false, Reference::Keep);
    }
    if queue(state, ddi) {
        (true, Reference::Keep)
    } else {
        (false, Reference::Drop)
    }
}

/// The routine is called: does `work` once at a time, with a rundown reference, unless the adapter goes.
pub fn run(state: &DpcState, rundown: &Rundown, ddi: &impl DpcDdi, work: impl FnOnce()) -> Reference {
    let has_reference = match state.begin() {
        Begin::Run => true,
        Begin::Stray => rundown.acquire(),
        Begin::Overlap => return Reference::Keep,
    };
    let is_wanted = || has_reference && !rundown.is_closed();
    if is_wanted() {
        work();
    }
    if state.end() {
        // Of an adapter that goes nothing is queued any more. What is queued keeps the reference.
        let is_queued = if is_wanted() {
            queue(state, ddi)
        } else {
            !state.withdraw()
        };
        if is_queued {
            return Reference::Keep;
        }
    }
    if has_reference && !mutated("issue-without-a-reference") {
        Reference::Drop
    } else {
        Reference::Keep
    }
}

/// Calls the DDI for a DPC whose state says that it is queued. False if the port driver refused, and the routine did not
/// begin all the same.
fn queue(state: &DpcState, ddi: &impl DpcDdi) -> bool {
    ddi.issue() || !state.withdraw()
}
