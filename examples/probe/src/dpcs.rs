//! The cases of DPCs.

use core::ptr;

use probe_rows::Case;
use wdk_sys::PSTOR_DPC;

use crate::{
    bench::{self, Bench},
    ddi::{self, PVOID},
};

/// Arguments of the request that is to arrive.
const FIRST: (PVOID, PVOID) = (
    ptr::without_provenance_mut(0xA1),
    ptr::without_provenance_mut(0xA2),
);
/// Arguments of the request that is to be ignored.
const SECOND: (PVOID, PVOID) = (
    ptr::without_provenance_mut(0xB1),
    ptr::without_provenance_mut(0xB2),
);

/// Makes the DPC: in `HwStorPassiveInitialize`, as the page of the call demands.
pub(crate) fn initialize(extension: PVOID, bench: &Bench<'_>) {
    ddi::initialize_dpc(extension, bench.dpc(), Some(routine));
}

/// Provokes a case; false if it is none of DPCs. In `HwStorStartIo`, whose IRQL keeps the DPC in its queue.
pub(crate) fn provoke(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    let issue = |(first, second)| ddi::issue_dpc(extension, bench.dpc(), first, second);
    match case {
        Case::IssueDpc => bench.answer(issue(FIRST)),
        Case::IssueDpcQueued => {
            issue(FIRST);
            bench.answer(issue(SECOND));
        }
        _ => return false,
    }
    true
}

/// `HwStorDpcRoutine`: counts.
unsafe extern "C" fn routine(dpc: PSTOR_DPC, extension: PVOID, first: PVOID, second: PVOID) {
    if let Some((bench, ours)) = bench::current() {
        let right =
            (dpc, extension, (first, second), ddi::irql()) == (bench.dpc(), ours, FIRST, ddi::DISPATCH);
        bench.effect(right);
    }
}
