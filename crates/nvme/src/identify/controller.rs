//! Identify Controller (CNS 01h; Base 2.0, section 5.17.2.1).

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::identify::IDENTIFY_SIZE;
use crate::registers::Version;

/// The structure as the controller lays it out; fields the driver has no use for are gaps.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    vid: U16,
    ssvid: U16,
    sn: [u8; 20],
    mn: [u8; 40],
    fr: [u8; 8],
    rab: u8,
    ieee: [u8; 3],
    cmic: u8,
    mdts: u8,
    cntlid: U16,
    ver: U32,
    rtd3r: U32,
    rtd3e: U32,
    oaes: U32,
    ctratt: U32,
    rrls: U16,
    reserved_102: [u8; 9],
    cntrltype: u8,
    fguid: [u8; 16],
    crdt: [U16; 3],
    reserved_134: [u8; 122],
    oacs: U16,
    acl: u8,
    aerl: u8,
    frmw: u8,
    lpa: u8,
    elpe: u8,
    npss: u8,
    avscc: u8,
    apsta: u8,
    wctemp: U16,
    cctemp: U16,
    mtfa: U16,
    hmpre: U32,
    hmmin: U32,
    reserved_280: [u8; 48],
    sanicap: U32,
    reserved_332: [u8; 180],
    sqes: u8,
    cqes: u8,
    maxcmd: U16,
    nn: U32,
    oncs: U16,
    fuses: U16,
    fna: u8,
    vwc: u8,
    awun: U16,
    awupf: U16,
    icsvscc: u8,
    nwpc: u8,
    acwu: U16,
    reserved_534: [u8; 2],
    sgls: U32,
    mnan: U32,
    reserved_544: [u8; 224],
    subnqn: [u8; 256],
    reserved_1024: [u8; 3072],
}

/// A view over Identify Controller data.
#[derive(Clone, Copy)]
pub struct IdentifyController<'a> {
    layout: &'a Layout,
}

impl<'a> IdentifyController<'a> {
    /// A view over a snapshot of the answer.
    #[must_use]
    pub fn new(bytes: &'a [u8; IDENTIFY_SIZE]) -> Self {
        Self {
            layout: zerocopy::transmute_ref!(bytes),
        }
    }

    /// VID, PCI vendor id.
    #[must_use]
    pub const fn vendor_id(&self) -> u16 {
        self.layout.vid.get()
    }

    /// SSVID, PCI subsystem vendor id.
    #[must_use]
    pub const fn subsystem_vendor_id(&self) -> u16 {
        self.layout.ssvid.get()
    }

    /// SN, ASCII padded with blanks; bytes outside 20h to 7Eh are replaced with blanks.
    #[must_use]
    pub fn serial_number(&self) -> [u8; 20] {
        printable(self.layout.sn)
    }

    /// MN, ASCII padded with blanks; bytes outside 20h to 7Eh are replaced with blanks.
    #[must_use]
    pub fn model_number(&self) -> [u8; 40] {
        printable(self.layout.mn)
    }

    /// FR, firmware revision, ASCII padded with blanks; bytes outside 20h to 7Eh are replaced with blanks.
    #[must_use]
    pub fn firmware_revision(&self) -> [u8; 8] {
        printable(self.layout.fr)
    }

    /// IEEE OUI, least significant byte first.
    #[must_use]
    pub const fn ieee_oui(&self) -> [u8; 3] {
        self.layout.ieee
    }

    /// MDTS as bytes: the largest data transfer of a command, `None` if the controller states no limit
    /// (0, or a value past 32 bits).
    ///
    /// `min_page_size` is [`crate::Capabilities::min_page_size`], the unit of MDTS.
    #[must_use]
    pub const fn max_transfer_bytes(&self, min_page_size: u32) -> Option<u32> {
        let mdts = self.layout.mdts;
        if mdts == 0 || mdts >= 32 {
            return None;
        }
        1_u32.wrapping_shl(mdts as u32).checked_mul(min_page_size)
    }

    /// CNTLID.
    #[must_use]
    pub const fn controller_id(&self) -> u16 {
        self.layout.cntlid.get()
    }

    /// VER; 0 for controllers older than 1.2.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version::from_bits(self.layout.ver.get())
    }

    /// RTD3E in microseconds: typical time to enter D3, hence a bound for shutdown; `None` if not reported.
    #[must_use]
    pub const fn rtd3_entry_micros(&self) -> Option<u32> {
        match self.layout.rtd3e.get() {
            0 => None,
            micros => Some(micros),
        }
    }

    /// OAES bit 8: namespace attribute notices.
    #[must_use]
    pub const fn notifies_namespace_changes(&self) -> bool {
        self.layout.oaes.get() & (1 << 8) != 0
    }

    /// OAES bit 9: firmware activation notices.
    #[must_use]
    pub const fn notifies_firmware_activation(&self) -> bool {
        self.layout.oaes.get() & (1 << 9) != 0
    }

    /// CNTRLTYPE (from 1.4 on).
    #[must_use]
    pub const fn controller_type(&self) -> ControllerType {
        match self.layout.cntrltype {
            0 => ControllerType::NotReported,
            1 => ControllerType::Io,
            2 => ControllerType::Discovery,
            3 => ControllerType::Administrative,
            other => ControllerType::Reserved(other),
        }
    }

    /// ACL: concurrent Abort commands, 1 to 256.
    #[must_use]
    pub const fn abort_limit(&self) -> u16 {
        (self.layout.acl as u16).wrapping_add(1)
    }

    /// AERL: outstanding Asynchronous Event Requests, 1 to 256.
    #[must_use]
    pub const fn async_event_limit(&self) -> u16 {
        (self.layout.aerl as u16).wrapping_add(1)
    }

    /// OACS, optional admin commands, as bits.
    #[must_use]
    pub const fn optional_admin_commands(&self) -> u16 {
        self.layout.oacs.get()
    }

    /// OACS bit 0: Security Send and Security Receive.
    #[must_use]
    pub const fn supports_security(&self) -> bool {
        self.optional_admin_commands() & 1 != 0
    }

    /// OACS bit 1: Format NVM.
    #[must_use]
    pub const fn supports_format(&self) -> bool {
        self.optional_admin_commands() & 1 << 1 != 0
    }

    /// FNA bits 0 and 1: Format NVM of one namespace formats or erases all of them.
    #[must_use]
    pub const fn formats_all_namespaces(&self) -> bool {
        self.layout.fna & 3 != 0
    }

    /// FNA bit 2: Format NVM erases cryptographically.
    #[must_use]
    pub const fn formats_cryptographically(&self) -> bool {
        self.layout.fna & 1 << 2 != 0
    }

    /// SANICAP bit 0: Sanitize erases cryptographically.
    #[must_use]
    pub const fn sanitizes_cryptographically(&self) -> bool {
        self.layout.sanicap.get() & 1 != 0
    }

    /// SANICAP bit 1: Sanitize erases blocks.
    #[must_use]
    pub const fn sanitizes_blocks(&self) -> bool {
        self.layout.sanicap.get() & 1 << 1 != 0
    }

    /// OACS bit 2: Firmware Image Download and Firmware Commit.
    #[must_use]
    pub const fn supports_firmware_download(&self) -> bool {
        self.optional_admin_commands() & 1 << 2 != 0
    }

    /// Doorbell Buffer Config is supported (OACS bit 8).
    #[must_use]
    pub const fn supports_doorbell_buffers(&self) -> bool {
        self.optional_admin_commands() & 1 << 8 != 0
    }

    /// HMPRE: preferred size of the host memory buffer in 4 KiB units, 0 if none is wanted.
    #[must_use]
    pub const fn host_memory_buffer_preferred(&self) -> u32 {
        self.layout.hmpre.get()
    }

    /// HMMIN: least size of the host memory buffer in 4 KiB units.
    #[must_use]
    pub const fn host_memory_buffer_minimum(&self) -> u32 {
        self.layout.hmmin.get()
    }

    /// Whether 64-byte submission entries are supported (SQES: required size 3:0, largest 7:4).
    #[must_use]
    pub const fn supports_64_byte_submissions(&self) -> bool {
        holds(self.layout.sqes, 6)
    }

    /// Whether 16-byte completion entries are supported (CQES: required size 3:0, largest 7:4).
    #[must_use]
    pub const fn supports_16_byte_completions(&self) -> bool {
        holds(self.layout.cqes, 4)
    }

    /// NN: the largest namespace identifier that may be valid.
    #[must_use]
    pub const fn namespace_count(&self) -> u32 {
        self.layout.nn.get()
    }

    /// ONCS bit 0: Compare.
    #[must_use]
    pub const fn supports_compare(&self) -> bool {
        self.layout.oncs.get() & 1 != 0
    }

    /// ONCS bit 2: Dataset Management.
    #[must_use]
    pub const fn supports_dataset_management(&self) -> bool {
        self.layout.oncs.get() & (1 << 2) != 0
    }

    /// ONCS bit 3: Write Zeroes.
    #[must_use]
    pub const fn supports_write_zeroes(&self) -> bool {
        self.layout.oncs.get() & (1 << 3) != 0
    }

    /// ONCS bit 5: reservations.
    #[must_use]
    pub const fn supports_reservations(&self) -> bool {
        self.layout.oncs.get() & (1 << 5) != 0
    }

    /// ONCS bit 6: timestamp.
    #[must_use]
    pub const fn supports_timestamp(&self) -> bool {
        self.layout.oncs.get() & (1 << 6) != 0
    }

    /// ONCS bit 7: Verify.
    #[must_use]
    pub const fn supports_verify(&self) -> bool {
        self.layout.oncs.get() & (1 << 7) != 0
    }

    /// FUSES bit 0: Compare and Write as a fused operation.
    #[must_use]
    pub const fn supports_fused_compare_and_write(&self) -> bool {
        self.layout.fuses.get() & 1 != 0
    }

    /// VWC.
    #[must_use]
    pub const fn volatile_write_cache(&self) -> VolatileWriteCache {
        VolatileWriteCache {
            present: self.layout.vwc & 1 != 0,
            // 10b no, 11b yes; 00b from 1.4 on means "not reported" (Base 2.0, section 5.17.2.1, byte 525).
            flush_all_namespaces: (self.layout.vwc >> 1) & 3 == 3,
        }
    }

    /// AWUPF: blocks written atomically across a power failure, 1 to 65,536.
    #[must_use]
    pub const fn atomic_write_blocks_power_fail(&self) -> u32 {
        (self.layout.awupf.get() as u32).wrapping_add(1)
    }

    /// Whether SGLs are supported (SGLS bits 1:0 are 1 or 2).
    #[must_use]
    pub const fn supports_sgl(&self) -> bool {
        matches!(self.layout.sgls.get() & 3, 1 | 2)
    }

    /// SUBNQN: UTF-8, ended by a zero byte if shorter; unchecked bytes.
    #[must_use]
    pub const fn subsystem_nqn(&self) -> &'a [u8; 256] {
        &self.layout.subnqn
    }
}

/// CNTRLTYPE (Base 2.0, section 5.17.2.1, byte 111).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerType {
    /// Not reported, as before 1.4: an I/O controller.
    NotReported,
    /// I/O controller.
    Io,
    /// Discovery controller: has no namespaces.
    Discovery,
    /// Administrative controller: has no I/O queues.
    Administrative,
    /// A value the specification had not assigned.
    Reserved(u8),
}

/// VWC (Base 2.0, section 5.17.2.1, byte 525).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolatileWriteCache {
    /// There is a volatile write cache: Flush matters, and the feature can be read and set.
    pub present: bool,
    /// Flush takes the broadcast namespace identifier.
    pub flush_all_namespaces: bool,
}

const fn holds(sizes: u8, wanted: u8) -> bool {
    (sizes & 0xF) <= wanted && wanted <= (sizes >> 4)
}

fn printable<const N: usize>(text: [u8; N]) -> [u8; N] {
    text.map(|byte| if matches!(byte, 0x20..=0x7E) { byte } else { b' ' })
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;
    use proptest::prelude::*;

    /// Base 2.0, section 5.17.2.1.
    #[test]
    fn fields_are_at_the_specified_offsets() {
        assert_eq!(size_of::<Layout>(), IDENTIFY_SIZE);
        let offsets = [
            (offset_of!(Layout, sn), 4),
            (offset_of!(Layout, mn), 24),
            (offset_of!(Layout, fr), 64),
            (offset_of!(Layout, ieee), 73),
            (offset_of!(Layout, mdts), 77),
            (offset_of!(Layout, cntlid), 78),
            (offset_of!(Layout, ver), 80),
            (offset_of!(Layout, rtd3e), 88),
            (offset_of!(Layout, oaes), 92),
            (offset_of!(Layout, cntrltype), 111),
            (offset_of!(Layout, crdt), 128),
            (offset_of!(Layout, oacs), 256),
            (offset_of!(Layout, acl), 258),
            (offset_of!(Layout, aerl), 259),
            (offset_of!(Layout, hmpre), 272),
            (offset_of!(Layout, hmmin), 276),
            (offset_of!(Layout, sanicap), 328),
            (offset_of!(Layout, sqes), 512),
            (offset_of!(Layout, fna), 524),
            (offset_of!(Layout, cqes), 513),
            (offset_of!(Layout, nn), 516),
            (offset_of!(Layout, oncs), 520),
            (offset_of!(Layout, vwc), 525),
            (offset_of!(Layout, awupf), 528),
            (offset_of!(Layout, sgls), 536),
            (offset_of!(Layout, subnqn), 768),
        ];
        for (is, should) in offsets {
            assert_eq!(is, should);
        }
    }

    #[test]
    fn transfer_limit_is_bounded_whatever_mdts_says() {
        let mut bytes = [0; IDENTIFY_SIZE];
        for (mdts, limit) in [
            (0, None),
            (5, Some(128 << 10)),
            (19, Some(1 << 31)),
            (20, None),
            (255, None),
        ] {
            bytes[77] = mdts;
            assert_eq!(IdentifyController::new(&bytes).max_transfer_bytes(4096), limit);
        }
    }

    #[test]
    fn text_is_made_printable() {
        let mut bytes = [0; IDENTIFY_SIZE];
        bytes[4..24].copy_from_slice(b"S3R14L\0\x01\xFF           ");
        assert_eq!(
            &IdentifyController::new(&bytes).serial_number(),
            b"S3R14L              "
        );
    }

    #[test]
    fn entry_sizes_are_ranges() {
        let mut bytes = [0; IDENTIFY_SIZE];
        assert!(!IdentifyController::new(&bytes).supports_64_byte_submissions());
        bytes[512] = 0x66;
        bytes[513] = 0x44;
        let view = IdentifyController::new(&bytes);
        assert!(view.supports_64_byte_submissions() && view.supports_16_byte_completions());
        bytes[512] = 0x77;
        assert!(!IdentifyController::new(&bytes).supports_64_byte_submissions());
    }

    proptest! {
        /// A controller may answer anything.
        #[test]
        fn no_answer_panics(fill in any::<u8>(), patch in proptest::collection::vec((0..4096_usize, any::<u8>()), 0..64)) {
            let mut bytes = [fill; IDENTIFY_SIZE];
            for (at, byte) in patch {
                bytes[at] = byte;
            }
            let view = IdentifyController::new(&bytes);
            prop_assert!(view.serial_number().iter().all(|byte| (0x20..0x7F).contains(byte)));
            prop_assert!((1..=256).contains(&view.async_event_limit()));
            prop_assert!(view.max_transfer_bytes(4096).is_none_or(|bytes| bytes >= 8192));
            let _ = (view.controller_type(), view.version(), view.volatile_write_cache());
        }
    }
}
