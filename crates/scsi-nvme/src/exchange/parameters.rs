//! Data on their way from the initiator to an area.

use super::{Area, DataOut};

/// Bytes that are on the stack at a time.
const PIECE: usize = 64;

/// Copies `bytes` bytes of `data` from `offset` to the beginning of `area`, again at each multiple of `bytes` up to `fill`.
/// Whether all of them are zero; `None` if the initiator has fewer.
pub(super) fn copy(
    data: &mut dyn DataOut,
    offset: usize,
    area: &mut dyn Area,
    bytes: usize,
    fill: usize,
) -> Option<bool> {
    let mut zero = true;
    let mut at = 0_usize;
    // Each turn moves on by a piece.
    while at < bytes {
        let mut piece = [0_u8; PIECE];
        let wanted = bytes.saturating_sub(at).min(PIECE);
        let piece = piece.get_mut(..wanted)?;
        if data.read(offset.saturating_add(at), piece) != wanted {
            return None;
        }
        zero &= piece.iter().all(|byte| *byte == 0);
        for copy in (0..fill.max(1)).step_by(bytes.max(1)) {
            area.write(copy.saturating_add(at), piece);
        }
        at = at.saturating_add(PIECE);
    }
    Some(zero)
}
