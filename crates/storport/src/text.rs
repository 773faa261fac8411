//! Texts for the DDI: UTF-16, terminated, of a bounded length.

/// A terminated UTF-16 text in `N` units, the terminator included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide<const N: usize>([u16; N]);

impl<const N: usize> Wide<N> {
    /// No text.
    pub const EMPTY: Self = Self([0; N]);

    /// `text`, cut off where it gets too long; never in the middle of a character.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut wide = Self::EMPTY;
        wide.append(text);
        wide
    }

    /// Appends `text`, cut off as by [`Wide::new`].
    pub fn append(&mut self, text: &str) {
        append(&mut self.0, text);
    }

    /// Appends `value` as `0x` and hexadecimal digits, without leading zeroes; cut off where it gets too long.
    pub fn append_hexadecimal(&mut self, value: u64) {
        append_hexadecimal(&mut self.0, value);
    }

    /// The units; the last one is 0.
    #[must_use]
    pub const fn units(&self) -> &[u16; N] {
        &self.0
    }

    /// Whether it has no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.0.first(), None | Some(0))
    }

    #[cfg(windows)]
    pub(crate) const fn pointer(&self) -> *const u16 {
        self.0.as_ptr()
    }
}

/// The unused places, without the one for the terminator.
fn rest(units: &mut [u16]) -> &mut [u16] {
    let used = units.iter().take_while(|unit| **unit != 0).count();
    let rest = units.get_mut(used..).unwrap_or_default();
    rest.split_last_mut().map_or(&mut [], |(_, rest)| rest)
}

/// Compiled once for all lengths.
#[inline(never)]
fn append(units: &mut [u16], text: &str) {
    let mut rest = rest(units);
    for character in text.chars() {
        let mut encoded = [0; 2];
        let encoded = character.encode_utf16(&mut encoded);
        if character == '\0' || encoded.len() > rest.len() {
            break;
        }
        for unit in encoded {
            let Some((place, others)) = rest.split_first_mut() else {
                return;
            };
            *place = *unit;
            rest = others;
        }
    }
}

#[inline(never)]
fn append_hexadecimal(units: &mut [u16], value: u64) {
    let digits = u64::BITS.wrapping_sub(value.leading_zeros()).div_ceil(4).max(1);
    let digits = (0..digits).rev().map(|index| {
        let digit = value.wrapping_shr(index.wrapping_mul(4)) & 0xF;
        let first = if digit < 10 { b'0' } else { b'a'.wrapping_sub(10) };
        let [digit, ..] = digit.to_le_bytes();
        u16::from(first.wrapping_add(digit))
    });
    let prefix = [u16::from(b'0'), u16::from(b'x')];
    for (place, unit) in rest(units).iter_mut().zip(prefix.into_iter().chain(digits)) {
        *place = unit;
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

    #[test]
    fn numbers_are_appended_in_hexadecimal() {
        for (value, expected) in [
            (0, "a=0x0"),
            (9, "a=0x9"),
            (0xA0, "a=0xa0"),
            (u64::MAX, "a=0xffffffffffffffff"),
        ] {
            let mut text = Wide::<24>::new("a=");
            text.append_hexadecimal(value);
            assert_eq!(text, Wide::<24>::new(expected));
        }
        let mut text = Wide::<6>::new("a=");
        text.append_hexadecimal(0x1234);
        assert_eq!(text, Wide::<6>::new("a=0x1"));
    }
}
