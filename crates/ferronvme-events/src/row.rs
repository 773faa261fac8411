//! A row of the table.

/// How bad an event is: `STORPORT_ETW_LEVEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Data or the device is lost.
    Critical = 1,
    /// Something has failed.
    Error = 2,
    /// Something was repaired, or may fail soon.
    Warning = 3,
    /// What happens in a healthy life.
    Informational = 4,
    /// More than one usually wants to know.
    Verbose = 5,
}

/// What an event is about: a bit of `STORPORT_ETW_EVENT_KEYWORD_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Keyword {
    /// Input and output.
    Io = 0x01,
    /// Performance.
    Performance = 0x02,
    /// Power.
    Power = 0x04,
    /// Enumeration.
    Enumeration = 0x08,
    /// Single commands.
    CommandTrace = 0x10,
}

/// What an event marks: `STORPORT_ETW_EVENT_OPCODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Something happened.
    Info = 0,
    /// Something begins.
    Start = 1,
    /// Something ends.
    Stop = 2,
    /// The device goes on.
    Resume = 7,
    /// The device pauses.
    Suspend = 8,
}

/// A kind of event.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its id.
    pub id: u16,
    /// Its name: the description of the ETW event.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is about.
    pub keywords: &'static [Keyword],
    /// What it marks.
    pub opcode: Opcode,
    /// Names of its values, at most four.
    pub fields: &'static [&'static str],
    /// When it comes, in the words of the guide.
    pub when: &'static str,
    /// Its text in the event log, if it is logged there: `%1` is the device, `%2` are the values.
    pub message: Option<&'static str>,
}

impl Row {
    /// The keywords as one number.
    #[must_use]
    pub const fn keyword_bits(&self) -> u8 {
        let mut bits = 0;
        let mut rest = self.keywords;
        while let [keyword, others @ ..] = rest {
            bits |= *keyword as u8;
            rest = others;
        }
        bits
    }
}
