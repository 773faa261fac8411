//! Texts for the DDI: UTF-16, terminated, of a bounded length.

/// A terminated UTF-16 text in `N` units, the terminator included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide<const N: usize>([u16; N]);

impl<const N: usize> Wide<N> {
    /// `text`, cut off where it gets too long; never in the middle of a character.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut units = [0; N];
        let room = N.saturating_sub(1);
        let mut used = 0_usize;
        for character in text.chars() {
            let end = used.saturating_add(character.len_utf16());
            if character == '\0' || end > room {
                break;
            }
            let mut encoded = [0; 2];
            for (place, unit) in units
                .iter_mut()
                .skip(used)
                .zip(character.encode_utf16(&mut encoded))
            {
                *place = *unit;
            }
            used = end;
        }
        Self(units)
    }

    /// The units; the last one is 0.
    #[must_use]
    pub const fn units(&self) -> &[u16; N] {
        &self.0
    }

    #[cfg(windows)]
    pub(crate) const fn pointer(&self) -> *const u16 {
        self.0.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::Wide;

    #[test]
    fn a_text_is_terminated_and_cut_between_characters() {
        assert_eq!(Wide::<4>::new("ab").units(), &[0x61, 0x62, 0, 0]);
        assert_eq!(Wide::<4>::new("abcd").units(), &[0x61, 0x62, 0x63, 0]);
        assert_eq!(Wide::<4>::new("ab\u{1F980}").units(), &[0x61, 0x62, 0, 0]);
        assert_eq!(Wide::<4>::new("a\u{1F980}").units(), &[0x61, 0xD83E, 0xDD80, 0]);
        assert_eq!(Wide::<4>::new("a\0b").units(), &[0x61, 0, 0, 0]);
    }
}
