//! Submission and completion entries (NVM Express Base 1.4, 4.2 and 4.6).

/// Bytes of a submission entry.
pub(crate) const SUBMISSION_BYTES: usize = 64;
/// Bytes of a completion entry.
pub(crate) const COMPLETION_BYTES: usize = 16;

/// Admin opcodes (figure 139).
pub(crate) mod admin {
    pub(crate) const DELETE_SQ: u8 = 0x00;
    pub(crate) const CREATE_SQ: u8 = 0x01;
    pub(crate) const GET_LOG_PAGE: u8 = 0x02;
    pub(crate) const DELETE_CQ: u8 = 0x04;
    pub(crate) const CREATE_CQ: u8 = 0x05;
    pub(crate) const IDENTIFY: u8 = 0x06;
    pub(crate) const ABORT: u8 = 0x08;
    pub(crate) const SET_FEATURES: u8 = 0x09;
    pub(crate) const GET_FEATURES: u8 = 0x0A;
    pub(crate) const ASYNC_EVENT_REQUEST: u8 = 0x0C;
    pub(crate) const FIRMWARE_COMMIT: u8 = 0x10;
    pub(crate) const FIRMWARE_IMAGE_DOWNLOAD: u8 = 0x11;
    pub(crate) const DOORBELL_BUFFER_CONFIG: u8 = 0x7C;
    pub(crate) const FORMAT_NVM: u8 = 0x80;
    pub(crate) const SECURITY_SEND: u8 = 0x81;
    pub(crate) const SECURITY_RECEIVE: u8 = 0x82;
    pub(crate) const SANITIZE: u8 = 0x84;
}

/// NVM opcodes (figure 346).
pub(crate) mod nvm {
    pub(crate) const FLUSH: u8 = 0x00;
    pub(crate) const WRITE: u8 = 0x01;
    pub(crate) const READ: u8 = 0x02;
    pub(crate) const WRITE_UNCORRECTABLE: u8 = 0x04;
    pub(crate) const COMPARE: u8 = 0x05;
    pub(crate) const WRITE_ZEROES: u8 = 0x08;
    pub(crate) const DATASET_MANAGEMENT: u8 = 0x09;
    pub(crate) const VERIFY: u8 = 0x0C;
    pub(crate) const RESERVATION_REGISTER: u8 = 0x0D;
    pub(crate) const RESERVATION_REPORT: u8 = 0x0E;
    pub(crate) const RESERVATION_ACQUIRE: u8 = 0x11;
    pub(crate) const RESERVATION_RELEASE: u8 = 0x15;
}

/// Which half of a fused operation an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fused {
    Normal,
    First,
    Second,
    Reserved,
}

/// A submission entry, copied from the host's memory once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    bytes: [u8; SUBMISSION_BYTES],
}

impl Command {
    pub(crate) const fn new(bytes: [u8; SUBMISSION_BYTES]) -> Self {
        Self { bytes }
    }

    pub(crate) fn dword(&self, index: usize) -> u32 {
        let at = 4 * index;
        u32::from_le_bytes([
            self.bytes[at],
            self.bytes[at + 1],
            self.bytes[at + 2],
            self.bytes[at + 3],
        ])
    }

    fn qword(&self, dword: usize) -> u64 {
        u64::from(self.dword(dword)) | u64::from(self.dword(dword + 1)) << 32
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.bytes[0]
    }

    pub(crate) fn fused(&self) -> Fused {
        match self.bytes[1] & 3 {
            0 => Fused::Normal,
            1 => Fused::First,
            2 => Fused::Second,
            _ => Fused::Reserved,
        }
    }

    /// PSDT: 0 PRPs, 1 and 2 SGLs.
    pub(crate) fn pointer_kind(&self) -> u8 {
        self.bytes[1] >> 6
    }

    pub(crate) fn command_id(&self) -> u16 {
        u16::from_le_bytes([self.bytes[2], self.bytes[3]])
    }

    pub(crate) fn namespace(&self) -> u32 {
        self.dword(1)
    }

    pub(crate) fn prp1(&self) -> u64 {
        self.qword(6)
    }

    pub(crate) fn prp2(&self) -> u64 {
        self.qword(8)
    }

    /// SGL1, in the place of both PRPs.
    pub(crate) fn sgl(&self) -> [u8; 16] {
        let mut descriptor = [0; 16];
        descriptor.copy_from_slice(&self.bytes[24..40]);
        descriptor
    }

    /// Starting LBA: dwords 10 and 11 of most NVM commands.
    pub(crate) fn lba(&self) -> u64 {
        self.qword(10)
    }

    /// Number of logical blocks; the field is 0's based.
    pub(crate) fn blocks(&self) -> u64 {
        u64::from(self.dword(12) & 0xffff) + 1
    }
}

/// What an executed command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: super::status::Status,
    pub(crate) result: u32,
}

impl Answer {
    pub(crate) const fn success(result: u32) -> Self {
        Self {
            status: super::status::Status::SUCCESS,
            result,
        }
    }
}

impl From<super::status::Status> for Answer {
    fn from(status: super::status::Status) -> Self {
        Self { status, result: 0 }
    }
}
