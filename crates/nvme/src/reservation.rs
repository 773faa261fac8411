//! Reservation commands and the report (Base 1.4, 6.10 to 6.13 and 8.8; NVM Command Set 1.0 leaves them to Base 2.0).

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::command::{DataPointer, NamespaceId, SubmissionEntry, io_opcode};

/// RREGA: what Reservation Register does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// 000b: registers the new key.
    New = 0,
    /// 001b: ends the registration.
    Remove = 1,
    /// 010b: replaces the current key by the new one.
    Replace = 2,
}

/// RTYPE: the type of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Write exclusive.
    WriteExclusive = 1,
    /// Exclusive access.
    ExclusiveAccess = 2,
    /// Write exclusive, registrants only.
    WriteExclusiveRegistrants = 3,
    /// Exclusive access, registrants only.
    ExclusiveAccessRegistrants = 4,
    /// Write exclusive, all registrants.
    WriteExclusiveAll = 5,
    /// Exclusive access, all registrants.
    ExclusiveAccessAll = 6,
}

/// RACQA: what Reservation Acquire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// 000b: acquires.
    Acquire = 0,
    /// 001b: preempts.
    Preempt = 1,
    /// 010b: preempts and aborts.
    PreemptAndAbort = 2,
}

/// The keys that Register and Acquire are given: 16 bytes. Release takes the first alone.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Keys {
    /// CRKEY, the current key.
    pub current: U64,
    /// NRKEY or PRKEY, the new or the preempted key.
    pub other: U64,
}

impl Keys {
    /// Bytes of Register's and Acquire's data.
    pub const LENGTH: u32 = 16;
    /// Bytes of Release's data.
    pub const RELEASE_LENGTH: u32 = 8;
}

const IGNORE_EXISTING_KEY: u32 = 1 << 3;

/// Reservation Register; [`Keys`] lie at `data`. `persist`: CPTPL, persistence through power loss is to be on or off.
#[must_use]
pub const fn register(
    namespace: NamespaceId,
    action: Register,
    ignore_existing_key: bool,
    persist: Option<bool>,
    data: DataPointer,
) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(io_opcode::RESERVATION_REGISTER)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = action as u32;
    if ignore_existing_key {
        entry.dword10 |= IGNORE_EXISTING_KEY;
    }
    entry.dword10 |= match persist {
        None => 0,
        Some(false) => 2 << 30,
        Some(true) => 3 << 30,
    };
    entry
}

/// Reservation Acquire; [`Keys`] lie at `data`.
#[must_use]
pub const fn acquire(
    namespace: NamespaceId,
    action: Acquire,
    kind: Kind,
    data: DataPointer,
) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(io_opcode::RESERVATION_ACQUIRE)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = action as u32 | (kind as u32) << 8;
    entry
}

/// Reservation Release of a reservation of type `kind`, or of everything (clear); the current key lies at `data`.
#[must_use]
pub const fn release(namespace: NamespaceId, kind: Option<Kind>, data: DataPointer) -> SubmissionEntry {
    const CLEAR: u32 = 1;
    let mut entry = SubmissionEntry::new(io_opcode::RESERVATION_RELEASE)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = match kind {
        Some(kind) => (kind as u32) << 8,
        None => CLEAR,
    };
    entry
}

/// Reservation Report of the first `dwords` dwords, with 64-bit host identifiers. NUMD is 0's based: 0 asks for one.
#[must_use]
pub const fn report(namespace: NamespaceId, dwords: u32, data: DataPointer) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(io_opcode::RESERVATION_REPORT)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = dwords.saturating_sub(1);
    entry
}

/// The head of the reservation status data structure.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ReportHeader {
    /// GEN, the generation.
    pub generation: U32,
    /// RTYPE; 0: no reservation is held.
    pub kind: u8,
    /// REGCTL: registered controllers, each with an entry.
    pub registered: U16,
    reserved: [u8; 2],
    /// PTPLS: persists through power loss.
    pub persists: u8,
    rest: [u8; 14],
}

/// A registered controller.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Registrant {
    /// CNTLID.
    pub controller: U16,
    /// RCSTS: bit 0, it holds the reservation.
    pub status: u8,
    reserved: [u8; 5],
    /// HOSTID.
    pub host: U64,
    /// RKEY.
    pub key: U64,
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    /// Base 1.4, figures 390 to 414.
    #[test]
    fn fields_are_where_the_specification_has_them() {
        assert_eq!((size_of::<ReportHeader>(), size_of::<Registrant>()), (24, 24));
        assert_eq!(
            (
                offset_of!(ReportHeader, registered),
                offset_of!(ReportHeader, persists)
            ),
            (5, 9)
        );
        assert_eq!(
            (offset_of!(Registrant, host), offset_of!(Registrant, key)),
            (8, 16)
        );
        let id = NamespaceId(1);
        let entry = register(id, Register::Replace, true, Some(true), DataPointer::NONE);
        assert_eq!(entry.dword10, 3 << 30 | 1 << 3 | 2);
        let entry = acquire(id, Acquire::Preempt, Kind::ExclusiveAccessAll, DataPointer::NONE);
        assert_eq!(entry.dword10, 6 << 8 | 1);
        assert_eq!(release(id, None, DataPointer::NONE).dword10, 1);
        assert_eq!(
            release(id, Some(Kind::WriteExclusive), DataPointer::NONE).dword10,
            1 << 8
        );
        assert_eq!(report(id, 1024, DataPointer::NONE).dword10, 1023);
    }
}
