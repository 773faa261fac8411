//! What a session negotiates (RFC 7143, 13).

use crate::{frame::Digests, text};

/// What the target wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Bytes of a data segment that it receives (`MaxRecvDataSegmentLength`).
    pub segment: u32,
    /// Bytes of a solicited burst at most (`MaxBurstLength`).
    pub max_burst: u32,
    /// Bytes of unsolicited data at most (`FirstBurstLength`).
    pub first_burst: u32,
    /// Whether all data but immediate data has to be solicited (`InitialR2T`).
    pub initial_r2t: bool,
    /// Whether data may come with the command (`ImmediateData`).
    pub immediate_data: bool,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            segment: 256 << 10,
            max_burst: 1 << 20,
            first_burst: 64 << 10,
            initial_r2t: false,
            immediate_data: true,
        }
    }
}

/// What is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Digests of the full-feature phase.
    pub digests: Digests,
    /// Bytes of a data segment that the initiator receives.
    pub peer_segment: u32,
    /// `MaxBurstLength`.
    pub max_burst: u32,
    /// `FirstBurstLength`.
    pub first_burst: u32,
    /// `InitialR2T`.
    pub initial_r2t: bool,
    /// `ImmediateData`.
    pub immediate_data: bool,
}

impl Default for Parameters {
    /// What holds for keys that nobody names.
    fn default() -> Self {
        Self {
            digests: Digests::default(),
            peer_segment: 8192,
            max_burst: 262_144,
            first_burst: 65_536,
            initial_r2t: true,
            immediate_data: true,
        }
    }
}

/// What to answer to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: it was a declaration.
    Silence,
    /// This value.
    Value(String),
    /// The value is none that the key may have.
    Invalid,
    /// The key is not one of these; it is for somebody else.
    Unknown,
}

/// Bytes that any length key may be at least and at most.
const LENGTHS: std::ops::RangeInclusive<u32> = 512..=0xFF_FFFF;

impl Parameters {
    /// Negotiates one key that the initiator named in the operational stage.
    pub fn negotiate(&mut self, key: &str, value: &str, offer: &Offer) -> Answer {
        match key {
            "HeaderDigest" => digest(value, &mut self.digests.header),
            "DataDigest" => digest(value, &mut self.digests.data),
            "MaxRecvDataSegmentLength" => match length(value) {
                Some(length) => {
                    self.peer_segment = length;
                    Answer::Silence
                }
                None => Answer::Invalid,
            },
            "MaxBurstLength" => minimum(value, offer.max_burst, &mut self.max_burst),
            "FirstBurstLength" => minimum(value, offer.first_burst, &mut self.first_burst),
            "InitialR2T" => boolean(value, &mut self.initial_r2t, |theirs| theirs || offer.initial_r2t),
            "ImmediateData" => boolean(value, &mut self.immediate_data, |theirs| {
                theirs && offer.immediate_data
            }),
            "DataPDUInOrder" | "DataSequenceInOrder" => boolean(value, &mut true, |_| true),
            "MaxConnections" | "MaxOutstandingR2T" => match text::number(value) {
                Some(1..=65_535) => Answer::Value("1".to_owned()),
                _ => Answer::Invalid,
            },
            "ErrorRecoveryLevel" => match text::number(value) {
                Some(0..=2) => Answer::Value("0".to_owned()),
                _ => Answer::Invalid,
            },
            "DefaultTime2Wait" => match text::number(value) {
                Some(seconds @ 0..=3600) => Answer::Value(seconds.to_string()),
                _ => Answer::Invalid,
            },
            // Nothing is kept for a session that is gone.
            "DefaultTime2Retain" => match text::number(value) {
                Some(0..=3600) => Answer::Value("0".to_owned()),
                _ => Answer::Invalid,
            },
            // Markers are obsolete (RFC 7143, 13.25).
            "IFMarker" | "OFMarker" => Answer::Value("No".to_owned()),
            "IFMarkInt" | "OFMarkInt" => Answer::Value("Reject".to_owned()),
            "TaskReporting" => Answer::Value("RFC3720".to_owned()),
            "iSCSIProtocolLevel" => match text::number(value) {
                Some(0..=31) => Answer::Value("1".to_owned()),
                _ => Answer::Invalid,
            },
            _ => Answer::Unknown,
        }
    }

    /// `FirstBurstLength` never exceeds `MaxBurstLength` (RFC 7143, 13.14).
    pub fn settle(&mut self) {
        self.first_burst = self.first_burst.min(self.max_burst);
    }
}

fn digest(value: &str, used: &mut bool) -> Answer {
    // The first of the initiator's list that both know.
    let chosen = value
        .split(',')
        .map(str::trim)
        .find(|&name| matches!(name, "CRC32C" | "None"));
    match chosen {
        Some(name) => {
            *used = name == "CRC32C";
            Answer::Value(name.to_owned())
        }
        None => Answer::Value("Reject".to_owned()),
    }
}

fn length(value: &str) -> Option<u32> {
    text::number(value).filter(|length| LENGTHS.contains(length))
}

fn minimum(value: &str, ours: u32, agreed: &mut u32) -> Answer {
    match length(value) {
        Some(theirs) => {
            *agreed = theirs.min(ours);
            Answer::Value(agreed.to_string())
        }
        None => Answer::Invalid,
    }
}

fn boolean(value: &str, agreed: &mut bool, decide: impl Fn(bool) -> bool) -> Answer {
    let theirs = match value {
        "Yes" => true,
        "No" => false,
        _ => return Answer::Invalid,
    };
    *agreed = decide(theirs);
    Answer::Value(if *agreed { "Yes" } else { "No" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(key: &str, value: &str) -> (Answer, Parameters) {
        let mut parameters = Parameters::default();
        let answer = parameters.negotiate(key, value, &Offer::default());
        (answer, parameters)
    }

    #[test]
    fn digests_are_the_first_of_the_list_that_both_know() {
        let (answer, parameters) = negotiate("HeaderDigest", "X-foo,CRC32C,None");
        assert_eq!(answer, Answer::Value("CRC32C".to_owned()));
        assert!(parameters.digests.header);
        assert_eq!(
            negotiate("DataDigest", "None,CRC32C").0,
            Answer::Value("None".to_owned())
        );
        assert_eq!(
            negotiate("DataDigest", "X-foo").0,
            Answer::Value("Reject".to_owned())
        );
    }

    #[test]
    fn lengths_are_the_smaller_of_both() {
        assert_eq!(
            negotiate("MaxBurstLength", "16776192").0,
            Answer::Value("1048576".to_owned())
        );
        assert_eq!(negotiate("MaxBurstLength", "4096").1.max_burst, 4096);
        assert_eq!(negotiate("MaxBurstLength", "511").0, Answer::Invalid);
        assert_eq!(negotiate("FirstBurstLength", "-1").0, Answer::Invalid);
        let (answer, parameters) = negotiate("MaxRecvDataSegmentLength", "65536");
        assert_eq!((answer, parameters.peer_segment), (Answer::Silence, 65_536));
    }

    #[test]
    fn initial_r2t_is_an_or_and_immediate_data_an_and() {
        assert_eq!(negotiate("InitialR2T", "Yes").0, Answer::Value("Yes".to_owned()));
        assert_eq!(negotiate("InitialR2T", "No").0, Answer::Value("No".to_owned()));
        assert_eq!(negotiate("ImmediateData", "No").0, Answer::Value("No".to_owned()));
        assert_eq!(negotiate("ImmediateData", "maybe").0, Answer::Invalid);
    }

    #[test]
    fn one_connection_without_recovery() {
        assert_eq!(negotiate("MaxConnections", "8").0, Answer::Value("1".to_owned()));
        assert_eq!(
            negotiate("ErrorRecoveryLevel", "2").0,
            Answer::Value("0".to_owned())
        );
        assert_eq!(negotiate("MaxOutstandingR2T", "0").0, Answer::Invalid);
        assert_eq!(negotiate("X-com.example", "1").0, Answer::Unknown);
    }
}
