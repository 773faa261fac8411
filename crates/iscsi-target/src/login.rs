//! The login phase (RFC 7143, 6.2, 6.3 and 11.12, 11.13).

use std::sync::Arc;

use crate::{
    chap::{Algorithm, CHALLENGE, Challenge, Chap},
    parameters::{Answer, Offer, Parameters},
    pdu::{CONTINUE, FINAL, Header},
    text,
};

/// Requests that a login may take.
const EXCHANGES: u32 = 32;
/// Bytes of keys that one step may bring in several requests.
const KEYS: usize = 16 << 10;
/// Bytes of a `CHAP_R` or `CHAP_C` at most.
const BINARY: usize = 1024;

/// Status class and detail of a login response (RFC 7143, 11.13.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Success.
    Success = 0x0000,
    /// The initiator made a mistake.
    InitiatorError = 0x0200,
    /// Authentication failed.
    AuthenticationFailure = 0x0201,
    /// No such target.
    NotFound = 0x0203,
    /// A version that the target does not have.
    UnsupportedVersion = 0x0205,
    /// A session has one connection.
    TooManyConnections = 0x0206,
    /// A key is missing.
    MissingParameter = 0x0207,
    /// Neither a normal nor a discovery session.
    SessionTypeNotSupported = 0x0209,
    /// No such session.
    SessionDoesNotExist = 0x020A,
    /// Not what belongs into this stage.
    InvalidDuringLogin = 0x020B,
    /// The target has no room.
    OutOfResources = 0x0302,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// Looking for targets.
    Discovery,
    /// Commands to the target with this index.
    Normal(usize),
}

/// Who logged in to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The initiator's name.
    pub initiator: String,
    /// The initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// What for.
    pub kind: SessionKind,
}

/// What every login to a target knows.
#[derive(Debug, Clone, Default)]
pub struct LoginConfig {
    /// Names of the targets.
    pub targets: Vec<String>,
    /// Who may log in; anybody without it.
    pub chap: Option<Chap>,
    /// What the target wants.
    pub offer: Offer,
}

/// What to send back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Byte 1.
    pub flags: u8,
    /// Status.
    pub status: Status,
    /// The data segment.
    pub keys: Vec<u8>,
    /// The login is complete; the session begins.
    pub complete: Option<(Identity, Parameters)>,
}

/// Where the authentication is.
#[derive(Debug)]
enum Proof {
    Wanted,
    MethodChosen,
    Challenged(Challenge),
    Given,
}

/// A login under way.
#[derive(Debug)]
pub struct Login {
    config: Arc<LoginConfig>,
    /// The stage, once there was a request.
    stage: Option<u8>,
    proof: Proof,
    collected: Vec<u8>,
    identity: Option<Identity>,
    parameters: Parameters,
    declared: bool,
    exchanges: u32,
}

const SECURITY: u8 = 0;
const OPERATIONAL: u8 = 1;
const FULL_FEATURE: u8 = 3;

impl Login {
    /// A login to one of the targets of `config`.
    #[must_use]
    pub fn new(config: Arc<LoginConfig>) -> Self {
        let proof = if config.chap.is_some() {
            Proof::Wanted
        } else {
            Proof::Given
        };
        Self {
            config,
            stage: None,
            proof,
            collected: Vec::new(),
            identity: None,
            parameters: Parameters::default(),
            declared: false,
            exchanges: 0,
        }
    }

    /// Answers a login request. After a status other than success the connection ends.
    pub fn request(&mut self, header: &Header, data: &[u8]) -> Reply {
        match self.step(header, data) {
            Ok(reply) => reply,
            Err(status) => Reply {
                flags: 0,
                status,
                keys: Vec::new(),
                complete: None,
            },
        }
    }

    fn step(&mut self, header: &Header, data: &[u8]) -> Result<Reply, Status> {
        self.exchanges += 1;
        if self.exchanges > EXCHANGES {
            return Err(Status::InitiatorError);
        }
        let flags = header.flags();
        let (transit, more) = (flags & FINAL != 0, flags & CONTINUE != 0);
        let (current, next) = (flags >> 2 & 3, flags & 3);
        // The lowest version that the initiator has; there is only version 0.
        if header.0[3] != 0 {
            return Err(Status::UnsupportedVersion);
        }
        if (transit && more) || !matches!(current, SECURITY | OPERATIONAL) {
            return Err(Status::InvalidDuringLogin);
        }
        if transit && !(next > current && matches!(next, OPERATIONAL | FULL_FEATURE)) {
            return Err(Status::InvalidDuringLogin);
        }
        if *self.stage.get_or_insert(current) != current {
            return Err(Status::InvalidDuringLogin);
        }
        if self.collected.len() + data.len() > KEYS {
            return Err(Status::InitiatorError);
        }
        self.collected.extend_from_slice(data);
        let answer = |flags, keys| Reply {
            flags,
            status: Status::Success,
            keys,
            complete: None,
        };
        if more {
            return Ok(answer(current << 2, Vec::new()));
        }
        let pairs = text::parse(&std::mem::take(&mut self.collected)).map_err(|_| Status::InitiatorError)?;
        let mut keys = Vec::new();
        if self.identity.is_none() {
            let identity = self.identify(header, &pairs)?;
            if matches!(identity.kind, SessionKind::Normal(_)) {
                text::append(&mut keys, "TargetPortalGroupTag", "1");
            }
            self.identity = Some(identity);
        }
        if current == SECURITY {
            self.security(&pairs, &mut keys)?;
        } else {
            // Who has to prove something cannot leave that out.
            if !matches!(self.proof, Proof::Given) {
                return Err(Status::AuthenticationFailure);
            }
            self.operational(&pairs, &mut keys)?;
        }
        if !(transit && matches!(self.proof, Proof::Given)) {
            return Ok(answer(current << 2, keys));
        }
        self.stage = Some(next);
        let mut reply = answer(FINAL | current << 2 | next, keys);
        if next == FULL_FEATURE {
            self.parameters.settle();
            reply.complete = self.identity.clone().map(|identity| (identity, self.parameters));
        }
        Ok(reply)
    }

    fn identify(&self, header: &Header, pairs: &[(String, String)]) -> Result<Identity, Status> {
        let value = |key: &str| {
            let found = pairs.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        let initiator = value("InitiatorName").ok_or(Status::MissingParameter)?;
        if initiator.is_empty() || initiator.len() > 223 {
            return Err(Status::InitiatorError);
        }
        let kind = match value("SessionType") {
            Some("Discovery") => SessionKind::Discovery,
            None | Some("Normal") => {
                let target = value("TargetName").ok_or(Status::MissingParameter)?;
                let index = self
                    .config
                    .targets
                    .iter()
                    .position(|name| name.eq_ignore_ascii_case(target));
                SessionKind::Normal(index.ok_or(Status::NotFound)?)
            }
            Some(_) => return Err(Status::SessionTypeNotSupported),
        };
        let [isid @ .., high, low] = header.lun();
        if [high, low] != [0, 0] {
            // Another connection of a session that there may be.
            return Err(Status::SessionDoesNotExist);
        }
        Ok(Identity {
            initiator: initiator.to_owned(),
            isid,
            kind,
        })
    }

    fn security(&mut self, pairs: &[(String, String)], keys: &mut Vec<u8>) -> Result<(), Status> {
        let value = |key: &str| {
            let found = pairs.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        for (key, value) in pairs {
            match key.as_str() {
                "InitiatorName" | "SessionType" | "TargetName" | "InitiatorAlias" | "CHAP_A" | "CHAP_N"
                | "CHAP_R" | "CHAP_I" | "CHAP_C" => {}
                "AuthMethod" => {
                    let wanted = if self.config.chap.is_some() {
                        "CHAP"
                    } else {
                        "None"
                    };
                    if !value.split(',').any(|method| method.trim() == wanted) {
                        return Err(Status::AuthenticationFailure);
                    }
                    text::append(keys, "AuthMethod", wanted);
                    if matches!(self.proof, Proof::Wanted) {
                        self.proof = Proof::MethodChosen;
                    }
                }
                // Operational keys belong into their own stage, but some initiators send them here.
                _ => self.operate(key, value, keys)?,
            }
        }
        let Some(chap) = self.config.chap.clone() else {
            return Ok(());
        };
        match &self.proof {
            Proof::MethodChosen => {
                let Some(list) = value("CHAP_A") else {
                    return Ok(());
                };
                let algorithm = Algorithm::choose(list).ok_or(Status::AuthenticationFailure)?;
                let mut random = [0; CHALLENGE + 1];
                getrandom::fill(&mut random).map_err(|_| Status::OutOfResources)?;
                let challenge = Challenge::new(algorithm, &random);
                text::append(keys, "CHAP_A", algorithm.number());
                text::append(keys, "CHAP_I", &challenge.identifier.to_string());
                text::append(keys, "CHAP_C", &text::hexadecimal(&challenge.bytes));
                self.proof = Proof::Challenged(challenge);
                Ok(())
            }
            Proof::Challenged(challenge) => {
                let user = value("CHAP_N").ok_or(Status::MissingParameter)?;
                let response = value("CHAP_R").and_then(|text| text::binary(text, BINARY));
                let response = response.ok_or(Status::MissingParameter)?;
                if !challenge.is_met(&chap.initiator, user, &response) {
                    return Err(Status::AuthenticationFailure);
                }
                answer_challenge(&chap, challenge, value("CHAP_I"), value("CHAP_C"), keys)?;
                self.proof = Proof::Given;
                Ok(())
            }
            Proof::Wanted | Proof::Given => Ok(()),
        }
    }

    fn operational(&mut self, pairs: &[(String, String)], keys: &mut Vec<u8>) -> Result<(), Status> {
        for (key, value) in pairs {
            match key.as_str() {
                "InitiatorName" | "SessionType" | "TargetName" | "InitiatorAlias" => {}
                // Authentication has its own stage.
                "AuthMethod" => text::append(keys, key, "Irrelevant"),
                _ => self.operate(key, value, keys)?,
            }
        }
        if !std::mem::replace(&mut self.declared, true) {
            let segment = self.config.offer.segment.to_string();
            text::append(keys, "MaxRecvDataSegmentLength", &segment);
        }
        Ok(())
    }

    fn operate(&mut self, key: &str, value: &str, keys: &mut Vec<u8>) -> Result<(), Status> {
        match self.parameters.negotiate(key, value, &self.config.offer) {
            Answer::Silence => {}
            Answer::Value(answer) => text::append(keys, key, &answer),
            Answer::Invalid => return Err(Status::InitiatorError),
            Answer::Unknown => text::append(keys, key, "NotUnderstood"),
        }
        Ok(())
    }
}

/// The target's own proof, for initiators that want one.
fn answer_challenge(
    chap: &Chap,
    ours: &Challenge,
    identifier: Option<&str>,
    challenge: Option<&str>,
    keys: &mut Vec<u8>,
) -> Result<(), Status> {
    let (Some(identifier), Some(challenge)) = (identifier, challenge) else {
        return Ok(());
    };
    let target = chap.target.as_ref().ok_or(Status::AuthenticationFailure)?;
    let identifier = text::number(identifier).and_then(|number| u8::try_from(number).ok());
    let challenge = text::binary(challenge, BINARY);
    let (Some(identifier), Some(challenge)) = (identifier, challenge) else {
        return Err(Status::InitiatorError);
    };
    // Who sends our own challenge back wants us to answer it for him (RFC 7143, 9.2.1).
    if challenge == ours.bytes {
        return Err(Status::AuthenticationFailure);
    }
    let response = ours.algorithm.response(identifier, &target.secret, &challenge);
    text::append(keys, "CHAP_N", &target.user);
    text::append(keys, "CHAP_R", &text::hexadecimal(&response));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{chap::Credentials, pdu::opcode};

    const TARGET: &str = "iqn.2026-11.io.github.ferroport:test";

    fn config(chap: bool) -> Arc<LoginConfig> {
        let credentials = |user: &str, secret: &str| Credentials {
            user: user.to_owned(),
            secret: secret.as_bytes().to_vec(),
        };
        Arc::new(LoginConfig {
            targets: vec![TARGET.to_owned()],
            chap: chap.then(|| Chap {
                initiator: credentials("me", "twelve bytes"),
                target: Some(credentials("you", "other twelve")),
            }),
            offer: Offer::default(),
        })
    }

    fn request(login: &mut Login, flags: u8, keys: &str) -> Reply {
        login.request(
            &Header::new(opcode::LOGIN, flags),
            keys.replace('\n', "\0").as_bytes(),
        )
    }

    fn names() -> String {
        format!("InitiatorName=iqn.x:me\nTargetName={TARGET}\n")
    }

    fn value(reply: &Reply, key: &str) -> Option<String> {
        let pairs = text::parse(&reply.keys).unwrap();
        pairs
            .into_iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    #[test]
    fn one_request_is_enough_where_nothing_is_to_be_proved() {
        let mut login = Login::new(config(false));
        let reply = request(
            &mut login,
            0x87,
            &format!("{}HeaderDigest=CRC32C\nX-a=b\n", names()),
        );
        assert_eq!((reply.flags, reply.status), (0x87, Status::Success));
        assert_eq!(value(&reply, "HeaderDigest").as_deref(), Some("CRC32C"));
        assert_eq!(value(&reply, "X-a").as_deref(), Some("NotUnderstood"));
        assert_eq!(value(&reply, "TargetPortalGroupTag").as_deref(), Some("1"));
        let (identity, parameters) = reply.complete.unwrap();
        assert_eq!(identity.kind, SessionKind::Normal(0));
        assert!(parameters.digests.header && !parameters.digests.data);
    }

    #[test]
    fn what_is_wrong_ends_the_login() {
        let refused = |flags: u8, keys: &str| request(&mut Login::new(config(false)), flags, keys).status;
        assert_eq!(refused(0x87, "TargetName=x\n"), Status::MissingParameter);
        assert_eq!(refused(0x87, "InitiatorName=a\nTargetName=x\n"), Status::NotFound);
        assert_eq!(
            refused(0x87, "InitiatorName=a\nSessionType=Odd\n"),
            Status::SessionTypeNotSupported
        );
        assert_eq!(refused(0x84, &names()), Status::InvalidDuringLogin);
        assert_eq!(refused(0xC7, &names()), Status::InvalidDuringLogin);
        assert_eq!(
            refused(0x87, &format!("{}MaxBurstLength=1\n", names())),
            Status::InitiatorError
        );
    }

    #[test]
    fn the_operational_stage_does_not_replace_the_proof() {
        let mut login = Login::new(config(true));
        assert_eq!(
            request(&mut login, 0x87, &names()).status,
            Status::AuthenticationFailure
        );
        let mut login = Login::new(config(true));
        let reply = request(&mut login, 0x81, &format!("{}AuthMethod=None\n", names()));
        assert_eq!(reply.status, Status::AuthenticationFailure);
    }

    fn challenged(login: &mut Login, algorithms: &str) -> (Algorithm, u8, Vec<u8>) {
        let reply = request(login, 0x81, &format!("{}AuthMethod=CHAP,None\n", names()));
        // Not yet: the transit is not granted.
        assert_eq!(
            (reply.flags, value(&reply, "AuthMethod").as_deref()),
            (0x00, Some("CHAP"))
        );
        let reply = request(login, 0x00, &format!("CHAP_A={algorithms}\n"));
        let algorithm = Algorithm::choose(&value(&reply, "CHAP_A").unwrap()).unwrap();
        let identifier = value(&reply, "CHAP_I").unwrap().parse().unwrap();
        let challenge = text::binary(&value(&reply, "CHAP_C").unwrap(), 64).unwrap();
        (algorithm, identifier, challenge)
    }

    #[test]
    fn chap_both_ways() {
        for algorithms in ["5", "7,5"] {
            let mut login = Login::new(config(true));
            let (algorithm, identifier, challenge) = challenged(&mut login, algorithms);
            let response = text::hexadecimal(&algorithm.response(identifier, b"twelve bytes", &challenge));
            let reply = request(
                &mut login,
                0x81,
                &format!("CHAP_N=me\nCHAP_R={response}\nCHAP_I=9\nCHAP_C=0x112233\n"),
            );
            assert_eq!((reply.flags, reply.status), (0x81, Status::Success));
            let proof = algorithm.response(9, b"other twelve", &[0x11, 0x22, 0x33]);
            assert_eq!(value(&reply, "CHAP_R"), Some(text::hexadecimal(&proof)));
            assert!(request(&mut login, 0x87, "").complete.is_some());
        }
    }

    #[test]
    fn a_wrong_response_and_a_reflected_challenge_are_refused() {
        let mut login = Login::new(config(true));
        let (algorithm, identifier, challenge) = challenged(&mut login, "5");
        let wrong = text::hexadecimal(&algorithm.response(identifier, b"guess", &challenge));
        let reply = request(&mut login, 0x81, &format!("CHAP_N=me\nCHAP_R={wrong}\n"));
        assert_eq!(reply.status, Status::AuthenticationFailure);
        let mut login = Login::new(config(true));
        let (algorithm, identifier, challenge) = challenged(&mut login, "5");
        let right = text::hexadecimal(&algorithm.response(identifier, b"twelve bytes", &challenge));
        let same = text::hexadecimal(&challenge);
        let reply = request(
            &mut login,
            0x81,
            &format!("CHAP_N=me\nCHAP_R={right}\nCHAP_I=1\nCHAP_C={same}\n"),
        );
        assert_eq!(reply.status, Status::AuthenticationFailure);
    }

    #[test]
    fn keys_may_come_in_pieces_but_not_for_ever() {
        let mut login = Login::new(config(false));
        let names = names();
        let (first, second) = names.split_at(20);
        assert_eq!(request(&mut login, 0x44, first).flags, 0x04);
        assert!(request(&mut login, 0x87, second).complete.is_some());
        let mut login = Login::new(config(false));
        let status = (0..40)
            .map(|_| request(&mut login, 0x44, "A=1\n").status)
            .find(|&s| s != Status::Success);
        assert_eq!(status, Some(Status::InitiatorError));
    }

    proptest! {
        #[test]
        fn no_session_without_proof(requests in prop::collection::vec((any::<u8>(), "[A-Za-z_=,0-9\n]{0,80}"), 0..12)) {
            let mut login = Login::new(config(true));
            for (flags, keys) in requests {
                prop_assert!(request(&mut login, flags, &keys).complete.is_none());
            }
        }
    }
}
