//! `PORT_CONFIGURATION_INFORMATION` and what hangs on it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// `PORT_CONFIGURATION_INFORMATION`, filled half by Storport and half by `HwStorFindAdapter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PortConfigurationInformation {
    /// Size of this structure.
    pub length: u32,
    /// PCI bus number.
    pub system_io_bus_number: u32,
    /// `INTERFACE_TYPE`.
    pub adapter_interface_type: u32,
    /// IRQL of the line interrupt.
    pub bus_interrupt_level: u32,
    /// Vector of the line interrupt.
    pub bus_interrupt_vector: u32,
    /// `KINTERRUPT_MODE`: 0 level sensitive, 1 latched.
    pub interrupt_mode: u32,
    /// Bytes a single request may transfer.
    pub maximum_transfer_length: u32,
    /// Scatter/gather elements a single request may have.
    pub number_of_physical_breaks: u32,
    /// System DMA channel.
    pub dma_channel: u32,
    /// System DMA port.
    pub dma_port: u32,
    /// System DMA width.
    pub dma_width: u32,
    /// System DMA speed.
    pub dma_speed: u32,
    /// Alignment of data buffers, minus one.
    pub alignment_mask: u32,
    /// Elements behind `access_ranges`.
    pub number_of_access_ranges: u32,
    /// Array of [`AccessRange`].
    pub access_ranges: GuestAddress,
    /// Dump data of the miniport.
    pub miniport_dump_data: GuestAddress,
    /// Buses (paths) of the adapter.
    pub number_of_buses: u8,
    /// Initiator's id on each bus.
    pub initiator_bus_id: [u8; 8],
    /// TRUE if the adapter scatters and gathers.
    pub scatter_gather: u8,
    /// TRUE if the adapter masters the bus.
    pub master: u8,
    /// TRUE if the adapter caches writes.
    pub caches_data: u8,
    /// TRUE if the adapter scans down.
    pub adapter_scans_down: u8,
    /// Obsolete.
    pub atdisk_primary_claimed: u8,
    /// Obsolete.
    pub atdisk_secondary_claimed: u8,
    /// TRUE if the adapter has 32 address lines.
    pub dma32_bit_addresses: u8,
    /// Obsolete.
    pub demand_mode: u8,
    /// `STOR_MAP_*`.
    pub map_buffers: u8,
    /// Must be TRUE.
    pub need_physical_addresses: u8,
    /// Must be TRUE.
    pub tagged_queuing: u8,
    /// Must be TRUE.
    pub auto_request_sense: u8,
    /// Must be TRUE.
    pub multiple_request_per_lu: u8,
    /// Reserved.
    pub receive_event: u8,
    /// Obsolete.
    pub real_mode_initialized: u8,
    /// Obsolete.
    pub buffer_access_scsi_port_controlled: u8,
    /// Targets per bus.
    pub maximum_number_of_targets: u8,
    /// `SRB_TYPE_*`.
    pub srb_type: u8,
    /// `STORAGE_ADDRESS_TYPE_*`.
    pub address_type: u8,
    /// `PCI_SLOT_NUMBER`.
    pub slot_number: u32,
    /// Second interrupt: unused.
    pub bus_interrupt_level2: u32,
    /// Second interrupt: unused.
    pub bus_interrupt_vector2: u32,
    /// Second interrupt: unused.
    pub interrupt_mode2: u32,
    /// Second DMA channel: unused.
    pub dma_channel2: u32,
    /// Second DMA channel: unused.
    pub dma_port2: u32,
    /// Second DMA channel: unused.
    pub dma_width2: u32,
    /// Second DMA channel: unused.
    pub dma_speed2: u32,
    /// Bytes of the device extension.
    pub device_extension_size: u32,
    /// Bytes of a logical unit extension.
    pub specific_lu_extension_size: u32,
    /// Bytes of an SRB extension.
    pub srb_extension_size: u32,
    /// `SCSI_DMA64_*`.
    pub dma64_bit_addresses: u8,
    /// TRUE if the miniport takes `SRB_FUNCTION_RESET_DEVICE`.
    pub reset_target_supported: u8,
    /// Logical units per target.
    pub maximum_number_of_logical_units: u8,
    /// TRUE if the miniport provides WMI data.
    pub wmi_data_provider: u8,
    /// `STOR_SYNCHRONIZATION_MODEL`: 0 half duplex, 1 full duplex.
    pub synchronization_model: u32,
    /// `HwMSInterruptRoutine`.
    pub hw_ms_interrupt_routine: GuestAddress,
    /// `INTERRUPT_SYNCHRONIZATION_MODE`.
    pub interrupt_synchronization_mode: u32,
    /// Alignment.
    pub padding1: [u8; 4],
    /// Memory for dump mode.
    pub dump_region: MemoryRegion,
    /// Memory the miniport wants in dump mode.
    pub requested_dump_buffer_size: u32,
    /// TRUE for a virtual device.
    pub virtual_device: u8,
    /// `DUMP_MODE_*`, 0 in normal life.
    pub dump_mode: u8,
    /// Alignment.
    pub padding2: [u8; 2],
    /// Reserved flags.
    pub extended_flags1: u32,
    /// Requests the adapter takes at a time.
    pub max_number_of_io: u32,
    /// Requests a logical unit takes at a time.
    pub max_ios_per_lun: u32,
    /// Queue depth of a new logical unit.
    pub initial_lun_queue_depth: u32,
    /// Hold time after a bus reset, in seconds.
    pub bus_reset_hold_time: u32,
    /// `STOR_ADAPTER_FEATURE_*`.
    pub feature_support: u32,
}

/// `ACCESS_RANGE`: one BAR.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AccessRange {
    /// Bus address.
    pub range_start: u64,
    /// Bytes.
    pub range_length: u32,
    /// TRUE for memory, FALSE for I/O ports.
    pub range_in_memory: u8,
    /// Alignment.
    pub padding: [u8; 3],
}

/// `MEMORY_REGION`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MemoryRegion {
    /// Virtual address.
    pub virtual_base: GuestAddress,
    /// Device address.
    pub physical_base: u64,
    /// Bytes.
    pub length: u32,
    /// Alignment.
    pub padding: [u8; 4],
}

/// Storport's mark for "the miniport has not set this" in 32-bit fields.
pub const SP_UNINITIALIZED_VALUE: u32 = u32::MAX;
/// `SP_RETURN_NOT_FOUND`.
pub const SP_RETURN_NOT_FOUND: u32 = 0;
/// `SP_RETURN_FOUND`.
pub const SP_RETURN_FOUND: u32 = 1;
/// `SP_RETURN_ERROR`.
pub const SP_RETURN_ERROR: u32 = 2;
/// `SP_RETURN_BAD_CONFIG`.
pub const SP_RETURN_BAD_CONFIG: u32 = 3;
/// `INTERFACE_TYPE` `PCIBus`.
pub const PCI_BUS: u32 = 5;
/// `BUS_DATA_TYPE` `PCIConfiguration`.
pub const PCI_CONFIGURATION: u32 = 4;
/// `STOR_MAP_NO_BUFFERS`.
pub const STOR_MAP_NO_BUFFERS: u8 = 0;
/// `STOR_MAP_ALL_BUFFERS`.
pub const STOR_MAP_ALL_BUFFERS: u8 = 1;
/// `STOR_MAP_NON_READ_WRITE_BUFFERS`.
pub const STOR_MAP_NON_READ_WRITE_BUFFERS: u8 = 2;
/// `STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE`.
pub const STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE: u8 = 3;
/// `StorSynchronizeHalfDuplex`.
pub const SYNCHRONIZE_HALF_DUPLEX: u32 = 0;
/// `StorSynchronizeFullDuplex`.
pub const SYNCHRONIZE_FULL_DUPLEX: u32 = 1;
/// `InterruptSynchronizeAll`.
pub const INTERRUPT_SYNCHRONIZE_ALL: u32 = 1;
/// `InterruptSynchronizePerMessage`.
pub const INTERRUPT_SYNCHRONIZE_PER_MESSAGE: u32 = 2;
/// `SCSI_DMA64_SYSTEM_SUPPORTED`.
pub const SCSI_DMA64_SYSTEM_SUPPORTED: u8 = 0x80;
