//! Event tracing that nobody listens to: providers register and write, and no session is enabled.
//!
//! Tracing through `storport.sys` (`StorPortEtwEvent*`) is kept; what goes around it is not. Sources: Microsoft Learn, wdm.h
//! (`EtwRegister` and its kin), WPP software tracing.

use super::{
    kernel::{INVALID_PARAMETER, SUCCESS},
    machine::Machine,
};
use crate::abi::{
    exports::{Arguments, Export},
    guest,
};

impl Machine {
    pub(super) fn kernel_tracing(&self, export: Export, arguments: Arguments) -> Option<u64> {
        match export {
            Export::EtwRegister => {
                let handle = arguments.pointer(3);
                if handle == 0 {
                    return Some(INVALID_PARAMETER);
                }
                guest::write(handle, &1_u64);
                Some(SUCCESS)
            }
            // FALSE: not enabled.
            Export::EtwEventEnabled | Export::EtwProviderEnabled => Some(0),
            Export::EtwUnregister
            | Export::EtwWrite
            | Export::EtwWriteTransfer
            | Export::EtwSetInformation
            | Export::EtwActivityIdControl
            | Export::WmiTraceMessage
            | Export::IoWMIRegistrationControl
            | Export::WppAutoLogStart
            | Export::WppAutoLogStop
            | Export::WppAutoLogTrace
            | Export::imp_WppRecorderReplay => Some(SUCCESS),
            Export::DbgBreakPoint => {
                self.journal
                    .debug_line(String::from("portlab: DbgBreakPoint; no debugger is attached"));
                Some(0)
            }
            _ => None,
        }
    }
}
