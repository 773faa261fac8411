//! PRP lists from scatter/gather lists (Base 2.0, section 4.1.1).
//!
//! PRP1 may begin at any dword of a page; every further entry names a whole page, and only the last page may be used
//! in part. Two entries fit the command; more lie in a list, whose memory is chained at the end of each page.

use nvme::DataPointer;

const PAGE: u64 = nvme::PAGE_SIZE as u64;
const PAGE_MASK: u64 = PAGE.wrapping_sub(1);
const ENTRY: u64 = 8;

/// A run of memory at a bus address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bus address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub length: u32,
}

/// Why no PRP list describes the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrpError {
    /// The transfer has no bytes.
    Empty,
    /// A segment has no bytes.
    EmptySegment,
    /// The first byte is not dword aligned (Base 2.0, 4.1.1: bits 1:0 of the offset are 0).
    Misaligned,
    /// A segment begins or ends within a page in the middle of the transfer.
    Hole,
    /// A segment runs past the end of the address space.
    AddressOverflow,
    /// The segments are shorter than the transfer.
    TooShort,
    /// The segments are longer than the transfer.
    TooLong,
    /// The list's memory holds too few entries.
    ListTooSmall,
    /// The list's memory is not qword aligned, a later page of it is not page aligned, or it has no address.
    ListAddress,
}

/// The data pointer of a command, and how much of the list it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prps {
    /// PRP1 and PRP2.
    pub data: DataPointer,
    /// Entries written to the list, chain pointers included.
    pub list_entries: usize,
}

/// Entries that a list needs for a transfer of `bytes` in the worst case, chain pointers included.
///
/// The list may begin anywhere in a page, so it may meet one more page end than its length suggests.
#[must_use]
pub const fn list_entries_for(bytes: u32) -> usize {
    // One page more for an unaligned start; PRP1 takes one page.
    let pages = (bytes as usize).div_ceil(nvme::PAGE_SIZE);
    let per_page = nvme::PAGE_SIZE / 8;
    let chains = pages.div_ceil(per_page.wrapping_sub(1)).wrapping_add(1);
    pages.wrapping_add(chains)
}

/// Builds the PRPs for the first and only transfer of `total` bytes over `segments`.
///
/// `list` is memory that the controller will read, and `list_address(i)` the bus address of `list[i]`; it is asked at
/// index 0 and at each index that begins a page.
///
/// # Errors
/// See [`PrpError`]. `list` may have been written in part then; nothing must be submitted.
pub fn build(
    segments: impl IntoIterator<Item = Segment>,
    total: u32,
    list: &mut [u64],
    list_address: impl Fn(usize) -> Option<u64>,
) -> Result<Prps, PrpError> {
    let mut segments = segments.into_iter();
    let mut total_left = u64::from(total);
    if total == 0 {
        return Err(PrpError::Empty);
    }
    let first = segments.next().ok_or(PrpError::TooShort)?;
    if first.address & 3 != 0 {
        return Err(PrpError::Misaligned);
    }
    let offset = first.address & PAGE_MASK;
    // Pages that the whole transfer touches; at most 2^20 + 1, so nothing here wraps.
    let pages = offset.wrapping_add(total_left).wrapping_add(PAGE_MASK) / PAGE;
    let mut output = Output::new(pages.wrapping_sub(1), list, list_address)?;

    let mut segment = Some(first);
    // Where the previous segment ended; a segment that goes on in the same page adds no entry.
    let mut expected = first.address;
    while let Some(current) = segment {
        let length = u64::from(current.length);
        if length == 0 {
            return Err(PrpError::EmptySegment);
        }
        if length > total_left {
            return Err(PrpError::TooLong);
        }
        let end = current
            .address
            .checked_add(length)
            .ok_or(PrpError::AddressOverflow)?;
        // In the middle of a page only the very next byte may follow.
        if expected & PAGE_MASK != 0 && current.address != expected {
            return Err(PrpError::Hole);
        }
        // None behind the last page of the address space.
        let mut page = if current.address & PAGE_MASK == 0 {
            Some(current.address)
        } else if current.address == expected {
            // The page was named already, or is PRP1's.
            (current.address | PAGE_MASK).checked_add(1)
        } else {
            return Err(PrpError::Hole);
        };
        // PRP1 holds the first page whatever its offset.
        if total_left == u64::from(total) && page == Some(current.address) {
            page = current.address.checked_add(PAGE);
        }
        // Each turn writes an entry, of which there are at most `pages`; the output refuses more.
        while let Some(at) = page.filter(|at| *at < end) {
            output.push(at)?;
            page = at.checked_add(PAGE);
        }
        total_left = total_left.wrapping_sub(length);
        expected = end;
        segment = segments.next();
    }
    if total_left != 0 {
        return Err(PrpError::TooShort);
    }
    output.finish(first.address)
}

/// The data pointer for `total` bytes that are one run of memory on one page or two, as most transfers are: no list. `None`
/// for anything else, which [`build`] takes or refuses.
#[must_use]
#[inline]
pub fn build_short(only: Segment, total: u32) -> Option<DataPointer> {
    let offset = only.address & PAGE_MASK;
    if only.length != total || only.address & 3 != 0 {
        return None;
    }
    // The last byte; far beyond two pages if there is none.
    let last = offset.wrapping_add(u64::from(total.wrapping_sub(1)));
    if last >= PAGE.wrapping_mul(2) || only.address > u64::MAX.wrapping_sub(PAGE.wrapping_mul(2)) {
        return None;
    }
    let second = only.address.wrapping_sub(offset).wrapping_add(PAGE);
    Some(DataPointer {
        prp1: only.address,
        prp2: if last >= PAGE { second } else { 0 },
    })
}

/// The PRPs of a transfer of `total` bytes that needs a list, as most long ones are: one segment, or segments of which the first ends its
/// page and each other is a whole page, with a list that ends within its page. `None` for anything else, which [`build`] takes or
/// refuses.
///
/// `list_address` is the bus address of `list[0]`. On `None` `list` may have been written in part.
#[must_use]
#[inline]
pub fn build_pages(
    mut segments: impl DoubleEndedIterator<Item = Segment> + ExactSizeIterator,
    total: u32,
    list: &mut [u64],
    list_address: impl FnOnce() -> Option<u64>,
) -> Option<Prps> {
    let first = segments.next()?;
    let end = (first.address & PAGE_MASK).wrapping_add(u64::from(total));
    // PRP1 names the first page.
    let entries = end.checked_sub(1)? / PAGE;
    if first.address & 3 != 0 || entries < 2 {
        return None;
    }
    let prp2 = list_address()?;
    if prp2 & 7 != 0 || entries > PAGE.wrapping_sub(prp2 & PAGE_MASK) / ENTRY {
        return None;
    }
    let count = usize::try_from(entries).ok()?;
    let places = list.get_mut(..count)?;
    let page = first.address & !PAGE_MASK;
    // The end of its last page is an address.
    page.checked_add(end.wrapping_add(PAGE))?;
    match segments.next_back() {
        None if first.length == total => {
            let mut next = page;
            for place in places {
                next = next.wrapping_add(PAGE);
                *place = next;
            }
        }
        Some(tail) => {
            let (last_place, whole) = places.split_last_mut()?;
            let from_first = PAGE.wrapping_sub(first.address & PAGE_MASK);
            // What is left for the last page: 1 byte to a page of them.
            let rest = end.wrapping_sub(entries.wrapping_mul(PAGE));
            if u64::from(first.length) != from_first
                || u64::from(tail.length) != rest
                || segments.len() != whole.len()
            {
                return None;
            }
            // Looked at together, behind the loop, in which nothing branches.
            let (mut addresses, mut lengths) = (tail.address, 0);
            for (place, segment) in whole.iter_mut().zip(segments) {
                *place = segment.address;
                addresses |= segment.address;
                lengths |= u64::from(segment.length) ^ PAGE;
            }
            *last_place = tail.address;
            if addresses & PAGE_MASK != 0 || lengths != 0 {
                return None;
            }
        }
        None => return None,
    }
    Some(Prps {
        data: DataPointer {
            prp1: first.address,
            prp2,
        },
        list_entries: count,
    })
}

/// Where the entries after PRP1 go.
struct Output<'a, F> {
    /// Data entries still to come.
    left: u64,
    /// Data entries in all.
    entries: u64,
    prp2: u64,
    list: &'a mut [u64],
    list_address: F,
    /// Next index of the list.
    index: usize,
    /// Entries up to the end of the list's current page.
    page_left: u64,
}

impl<'a, F: Fn(usize) -> Option<u64>> Output<'a, F> {
    fn new(entries: u64, list: &'a mut [u64], list_address: F) -> Result<Self, PrpError> {
        let mut output = Self {
            left: entries,
            entries,
            prp2: 0,
            list,
            list_address,
            index: 0,
            page_left: u64::MAX,
        };
        if entries > 1 {
            let address = (output.list_address)(0).ok_or(PrpError::ListAddress)?;
            if address & 7 != 0 {
                return Err(PrpError::ListAddress);
            }
            output.prp2 = address;
            output.page_left = PAGE.wrapping_sub(address & PAGE_MASK) / ENTRY;
        }
        Ok(output)
    }

    fn push(&mut self, page: u64) -> Result<(), PrpError> {
        if self.left == 0 {
            // The pages were counted from the length: more of them means that there was a hole.
            return Err(PrpError::Hole);
        }
        if self.entries == 1 {
            self.prp2 = page;
        } else {
            // The last entry of a page is a pointer to the next one, unless it is the last of the list.
            if self.page_left == 1 && self.left > 1 {
                let next = self.index.wrapping_add(1);
                let address = (self.list_address)(next).ok_or(PrpError::ListAddress)?;
                if address & PAGE_MASK != 0 {
                    return Err(PrpError::ListAddress);
                }
                self.write(address)?;
                self.page_left = PAGE / ENTRY;
            }
            self.write(page)?;
        }
        self.left = self.left.wrapping_sub(1);
        Ok(())
    }

    fn write(&mut self, value: u64) -> Result<(), PrpError> {
        *self.list.get_mut(self.index).ok_or(PrpError::ListTooSmall)? = value;
        self.index = self.index.wrapping_add(1);
        self.page_left = self.page_left.wrapping_sub(1);
        Ok(())
    }

    fn finish(self, prp1: u64) -> Result<Prps, PrpError> {
        if self.left != 0 {
            return Err(PrpError::Hole);
        }
        Ok(Prps {
            data: DataPointer {
                prp1,
                prp2: self.prp2,
            },
            list_entries: self.index,
        })
    }
}

/// Cuts PRPs that [`build`] made down to the first `bytes` bytes, for a command that moves less than its buffer holds.
///
/// Two things differ from the longer transfer: a second page alone is named by PRP2 itself, and where the last entry
/// falls into the last place of a page of the list, that place holds the entry and no pointer to a next page. `list` is
/// the list as it was built; it must not be the controller's yet, and is good for `bytes` only afterwards.
///
/// `None` if `bytes` is 0 or `list` is not the one that was built.
pub fn shorten(prps: Prps, list: &mut [u64], bytes: u32) -> Option<DataPointer> {
    let entries_of_page = |address: u64| usize::try_from(PAGE.wrapping_sub(address & PAGE_MASK) / ENTRY).ok();
    let Prps { data, list_entries } = prps;
    if bytes == 0 {
        return None;
    }
    let end = (data.prp1 & PAGE_MASK).wrapping_add(u64::from(bytes));
    let pages = usize::try_from(end.wrapping_add(PAGE_MASK) / PAGE).ok()?;
    let mut needed = pages.wrapping_sub(1);
    if needed == 0 {
        return Some(DataPointer {
            prp1: data.prp1,
            prp2: 0,
        });
    }
    if list_entries == 0 {
        return Some(data);
    }
    let mut room = entries_of_page(data.prp2)?;
    if needed == 1 {
        // A list that begins in the last place of a page begins with the pointer to its next page.
        let second = *list.get(usize::from(room == 1 && list_entries > 1))?;
        return Some(DataPointer {
            prp1: data.prp1,
            prp2: second,
        });
    }
    let mut begin = 0_usize;
    // Each turn is a page of the list.
    while begin < list_entries {
        let next_page = begin.wrapping_add(room);
        if needed < room || (needed == room && next_page >= list_entries) {
            return Some(data);
        }
        if needed == room {
            let entry = *list.get(next_page)?;
            *list.get_mut(next_page.wrapping_sub(1))? = entry;
            return Some(data);
        }
        needed = needed.wrapping_sub(room.wrapping_sub(1));
        begin = next_page;
        room = nvme::PAGE_SIZE / 8;
    }
    None
}

/// The first `total` bytes of `segments`: for a command that moves less than its buffer holds.
pub fn clip(segments: impl IntoIterator<Item = Segment>, total: u32) -> impl Iterator<Item = Segment> {
    let mut left = total;
    segments.into_iter().map_while(move |segment| {
        let length = segment.length.min(left);
        left = left.saturating_sub(length);
        (length != 0).then_some(Segment {
            address: segment.address,
            length,
        })
    })
}
