//! Where an SRB's extension lies.

use core::ptr::NonNull;

use super::view::View;
use crate::miniport::Miniport;

/// Where the aligned extension begins in the memory that the port driver provides.
pub(super) fn extension_base<M: Miniport>(view: View) -> Option<NonNull<u8>> {
    let memory = NonNull::new(view.extension())?;
    let skip = memory.as_ptr().align_offset(align_of::<M::SrbExtension>());
    if skip >= align_of::<M::SrbExtension>() {
        return None;
    }
    // SAFETY: `SRB_EXTENSION_SIZE` leaves room for the alignment.
    Some(unsafe { memory.add(skip) })
}

pub(super) fn extension_of<'srb, M: Miniport>(view: View) -> Option<&'srb mut M::SrbExtension> {
    let base = extension_base::<M>(view)?.cast::<M::SrbExtension>();
    // SAFETY: the memory is the SRB's own, long enough, aligned, any contents are a value (`FromBytes`), and the
    // caller owns the SRB and borrows it for as long.
    Some(unsafe { &mut *base.as_ptr() })
}

/// Bytes asked for each SRB extension: with room to align it.
pub(crate) const fn srb_extension_size<M: Miniport>() -> usize {
    size_of::<M::SrbExtension>()
        .saturating_add(align_of::<M::SrbExtension>())
        .saturating_sub(1)
}
