//! `IOCTL_SCSI_MINIPORT` requests: an `SRB_IO_CONTROL` before the data.

use super::data_buffer::DataBuffer;

/// Bytes of an `SRB_IO_CONTROL` (ntddscsi.h): length, signature, time-out, code, return code, length of the data.
const HEADER: usize = 28;
const RETURN_CODE: usize = 20;
const LENGTH: usize = 24;

/// An `IO_CONTROL` request. What its sender wrote was read once, and checked: the data lies in the buffer.
pub struct IoControl<'srb> {
    header: DataBuffer<'srb>,
    fields: [u8; HEADER],
    data: DataBuffer<'srb>,
}

impl<'srb> IoControl<'srb> {
    /// Reads the header at the beginning of a data buffer; `None` if it is not whole, or promises more than there is.
    pub(super) fn new(header: DataBuffer<'srb>, whole: DataBuffer<'srb>) -> Option<Self> {
        let mut fields = [0; HEADER];
        if header.read(&mut fields) != HEADER {
            return None;
        }
        let mut control = Self {
            header,
            fields,
            data: whole,
        };
        let (offset, length) = (control.word(0) as usize, control.word(LENGTH) as usize);
        if offset < HEADER || offset.checked_add(length)? > control.data.length() {
            return None;
        }
        control.data = control.data.into_part(offset, length)?;
        Some(control)
    }

    fn word(&self, offset: usize) -> u32 {
        let bytes = self.fields.get(offset..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// `Signature`: whose codes these are.
    #[must_use]
    pub fn signature(&self) -> [u8; 8] {
        self.fields
            .get(4..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .unwrap_or_default()
    }

    /// `Timeout`, in seconds.
    #[must_use]
    pub fn timeout(&self) -> u32 {
        self.word(12)
    }

    /// `ControlCode`.
    #[must_use]
    pub fn control_code(&self) -> u32 {
        self.word(16)
    }

    /// The data behind the header: `Length` bytes.
    pub fn data(&mut self) -> &mut DataBuffer<'srb> {
        &mut self.data
    }

    /// Writes `ReturnCode`.
    pub fn set_return_code(&mut self, code: u32) {
        self.header.write(RETURN_CODE, &code.to_le_bytes());
    }
}
