//! What the translation knows of a controller and a namespace.

use nvme::NamespaceId;

/// The controller's part of the answers. The miniport fills it from Identify Controller and Get Features.
#[derive(Clone, Copy, Debug)]
pub struct Controller {
    /// SN: ASCII, padded by spaces.
    pub serial_number: [u8; 20],
    /// MN: ASCII, padded by spaces.
    pub model_number: [u8; 40],
    /// FR: ASCII, padded by spaces.
    pub firmware_revision: [u8; 8],
    /// VWC bit 0: a volatile write cache is present.
    pub volatile_write_cache: bool,
    /// Feature 06h, WCE: the volatile write cache is enabled. Meaningless without `volatile_write_cache`.
    pub write_cache_enabled: bool,
    /// The most that one command may transfer, in bytes: what the miniport reported as
    /// `MaximumTransferLength`. 0: nothing but NVMe's own 65,536 blocks limits a command.
    pub max_transfer_bytes: u32,
    /// The optional commands that it has.
    pub features: Features,
}

/// Optional commands of a controller: OACS, ONCS and FUSES of Identify Controller. The default: none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent bits of the structure"
)]
pub struct Features {
    /// Compare.
    pub compare: bool,
    /// Dataset Management.
    pub dataset_management: bool,
    /// Write Zeroes.
    pub write_zeroes: bool,
    /// Verify.
    pub verify: bool,
    /// Reservations.
    pub reservations: bool,
    /// Compare and Write as a fused operation.
    pub fused_compare_and_write: bool,
    /// Security Send and Security Receive.
    pub security: bool,
    /// Firmware Image Download and Firmware Commit.
    pub firmware_download: bool,
    /// What erases the blocks of a unit.
    pub block_erase: Eraser,
    /// What erases a unit cryptographically.
    pub crypto_erase: Eraser,
    /// The driver has an I/O queue for exchanges.
    pub io_exchanges: bool,
}

/// The command that erases a unit, and nothing but that unit, for SANITIZE.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Eraser {
    /// None.
    #[default]
    None,
    /// Sanitize, which erases all namespaces: this is the only one.
    Sanitize,
    /// Format NVM with a secure erase.
    Format,
}

/// What Format NVM of one namespace erases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Formats {
    /// Nothing: the controller does not offer it, or not that kind of erase.
    Nothing,
    /// That namespace.
    One,
    /// All namespaces.
    All,
}

impl Eraser {
    /// Sanitize where the controller offers it and the namespace is the only one (`alone`); else Format NVM where the controller
    /// offers that and it leaves other namespaces alone, or there are none.
    #[must_use]
    #[inline(never)]
    pub const fn choose(alone: bool, sanitizes: bool, formats: Formats) -> Self {
        match formats {
            _ if alone && sanitizes => Self::Sanitize,
            Formats::One => Self::Format,
            Formats::All if alone => Self::Format,
            Formats::All | Formats::Nothing => Self::None,
        }
    }
}

impl Features {
    /// Whether Sanitize is used, so that it may be in progress.
    pub(crate) fn sanitizes(&self) -> bool {
        self.block_erase == Eraser::Sanitize || self.crypto_erase == Eraser::Sanitize
    }
}

/// A namespace that a LUN stands for. Its geometry is checked once, here, so that the translation need not.
#[derive(Clone, Debug)]
pub struct Namespace {
    id: NamespaceId,
    blocks: u64,
    block_shift: u8,
    /// EUI64, most significant byte first as in Identify Namespace; all zero: none.
    pub eui64: [u8; 8],
    /// NGUID, most significant byte first as in Identify Namespace; all zero: none.
    pub nguid: [u8; 16],
    /// The namespace may not be written now (NSATTR bit 0).
    pub write_protected: bool,
    /// A physical block holds 2^n logical blocks.
    pub physical_block_exponent: u8,
    /// NPWG in blocks: writes are best made in multiples of it; 0: not told.
    pub preferred_write_granularity: u16,
    /// NSFEAT bit 0: blocks take up space only once they are written.
    pub thin_provisioned: bool,
    /// DLFEAT: deallocated blocks read as zeroes.
    pub deallocated_reads_zero: bool,
    /// RESCAP: bit 0, reservations persist through power loss; bits 1 to 6, the types by their number.
    pub reservation_capabilities: u8,
    /// FLBAS: the format that it has.
    pub formatted: u8,
}

impl Namespace {
    /// A namespace of `blocks` blocks (NSZE) of 2^`block_shift` bytes (LBADS), without identifiers, writable.
    ///
    /// None if there can be no such namespace: NSID 0 or the broadcast NSID, no blocks, or a block size
    /// outside 512 bytes to 64 KiB.
    #[must_use]
    pub const fn new(id: NamespaceId, blocks: u64, block_shift: u8) -> Option<Self> {
        if !id.is_single() || blocks == 0 || block_shift < 9 || block_shift > 16 {
            return None;
        }
        Some(Self {
            id,
            blocks,
            block_shift,
            eui64: [0; 8],
            nguid: [0; 16],
            write_protected: false,
            physical_block_exponent: 0,
            preferred_write_granularity: 0,
            thin_provisioned: false,
            deallocated_reads_zero: false,
            reservation_capabilities: 0,
            formatted: 0,
        })
    }

    /// The namespace identifier.
    #[must_use]
    pub const fn id(&self) -> NamespaceId {
        self.id
    }

    /// Number of blocks, at least 1.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Address of the last block.
    #[must_use]
    pub const fn last_lba(&self) -> u64 {
        self.blocks.saturating_sub(1)
    }

    /// Binary logarithm of the block size, 9 to 16.
    #[must_use]
    pub const fn block_shift(&self) -> u8 {
        self.block_shift
    }

    /// Block size in bytes.
    #[must_use]
    pub const fn block_length(&self) -> u32 {
        1_u32.wrapping_shl(self.block_shift as u32)
    }

    /// `blocks` blocks in bytes. Cannot overflow: 2^32 blocks of 2^16 bytes are 2^48.
    pub(crate) const fn bytes(&self, blocks: u32) -> u64 {
        (blocks as u64).wrapping_shl(self.block_shift as u32)
    }

    /// Whether `blocks` blocks from `lba` on all exist. The empty range behind the last block does.
    pub(crate) const fn contains(&self, lba: u64, blocks: u32) -> bool {
        match self.blocks.checked_sub(lba) {
            Some(left) => blocks as u64 <= left,
            None => false,
        }
    }

    /// The most blocks that one READ or WRITE may transfer: the controller's limit, and NVMe's 16-bit count.
    pub(crate) const fn max_transfer_blocks(&self, controller: &Controller) -> u32 {
        const NUMBER_OF_LOGICAL_BLOCKS: u32 = 0x1_0000;
        if controller.max_transfer_bytes == 0 {
            return NUMBER_OF_LOGICAL_BLOCKS;
        }
        let blocks = controller
            .max_transfer_bytes
            .wrapping_shr(self.block_shift as u32);
        if blocks < NUMBER_OF_LOGICAL_BLOCKS {
            blocks
        } else {
            NUMBER_OF_LOGICAL_BLOCKS
        }
    }
}
