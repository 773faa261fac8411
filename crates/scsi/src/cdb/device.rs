//! Commands about the device behind the unit: its security protocols and its firmware (SPC-4 clause 6), and erasing it
//! (SBC-3, "SANITIZE command").

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{CdbError, SERVICE_ACTION, view};
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

/// WRITE BUFFER (SPC-4), as far as it is about microcode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WriteBuffer {
    /// MODE.
    pub mode: WriteBufferMode,
    /// BUFFER ID.
    pub buffer: u8,
    /// BUFFER OFFSET in bytes.
    pub offset: u32,
    /// PARAMETER LIST LENGTH in bytes.
    pub bytes: u32,
}

/// The modes of WRITE BUFFER that download microcode or activate it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteBufferMode {
    /// 05h: download microcode, save, and activate.
    DownloadSaveActivate,
    /// 0Eh: download microcode with offsets, save, and defer activate.
    DownloadSaveDefer,
    /// 0Fh: activate deferred microcode.
    ActivateDeferred,
}

impl WriteBuffer {
    /// Where MODE stands.
    pub const MODE_FIELD: FieldPointer = FieldPointer::bit(1, 4);
    /// Where BUFFER ID stands.
    pub const BUFFER_FIELD: FieldPointer = FieldPointer::byte(2);
    /// Where BUFFER OFFSET stands.
    pub const OFFSET_FIELD: FieldPointer = FieldPointer::byte(3);
    /// Where PARAMETER LIST LENGTH stands.
    pub const LENGTH_FIELD: FieldPointer = FieldPointer::byte(6);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const MODE: u8 = 0x1F;
        let &[_, mode, buffer, o2, o1, o0, l2, l1, l0, _] = view::<[u8; 10]>(cdb)?;
        let mode = match mode & MODE {
            0x05 => WriteBufferMode::DownloadSaveActivate,
            0x0E => WriteBufferMode::DownloadSaveDefer,
            0x0F => WriteBufferMode::ActivateDeferred,
            _ => return Err(CdbError::InvalidField(Self::MODE_FIELD)),
        };
        Ok(Self {
            mode,
            buffer,
            offset: u32::from_be_bytes([0, o2, o1, o0]),
            bytes: u32::from_be_bytes([0, l2, l1, l0]),
        })
    }
}

/// SANITIZE (SBC-3). Its reserved fields are looked at: what it does cannot be undone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sanitize {
    /// IMMED: status may be returned before the operation is complete.
    pub immediate: bool,
    /// AUSE: a failed operation can be left by EXIT FAILURE MODE.
    pub unrestricted_exit: bool,
    /// SERVICE ACTION.
    pub action: SanitizeAction,
}

/// The service actions of SANITIZE without a parameter list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum SanitizeAction {
    /// BLOCK ERASE.
    BlockErase = 0x02,
    /// CRYPTOGRAPHIC ERASE.
    CryptographicErase = 0x03,
    /// EXIT FAILURE MODE.
    ExitFailureMode = 0x1F,
}

impl Sanitize {
    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const IMMED: u8 = 0x80;
        const RESERVED: u8 = 0x40;
        const AUSE: u8 = 0x20;
        let &[_, flags, ref rest @ .., _] = view::<[u8; 10]>(cdb)?;
        let action = match flags & SERVICE_ACTION {
            0x02 => SanitizeAction::BlockErase,
            0x03 => SanitizeAction::CryptographicErase,
            0x1F => SanitizeAction::ExitFailureMode,
            _ => return Err(CdbError::UnsupportedServiceAction),
        };
        if flags & RESERVED != 0 {
            return Err(CdbError::InvalidField(FieldPointer::bit(1, 6)));
        }
        // Reserved, and PARAMETER LIST LENGTH, which is zero without a list.
        if let Some((field, _)) = (2..).zip(rest).find(|(_, byte)| **byte != 0) {
            return Err(CdbError::InvalidField(FieldPointer::byte(field)));
        }
        Ok(Self {
            immediate: flags & IMMED != 0,
            unrestricted_exit: flags & AUSE != 0,
            action,
        })
    }
}
