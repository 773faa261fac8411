//! What can be read of an SRB, whoever has it.

use core::time::Duration;

use super::{
    function::{Function, PnpAction},
    view::{Address, Cdb, Direction, Pnp, View},
};
use crate::control::{DevicePowerState, PowerAction};

const SRB_FLAGS_QUEUE_ACTION_ENABLE: u32 = 0x2;

/// The fields of an SRB of either form, each with every offset checked.
///
/// Reached through [`Srb`](super::Srb) and [`Preparing`](super::Preparing), for as long as they are there.
pub struct Fields {
    pub(super) view: View,
}

/// Which order a request asks for (`QueueAction`, `RequestAttribute`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskAttribute {
    /// `SRB_SIMPLE_TAG_REQUEST`, and requests that ask for none.
    Simple,
    /// `SRB_HEAD_OF_QUEUE_TAG_REQUEST`.
    HeadOfQueue,
    /// `SRB_ORDERED_QUEUE_TAG_REQUEST`.
    Ordered,
    /// A value that this crate does not know.
    Other(u16),
}

/// A POWER SRB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power {
    /// For the adapter (`SRB_POWER_FLAGS_ADAPTER_REQUEST`), not for a unit.
    pub adapter: bool,
    /// The new state.
    pub state: DevicePowerState,
    /// Why.
    pub action: PowerAction,
}

/// A WMI SRB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wmi {
    /// For the adapter (`SRB_WMI_FLAGS_ADAPTER_REQUEST`), not for a unit.
    pub adapter: bool,
    /// `WMISubFunction`: an `IRP_MN_*` of WMI.
    pub sub_function: u8,
}

/// What an extended SRB tells of its read or write (`SRBEX_DATA_IO_INFO`; with `STOR_FEATURE_EXTRA_IO_INFORMATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoInformation {
    /// `REQUEST_INFO_*` flags.
    pub flags: u32,
    /// Identifies the sender.
    pub key: u32,
    /// Bytes to read or write.
    pub length: u32,
    /// A write.
    pub is_write: bool,
    /// `CachePriority`.
    pub cache_priority: u8,
}

impl Fields {
    /// The extended form.
    #[inline]
    pub(crate) fn is_extended(&self) -> bool {
        self.view.is_extended()
    }

    /// What is asked for.
    #[must_use]
    pub fn function(&self) -> Function {
        self.view.function()
    }

    /// Whether that is [`Function::ExecuteScsi`].
    #[must_use]
    #[inline]
    pub fn executes_scsi(&self) -> bool {
        self.view.executes_scsi()
    }

    /// Which unit is addressed; `None` if the address is malformed.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.view.address()
    }

    /// A copy of the CDB, of its first 32 bytes if it is longer; `None` if there is none or it is malformed.
    #[must_use]
    pub fn cdb(&self) -> Option<Cdb> {
        self.view.cdb()
    }

    /// Copies the CDB, cut to `target`. Returns its whole length, whatever that is; `None` if there is none or it is
    /// malformed.
    pub fn read_cdb(&self, target: &mut [u8]) -> Option<usize> {
        self.view.read_cdb(target)
    }

    /// Direction of the data phase.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.view.direction()
    }

    /// `SrbFlags`.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.view.flags()
    }

    /// `DataTransferLength`: bytes of the data buffer.
    #[must_use]
    pub fn data_length(&self) -> u32 {
        self.view.data_transfer_length()
    }

    /// Bytes of the input buffer (`SRBEX_DATA_BIDIRECTIONAL`); `None` unless the request is bidirectional.
    #[must_use]
    pub fn data_in_length(&self) -> Option<u32> {
        self.view.data_in_length()
    }

    /// `TimeOutValue`: after this the port driver begins to reset. Zero: never.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.view.timeout()))
    }

    /// `QueueTag`, `RequestTag`.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.view.tag()
    }

    /// `QueueAction`, `RequestAttribute`; simple unless `SRB_FLAGS_QUEUE_ACTION_ENABLE` is set.
    #[must_use]
    pub fn task_attribute(&self) -> TaskAttribute {
        if self.flags() & SRB_FLAGS_QUEUE_ACTION_ENABLE == 0 {
            return TaskAttribute::Simple;
        }
        match self.view.task_attribute() {
            0x20 => TaskAttribute::Simple,
            0x21 => TaskAttribute::HeadOfQueue,
            0x22 => TaskAttribute::Ordered,
            other => TaskAttribute::Other(other),
        }
    }

    /// `RequestPriority`: an `IO_PRIORITY_HINT`, 2 being normal. The classic form has none.
    #[must_use]
    pub fn priority(&self) -> Option<u16> {
        self.view.priority()
    }

    /// Bytes of the sense buffer; 0 if there is none.
    #[must_use]
    pub fn sense_capacity(&self) -> usize {
        self.view.sense_capacity()
    }

    /// Action of a PNP SRB, and whether it addresses the adapter (`SRB_PNP_FLAGS_ADAPTER_REQUEST`).
    #[must_use]
    pub fn pnp(&self) -> Option<(PnpAction, bool)> {
        self.view
            .is_pnp()
            .then(|| self.view.pnp())?
            .map(|Pnp { action, adapter }| (action, adapter))
    }

    /// A PNP SRB that removes the adapter, by surprise or not.
    #[inline]
    pub(crate) fn removes_adapter(&self) -> bool {
        self.view.is_pnp() && self.asks_for_removal()
    }

    #[cold]
    #[inline(never)]
    fn asks_for_removal(&self) -> bool {
        matches!(
            self.pnp(),
            Some((PnpAction::Remove | PnpAction::SurpriseRemoval, true))
        )
    }

    /// What a POWER SRB asks for.
    #[must_use]
    pub fn power(&self) -> Option<Power> {
        (self.function() == Function::Power).then(|| self.view.power())?
    }

    /// What a WMI SRB asks for; its buffer is the data buffer.
    #[must_use]
    pub fn wmi(&self) -> Option<Wmi> {
        (self.function() == Function::Wmi).then(|| self.view.wmi())?
    }

    /// What the request tells of its read or write, if it does.
    #[must_use]
    pub fn io_information(&self) -> Option<IoInformation> {
        self.view.io_information()
    }
}
