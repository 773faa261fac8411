//! Namespace lists: Identify CNS 02h and the changed namespace list log (Base 2.0, sections 5.17.2.2 and 5.16.1.5).

use crate::command::NamespaceId;
use crate::identify::IDENTIFY_SIZE;

/// A list of up to 1,024 namespace identifiers, ended by a zero entry if shorter.
#[derive(Clone, Copy)]
pub struct NamespaceList<'a> {
    entries: &'a [u8; IDENTIFY_SIZE],
}

impl<'a> NamespaceList<'a> {
    /// Entries of a full list.
    pub const CAPACITY: usize = 1024;

    /// A view over a snapshot of the answer.
    #[must_use]
    pub const fn new(bytes: &'a [u8; IDENTIFY_SIZE]) -> Self {
        Self { entries: bytes }
    }

    /// The identifiers, in the order listed, up to the first zero. Entries that cannot name one namespace, and those
    /// not above their predecessor (the list is to ascend), are left out: a list that repeats itself adds nothing.
    pub fn iter(&self) -> impl Iterator<Item = NamespaceId> + use<'a> {
        let (entries, _) = self.entries.as_chunks::<4>();
        let mut last = 0;
        entries
            .iter()
            .map(|entry| u32::from_le_bytes(*entry))
            .take_while(|&id| id != 0)
            .filter_map(move |id| {
                let ascends = id > last;
                last = last.max(id);
                let id = NamespaceId(id);
                (ascends && id.is_single()).then_some(id)
            })
    }

    /// The changed namespace list's way of saying that more than 1,024 have changed: `FFFF_FFFFh` first
    /// (Base 2.0, 5.16.1.5).
    #[must_use]
    pub fn is_overflowed(&self) -> bool {
        self.entries
            .first_chunk::<4>()
            .is_some_and(|first| u32::from_le_bytes(*first) == u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    fn list(ids: &[u32]) -> [u8; IDENTIFY_SIZE] {
        let mut bytes = [0; IDENTIFY_SIZE];
        for (chunk, id) in bytes.chunks_exact_mut(4).zip(ids) {
            chunk.copy_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn ends_at_the_first_zero() {
        let bytes = list(&[1, 5, 0, 9]);
        let ids: Vec<_> = NamespaceList::new(&bytes).iter().collect();
        assert_eq!(ids, [NamespaceId(1), NamespaceId(5)]);
    }

    #[test]
    fn overflow_marker_is_not_a_namespace() {
        let bytes = list(&[u32::MAX]);
        let list = NamespaceList::new(&bytes);
        assert!(list.is_overflowed());
        assert_eq!(list.iter().count(), 0);
    }

    proptest! {
        #[test]
        fn yields_strictly_ascending_single_ids(ids in proptest::collection::vec(any::<u32>(), 0..1200)) {
            let bytes = list(&ids);
            let seen: Vec<_> = NamespaceList::new(&bytes).iter().collect();
            prop_assert!(seen.len() <= NamespaceList::CAPACITY);
            prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(seen.iter().all(|id| id.is_single() && ids.contains(&id.0)));
        }
    }
}
