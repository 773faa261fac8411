//! What is not to be called in dump mode.
//!
//! Source: Microsoft Learn, "Restrictions on Miniport Drivers that Manage the Boot Drive".

use super::{machine::Machine, rules};
use crate::abi::{
    codes::{function_code as code, notification as kind},
    exports::{Call, Export},
};

impl Machine {
    /// Judges a call that is made in dump mode. What needs a lower IRQL is judged where that is checked.
    pub(super) fn judge_dump_call(&self, call: Call) {
        if self.dump.is_none() {
            return;
        }
        let number = || call.arguments.u32(0);
        let rule = match call.export {
            Export::StorPortQuerySystemTime | Export::KeQueryPerformanceCounter => &rules::DUMP_TIME,
            Export::StorPortExtendedFunction if number() == code::QUERY_PERFORMANCE_COUNTER => {
                &rules::DUMP_TIME
            }
            Export::StorPortExtendedFunction
                if matches!(
                    number(),
                    code::INITIALIZE_WORKER
                        | code::QUEUE_WORK_ITEM
                        | code::INITIALIZE_TIMER
                        | code::REQUEST_TIMER
                ) =>
            {
                &rules::DUMP_DEFERRED
            }
            Export::StorPortNotification
                if matches!(
                    number(),
                    kind::INITIALIZE_DPC | kind::ISSUE_DPC | kind::REQUEST_TIMER_CALL
                ) =>
            {
                &rules::DUMP_DEFERRED
            }
            _ => return,
        };
        self.violate(rule, || String::from("called in dump mode"));
    }
}
