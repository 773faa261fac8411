//! PDUs out of a stream of bytes, and into one: lengths, padding, digests (RFC 7143, 11.2).

use crate::pdu::{HEADER, Header};

/// Bytes of additional header segments that are taken: an extended CDB and a bidirectional length fit.
pub const MAX_ADDITIONAL: usize = 256;

/// Which digests are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// CRC32C over the header segments.
    pub header: bool,
    /// CRC32C over the data segment.
    pub data: bool,
}

/// Why a stream cannot go on: where the next PDU begins is not known any more, or would cost too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The data segment is longer than was declared.
    #[error("a data segment of {length} bytes, {limit} are allowed")]
    DataTooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The additional header segments are longer than any known.
    #[error("additional header segments of {0} bytes")]
    AdditionalTooLong(usize),
    /// The header digest is wrong.
    #[error("the header digest is wrong")]
    HeaderDigest,
}

/// A PDU, still where it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The basic header segment.
    pub header: Header,
    /// The additional header segments.
    pub additional: &'a [u8],
    /// The data segment, without padding.
    pub data: &'a [u8],
    /// Whether the data digest is right, or not in use.
    pub intact: bool,
}

/// Takes the first PDU of `bytes` and says how many bytes it takes; `None` if it is not complete.
///
/// # Errors
/// See [`FrameError`]. What is too long is refused by its header, before any of it is kept.
pub fn next(
    bytes: &[u8],
    digests: Digests,
    data_limit: usize,
) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let header = Header(*header);
    let (additional, length) = (header.additional_length(), header.data_length());
    if additional > MAX_ADDITIONAL {
        return Err(FrameError::AdditionalTooLong(additional));
    }
    if length > data_limit {
        return Err(FrameError::DataTooLong {
            length,
            limit: data_limit,
        });
    }
    let head = HEADER + additional;
    let data_at = head + if digests.header { 4 } else { 0 };
    if digests.header {
        let Some(digest) = bytes.get(head..data_at) else {
            return Ok(None);
        };
        if crc32c::crc32c(&bytes[..head]).to_le_bytes() != digest {
            return Err(FrameError::HeaderDigest);
        }
    }
    let padded = length.next_multiple_of(4);
    let digest_at = data_at + padded;
    let has_data_digest = digests.data && length > 0;
    let end = digest_at + if has_data_digest { 4 } else { 0 };
    if bytes.len() < end {
        return Ok(None);
    }
    let intact =
        !has_data_digest || crc32c::crc32c(&bytes[data_at..digest_at]).to_le_bytes() == bytes[digest_at..end];
    let frame = Frame {
        header,
        additional: &bytes[HEADER..head],
        data: &bytes[data_at..data_at + length],
        intact,
    };
    Ok(Some((frame, end)))
}

/// The longest PDU in bytes with data segments of up to `data_limit` bytes.
#[must_use]
pub const fn longest(data_limit: usize) -> usize {
    HEADER + MAX_ADDITIONAL + 4 + data_limit + 3 + 4
}

/// Appends a PDU; its data segment is `length` bytes that `fill` writes. Sets the header's length.
pub fn append(
    out: &mut Vec<u8>,
    mut header: Header,
    digests: Digests,
    length: usize,
    fill: impl FnOnce(&mut [u8]),
) {
    header.set_data_length(length);
    out.extend_from_slice(&header.0);
    if digests.header {
        out.extend_from_slice(&crc32c::crc32c(&header.0).to_le_bytes());
    }
    if length == 0 {
        return;
    }
    let start = out.len();
    out.resize(start + length.next_multiple_of(4), 0);
    fill(&mut out[start..start + length]);
    if digests.data {
        let digest = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&digest.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pdu::opcode;

    fn digests() -> impl Strategy<Value = Digests> {
        (any::<bool>(), any::<bool>()).prop_map(|(header, data)| Digests { header, data })
    }

    proptest! {
        #[test]
        fn what_is_appended_is_taken(data in prop::collection::vec(any::<u8>(), 0..600), digests in digests(), rest in 0_usize..60) {
            let mut stream = Vec::new();
            append(&mut stream, Header::new(opcode::NOP_IN, 0x80), digests, data.len(), |out| out.copy_from_slice(&data));
            let end = stream.len();
            prop_assert!(next(&stream[..end - 1], digests, 600).unwrap().is_none());
            stream.resize(end + rest, 0xEE);
            let (frame, taken) = next(&stream, digests, 600).unwrap().unwrap();
            prop_assert_eq!(taken, end);
            prop_assert_eq!(frame.data, &data[..]);
            prop_assert!(frame.intact);
            prop_assert!(taken <= longest(600));
        }

        #[test]
        fn a_flipped_bit_shows(data in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let digests = Digests { header: true, data: true };
            let mut stream = Vec::new();
            append(&mut stream, Header::new(opcode::NOP_IN, 0x80), digests, data.len(), |out| out.copy_from_slice(&data));
            let at = at.index(stream.len());
            stream[at] ^= 1_u8 << bit;
            match next(&stream, digests, 1 << 24) {
                Ok(Some((frame, _))) => prop_assert!(!frame.intact),
                // A length that grew waits for more; all else is an error.
                Ok(None) => prop_assert!((4..8).contains(&at)),
                Err(_) => {}
            }
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), digests in digests(), limit in 0_usize..200) {
            if let Ok(Some((frame, taken))) = next(&bytes, digests, limit) {
                prop_assert!(taken <= bytes.len());
                prop_assert!(frame.data.len() <= limit);
            }
        }
    }

    #[test]
    fn long_segments_are_refused_by_their_header() {
        let mut header = Header::new(opcode::TEXT, 0x80);
        header.set_data_length(8193);
        let error = next(&header.0, Digests::default(), 8192).unwrap_err();
        assert_eq!(
            error,
            FrameError::DataTooLong {
                length: 8193,
                limit: 8192
            }
        );
    }
}
