//! Where answers go: the Data-In Buffer (SAM-5).

use crate::request::Translation;

/// The initiator's buffer for an answer. [`translate`](crate::translate) writes to it front to back, never
/// beyond the request's `data_length` nor the CDB's allocation length, and never reads it.
pub trait DataIn {
    /// Puts `bytes` at `offset`. Called with ascending, adjacent offsets.
    fn write(&mut self, offset: usize, bytes: &[u8]);
}

/// Memory that the driver owns. What does not fit is dropped.
impl DataIn for &mut [u8] {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        for (to, from) in self.iter_mut().skip(offset).zip(bytes) {
            *to = *from;
        }
    }
}

/// An answer under way, cut to what the initiator has room for. A cut answer keeps the length fields of the
/// whole one (SPC-4, "Allocation length").
pub(crate) struct Answer<'a> {
    data_in: &'a mut dyn DataIn,
    limit: usize,
    written: usize,
}

impl<'a> Answer<'a> {
    /// An answer of at most `data_length` bytes, the buffer's, and `allocation_length` bytes, the CDB's.
    pub(crate) fn new(data_in: &'a mut dyn DataIn, data_length: u32, allocation_length: u32) -> Self {
        let limit = usize::try_from(data_length.min(allocation_length)).unwrap_or(usize::MAX);
        Self {
            data_in,
            limit,
            written: 0,
        }
    }

    /// Appends `bytes`, or as many of them as there is room for.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.written);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if !bytes.is_empty() {
            self.data_in.write(self.written, bytes);
            self.written = self.written.saturating_add(bytes.len());
        }
    }

    /// The command is complete with what was written.
    pub(crate) fn complete(self) -> Translation {
        Translation::Complete {
            length: u32::try_from(self.written).unwrap_or(u32::MAX),
        }
    }
}
