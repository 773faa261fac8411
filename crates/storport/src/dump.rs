//! Crash dump and hibernation, as far as the running miniport has part in them: what it tells the dump driver
//! (`SRB_FUNCTION_DUMP_POINTERS`), and which of its memory has to be kept (`StorPortMarkDumpMemory`).

use wdk_sys::MINIPORT_DUMP_POINTERS;

use crate::{
    dma::Dma,
    ffi,
    find_adapter::FindAdapter,
    miniport::Miniport,
    srb::{Function, Srb, Stage},
    status::MarkDumpMemoryError,
};

/// `DUMP_MINIPORT_VERSION_1`: what the page of `MINIPORT_DUMP_POINTERS` has a miniport say.
const DUMP_MINIPORT_VERSION_1: u16 = 0x0100;
/// The largest common buffer that can be asked for.
pub const MAX_COMMON_BUFFER: u32 = 64 << 10;
/// Characters of the driver's name, the last one being NUL.
const NAME_LENGTH: usize = 15;

/// What the miniport says of its dump driver (`MINIPORT_DUMP_POINTERS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpDriver<'a> {
    /// File name without a path, ASCII, at most 14 characters.
    pub name: &'a str,
    /// Bytes of the common buffer that it needs: [`MAX_COMMON_BUFFER`] at most.
    pub common_buffer: u32,
    /// Bytes of one transfer while dumping, if it differs from that of normal life.
    pub maximum_transfer_length: Option<u32>,
}

/// Why the dump driver was not described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescribeDumpError {
    /// The request is no `DUMP_POINTERS` request.
    Function,
    /// Its buffer does not hold a `MINIPORT_DUMP_POINTERS`.
    Buffer,
    /// The name is empty, too long, or not ASCII.
    Name,
    /// The common buffer is too large.
    CommonBuffer,
}

impl<M: Miniport, S: Stage> Srb<'_, M, S> {
    /// Answers a `DUMP_POINTERS` request: version, size, name, common buffer and, if it differs, transfer length. What the port driver
    /// filled in stays. The request is to be completed as a success then. It comes only with `STOR_FEATURE_DUMP_POINTERS` in
    /// [`Miniport::FEATURES`]; what `FREE_DUMP_POINTERS` would free is nothing here.
    ///
    /// # Errors
    /// If this is no such request, its buffer is too short, or the description breaks a limit of the structure's page.
    pub fn describe_dump_driver(&mut self, driver: &DumpDriver<'_>) -> Result<(), DescribeDumpError> {
        if self.function() != Function::DumpPointers {
            return Err(DescribeDumpError::Function);
        }
        let length = driver.name.len();
        if length == 0 || length >= NAME_LENGTH || !driver.name.is_ascii() {
            return Err(DescribeDumpError::Name);
        }
        if driver.common_buffer > MAX_COMMON_BUFFER {
            return Err(DescribeDumpError::CommonBuffer);
        }
        let size = size_of::<MINIPORT_DUMP_POINTERS>();
        let size_word = u16::try_from(size).unwrap_or(0);
        if (self.data_length() as usize) < size {
            return Err(DescribeDumpError::Buffer);
        }
        let mut buffer = self.data_buffer().ok_or(DescribeDumpError::Buffer)?;
        let mut put = |offset: usize, bytes: &[u8]| buffer.write(offset, bytes) == bytes.len();
        let mut fits = put(
            core::mem::offset_of!(MINIPORT_DUMP_POINTERS, Version),
            &DUMP_MINIPORT_VERSION_1.to_le_bytes(),
        );
        fits &= put(
            core::mem::offset_of!(MINIPORT_DUMP_POINTERS, Size),
            &size_word.to_le_bytes(),
        );
        let name = core::mem::offset_of!(MINIPORT_DUMP_POINTERS, DriverName);
        let characters = driver.name.bytes().chain(core::iter::repeat(0)).take(NAME_LENGTH);
        for (offset, character) in (name..).step_by(2).zip(characters) {
            fits &= put(offset, &[character, 0]);
        }
        fits &= put(
            core::mem::offset_of!(MINIPORT_DUMP_POINTERS, CommonBufferSize),
            &driver.common_buffer.to_le_bytes(),
        );
        if let Some(longest) = driver.maximum_transfer_length {
            fits &= put(
                core::mem::offset_of!(MINIPORT_DUMP_POINTERS, MaximumTransferLength),
                &longest.to_le_bytes(),
            );
        }
        if fits {
            Ok(())
        } else {
            Err(DescribeDumpError::Buffer)
        }
    }
}

impl<'dev, M: Miniport> FindAdapter<'_, 'dev, M> {
    /// Has `memory` kept in a dump or hibernation file (`StorPortMarkDumpMemory`; `HwStorFindAdapter`).
    ///
    /// # Errors
    /// What the port driver says.
    pub fn mark_dump_memory(&self, memory: &Dma<'dev>) -> Result<(), MarkDumpMemoryError> {
        let length = u64::try_from(memory.length()).unwrap_or(u64::MAX);
        // SAFETY: the memory is the adapter's.
        let status =
            unsafe { ffi::memory::mark_dump_memory(self.raw(), memory.base().as_ptr().cast(), length) };
        MarkDumpMemoryError::check(status)
    }
}
