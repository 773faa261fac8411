//! Scatter/gather lists.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `STOR_SCATTER_GATHER_ELEMENT`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ScatterGatherElement {
    /// Device address.
    pub physical_address: u64,
    /// Bytes.
    pub length: u32,
    /// Alignment.
    pub padding: [u8; 4],
    /// Reserved.
    pub reserved: u64,
}

/// The head of `STOR_SCATTER_GATHER_LIST`; its elements follow.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ScatterGatherHeader {
    /// Elements that follow.
    pub number_of_elements: u32,
    /// Alignment.
    pub padding: [u8; 4],
    /// Reserved.
    pub reserved: u64,
}
