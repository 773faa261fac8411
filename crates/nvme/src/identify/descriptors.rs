//! Namespace identification descriptor list (CNS 03h; Base 2.0, section 5.17.2.3).

use crate::identify::IDENTIFY_SIZE;
use crate::identify::namespace::non_zero;

/// The identifiers of a namespace that never change; from the descriptor list or from Identify Namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceIdentifiers {
    /// EUI64 (NIDT 1), most significant byte first.
    pub eui64: Option<[u8; 8]>,
    /// NGUID (NIDT 2), most significant byte first.
    pub nguid: Option<[u8; 16]>,
    /// UUID (NIDT 3), in RFC 4122 byte order.
    pub uuid: Option<[u8; 16]>,
    /// CSI (NIDT 4): the command set of the namespace; 0 is NVM, 2 zoned. `None` if not reported (before 2.0).
    pub command_set: Option<u8>,
}

/// Reads a descriptor list. Descriptors of unknown type are skipped, one whose length does not fit its type or the
/// page ends the list, and zero identifiers count as absent.
#[must_use]
pub fn namespace_identifiers(bytes: &[u8; IDENTIFY_SIZE]) -> NamespaceIdentifiers {
    let mut found = NamespaceIdentifiers::default();
    let mut rest: &[u8] = bytes;
    // The smallest descriptor has 4 bytes, so a page holds at most 1,024 of them.
    for _ in 0..IDENTIFY_SIZE / 4 {
        let Some((&[kind, length, _, _], tail)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let Some((value, next)) = tail.split_at_checked(usize::from(length)) else {
            break;
        };
        match kind {
            0 => break,
            1 => found.eui64 = value.first_chunk().copied().and_then(non_zero),
            2 => found.nguid = value.first_chunk().copied().and_then(non_zero),
            3 => found.uuid = value.first_chunk().copied().and_then(non_zero),
            4 => found.command_set = value.first().copied(),
            _ => {}
        }
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_known_descriptors_and_skips_unknown_ones() {
        let mut bytes = [0; IDENTIFY_SIZE];
        bytes[..4].copy_from_slice(&[0x77, 3, 0, 0]);
        bytes[7..11].copy_from_slice(&[3, 16, 0, 0]);
        bytes[11..27].fill(0xAB);
        bytes[27..31].copy_from_slice(&[4, 1, 0, 0]);
        bytes[31] = 2;
        bytes[32..36].copy_from_slice(&[1, 8, 0, 0]);
        let found = namespace_identifiers(&bytes);
        assert_eq!(found.uuid, Some([0xAB; 16]));
        assert_eq!(found.command_set, Some(2));
        assert_eq!(found.eui64, None, "a zero EUI64 is no identifier");
        assert_eq!(found.nguid, None);
    }

    #[test]
    fn a_descriptor_past_the_page_ends_the_list() {
        let mut bytes = [0x55; IDENTIFY_SIZE];
        for chunk in bytes.chunks_exact_mut(256) {
            chunk[..2].copy_from_slice(&[0x55, 252]);
        }
        bytes[4096 - 256 + 1] = 253;
        assert_eq!(namespace_identifiers(&bytes), NamespaceIdentifiers::default());
    }

    proptest! {
        #[test]
        fn no_list_panics(bytes in proptest::collection::vec(any::<u8>(), IDENTIFY_SIZE)) {
            let _ = namespace_identifiers(bytes.first_chunk().unwrap());
        }
    }
}
