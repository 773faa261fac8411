//! The fixed newstyle handshake, up to the first request. Works on any stream of bytes, so that tests can be one.

use std::io::{self, Read, Write};

use super::{
    export::Export,
    wire::{
        GREETING_MAGIC, InfoRequest, OPTION_MAGIC, OptionHeader, handshake, info, option, option_reply, reply,
    },
};

/// Most options a client may send: no client has reason for more.
const MAXIMUM_OPTIONS: usize = 64;
/// Longest data of an option that is read: a name has at most 4096 bytes, and few things are asked about it.
const MAXIMUM_DATA: u32 = 8 << 10;
/// Longest data of an option that is passed over; a client that announces more is not worth listening to.
const MAXIMUM_SKIPPED: u32 = 64 << 10;
/// Most bytes that a client may ask for at once (the protocol's own assumption).
pub(super) const MAXIMUM_LENGTH: u32 = 32 << 20;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Index of the export.
    pub(super) export: usize,
    /// READs are answered in chunks.
    pub(super) structured: bool,
}

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The connection ended or was too slow.
    #[error(transparent)]
    Stream(#[from] io::Error),
    /// The client went away in order.
    #[error("the client ended the handshake")]
    Aborted,
    /// The client broke the protocol.
    #[error("the client {0}")]
    Protocol(&'static str),
    /// The client asked, in the old way, for an export that is not there.
    #[error("the client wants an export that is not there")]
    NoExport,
}

/// Talks to a client until it is served or gone.
pub(super) fn negotiate(stream: &mut (impl Read + Write), exports: &[Export]) -> Result<Agreed, Refusal> {
    let mut greeting = GREETING_MAGIC.to_be_bytes().to_vec();
    greeting.extend(OPTION_MAGIC.to_be_bytes());
    greeting.extend((handshake::FIXED_NEWSTYLE | handshake::NO_ZEROES).to_be_bytes());
    stream.write_all(&greeting)?;
    let mut flags = [0; 4];
    stream.read_exact(&mut flags)?;
    let flags = u32::from_be_bytes(flags);
    let (fixed, no_zeroes) = (
        u32::from(handshake::FIXED_NEWSTYLE),
        u32::from(handshake::NO_ZEROES),
    );
    if flags & !(fixed | no_zeroes) != 0 {
        return Err(Refusal::Protocol("sent flags that were not offered"));
    }
    let mut talk = Talk {
        stream,
        exports,
        zeroes: flags & no_zeroes == 0,
        structured: false,
    };
    for _ in 0..MAXIMUM_OPTIONS {
        if let Some(export) = talk.option()? {
            return Ok(Agreed {
                export,
                structured: talk.structured,
            });
        }
    }
    Err(Refusal::Protocol("sent too many options"))
}

struct Talk<'a, S> {
    stream: &'a mut S,
    exports: &'a [Export],
    /// The reply to `EXPORT_NAME` ends with 124 zeroes.
    zeroes: bool,
    structured: bool,
}

impl<S: Read + Write> Talk<'_, S> {
    /// One option; the export, once the client has chosen.
    fn option(&mut self) -> Result<Option<usize>, Refusal> {
        let mut header = [0; OptionHeader::SIZE];
        self.stream.read_exact(&mut header)?;
        let header = OptionHeader::parse(&header).ok_or(Refusal::Protocol("sent no option"))?;
        let OptionHeader { option, length } = header;
        if length > MAXIMUM_DATA {
            if option == option::EXPORT_NAME || length > MAXIMUM_SKIPPED {
                return Err(Refusal::Protocol("sent an option that is too long"));
            }
            let mut data = Read::by_ref(self.stream).take(length.into());
            io::copy(&mut data, &mut io::sink())?;
            self.reply(option, reply::TOO_BIG, b"option data are too long")?;
            return Ok(None);
        }
        let mut data = vec![0; length as usize];
        self.stream.read_exact(&mut data)?;
        match option {
            option::EXPORT_NAME => return self.export_name(&data).map(Some),
            option::ABORT => {
                self.reply(option, reply::ACK, &[])?;
                return Err(Refusal::Aborted);
            }
            option::LIST => self.list(&data)?,
            option::INFO | option::GO => {
                if let Some(export) = self.info(option, &data)?
                    && option == option::GO
                {
                    return Ok(Some(export));
                }
            }
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.structured = true;
                self.reply(option, reply::ACK, &[])?;
            }
            option::STRUCTURED_REPLY => self.reply(option, reply::INVALID, b"this option has no data")?,
            _ => self.reply(option, reply::UNSUPPORTED, &[])?,
        }
        Ok(None)
    }

    fn reply(&mut self, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
        self.stream.write_all(&option_reply(option, kind, data))
    }

    /// The empty name means the first export.
    fn find(&self, name: &[u8]) -> Option<usize> {
        if name.is_empty() {
            return (!self.exports.is_empty()).then_some(0);
        }
        self.exports
            .iter()
            .position(|export| export.name().as_bytes() == name)
    }

    /// The old way to choose: there is no other refusal than to hang up.
    fn export_name(&mut self, name: &[u8]) -> Result<usize, Refusal> {
        let index = self.find(name).ok_or(Refusal::NoExport)?;
        let export = self.exports.get(index).ok_or(Refusal::NoExport)?;
        let mut data = export.size().to_be_bytes().to_vec();
        data.extend(export.transmission_flags().to_be_bytes());
        if self.zeroes {
            data.extend([0; 124]);
        }
        self.stream.write_all(&data)?;
        Ok(index)
    }

    fn list(&mut self, data: &[u8]) -> io::Result<()> {
        if !data.is_empty() {
            return self.reply(option::LIST, reply::INVALID, b"this option has no data");
        }
        for export in self.exports {
            let name = export.name().into_bytes();
            let mut data = u32::try_from(name.len()).unwrap_or(0).to_be_bytes().to_vec();
            data.extend(name);
            self.reply(option::LIST, reply::SERVER, &data)?;
        }
        self.reply(option::LIST, reply::ACK, &[])
    }

    fn info(&mut self, option: u32, data: &[u8]) -> io::Result<Option<usize>> {
        let Some(request) = InfoRequest::parse(data) else {
            self.reply(option, reply::INVALID, b"not a name and a list of questions")?;
            return Ok(None);
        };
        let found = self.find(request.name);
        let Some((index, export)) = found.and_then(|index| Some((index, self.exports.get(index)?))) else {
            self.reply(option, reply::UNKNOWN, b"there is no export of that name")?;
            return Ok(None);
        };
        let mut answer = info::EXPORT.to_be_bytes().to_vec();
        answer.extend(export.size().to_be_bytes());
        answer.extend(export.transmission_flags().to_be_bytes());
        self.reply(option, reply::INFO, &answer)?;
        for (kind, text) in [
            (info::NAME, export.name()),
            (info::DESCRIPTION, export.description().to_owned()),
        ] {
            if request.wanted.contains(&kind) {
                let mut answer = kind.to_be_bytes().to_vec();
                answer.extend(text.as_bytes());
                self.reply(option, reply::INFO, &answer)?;
            }
        }
        // Told to everybody: whoever does not heed it is refused.
        let mut answer = info::BLOCK_SIZE.to_be_bytes().to_vec();
        answer.extend(export.block().to_be_bytes());
        answer.extend(export.block().max(4096).to_be_bytes());
        answer.extend(MAXIMUM_LENGTH.to_be_bytes());
        self.reply(option, reply::INFO, &answer)?;
        self.reply(option, reply::ACK, &[])?;
        Ok(Some(index))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A client that has said all it will say.
    #[derive(Default)]
    struct Script {
        said: VecDeque<u8>,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.said.read(out)
        }
    }

    impl Write for Script {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.heard.write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn option(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = OPTION_MAGIC.to_be_bytes().to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn say(parts: &[&[u8]]) -> (Result<Agreed, Refusal>, Vec<u8>) {
        let mut script = Script {
            said: parts.concat().into(),
            heard: Vec::new(),
        };
        let exports = [Export::of_bytes(1 << 20, 512), Export::of_bytes(1 << 20, 4096)];
        let result = negotiate(&mut script, &exports);
        (result, script.heard.split_off(18))
    }

    const FLAGS: [u8; 4] = [0, 0, 0, 3];

    fn go(name: &[u8]) -> Vec<u8> {
        let mut data = u32::try_from(name.len()).expect("short").to_be_bytes().to_vec();
        data.extend(name);
        data.extend([0, 0]);
        data
    }

    #[test]
    fn an_export_is_chosen_by_its_name_and_the_first_without() {
        for (name, index) in [(&b""[..], 0), (b"0:0:0", 0)] {
            let (result, _) = say(&[&FLAGS, &option(option::GO, &go(name))]);
            assert_eq!(result.expect("agreed").export, index);
        }
        let (result, heard) = say(&[&FLAGS, &option(option::GO, &go(b"nobody"))]);
        assert!(
            matches!(result, Err(Refusal::Stream(_))),
            "the client may ask again"
        );
        assert_eq!(heard[12..16], reply::UNKNOWN.to_be_bytes());
    }

    #[test]
    fn the_old_way_has_zeroes_unless_they_are_waived() {
        let (result, heard) = say(&[&FLAGS, &option(option::EXPORT_NAME, b"")]);
        assert!(!result.expect("agreed").structured);
        assert_eq!(heard.len(), 10);
        let (_, heard) = say(&[&[0, 0, 0, 1], &option(option::EXPORT_NAME, b"")]);
        assert_eq!(heard.len(), 134);
        let (result, _) = say(&[&FLAGS, &option(option::EXPORT_NAME, b"nobody")]);
        assert!(matches!(result, Err(Refusal::NoExport)));
    }

    #[test]
    fn structured_replies_are_agreed_on() {
        let (result, _) = say(&[
            &FLAGS,
            &option(option::STRUCTURED_REPLY, &[]),
            &option(option::GO, &go(b"")),
        ]);
        assert!(result.expect("agreed").structured);
    }

    #[test]
    fn what_is_unknown_is_refused_and_the_talk_goes_on() {
        let (result, heard) = say(&[
            &FLAGS,
            &option(5, &[]),
            &option(9, &[1; 9000]),
            &option(option::LIST, &[]),
            &option(option::ABORT, &[]),
        ]);
        assert!(matches!(result, Err(Refusal::Aborted)));
        assert_eq!(heard[12..16], reply::UNSUPPORTED.to_be_bytes());
        assert_eq!(heard[32..36], reply::TOO_BIG.to_be_bytes());
    }

    #[test]
    fn a_client_that_never_chooses_is_left() {
        let many = option(5, &[]).repeat(MAXIMUM_OPTIONS + 1);
        assert!(matches!(say(&[&FLAGS, &many]).0, Err(Refusal::Protocol(_))));
        let long = [&OPTION_MAGIC.to_be_bytes()[..], &[0, 0, 0, 9], &[0xff; 4]].concat();
        assert!(matches!(say(&[&FLAGS, &long]).0, Err(Refusal::Protocol(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_hang_or_panic(said in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = say(&[&said]);
        }

        #[test]
        fn no_options_hang_or_panic(
            options in proptest::collection::vec((0u32..12, proptest::collection::vec(any::<u8>(), 0..40)), 0..80),
        ) {
            let said: Vec<u8> = options.iter().flat_map(|(kind, data)| option(*kind, data)).collect();
            let _ = say(&[&FLAGS, &said]);
        }
    }
}
