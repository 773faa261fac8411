//! Base relocations.

use object::{pe, read::pe::RelocationBlockIterator};

use super::{LoadError, headers::Headers};

/// Adds `delta` wherever the image holds an address of its own. `memory` is the image laid out by address.
pub(super) fn relocate(
    headers: &Headers<'_>,
    file: &[u8],
    memory: &mut [u8],
    delta: u64,
) -> Result<(), LoadError> {
    if delta == 0 {
        return Ok(());
    }
    if headers.relocations_stripped {
        return Err(LoadError::Relocation {
            detail: "its relocations are stripped".to_owned(),
        });
    }
    let bad = |detail: String| LoadError::Relocation { detail };
    let Some(blocks) = blocks(headers, file)? else {
        // An image that is position-independent throughout needs none.
        return Ok(());
    };
    let mut blocks = blocks;
    while let Some(block) = blocks.next().map_err(|error| bad(error.to_string()))? {
        for entry in block {
            match entry.typ {
                pe::IMAGE_REL_BASED_ABSOLUTE => {}
                pe::IMAGE_REL_BASED_DIR64 => add(memory, entry.virtual_address, delta).ok_or_else(|| {
                    bad(format!(
                        "an entry at {:#x} is outside the image",
                        entry.virtual_address
                    ))
                })?,
                kind => {
                    return Err(bad(format!(
                        "unknown kind {kind} at {:#x}",
                        entry.virtual_address
                    )));
                }
            }
        }
    }
    Ok(())
}

fn blocks<'data>(
    headers: &Headers<'data>,
    file: &'data [u8],
) -> Result<Option<RelocationBlockIterator<'data>>, LoadError> {
    headers
        .directories
        .relocation_blocks(file, &headers.table)
        .map_err(|error| LoadError::Relocation {
            detail: error.to_string(),
        })
}

fn add(memory: &mut [u8], address: u32, delta: u64) -> Option<()> {
    let field = memory
        .get_mut(usize::try_from(address).ok()?..)?
        .first_chunk_mut::<8>()?;
    *field = u64::from_le_bytes(*field).wrapping_add(delta).to_le_bytes();
    Some(())
}
