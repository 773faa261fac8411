//! Argument checks that many functions share: IRQL, call windows, the device extension.

use super::{
    activity::{self, Activity},
    machine::Machine,
    rules,
};
use crate::{
    abi::{GuestAddress, codes::stor_status},
    engine::{Context, Irql},
};

impl Machine {
    /// Whether the call is made at `highest` or below; a breach is written down.
    pub(super) fn at_most(&self, highest: Irql) -> bool {
        let irql = Context::irql();
        if irql > highest {
            self.violate(&rules::IRQL_TOO_HIGH, || {
                format!("called at {irql}, allowed up to {highest}")
            });
            return false;
        }
        true
    }

    /// Whether the call comes from one of the callbacks; a breach is written down.
    pub(super) fn within(&self, allowed: &str, test: impl FnOnce(Activity) -> bool) -> bool {
        let current = activity::current();
        if current.is_some_and(test) {
            return true;
        }
        self.violate(&rules::CALL_WINDOW, || format!("allowed in {allowed} only"));
        false
    }

    /// Whether `extension` is the adapter's; a breach is written down.
    pub(super) fn is_extension(&self, extension: GuestAddress) -> bool {
        let expected = self.setup().extension;
        if extension == expected && expected != 0 {
            return true;
        }
        self.violate(&rules::WRONG_EXTENSION, || {
            format!("HwDeviceExtension is {extension:#x}, the adapter's is {expected:#x}")
        });
        false
    }

    /// The checks of an extended function that is legal up to DISPATCH_LEVEL, or the status it ends with.
    pub(super) fn dispatch_limited(&self, extension: GuestAddress) -> Result<(), u32> {
        if !self.at_most(Irql::DISPATCH) {
            return Err(stor_status::INVALID_IRQL);
        }
        self.any_irql(extension)
    }

    /// The checks of an extended function that is legal at any IRQL, or the status it ends with.
    pub(super) fn any_irql(&self, extension: GuestAddress) -> Result<(), u32> {
        if self.is_extension(extension) {
            Ok(())
        } else {
            Err(stor_status::INVALID_PARAMETER)
        }
    }

    /// The checks of an extended function that is legal at PASSIVE_LEVEL, or the status it ends with.
    pub(super) fn passive(&self, extension: GuestAddress) -> Result<(), u32> {
        if !self.at_most(Irql::PASSIVE) {
            return Err(stor_status::INVALID_IRQL);
        }
        self.any_irql(extension)
    }

    /// A NULL where the page demands a pointer: the breach and its status.
    pub(super) fn not_null(&self, name: &str, pointer: GuestAddress) -> Result<(), u32> {
        if pointer != 0 {
            return Ok(());
        }
        self.violate(&rules::BAD_PARAMETER, || format!("{name} is NULL"));
        Err(stor_status::INVALID_PARAMETER)
    }

    /// A call whose page names the compliance rule `StorPortDeprecated`.
    pub(super) fn deprecated(&self, name: &str) {
        self.violate(&rules::DEPRECATED, || {
            format!("the page of {name} names the compliance rule StorPortDeprecated")
        });
    }

    /// The memory that a call needs, or the status it ends with.
    pub(super) fn resources(&self) -> Result<(), u32> {
        if self.memory_left() {
            Ok(())
        } else {
            Err(stor_status::INSUFFICIENT_RESOURCES)
        }
    }
}

/// The status of a checked call.
pub(super) fn status(result: Result<u32, u32>) -> u32 {
    match result {
        Ok(status) | Err(status) => status,
    }
}
