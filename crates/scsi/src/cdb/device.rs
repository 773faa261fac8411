//! Commands about the device behind the unit: its security protocols (SPC-4 clause 6).

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{CdbError, view};
use crate::sense::FieldPointer;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SecurityProtocol12 {
    opcode: u8,
    protocol: u8,
    specific: U16,
    flags: u8,
    reserved_5: u8,
    length: U32,
    reserved_10: u8,
    control: u8,
}

/// SECURITY PROTOCOL IN or OUT (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SecurityProtocol {
    /// SECURITY PROTOCOL.
    pub protocol: u8,
    /// SECURITY PROTOCOL SPECIFIC.
    pub specific: u16,
    /// ALLOCATION LENGTH (IN) or TRANSFER LENGTH (OUT) in bytes, multiplied by 512 if `INC_512` says so; `u32::MAX` for what
    /// is more.
    pub bytes: u32,
}

impl SecurityProtocol {
    /// Where the length stands.
    pub const LENGTH_FIELD: FieldPointer = FieldPointer::byte(6);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const INC_512: u8 = 0x80;
        let format = view::<SecurityProtocol12>(cdb)?;
        let unit = if format.flags & INC_512 != 0 { 512 } else { 1 };
        Ok(Self {
            protocol: format.protocol,
            specific: format.specific.get(),
            bytes: format.length.get().saturating_mul(unit),
        })
    }
}
