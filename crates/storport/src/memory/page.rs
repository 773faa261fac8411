//! Page arithmetic.

use core::num::NonZeroU64;

/// Bytes of a page (x86-64, and ARM64 as Windows runs it).
pub const PAGE_SIZE: usize = 4096;
const PAGE: u64 = 4096;

/// Offset of an address in its page.
#[must_use]
pub const fn page_offset(address: u64) -> u64 {
    address & PAGE.wrapping_sub(1)
}

/// Pages that `length` bytes from `address` on touch (`ADDRESS_AND_SIZE_TO_SPAN_PAGES`).
///
/// ```
/// # use storport::memory::page::span_pages;
/// assert_eq!(span_pages(0x1FFF, 2), 2);
/// assert_eq!(span_pages(0x1FFF, 0), 0);
/// ```
#[must_use]
pub const fn span_pages(address: u64, length: u64) -> u64 {
    if length == 0 {
        return 0;
    }
    let covered = page_offset(address).saturating_add(length);
    covered.div_ceil(PAGE)
}

/// Bytes of the longest scatter/gather list that `length` bytes from `address` on can have: an element for each page
/// (`STOR_SCATTER_GATHER_LIST` and `STOR_SCATTER_GATHER_ELEMENT`, 64-bit). `None` if that is beyond 32 bits.
#[must_use]
pub const fn list_bytes(address: u64, length: u64) -> Option<u32> {
    const HEAD: u64 = 16;
    const ELEMENT: u64 = 24;
    let Some(elements) = span_pages(address, length).checked_mul(ELEMENT) else {
        return None;
    };
    let bytes = elements.saturating_add(HEAD);
    if bytes > u32::MAX as u64 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked in the line before")]
    let bytes = bytes as u32;
    Some(bytes)
}

/// What an allocation must not cross a multiple of: a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary(NonZeroU64);

impl Boundary {
    /// A boundary at each multiple of `multiple`; `None` unless that is a power of two.
    #[must_use]
    pub const fn new(multiple: u64) -> Option<Self> {
        match NonZeroU64::new(multiple) {
            Some(multiple) if multiple.is_power_of_two() => Some(Self(multiple)),
            _ => None,
        }
    }

    /// The multiple.
    #[must_use]
    pub const fn multiple(self) -> u64 {
        self.0.get()
    }

    /// Whether `length` bytes at `address` keep to one side of every multiple.
    #[must_use]
    pub const fn keeps(self, address: u64, length: u64) -> bool {
        let mask = !self.0.get().wrapping_sub(1);
        match address.checked_add(length.saturating_sub(1)) {
            Some(last) => address & mask == last & mask,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_boundary_is_a_power_of_two() {
        for wrong in [0, 3, 6, u64::MAX] {
            assert!(Boundary::new(wrong).is_none(), "{wrong:#x}");
        }
        assert_eq!(Boundary::new(1 << 63).map(Boundary::multiple), Some(1 << 63));
    }

    #[test]
    fn a_list_longer_than_32_bits_has_no_size() {
        assert_eq!(list_bytes(0, 1), Some(40));
        assert_eq!(list_bytes(0, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn pages_are_counted_as_they_are_touched(address in 0_u64..1 << 40, length in 1_u64..1 << 20) {
            let first = address / PAGE;
            let last = (address + length - 1) / PAGE;
            prop_assert_eq!(span_pages(address, length), last - first + 1);
        }

        #[test]
        fn a_boundary_is_kept_unless_a_multiple_lies_inside(
            shift in 0_u32..30,
            address in 0_u64..1 << 31,
            length in 1_u64..1 << 31,
        ) {
            let multiple = 1_u64 << shift;
            let next = (address / multiple + 1) * multiple;
            let boundary = Boundary::new(multiple).expect("a power of two");
            prop_assert_eq!(boundary.keeps(address, length), address + length <= next);
        }
    }
}
