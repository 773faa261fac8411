//! Controller registers (Base 1.4, section 3.1; Base 2.0, section 3.1.3).

use bitfield_struct::bitfield;
use zerocopy::FromZeros;

/// A property of the controller that lives at a fixed offset of BAR 0 (Base 2.0, section 3.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Register {
    /// CAP, controller capabilities, 64 bits.
    Capabilities,
    /// VS, version.
    Version,
    /// INTMS, interrupt mask set. Not to be touched under MSI-X (Base 1.4, 3.1.3).
    InterruptMaskSet,
    /// INTMC, interrupt mask clear. Not to be touched under MSI-X (Base 1.4, 3.1.4).
    InterruptMaskClear,
    /// CC, controller configuration.
    Configuration,
    /// CSTS, controller status.
    Status,
    /// NSSR, NVM subsystem reset; present if [`Capabilities::nssrs`].
    SubsystemReset,
    /// AQA, admin queue attributes.
    AdminQueueAttributes,
    /// ASQ, admin submission queue base address, 64 bits.
    AdminSubmissionQueue,
    /// ACQ, admin completion queue base address, 64 bits.
    AdminCompletionQueue,
    /// CRTO, controller ready time-outs; present if [`Capabilities::crms`] is not 0 (Base 2.0).
    ReadyTimeouts,
}

impl Register {
    /// Byte offset within BAR 0.
    #[must_use]
    pub const fn offset(self) -> u32 {
        match self {
            Self::Capabilities => 0x00,
            Self::Version => 0x08,
            Self::InterruptMaskSet => 0x0C,
            Self::InterruptMaskClear => 0x10,
            Self::Configuration => 0x14,
            Self::Status => 0x1C,
            Self::SubsystemReset => 0x20,
            Self::AdminQueueAttributes => 0x24,
            Self::AdminSubmissionQueue => 0x28,
            Self::AdminCompletionQueue => 0x30,
            Self::ReadyTimeouts => 0x68,
        }
    }

    /// Whether the register has 64 bits; all others have 32.
    #[must_use]
    pub const fn is_64_bit(self) -> bool {
        matches!(
            self,
            Self::Capabilities | Self::AdminSubmissionQueue | Self::AdminCompletionQueue
        )
    }
}

/// CAP (Base 2.0, section 3.1.3.1). Every field is what the device claims, unchecked.
#[bitfield(u64)]
#[derive(PartialEq, Eq, FromZeros)]
pub struct Capabilities {
    /// Maximum queue entries supported by I/O queues, 0's based.
    #[bits(16)]
    pub mqes: u16,
    /// Contiguous queues required.
    pub cqr: bool,
    /// Arbitration mechanisms supported besides round robin.
    #[bits(2)]
    pub ams: u8,
    #[bits(5)]
    __: u8,
    /// Worst case time until CSTS.RDY follows CC.EN, in units of 500 ms.
    #[bits(8)]
    pub to: u8,
    /// Doorbell stride: 2^(2 + DSTRD) bytes.
    #[bits(4)]
    pub dstrd: u8,
    /// NVM subsystem reset supported.
    pub nssrs: bool,
    /// Command sets supported; bit 0 NVM, bit 6 I/O command sets, bit 7 none.
    #[bits(8)]
    pub css: u8,
    /// Boot partition support.
    pub bps: bool,
    /// Controller power scope.
    #[bits(2)]
    pub cps: u8,
    /// Smallest memory page, 2^(12 + MPSMIN) bytes.
    #[bits(4)]
    pub mpsmin: u8,
    /// Largest memory page, 2^(12 + MPSMAX) bytes.
    #[bits(4)]
    pub mpsmax: u8,
    /// Persistent memory region supported.
    pub pmrs: bool,
    /// Controller memory buffer supported.
    pub cmbs: bool,
    /// NVM subsystem shutdown supported.
    pub nsss: bool,
    /// Controller ready modes supported; bit 0 ready with media, bit 1 ready independent of media.
    #[bits(2)]
    pub crms: u8,
    #[bits(3)]
    __: u8,
}

impl Capabilities {
    /// Whether the NVM command set can be chosen (CAP.CSS bit 0).
    #[must_use]
    pub const fn supports_nvm_command_set(self) -> bool {
        self.css() & 1 != 0
    }

    /// Entries an I/O queue may have: 1 to 65,536. A conforming controller allows at least 2.
    #[must_use]
    pub const fn max_queue_entries(self) -> u32 {
        (self.mqes() as u32).wrapping_add(1)
    }

    /// CAP.TO in microseconds; 0 to 127.5 s.
    #[must_use]
    pub const fn timeout_micros(self) -> u64 {
        (self.to() as u64).wrapping_mul(500_000)
    }

    /// Size in bytes of the smallest memory page the controller works with: 4 KiB to 128 MiB.
    #[must_use]
    pub const fn min_page_size(self) -> u32 {
        4096_u32.wrapping_shl(self.mpsmin() as u32)
    }

    /// Whether CRTO is present and its "with media" value holds (Base 2.0, section 3.1.3.21).
    #[must_use]
    pub const fn has_ready_timeouts(self) -> bool {
        self.crms() & 1 != 0
    }

    /// Byte offset in BAR 0 of a queue's doorbell (Base 1.4, 3.1.16 and 3.1.17).
    ///
    /// At most 0x1000 + 131,071 x 128 KiB, hence 64 bits; the caller compares it with the BAR's length.
    #[must_use]
    pub const fn doorbell_offset(self, queue: u16, kind: Doorbell) -> u64 {
        let index = (queue as u64).wrapping_mul(2).wrapping_add(match kind {
            Doorbell::SubmissionTail => 0,
            Doorbell::CompletionHead => 1,
        });
        let stride = 4_u64.wrapping_shl(self.dstrd() as u32);
        index.wrapping_mul(stride).wrapping_add(0x1000)
    }
}

/// Which of a queue pair's two doorbells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorbell {
    /// `SQyTDBL`.
    SubmissionTail,
    /// `CQyHDBL`.
    CompletionHead,
}

/// VS (Base 2.0, 3.1.3.2). Versions compare in the order of their publication.
#[bitfield(u32)]
#[derive(PartialEq, Eq, PartialOrd, Ord, FromZeros)]
pub struct Version {
    /// Tertiary version number.
    #[bits(8)]
    pub tertiary: u8,
    /// Minor version number.
    #[bits(8)]
    pub minor: u8,
    /// Major version number.
    #[bits(16)]
    pub major: u16,
}

impl Version {
    /// Version 1.1, which brought the active namespace list.
    pub const V1_1: Self = Self::new().with_major(1).with_minor(1);
    /// Version 1.2, which brought the changed namespace list and namespace notices.
    pub const V1_2: Self = Self::new().with_major(1).with_minor(2);
    /// Version 1.3, which brought the namespace identification descriptors.
    pub const V1_3: Self = Self::new().with_major(1).with_minor(3);
}

/// CC (Base 2.0, section 3.1.3.5).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Configuration {
    /// Enable.
    pub en: bool,
    #[bits(3)]
    __: u8,
    /// I/O command set selected; 0 is the NVM command set.
    #[bits(3)]
    pub css: u8,
    /// Memory page size, 2^(12 + MPS) bytes.
    #[bits(4)]
    pub mps: u8,
    /// Arbitration mechanism selected; 0 is round robin.
    #[bits(3)]
    pub ams: u8,
    /// Shutdown notification.
    #[bits(2)]
    pub shn: ShutdownNotification,
    /// I/O submission queue entry size as a power of two.
    #[bits(4)]
    pub iosqes: u8,
    /// I/O completion queue entry size as a power of two.
    #[bits(4)]
    pub iocqes: u8,
    /// Controller ready independent of media.
    pub crime: bool,
    #[bits(7)]
    __: u8,
}

/// CC.SHN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownNotification {
    /// No notification.
    None,
    /// Normal shutdown.
    Normal,
    /// Abrupt shutdown.
    Abrupt,
    /// Reserved value 3.
    Reserved,
}

impl ShutdownNotification {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::None,
            1 => Self::Normal,
            2 => Self::Abrupt,
            _ => Self::Reserved,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Normal => 1,
            Self::Abrupt => 2,
            Self::Reserved => 3,
        }
    }
}

/// CSTS (Base 2.0, section 3.1.3.6).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ControllerStatus {
    /// Ready.
    pub rdy: bool,
    /// Controller fatal status.
    pub cfs: bool,
    /// Shutdown status.
    #[bits(2)]
    pub shst: ShutdownStatus,
    /// NVM subsystem reset occurred.
    pub nssro: bool,
    /// Processing paused.
    pub pp: bool,
    /// Shutdown type.
    pub st: bool,
    #[bits(25)]
    __: u32,
}

impl ControllerStatus {
    /// Whether the value is what a read of an absent device returns: all ones.
    ///
    /// SHST = 3 and the reserved bits make it impossible as a real status.
    #[must_use]
    pub const fn is_absent(self) -> bool {
        self.into_bits() == u32::MAX
    }
}

/// CSTS.SHST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownStatus {
    /// Normal operation.
    Normal,
    /// Shutdown processing occurs.
    Occurring,
    /// Shutdown processing is complete.
    Complete,
    /// Reserved value 3.
    Reserved,
}

impl ShutdownStatus {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Normal,
            1 => Self::Occurring,
            2 => Self::Complete,
            _ => Self::Reserved,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Occurring => 1,
            Self::Complete => 2,
            Self::Reserved => 3,
        }
    }
}

/// AQA (Base 2.0, section 3.1.3.8). Both sizes are 0's based.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct AdminQueueAttributes {
    /// Admin submission queue size, 0's based.
    #[bits(12)]
    pub asqs: u16,
    #[bits(4)]
    __: u8,
    /// Admin completion queue size, 0's based.
    #[bits(12)]
    pub acqs: u16,
    #[bits(4)]
    __: u8,
}

/// CRTO (Base 2.0, section 3.1.3.21), in units of 500 ms.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ReadyTimeouts {
    /// Controller ready with media time-out.
    #[bits(16)]
    pub crwmt: u16,
    /// Controller ready independent of media time-out.
    #[bits(16)]
    pub crimt: u16,
}

impl ReadyTimeouts {
    /// CRTO.CRWMT in microseconds.
    #[must_use]
    pub const fn with_media_micros(self) -> u64 {
        (self.crwmt() as u64).wrapping_mul(500_000)
    }
}

/// What is written to NSSR to reset the whole subsystem: "NVMe" (Base 1.4, 3.1.7).
pub const SUBSYSTEM_RESET_SIGNATURE: u32 = 0x4E56_4D65;

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, 3.1.3: the offsets and the bit positions, by known register values of QEMU's controller.
    #[test]
    fn capabilities_of_a_known_controller_decode() {
        let cap = Capabilities::from_bits(0x0000_0020_0F01_07FF | (4 << 52));
        assert_eq!(cap.max_queue_entries(), 2048);
        assert!(cap.cqr());
        assert_eq!(cap.timeout_micros(), 7_500_000);
        assert_eq!(cap.dstrd(), 0);
        assert!(cap.supports_nvm_command_set());
        assert_eq!(cap.min_page_size(), 4096);
        assert_eq!(cap.mpsmax(), 4);
    }

    /// Base 1.4, 3.1.16: doorbell y lies at 1000h + 2y (4 << DSTRD), the completion head one stride later.
    #[test]
    fn doorbells_follow_the_stride() {
        let packed = Capabilities::new();
        assert_eq!(packed.doorbell_offset(0, Doorbell::SubmissionTail), 0x1000);
        assert_eq!(packed.doorbell_offset(0, Doorbell::CompletionHead), 0x1004);
        assert_eq!(packed.doorbell_offset(3, Doorbell::SubmissionTail), 0x1018);
        let wide = Capabilities::new().with_dstrd(15);
        assert_eq!(
            wide.doorbell_offset(1, Doorbell::CompletionHead),
            0x1000 + 3 * 0x20000
        );
        assert_eq!(
            wide.doorbell_offset(u16::MAX, Doorbell::CompletionHead),
            0x1000 + 131_071 * 0x20000
        );
    }

    /// Base 2.0, section 3.1.3.5.
    #[test]
    fn configuration_bits_are_where_the_specification_has_them() {
        let cc = Configuration::new()
            .with_en(true)
            .with_iosqes(6)
            .with_iocqes(4)
            .with_shn(ShutdownNotification::Normal);
        assert_eq!(cc.into_bits(), 0x0046_4001);
    }

    #[test]
    fn only_all_ones_is_an_absent_device() {
        assert!(ControllerStatus::from_bits(u32::MAX).is_absent());
        assert!(!ControllerStatus::new().with_rdy(true).is_absent());
    }

    #[test]
    fn versions_order_by_publication() {
        assert!(Version::V1_1 < Version::V1_2);
        assert_eq!(Version::V1_3.into_bits(), 0x0001_0300);
        assert!(Version::from_bits(0x0002_0000) > Version::V1_3);
    }
}
