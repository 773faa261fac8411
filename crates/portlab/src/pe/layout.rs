//! The image's bytes as they go into memory: sections, import addresses, security cookie.

use std::ops::Range;

use super::{Binding, ImportName, LoadError, headers::Headers, import, variables};

/// Headers and sections at their addresses.
pub(super) fn lay_out(headers: &Headers<'_>, file: &[u8], image_size: usize) -> Vec<u8> {
    let mut memory = vec![0; image_size];
    let mut copy = |address: u32, offset: u32, size: u32| {
        let from = file
            .get(offset as usize..)
            .and_then(|rest| rest.get(..size as usize));
        let to = memory
            .get_mut(address as usize..)
            .and_then(|rest| rest.get_mut(..size as usize));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
    };
    copy(0, 0, headers.own_size);
    for section in &headers.sections {
        copy(section.address, section.file_offset, section.file_size);
    }
    memory
}

/// Writes the import address tables; the thunks' bytes and what has no binding.
pub(super) fn bind(
    imports: &[import::Import],
    memory: &mut [u8],
    thunks_base: usize,
    resolve: &mut dyn FnMut(&ImportName) -> Option<Binding>,
) -> Result<(Vec<u8>, Vec<ImportName>), LoadError> {
    let mut thunks = Vec::with_capacity(imports.len() * import::THUNK_SIZE);
    let mut missing = Vec::new();
    for import in imports {
        let thunk = thunks_base + thunks.len();
        let (address, code) = match resolve(&import.name) {
            Some(Binding::Data(variable)) => (variable.expose_provenance(), Vec::new()),
            Some(Binding::Function(function)) => (thunk, import::function_thunk(function)),
            // It is read, not called: a thunk's bytes would be taken for its value.
            None if variables::is_variable(&import.name.symbol) => {
                missing.push(import.name.clone());
                (variables::place(missing.len() - 1), Vec::new())
            }
            None => {
                missing.push(import.name.clone());
                // The thunk holds the name's address for as long as the driver may call it.
                let name = Box::leak(Box::new(import.name.clone()));
                (thunk, import::missing_thunk(name))
            }
        };
        debug_assert!(code.len() <= import::THUNK_SIZE);
        if !code.is_empty() {
            thunks.extend(code);
            thunks.resize(thunks.len().next_multiple_of(import::THUNK_SIZE), 0xcc);
        }
        let slot = memory
            .get_mut(import.slot as usize..)
            .and_then(|rest| rest.first_chunk_mut::<8>());
        *slot.ok_or_else(|| LoadError::malformed("import table", "it runs beyond the image"))? =
            (address as u64).to_le_bytes();
    }
    Ok((thunks, missing))
}

/// Where a data directory lies; empty if it does not lie in the image.
pub(super) fn directory(headers: &Headers<'_>, index: usize) -> Range<usize> {
    let Some(directory) = headers.directories.get(index) else {
        return 0..0;
    };
    let (address, size) = directory.address_range();
    let (start, end) = (address as usize, address as usize + size as usize);
    if end <= headers.size as usize {
        start..end
    } else {
        0..0
    }
}

/// Gives `/GS` code its cookie, as the loader of Windows does: the value the linker left is the same in every
/// image. Source: PE Format, "The Load Configuration Structure".
pub(super) fn initialise_security_cookie(
    headers: &Headers<'_>,
    memory: &mut [u8],
    base: usize,
) -> Result<(), LoadError> {
    const COOKIE_FIELD: usize = 0x58;
    const UNSET: u64 = 0x0000_2b99_2ddf_a232;
    let table = directory(headers, object::pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG);
    let field = memory
        .get(table.start + COOKIE_FIELD..)
        .and_then(|rest| rest.first_chunk::<8>());
    let (false, Some(field)) = (table.is_empty(), field) else {
        return Ok(());
    };
    // The structure's own size says how much of it there is; the directory's size is not reliable.
    let size = memory
        .get(table.start..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|size| u32::from_le_bytes(*size));
    if size.is_none_or(|size| (size as usize) < COOKIE_FIELD + 8) {
        return Ok(());
    }
    let address = u64::from_le_bytes(*field);
    if address == 0 {
        return Ok(());
    }
    let cookie = address
        .checked_sub(base as u64)
        .and_then(|offset| memory.get_mut(usize::try_from(offset).ok()?..))
        .and_then(|rest| rest.first_chunk_mut::<8>())
        .ok_or_else(|| {
            LoadError::malformed("load configuration", "the security cookie is outside the image")
        })?;
    if matches!(u64::from_le_bytes(*cookie), 0 | UNSET) {
        // The upper 16 bits are zero in every cookie, against string overflows. The same value in each run, so
        // that runs can be repeated.
        let mixed = (base as u64 >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let value = (UNSET ^ mixed) & 0xffff_ffff_ffff;
        *cookie = value.to_le_bytes();
    }
    Ok(())
}
