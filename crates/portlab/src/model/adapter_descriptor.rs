//! `StorageAdapterProperty`: what the port driver makes of what the miniport reported.
//!
//! Source: Microsoft Learn, `STORAGE_ADAPTER_DESCRIPTOR`. Which member of `PORT_CONFIGURATION_INFORMATION` each field comes
//! from is inferred from their descriptions.

use serde::Serialize;

use super::lab::Lab;
use crate::abi::srb::{SRB_TYPE_SCSI_REQUEST_BLOCK, SRB_TYPE_STORAGE_REQUEST_BLOCK, STOR_ADDRESS_TYPE_BTL8};

/// `STORAGE_ADAPTER_DESCRIPTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the structure has that many BOOLEANs"
)]
pub struct AdapterDescriptor {
    /// Bytes a request may transfer.
    pub maximum_transfer_length: u32,
    /// Pages that a request's data may lie in.
    pub maximum_physical_pages: u32,
    /// Alignment of data buffers, minus one.
    pub alignment_mask: u32,
    /// The adapter moves data by programmed I/O.
    pub adapter_uses_pio: bool,
    /// The adapter looks for boot devices from the highest address down.
    pub adapter_scans_down: bool,
    /// Requests are queued.
    pub command_queueing: bool,
    /// Synchronous transfers are negotiated.
    pub accelerated_transfer: bool,
    /// `STORAGE_BUS_TYPE`.
    pub bus_type: u32,
    /// Version of the bus.
    pub bus_major_version: u16,
    /// Version of the bus.
    pub bus_minor_version: u16,
    /// `SRB_TYPE_*`.
    pub srb_type: u8,
    /// `STOR_ADDRESS_TYPE_*`.
    pub address_type: u16,
}

impl AdapterDescriptor {
    /// The structure's bytes: 32 of them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        const SIZE: u32 = 32;
        let words = [
            SIZE,
            SIZE,
            self.maximum_transfer_length,
            self.maximum_physical_pages,
            self.alignment_mask,
        ];
        let flags = [
            self.adapter_uses_pio,
            self.adapter_scans_down,
            self.command_queueing,
            self.accelerated_transfer,
        ];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(flags.map(u8::from));
        bytes.push(u8::try_from(self.bus_type).unwrap_or(0));
        bytes.push(0);
        bytes.extend(self.bus_major_version.to_le_bytes());
        bytes.extend(self.bus_minor_version.to_le_bytes());
        bytes.push(self.srb_type);
        bytes.push(u8::try_from(self.address_type).unwrap_or(0));
        bytes
    }
}

impl Lab {
    /// What `IOCTL_STORAGE_QUERY_PROPERTY` answers for the adapter, after [`Lab::start`].
    #[must_use]
    pub fn adapter_descriptor(&self) -> AdapterDescriptor {
        let setup = self.machine.setup();
        let said = &setup.configuration;
        AdapterDescriptor {
            maximum_transfer_length: said.maximum_transfer_length,
            maximum_physical_pages: said.number_of_physical_breaks,
            alignment_mask: said.alignment_mask,
            adapter_uses_pio: said.master == 0,
            adapter_scans_down: said.adapter_scans_down != 0,
            command_queueing: said.tagged_queuing != 0,
            accelerated_transfer: true,
            bus_type: setup.bus_type,
            bus_major_version: 0,
            bus_minor_version: 0,
            srb_type: if setup.extended_srbs {
                SRB_TYPE_STORAGE_REQUEST_BLOCK
            } else {
                SRB_TYPE_SCSI_REQUEST_BLOCK
            },
            address_type: STOR_ADDRESS_TYPE_BTL8,
        }
    }
}
