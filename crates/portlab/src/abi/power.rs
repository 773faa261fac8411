//! The run-time power framework.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of `STOR_POFX_DEVICE`, `_V2` and `_V3` before their components.
pub const DEVICE_HEADS: [u64; 3] = [16, 24, 24];

/// What `STOR_POFX_DEVICE`, its second and its third version begin with.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PofxDeviceHead {
    /// 1 to 3.
    pub version: u32,
    /// Size with all components.
    pub size: u32,
    /// Number of components.
    pub component_count: u32,
    /// `STOR_POFX_DEVICE_FLAG_*`.
    pub flags: u32,
}

/// `STOR_POFX_COMPONENT` before its idle states.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PofxComponent {
    /// 1.
    pub version: u32,
    /// Size with all idle states.
    pub size: u32,
    /// Number of idle states.
    pub f_state_count: u32,
    /// The deepest that the device wakes from.
    pub deepest_wakeable_f_state: u32,
    /// Its GUID.
    pub id: [u8; 16],
}

/// `STOR_POFX_COMPONENT_IDLE_STATE`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PofxIdleState {
    /// 1.
    pub version: u32,
    /// Size.
    pub size: u32,
    /// Units of 100 ns.
    pub transition_latency: u64,
    /// Units of 100 ns.
    pub residency_requirement: u64,
    /// Microwatts.
    pub nominal_power: u32,
    /// Alignment.
    pub padding: [u8; 4],
}
