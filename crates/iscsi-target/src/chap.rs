//! CHAP (RFC 1994) with MD5, and with SHA-256 (RFC 7143, 12.1.3; IANA's PPP authentication algorithms).

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Bytes of a challenge.
pub const CHALLENGE: usize = 32;

/// The hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `CHAP_A=5`.
    Md5,
    /// `CHAP_A=7`.
    Sha256,
}

impl Algorithm {
    /// Its number in `CHAP_A`.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Md5 => "5",
            Self::Sha256 => "7",
        }
    }

    /// The first of a list of numbers that is known.
    #[must_use]
    pub fn choose(list: &str) -> Option<Self> {
        list.split(',').find_map(|number| match number.trim() {
            "5" => Some(Self::Md5),
            "7" => Some(Self::Sha256),
            _ => None,
        })
    }

    /// What answers a challenge.
    #[must_use]
    pub fn response(self, identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        let message = [&[identifier], secret, challenge].concat();
        match self {
            Self::Md5 => Md5::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
        }
    }
}

/// A user and what proves that somebody is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `CHAP_N`.
    pub user: String,
    /// The secret that both sides know.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Who may log in, and who the target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chap {
    /// The initiator.
    pub initiator: Credentials,
    /// The target, for initiators that want a proof, too.
    pub target: Option<Credentials>,
}

/// A challenge that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The hash.
    pub algorithm: Algorithm,
    /// `CHAP_I`.
    pub identifier: u8,
    /// `CHAP_C`.
    pub bytes: [u8; CHALLENGE],
}

impl Challenge {
    /// A new one out of `random` bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm, random: &[u8; CHALLENGE + 1]) -> Self {
        let [identifier, bytes @ ..] = *random;
        Self {
            algorithm,
            identifier,
            bytes,
        }
    }

    /// Whether `user` and `response` are right; takes as long whether they are or not.
    #[must_use]
    pub fn is_met(&self, credentials: &Credentials, user: &str, response: &[u8]) -> bool {
        let expected = self
            .algorithm
            .response(self.identifier, &credentials.secret, &self.bytes);
        let same = |a: &[u8], b: &[u8]| {
            a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
        };
        same(&expected, response) & same(credentials.user.as_bytes(), user.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_is_the_first_known_of_a_list() {
        assert_eq!(Algorithm::choose("8,7,5"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::choose("5"), Some(Algorithm::Md5));
        assert_eq!(Algorithm::choose("6,8"), None);
    }

    #[test]
    fn responses_are_hashes_of_identifier_secret_and_challenge() {
        // MD5("abc") of RFC 1321, cut into identifier, secret and challenge.
        let expected = [
            0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72,
        ];
        assert_eq!(Algorithm::Md5.response(b'a', b"b", b"c"), expected);
        assert_eq!(
            Algorithm::Sha256.response(b'a', b"b", b"c")[..4],
            [0xba, 0x78, 0x16, 0xbf]
        );
    }

    #[test]
    fn a_wrong_secret_user_or_challenge_is_refused() {
        let credentials = Credentials {
            user: "user".to_owned(),
            secret: b"a long secret".to_vec(),
        };
        let challenge = Challenge::new(Algorithm::Md5, &[7; CHALLENGE + 1]);
        let right = Algorithm::Md5.response(7, b"a long secret", &[7; CHALLENGE]);
        assert!(challenge.is_met(&credentials, "user", &right));
        assert!(!challenge.is_met(&credentials, "other", &right));
        assert!(!challenge.is_met(&credentials, "user", &right[..8]));
        assert!(!challenge.is_met(
            &credentials,
            "user",
            &Algorithm::Md5.response(8, b"a long secret", &[7; CHALLENGE])
        ));
    }
}
