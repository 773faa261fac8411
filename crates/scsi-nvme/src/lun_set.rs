//! The LUNs of a target.

/// Which of the LUNs 0 to 255 exist.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LunSet {
    low: u128,
    high: u128,
}

impl LunSet {
    /// No LUN.
    pub const EMPTY: Self = Self { low: 0, high: 0 };

    /// Adds `lun`.
    pub const fn insert(&mut self, lun: u8) {
        let bit = 1_u128.wrapping_shl((lun & 0x7F) as u32);
        if lun < 0x80 {
            self.low |= bit;
        } else {
            self.high |= bit;
        }
    }

    /// Whether `lun` exists.
    #[must_use]
    pub const fn contains(&self, lun: u8) -> bool {
        let half = if lun < 0x80 { self.low } else { self.high };
        half.wrapping_shr((lun & 0x7F) as u32) & 1 == 1
    }

    /// How many LUNs exist.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most 256 bits are counted")]
    pub const fn len(&self) -> u16 {
        self.low.count_ones().saturating_add(self.high.count_ones()) as u16
    }

    /// Whether there is no LUN.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.low == 0 && self.high == 0
    }

    /// The LUNs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        let set = *self;
        (0..=u8::MAX).filter(move |lun| set.contains(*lun))
    }
}

impl FromIterator<u8> for LunSet {
    fn from_iter<I: IntoIterator<Item = u8>>(luns: I) -> Self {
        let mut set = Self::EMPTY;
        for lun in luns {
            set.insert(lun);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set_of_bytes(luns in proptest::collection::btree_set(any::<u8>(), 0..=256)) {
            let set: LunSet = luns.iter().copied().collect();
            prop_assert_eq!(usize::from(set.len()), luns.len());
            prop_assert_eq!(set.is_empty(), luns.is_empty());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), luns.iter().copied().collect::<Vec<_>>());
            for lun in 0..=u8::MAX {
                prop_assert_eq!(set.contains(lun), luns.contains(&lun));
            }
        }
    }

    #[test]
    fn all_256_luns_fit() {
        let all: BTreeSet<u8> = (0..=u8::MAX).collect();
        assert_eq!(all.iter().copied().collect::<LunSet>().len(), 256);
    }
}
