//! `HwStorBuildIo`: where the data of a request is, prepared in its SRB extension before any lock is taken.

use core::mem::offset_of;

use storport::srb::{Built, ExtensionOnBus, Function, Preparing};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Pvscsi, rings::flags};

/// Pieces that a data buffer may have: what fits into one segment of the adapter's list.
pub(crate) const MAX_PIECES: u32 = 128;
/// The largest transfer: a buffer that does not begin on a page touches one page more than its length.
pub(crate) const MAX_TRANSFER: u32 = (MAX_PIECES - 1) * PAGE;

const PAGE: u32 = 4096;
const ELEMENT: u32 = 16;

/// An element of the adapter's scatter/gather list.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Element {
    bus_address: u64,
    length: u32,
    flags: u32,
}

/// What becomes of the data.
const NO_DATA: u32 = 0;
const DATA: u32 = 1;
const UNUSABLE: u32 = 2;

/// Extension of each SRB. The adapter reads `list`, so that it lives until the request is back.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
pub(crate) struct Extension {
    kind: u32,
    flags: u32,
    address: u64,
    /// Twice as long as the longest list: that must lie within one page.
    list: [Element; 2 * MAX_PIECES as usize],
}

/// The data of a request, for the ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    pub(crate) address: u64,
    pub(crate) flags: u32,
}

/// Prepares an SRB.
pub(crate) fn build(mut srb: Preparing<'_, Pvscsi>) -> Built<'_> {
    let kind = if srb.function() != Function::ExecuteScsi || srb.data_length() == 0 {
        NO_DATA
    } else if describe(&mut srb).is_some() {
        DATA
    } else {
        UNUSABLE
    };
    if let Some(extension) = srb.extension() {
        extension.kind = kind;
    }
    srb.proceed()
}

/// Describes the data buffer: by its address if it is one piece, else by a list.
fn describe(srb: &mut Preparing<'_, Pvscsi>) -> Option<()> {
    let (extension, bus, pieces) = srb.extension_and_data()?;
    let (mut first, count) = (None, pieces.segments().count());
    if count == 1 {
        first = pieces.segments().next();
    }
    if let Some(only) = first {
        extension.address = only.bus_address;
        extension.flags = 0;
        return Some(());
    }
    let bytes = u32::try_from(count).ok()?.checked_mul(ELEMENT)?;
    let (address, start) = list_place(bus, bytes)?;
    let mut places = extension.list.iter_mut().skip(start).take(MAX_PIECES as usize);
    for piece in pieces.segments() {
        *places.next()? = Element {
            bus_address: piece.bus_address,
            length: piece.length,
            flags: 0,
        };
    }
    extension.address = address;
    extension.flags = flags::LIST;
    Some(())
}

/// Bus address and first element of a list of `bytes` bytes that does not cross a page.
fn list_place(bus: ExtensionOnBus<'_>, bytes: u32) -> Option<(u64, usize)> {
    const LIST: usize = offset_of!(Extension, list);
    let (address, contiguous) = bus.address(LIST)?;
    let in_page = u32::try_from(address & u64::from(PAGE - 1)).ok()?;
    let to_page_end = PAGE.checked_sub(in_page)?;
    if bytes <= to_page_end {
        return (bytes <= contiguous).then_some((address, 0));
    }
    let skipped = usize::try_from(to_page_end).ok()?;
    let (address, contiguous) = bus.address(LIST.checked_add(skipped)?)?;
    let start = usize::try_from(to_page_end / ELEMENT).ok()?;
    (bytes <= contiguous).then_some((address, start))
}

impl Extension {
    /// The data, as it was prepared; [`None`] if it cannot be described.
    pub(crate) fn data(&self) -> Option<Data> {
        match self.kind {
            NO_DATA => Some(Data { address: 0, flags: 0 }),
            DATA => Some(Data {
                address: self.address,
                flags: self.flags,
            }),
            _ => None,
        }
    }
}
