//! The generated test-signing certificate.
//!
//! One PEM file holds key and certificate. It is made on first use and kept, so that a test machine needs to
//! be told of the certificate once. It is what `New-SelfSignedCertificate -Type CodeSigningCert` makes:
//! RSA-2048, SHA-256, key usage digitalSignature, extended key usage code signing, no basic constraints.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, SystemTime},
};

use const_oid::{
    AssociatedOid,
    db::{rfc5280::ID_KP_CODE_SIGNING, rfc5912},
};
use der::{
    Any, Decode, DecodePem, Encode, EncodePem,
    asn1::{BitString, Null, OctetString},
};
use rand_core::{OsRng, RngCore};
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::{
    Certificate, TbsCertificate, Version,
    ext::{
        Extension,
        pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber,
    time::Validity,
};

/// The subject of every generated certificate.
pub const SUBJECT: &str = "CN=Ferroport Test Signing";
/// The file in the certificate directory that holds key and certificate.
pub const FILE: &str = "test-signing.pem";

const KEY_BITS: usize = 2048;
const LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
const CLOCK_SKEW: Duration = Duration::from_hours(24);
const CERTIFICATE_BOUNDARY: &str = "-----BEGIN CERTIFICATE-----";

/// Why there is no certificate to sign with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file or its directory cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not one that this crate wrote.
    #[error("{path} is not a signing key and certificate ({reason}); remove it and a new one is made")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Key generation failed.
    #[error("cannot generate an RSA key: {0}")]
    Key(#[from] rsa::Error),
    /// The certificate cannot be encoded.
    #[error("cannot encode the certificate: {0}")]
    Der(#[from] der::Error),
    /// The public key cannot be encoded.
    #[error("cannot encode the public key: {0}")]
    PublicKey(#[from] spki::Error),
}

/// A key and the certificate that names it.
#[derive(Clone, Debug)]
pub struct SigningCertificate {
    key: RsaPrivateKey,
    certificate: Certificate,
}

impl SigningCertificate {
    /// The certificate kept in a directory; made there, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// [`CertificateError`] when the directory is not usable or holds something else under that name.
    pub fn load_or_create(directory: &Path) -> Result<Self, CertificateError> {
        let path = directory.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(directory, &path),
            Err(source) => Err(CertificateError::Io { path, source }),
        }
    }

    /// A new key and certificate, valid from now for ten years.
    ///
    /// # Errors
    /// [`CertificateError`] when the system has no randomness or something cannot be encoded.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS)?;
        let certificate = self_signed(&key)?;
        Ok(Self { key, certificate })
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// PKCS#1 v1.5 signature with SHA-256 over a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rsa::Error> {
        self.key
            .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
    }

    fn create(directory: &Path, path: &Path) -> Result<Self, CertificateError> {
        let io_error = |source| CertificateError::Io {
            path: path.to_owned(),
            source,
        };
        let fresh = Self::generate()?;
        let mut text = fresh
            .key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| unusable(path, &error))?
            .to_string();
        text.push_str(&fresh.certificate.to_pem(LineEnding::LF)?);

        fs::create_dir_all(directory).map_err(io_error)?;
        // Created with mode 0600; published in one step, and never over another process's certificate.
        let file = tempfile::NamedTempFile::new_in(directory).map_err(io_error)?;
        fs::write(file.path(), text).map_err(io_error)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(fresh),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                let text = fs::read_to_string(path).map_err(io_error)?;
                Self::parse(path, &text)
            }
            Err(error) => Err(io_error(error.error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, CertificateError> {
        let start = text
            .find(CERTIFICATE_BOUNDARY)
            .ok_or_else(|| unusable(path, &"no certificate in it"))?;
        let (key, certificate) = text.split_at(start);
        let key = RsaPrivateKey::from_pkcs8_pem(key).map_err(|error| unusable(path, &error))?;
        let certificate = Certificate::from_pem(certificate).map_err(|error| unusable(path, &error))?;
        if certificate.tbs_certificate.subject_public_key_info != public_key(&key)? {
            return Err(unusable(path, &"the certificate belongs to another key"));
        }
        let not_after = certificate.tbs_certificate.validity.not_after.to_system_time();
        if not_after < SystemTime::now() {
            return Err(unusable(path, &"the certificate has expired"));
        }
        Ok(Self { key, certificate })
    }
}

fn unusable(path: &Path, reason: &dyn ToString) -> CertificateError {
    CertificateError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn public_key(key: &RsaPrivateKey) -> Result<SubjectPublicKeyInfoOwned, CertificateError> {
    let document = key.to_public_key().to_public_key_der()?;
    Ok(SubjectPublicKeyInfoOwned::from_der(document.as_bytes())?)
}

fn self_signed(key: &RsaPrivateKey) -> Result<Certificate, CertificateError> {
    let algorithm = AlgorithmIdentifierOwned {
        oid: rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
        parameters: Some(Any::from(Null)),
    };
    let mut serial = [0; 16];
    OsRng.fill_bytes(&mut serial);
    // A positive integer of full length: RFC 5280, 4.1.2.2.
    serial[0] = serial[0] & 0x7F | 0x40;
    let subject = Name::from_str(SUBJECT)?;
    let subject_public_key_info = public_key(key)?;
    let identifier = Sha1::digest(subject_public_key_info.subject_public_key.raw_bytes());
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: algorithm.clone(),
        issuer: subject.clone(),
        validity: validity()?,
        subject,
        subject_public_key_info,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(vec![
            extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
            extension(false, &ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING]))?,
            extension(
                false,
                &SubjectKeyIdentifier(OctetString::new(identifier.to_vec())?),
            )?,
        ]),
    };
    let digest = Sha256::digest(tbs_certificate.to_der()?);
    let signature = key.sign(Pkcs1v15Sign::new::<Sha256>(), &digest)?;
    Ok(Certificate {
        tbs_certificate,
        signature_algorithm: algorithm,
        signature: BitString::from_bytes(&signature)?,
    })
}

/// From a day ago, since a test machine's clock may be behind, for ten years.
fn validity() -> der::Result<Validity> {
    let now = SystemTime::now();
    Ok(Validity {
        not_before: (now - CLOCK_SKEW).try_into()?,
        not_after: (now + LIFETIME).try_into()?,
    })
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}
