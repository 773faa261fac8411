//! The 64-byte submission queue entry (Base 2.0, section 3.3.3.1) and opcodes.

use zerocopy::FromZeros;

/// A namespace identifier (NSID) as it stands in commands; not every value names a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromZeros)]
#[repr(transparent)]
pub struct NamespaceId(pub u32);

impl NamespaceId {
    /// 0h: the command does not address a namespace.
    pub const NONE: Self = Self(0);
    /// `FFFF_FFFFh`: all namespaces.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether it can name one namespace: 1h to `FFFF_FFFEh` (Base 2.0, section 3.2.1: at most NN).
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.0 != 0 && self.0 != u32::MAX
    }
}

/// Where a command's data lies: PRP entry 1 and 2 (Base 2.0, section 4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataPointer {
    /// PRP1: bus address of the first byte, may have a dword-aligned page offset.
    pub prp1: u64,
    /// PRP2: reserved (0), a second page, or a PRP list.
    pub prp2: u64,
}

impl DataPointer {
    /// No data.
    pub const NONE: Self = Self { prp1: 0, prp2: 0 };

    /// One page-aligned buffer of at most one page.
    #[must_use]
    pub const fn page(address: u64) -> Self {
        Self {
            prp1: address,
            prp2: 0,
        }
    }
}

/// Admin command opcodes (Base 2.0, chapter 5). Open: pass-through may carry any.
pub mod admin_opcode {
    /// Delete I/O Submission Queue.
    pub const DELETE_SUBMISSION_QUEUE: u8 = 0x00;
    /// Create I/O Submission Queue.
    pub const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
    /// Get Log Page.
    pub const GET_LOG_PAGE: u8 = 0x02;
    /// Delete I/O Completion Queue.
    pub const DELETE_COMPLETION_QUEUE: u8 = 0x04;
    /// Create I/O Completion Queue.
    pub const CREATE_COMPLETION_QUEUE: u8 = 0x05;
    /// Identify.
    pub const IDENTIFY: u8 = 0x06;
    /// Abort.
    pub const ABORT: u8 = 0x08;
    /// Set Features.
    pub const SET_FEATURES: u8 = 0x09;
    /// Get Features.
    pub const GET_FEATURES: u8 = 0x0A;
    /// Asynchronous Event Request.
    pub const ASYNC_EVENT_REQUEST: u8 = 0x0C;
    /// Firmware Commit.
    pub const FIRMWARE_COMMIT: u8 = 0x10;
    /// Firmware Image Download.
    pub const FIRMWARE_IMAGE_DOWNLOAD: u8 = 0x11;
    /// Doorbell Buffer Config.
    pub const DOORBELL_BUFFER_CONFIG: u8 = 0x7C;
    /// Format NVM.
    pub const FORMAT_NVM: u8 = 0x80;
    /// Security Send.
    pub const SECURITY_SEND: u8 = 0x81;
    /// Security Receive.
    pub const SECURITY_RECEIVE: u8 = 0x82;
    /// Sanitize.
    pub const SANITIZE: u8 = 0x84;
}

/// NVM command set opcodes (NVM Command Set 1.0, section 3.2).
pub mod io_opcode {
    /// Flush.
    pub const FLUSH: u8 = 0x00;
    /// Write.
    pub const WRITE: u8 = 0x01;
    /// Read.
    pub const READ: u8 = 0x02;
    /// Compare.
    pub const COMPARE: u8 = 0x05;
    /// Write Zeroes.
    pub const WRITE_ZEROES: u8 = 0x08;
    /// Dataset Management.
    pub const DATASET_MANAGEMENT: u8 = 0x09;
    /// Verify.
    pub const VERIFY: u8 = 0x0C;
    /// Reservation Register.
    pub const RESERVATION_REGISTER: u8 = 0x0D;
    /// Reservation Report.
    pub const RESERVATION_REPORT: u8 = 0x0E;
    /// Reservation Acquire.
    pub const RESERVATION_ACQUIRE: u8 = 0x11;
    /// Reservation Release.
    pub const RESERVATION_RELEASE: u8 = 0x15;
}

/// A command (Base 2.0, section 3.3.3.1). The command identifier is set when a slot has been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmissionEntry {
    /// Command dword 0: opcode 7:0, fused 9:8, PSDT 15:14, command identifier 31:16.
    pub dword0: u32,
    /// NSID.
    pub namespace: NamespaceId,
    /// Command dword 2.
    pub dword2: u32,
    /// Command dword 3.
    pub dword3: u32,
    /// MPTR, metadata pointer.
    pub metadata: u64,
    /// DPTR as PRP entries.
    pub data: DataPointer,
    /// Command dword 10.
    pub dword10: u32,
    /// Command dword 11.
    pub dword11: u32,
    /// Command dword 12.
    pub dword12: u32,
    /// Command dword 13.
    pub dword13: u32,
    /// Command dword 14.
    pub dword14: u32,
    /// Command dword 15.
    pub dword15: u32,
}

impl SubmissionEntry {
    /// Bytes of an entry in memory.
    pub const SIZE: usize = 64;

    /// A command with everything but the opcode zero.
    #[must_use]
    pub const fn new(opcode: u8) -> Self {
        Self {
            dword0: opcode as u32,
            namespace: NamespaceId::NONE,
            dword2: 0,
            dword3: 0,
            metadata: 0,
            data: DataPointer::NONE,
            dword10: 0,
            dword11: 0,
            dword12: 0,
            dword13: 0,
            dword14: 0,
            dword15: 0,
        }
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        let [opcode, ..] = self.dword0.to_le_bytes();
        opcode
    }

    /// The command identifier.
    #[must_use]
    pub const fn command_id(&self) -> u16 {
        (self.dword0 >> 16) as u16
    }

    /// Puts the command identifier in.
    pub const fn set_command_id(&mut self, id: u16) {
        self.dword0 = (self.dword0 & 0xFFFF) | ((id as u32) << 16);
    }

    /// The same command as the first (false) or second (true) half of a fused operation: FUSE, bits 9:8 of dword 0.
    #[must_use]
    pub const fn fused(mut self, second: bool) -> Self {
        const FIRST: u32 = 1 << 8;
        const SECOND: u32 = 2 << 8;
        self.dword0 |= if second { SECOND } else { FIRST };
        self
    }

    /// The same command for a namespace.
    #[must_use]
    pub const fn with_namespace(mut self, namespace: NamespaceId) -> Self {
        self.namespace = namespace;
        self
    }

    /// The same command with a data pointer.
    #[must_use]
    pub const fn with_data(mut self, data: DataPointer) -> Self {
        self.data = data;
        self
    }

    /// The sixteen dwords in the order they lie in the queue; little-endian hosts only need to store them.
    #[must_use]
    pub const fn to_dwords(&self) -> [u32; 16] {
        [
            self.dword0,
            self.namespace.0,
            self.dword2,
            self.dword3,
            low(self.metadata),
            high(self.metadata),
            low(self.data.prp1),
            high(self.data.prp1),
            low(self.data.prp2),
            high(self.data.prp2),
            self.dword10,
            self.dword11,
            self.dword12,
            self.dword13,
            self.dword14,
            self.dword15,
        ]
    }

    /// As eight qwords in the order they lie in the queue of a little-endian host.
    #[must_use]
    #[inline]
    pub const fn to_qwords(&self) -> [u64; 8] {
        [
            join(self.dword0, self.namespace.0),
            join(self.dword2, self.dword3),
            self.metadata,
            self.data.prp1,
            self.data.prp2,
            join(self.dword10, self.dword11),
            join(self.dword12, self.dword13),
            join(self.dword14, self.dword15),
        ]
    }

    /// Dwords 0 and 1, the first of [`SubmissionEntry::to_qwords`], with a command identifier and a namespace put in.
    #[must_use]
    #[inline]
    pub const fn first_qword(opcode: u8, command_id: u16, namespace: NamespaceId) -> u64 {
        join(opcode as u32 | (command_id as u32) << 16, namespace.0)
    }

    /// From the sixteen dwords of a queue entry.
    #[must_use]
    pub const fn from_dwords(dwords: &[u32; 16]) -> Self {
        let &[
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
            d6,
            d7,
            d8,
            d9,
            d10,
            d11,
            d12,
            d13,
            d14,
            d15,
        ] = dwords;
        Self {
            dword0: d0,
            namespace: NamespaceId(d1),
            dword2: d2,
            dword3: d3,
            metadata: join(d4, d5),
            data: DataPointer {
                prp1: join(d6, d7),
                prp2: join(d8, d9),
            },
            dword10: d10,
            dword11: d11,
            dword12: d12,
            dword13: d13,
            dword14: d14,
            dword15: d15,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is asked for"
)]
const fn low(value: u64) -> u32 {
    value as u32
}

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

const fn join(low: u32, high: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Base 2.0, section 3.3.3.1: an entry survives the way through queue memory, identifier included.
        #[test]
        fn dwords_round_trip(dwords in any::<[u32; 16]>(), id in any::<u16>()) {
            let mut entry = SubmissionEntry::from_dwords(&dwords);
            prop_assert_eq!(entry.to_dwords(), dwords);
            entry.set_command_id(id);
            prop_assert_eq!(entry.command_id(), id);
            prop_assert_eq!(entry.opcode(), dwords[0].to_le_bytes()[0]);
        }
    }

    #[test]
    fn namespace_zero_and_broadcast_name_no_single_namespace() {
        assert!(!NamespaceId::NONE.is_single() && !NamespaceId::ALL.is_single());
        assert!(NamespaceId(1).is_single());
    }
}
