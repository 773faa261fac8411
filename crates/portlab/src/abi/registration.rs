//! `HW_INITIALIZATION_DATA`: what a miniport hands to `StorPortInitialize`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::GuestAddress;

/// `HW_INITIALIZATION_DATA`; callbacks are guest addresses, 0 where the miniport has none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct HwInitializationData {
    /// Size of this structure as the miniport was built.
    pub size: u32,
    /// `INTERFACE_TYPE`.
    pub adapter_interface_type: u32,
    /// `HwStorInitialize`.
    pub hw_initialize: GuestAddress,
    /// `HwStorStartIo`.
    pub hw_start_io: GuestAddress,
    /// `HwStorInterrupt`.
    pub hw_interrupt: GuestAddress,
    /// `HwStorFindAdapter`.
    pub hw_find_adapter: GuestAddress,
    /// `HwStorResetBus`.
    pub hw_reset_bus: GuestAddress,
    /// Unused by Storport.
    pub hw_dma_started: GuestAddress,
    /// Unused by Storport.
    pub hw_adapter_state: GuestAddress,
    /// Bytes of the adapter's device extension.
    pub device_extension_size: u32,
    /// Bytes of each logical unit's extension.
    pub specific_lu_extension_size: u32,
    /// Bytes of each SRB's extension.
    pub srb_extension_size: u32,
    /// Access ranges the adapter has at most.
    pub number_of_access_ranges: u32,
    /// Reserved.
    pub reserved: GuestAddress,
    /// `STOR_MAP_*`.
    pub map_buffers: u8,
    /// Must be TRUE for a physical miniport.
    pub need_physical_addresses: u8,
    /// Must be TRUE.
    pub tagged_queuing: u8,
    /// Must be TRUE.
    pub auto_request_sense: u8,
    /// Must be TRUE.
    pub multiple_request_per_lu: u8,
    /// Reserved.
    pub receive_event: u8,
    /// Reserved for Storport.
    pub vendor_id_length: u16,
    /// Reserved for Storport.
    pub vendor_id: GuestAddress,
    /// Port version flags.
    pub port_version_flags: u16,
    /// Reserved for Storport.
    pub device_id_length: u16,
    /// Alignment.
    pub padding: [u8; 4],
    /// Reserved for Storport.
    pub device_id: GuestAddress,
    /// `HwStorAdapterControl`.
    pub hw_adapter_control: GuestAddress,
    /// `HwStorBuildIo`.
    pub hw_build_io: GuestAddress,
    /// Virtual miniports only.
    pub hw_free_adapter_resources: GuestAddress,
    /// Virtual miniports only.
    pub hw_process_service_request: GuestAddress,
    /// Virtual miniports only.
    pub hw_complete_service_irp: GuestAddress,
    /// `HwStorInitializeTracing`.
    pub hw_initialize_tracing: GuestAddress,
    /// `HwStorCleanupTracing`.
    pub hw_cleanup_tracing: GuestAddress,
    /// `HwStorTracingEnabled`.
    pub hw_tracing_enabled: GuestAddress,
    /// `STOR_FEATURE_*`.
    pub feature_support: u32,
    /// `SRB_TYPE_FLAG_*`.
    pub srb_type_flags: u32,
    /// `ADDRESS_TYPE_FLAG_*`.
    pub address_type_flags: u32,
    /// Reserved.
    pub reserved1: u32,
    /// `HwStorUnitControl`.
    pub hw_unit_control: GuestAddress,
}

/// `STOR_FEATURE_EXTRA_IO_INFORMATION`: reads and writes come with `SRBEX_DATA_IO_INFO`.
pub const STOR_FEATURE_EXTRA_IO_INFORMATION: u32 = 0x80;
/// `STOR_FEATURE_VIRTUAL_MINIPORT`.
pub const STOR_FEATURE_VIRTUAL_MINIPORT: u32 = 0x1;
/// `SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK`.
pub const SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK: u32 = 0x1;
/// `SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK`.
pub const SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK: u32 = 0x2;
/// `ADDRESS_TYPE_FLAG_BTL8`.
pub const ADDRESS_TYPE_FLAG_BTL8: u32 = 0x1;
