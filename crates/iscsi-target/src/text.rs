//! `key=value` pairs (RFC 7143, 6.1), and numbers and binary values in them.

use base64ct::{Base64, Encoding as _};

/// Bytes of a key name at most.
const KEY_LIMIT: usize = 63;
/// Bytes of a value at most, as the standard has it for values that are no binary.
const VALUE_LIMIT: usize = 8192;

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is no UTF-8.
    #[error("a text that is no UTF-8")]
    Encoding,
    /// A pair has no `=`, or its key no name.
    #[error("a pair without a key")]
    NoKey,
    /// A key or a value is too long.
    #[error("a key or value that is too long")]
    TooLong,
    /// A key comes twice.
    #[error("a key that comes twice")]
    Twice,
}

/// Reads the pairs of a data segment; each ends with a NUL.
///
/// # Errors
/// See [`TextError`].
pub fn parse(data: &[u8]) -> Result<Vec<(String, String)>, TextError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in data.split(|&byte| byte == 0).filter(|pair| !pair.is_empty()) {
        let pair = std::str::from_utf8(pair).map_err(|_| TextError::Encoding)?;
        let (key, value) = pair.split_once('=').ok_or(TextError::NoKey)?;
        if key.is_empty() {
            return Err(TextError::NoKey);
        }
        if key.len() > KEY_LIMIT || value.len() > VALUE_LIMIT {
            return Err(TextError::TooLong);
        }
        if pairs.iter().any(|(other, _)| other == key) {
            return Err(TextError::Twice);
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// Appends a pair.
pub fn append(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value.as_bytes());
    out.push(0);
}

/// Reads a number: decimal, or hexadecimal after `0x`.
#[must_use]
pub fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a binary value: hexadecimal after `0x`, Base64 after `0b`; at most `limit` bytes.
#[must_use]
pub fn binary(text: &str, limit: usize) -> Option<Vec<u8>> {
    let (prefix, rest) = text.split_at_checked(2)?;
    let bytes = if prefix.eq_ignore_ascii_case("0x") {
        let digits = rest.as_bytes();
        if digits.len() > 2 * limit {
            return None;
        }
        let nibbles: Option<Vec<u8>> = digits.iter().map(|&digit| nibble(digit)).collect();
        let nibbles = nibbles?;
        // An odd number of digits: the first byte is a small one.
        let (first, pairs) = nibbles.split_at(nibbles.len() % 2);
        let pairs = pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
        first.iter().copied().chain(pairs).collect()
    } else if prefix.eq_ignore_ascii_case("0b") {
        if rest.len() > limit.div_ceil(3) * 4 {
            return None;
        }
        Base64::decode_vec(rest).ok()?
    } else {
        return None;
    };
    (bytes.len() <= limit && !bytes.is_empty()).then_some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Writes a binary value in hexadecimal.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_end_with_nul() {
        let pairs = parse(b"InitiatorName=iqn.x\0HeaderDigest=None\0\0").unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[1], ("HeaderDigest".to_owned(), "None".to_owned()));
        assert_eq!(parse(b"A=1\0A=2\0"), Err(TextError::Twice));
        assert_eq!(parse(b"novalue\0"), Err(TextError::NoKey));
        assert_eq!(parse(b"A=\xFF\0"), Err(TextError::Encoding));
    }

    #[test]
    fn binary_values() {
        assert_eq!(binary("0x0102ff", 16), Some(vec![1, 2, 255]));
        assert_eq!(binary("0xf01", 16), Some(vec![15, 1]));
        assert_eq!(binary("0bAQL/", 16), Some(vec![1, 2, 255]));
        assert_eq!(binary("0x", 16), None);
        assert_eq!(binary("12", 16), None);
        assert_eq!(binary("0x0102", 1), None);
    }

    proptest! {
        #[test]
        fn hexadecimal_is_read_back(bytes in prop::collection::vec(any::<u8>(), 1..64)) {
            prop_assert_eq!(binary(&hexadecimal(&bytes), 64), Some(bytes));
        }

        #[test]
        fn nothing_panics(data in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}") {
            let _ = (parse(&data), binary(&text, 16), number(&text));
        }
    }
}
