//! The numbers and messages of the NBD protocol; all integers are big-endian.

/// Opens the server's greeting.
pub(super) const GREETING_MAGIC: u64 = u64::from_be_bytes(*b"NBDMAGIC");
/// Opens the newstyle greeting's second half, and every option.
pub(super) const OPTION_MAGIC: u64 = u64::from_be_bytes(*b"IHAVEOPT");
/// Opens every reply to an option.
pub(super) const OPTION_REPLY_MAGIC: u64 = 0x0003_E889_0455_65A9;
/// Opens every request.
const REQUEST_MAGIC: u32 = 0x2560_9513;
/// Opens a simple reply.
pub(super) const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// Opens a chunk of a structured reply.
pub(super) const STRUCTURED_REPLY_MAGIC: u32 = 0x668E_33EF;

/// Flags of the greeting and of the client's answer to it.
pub(super) mod handshake {
    pub(in crate::nbd) const FIXED_NEWSTYLE: u16 = 1;
    pub(in crate::nbd) const NO_ZEROES: u16 = 2;
}

/// What a client may ask for in the handshake.
pub(super) mod option {
    pub(in crate::nbd) const EXPORT_NAME: u32 = 1;
    pub(in crate::nbd) const ABORT: u32 = 2;
    pub(in crate::nbd) const LIST: u32 = 3;
    pub(in crate::nbd) const INFO: u32 = 6;
    pub(in crate::nbd) const GO: u32 = 7;
    pub(in crate::nbd) const STRUCTURED_REPLY: u32 = 8;
}

/// Types of replies to options.
pub(super) mod reply {
    const ERROR: u32 = 1 << 31;
    pub(in crate::nbd) const ACK: u32 = 1;
    pub(in crate::nbd) const SERVER: u32 = 2;
    pub(in crate::nbd) const INFO: u32 = 3;
    pub(in crate::nbd) const UNSUPPORTED: u32 = ERROR | 1;
    pub(in crate::nbd) const INVALID: u32 = ERROR | 3;
    pub(in crate::nbd) const UNKNOWN: u32 = ERROR | 6;
    pub(in crate::nbd) const TOO_BIG: u32 = ERROR | 9;
}

/// Pieces of information about an export.
pub(super) mod info {
    pub(in crate::nbd) const EXPORT: u16 = 0;
    pub(in crate::nbd) const NAME: u16 = 1;
    pub(in crate::nbd) const DESCRIPTION: u16 = 2;
    pub(in crate::nbd) const BLOCK_SIZE: u16 = 3;
}

/// What an export can do.
pub(super) mod transmission_flag {
    pub(in crate::nbd) const HAS_FLAGS: u16 = 1;
    pub(in crate::nbd) const READ_ONLY: u16 = 1 << 1;
    pub(in crate::nbd) const SEND_FLUSH: u16 = 1 << 2;
    pub(in crate::nbd) const SEND_FUA: u16 = 1 << 3;
    pub(in crate::nbd) const SEND_TRIM: u16 = 1 << 5;
    pub(in crate::nbd) const SEND_WRITE_ZEROES: u16 = 1 << 6;
    pub(in crate::nbd) const CAN_MULTI_CONN: u16 = 1 << 8;
}

/// Flags of a request.
pub(super) mod command_flag {
    pub(in crate::nbd) const FUA: u16 = 1;
    pub(in crate::nbd) const NO_HOLE: u16 = 1 << 1;
}

/// What a request wants.
pub(super) mod command {
    pub(in crate::nbd) const READ: u16 = 0;
    pub(in crate::nbd) const WRITE: u16 = 1;
    pub(in crate::nbd) const DISCONNECT: u16 = 2;
    pub(in crate::nbd) const FLUSH: u16 = 3;
    pub(in crate::nbd) const TRIM: u16 = 4;
    pub(in crate::nbd) const WRITE_ZEROES: u16 = 6;
}

/// Chunks of a structured reply.
mod chunk {
    pub(super) const DONE: u16 = 1;
    pub(super) const NONE: u16 = 0;
    pub(super) const OFFSET_DATA: u16 = 1;
    pub(super) const ERROR: u16 = 1 << 15 | 1;
}

/// Why a request failed, with the protocol's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Error {
    NotPermitted = 1,
    Io = 5,
    NoMemory = 12,
    Invalid = 22,
    NoSpace = 28,
    TooLong = 75,
    Unsupported = 95,
}

/// An option's header; its data follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OptionHeader {
    pub(super) option: u32,
    pub(super) length: u32,
}

impl OptionHeader {
    pub(super) const SIZE: usize = 16;

    /// `None` if that is no option.
    pub(super) fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (option, rest) = rest.split_first_chunk()?;
        let length = rest.first_chunk()?;
        (u64::from_be_bytes(*magic) == OPTION_MAGIC).then_some(Self {
            option: u32::from_be_bytes(*option),
            length: u32::from_be_bytes(*length),
        })
    }
}

/// The data of INFO and GO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InfoRequest<'a> {
    /// The export that is meant.
    pub(super) name: &'a [u8],
    /// What the client wants to know of it.
    pub(super) wanted: Vec<u16>,
}

impl<'a> InfoRequest<'a> {
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let (length, rest) = data.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (count, rest) = rest.split_first_chunk()?;
        let (pairs, odd) = rest.as_chunks();
        let whole = odd.is_empty() && pairs.len() == usize::from(u16::from_be_bytes(*count));
        whole.then(|| Self {
            name,
            wanted: pairs.iter().copied().map(u16::from_be_bytes).collect(),
        })
    }
}

/// A reply to an option.
pub(super) fn option_reply(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A request's header; a WRITE's data follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) flags: u16,
    pub(super) command: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl Request {
    pub(super) const SIZE: usize = 28;

    /// `None` if that is no request.
    pub(super) fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (command, rest) = rest.split_first_chunk()?;
        let (cookie, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let length = rest.first_chunk()?;
        (u32::from_be_bytes(*magic) == REQUEST_MAGIC).then_some(Self {
            flags: u16::from_be_bytes(*flags),
            command: u16::from_be_bytes(*command),
            cookie: u64::from_be_bytes(*cookie),
            offset: u64::from_be_bytes(*offset),
            length: u32::from_be_bytes(*length),
        })
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = REQUEST_MAGIC.to_be_bytes().to_vec();
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.command.to_be_bytes());
        bytes.extend(self.cookie.to_be_bytes());
        bytes.extend(self.offset.to_be_bytes());
        bytes.extend(self.length.to_be_bytes());
        bytes
    }
}

/// The head of a simple reply; a READ's data follow unless it failed.
pub(super) fn simple_reply(cookie: u64, error: Option<Error>) -> Vec<u8> {
    let mut bytes = SIMPLE_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(error.map_or(0, |error| error as u32).to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes
}

fn only_chunk(cookie: u64, kind: u16, length: u32) -> Vec<u8> {
    let mut bytes = STRUCTURED_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(chunk::DONE.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// A structured reply of one chunk that says that the request is done.
pub(super) fn structured_done(cookie: u64) -> Vec<u8> {
    only_chunk(cookie, chunk::NONE, 0)
}

/// The head of a structured reply of one chunk with a READ's data, which follow.
pub(super) fn structured_data(cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = only_chunk(cookie, chunk::OFFSET_DATA, length.saturating_add(8));
    bytes.extend(offset.to_be_bytes());
    bytes
}

/// A structured reply of one chunk that says what went wrong, with words for a person.
pub(super) fn structured_error(cookie: u64, error: Error, words: &str) -> Vec<u8> {
    let words = words.as_bytes();
    // The protocol's limit for strings.
    let words = words.get(..4096).unwrap_or(words);
    let count = u16::try_from(words.len()).unwrap_or(0);
    let mut bytes = only_chunk(cookie, chunk::ERROR, 6 + u32::from(count));
    bytes.extend((error as u32).to_be_bytes());
    bytes.extend(count.to_be_bytes());
    bytes.extend(words);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn magics_are_the_protocols() {
        assert_eq!(GREETING_MAGIC, 0x4e42_444d_4147_4943);
        assert_eq!(OPTION_MAGIC, 0x4948_4156_454f_5054);
        assert_eq!(OPTION_REPLY_MAGIC, 0x0003_e889_0455_65a9);
    }

    proptest! {
        #[test]
        fn a_request_survives_the_wire(
            flags: u16, command: u16, cookie: u64, offset: u64, length: u32,
        ) {
            let request = Request { flags, command, cookie, offset, length };
            let bytes: [u8; Request::SIZE] = request.bytes().try_into().expect("28 bytes");
            prop_assert_eq!(Request::parse(&bytes), Some(request));
        }

        #[test]
        fn only_the_magic_makes_a_request(bytes: [u8; Request::SIZE]) {
            let is = bytes[..4] == REQUEST_MAGIC.to_be_bytes();
            prop_assert_eq!(Request::parse(&bytes).is_some(), is);
        }

        #[test]
        fn an_info_request_is_whole_or_nothing(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(request) = InfoRequest::parse(&data) {
                prop_assert_eq!(4 + request.name.len() + 2 + 2 * request.wanted.len(), data.len());
            }
        }

        #[test]
        fn an_info_request_is_read_back(name in "\\PC{0,40}", wanted: Vec<u16>) {
            let mut data = u32::try_from(name.len()).expect("short").to_be_bytes().to_vec();
            data.extend(name.as_bytes());
            data.extend(u16::try_from(wanted.len()).expect("few").to_be_bytes());
            data.extend(wanted.iter().flat_map(|kind| kind.to_be_bytes()));
            let expected = InfoRequest { name: name.as_bytes(), wanted };
            prop_assert_eq!(InfoRequest::parse(&data), Some(expected));
            data.push(0);
            prop_assert_eq!(InfoRequest::parse(&data), None);
        }
    }
}
