//! What is known of the controller.

use nvme::identify::IdentifyController;
use nvme::{Capabilities, Version};
use zerocopy::FromZeros;

/// The controller's properties, checked, as small plain data. Valid from [`super::Outcome::Identified`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct ControllerInfo {
    /// CAP.
    pub capabilities: Capabilities,
    /// VS.
    pub version: Version,
    /// Largest data transfer of a command in bytes (MDTS), `u32::MAX` if there is no limit.
    pub max_transfer_bytes: u32,
    /// RTD3E in microseconds, 0 if not reported.
    pub rtd3_entry_micros: u32,
    /// NN.
    pub namespace_count: u32,
    /// Blocks written atomically across a power failure.
    pub atomic_write_blocks: u32,
    /// Asynchronous event requests that may be outstanding, 1 to 256.
    pub async_event_limit: u16,
    /// Abort commands that may be outstanding, 1 to 256.
    pub abort_limit: u16,
    /// CNTLID.
    pub controller_id: u16,
    /// PCI vendor id.
    pub vendor_id: u16,
    /// SN, printable ASCII padded with blanks.
    pub serial_number: [u8; 20],
    /// MN, printable ASCII padded with blanks.
    pub model_number: [u8; 40],
    /// FR, printable ASCII padded with blanks.
    pub firmware_revision: [u8; 8],
    /// IEEE OUI, least significant byte first.
    pub ieee_oui: [u8; 3],
    /// There is a volatile write cache.
    pub write_cache_present: bool,
    /// It is enabled; learned by [`super::Request::Queues`], assumed if the controller does not tell.
    pub write_cache_enabled: bool,
    /// Flush takes the broadcast namespace.
    pub flush_all_namespaces: bool,
    /// Namespace notices come as asynchronous events.
    pub notifies_namespace_changes: bool,
    /// Firmware activation notices come as asynchronous events.
    pub notifies_firmware_activation: bool,
    /// Asynchronous events were configured by [`super::Request::Queues`].
    pub events_configured: bool,
    /// Doorbell Buffer Config is supported.
    pub supports_shadow_doorbells: bool,
    /// It was accepted by [`super::Request::Queues`]: the indices of I/O queues are told in memory, too.
    pub has_shadow_doorbells: bool,
    /// Compare is supported.
    pub supports_compare: bool,
    /// Dataset Management is supported.
    pub supports_dataset_management: bool,
    /// Write Zeroes is supported.
    pub supports_write_zeroes: bool,
    /// Verify is supported.
    pub supports_verify: bool,
    /// Reservations are supported.
    pub supports_reservations: bool,
    /// Compare and Write is supported as a fused operation.
    pub supports_fused_compare_and_write: bool,
    /// SGLs are supported.
    pub supports_sgl: bool,
    /// Security Send and Security Receive are supported.
    pub supports_security: bool,
    /// Firmware Image Download and Firmware Commit are supported.
    pub supports_firmware_download: bool,
    /// Format NVM is supported.
    pub supports_format: bool,
    /// Format NVM of one namespace formats or erases all of them.
    pub formats_all_namespaces: bool,
    /// Format NVM erases cryptographically.
    pub formats_cryptographically: bool,
    /// Sanitize erases cryptographically.
    pub sanitizes_cryptographically: bool,
    /// Sanitize erases blocks.
    pub sanitizes_blocks: bool,
}

impl ControllerInfo {
    pub(super) fn new(capabilities: Capabilities, version: Version, view: IdentifyController<'_>) -> Self {
        let write_cache = view.volatile_write_cache();
        Self {
            capabilities,
            version,
            max_transfer_bytes: view
                .max_transfer_bytes(capabilities.min_page_size())
                .unwrap_or(u32::MAX),
            rtd3_entry_micros: view.rtd3_entry_micros().unwrap_or(0),
            namespace_count: view.namespace_count(),
            atomic_write_blocks: view.atomic_write_blocks_power_fail(),
            async_event_limit: view.async_event_limit(),
            abort_limit: view.abort_limit(),
            controller_id: view.controller_id(),
            vendor_id: view.vendor_id(),
            serial_number: view.serial_number(),
            model_number: view.model_number(),
            firmware_revision: view.firmware_revision(),
            ieee_oui: view.ieee_oui(),
            write_cache_present: write_cache.present,
            write_cache_enabled: write_cache.present,
            flush_all_namespaces: write_cache.flush_all_namespaces,
            notifies_namespace_changes: view.notifies_namespace_changes(),
            notifies_firmware_activation: view.notifies_firmware_activation(),
            events_configured: false,
            supports_shadow_doorbells: view.supports_doorbell_buffers(),
            has_shadow_doorbells: false,
            supports_compare: view.supports_compare(),
            supports_dataset_management: view.supports_dataset_management(),
            supports_write_zeroes: view.supports_write_zeroes(),
            supports_verify: view.supports_verify(),
            supports_reservations: view.supports_reservations(),
            supports_fused_compare_and_write: view.supports_fused_compare_and_write(),
            supports_sgl: view.supports_sgl(),
            supports_security: view.supports_security(),
            supports_firmware_download: view.supports_firmware_download(),
            supports_format: view.supports_format(),
            formats_all_namespaces: view.formats_all_namespaces(),
            formats_cryptographically: view.formats_cryptographically(),
            sanitizes_cryptographically: view.sanitizes_cryptographically(),
            sanitizes_blocks: view.sanitizes_blocks(),
        }
    }
}
