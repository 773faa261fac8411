//! Authenticode: an image's hash, its description as `SpcIndirectDataContent`, and the embedded signature.
//!
//! Source: "Windows Authenticode Portable Executable Signature Format" (Microsoft, 2008).

use der::{
    Any, Decode, Encode, Sequence,
    asn1::{Null, ObjectIdentifier, OctetString},
};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;

use crate::{
    certificate::SigningCertificate,
    oid,
    pe::{self, Layout, PeError},
    pkcs7::{self, Pkcs7Error},
};

/// `SpcPeImageData { flags: includeResources + includeImportAddressTable, file: "" }`, the value that
/// signing tools and catalog tools write for every image.
const SPC_PE_IMAGE_DATA: [u8; 12] = [
    0x30, 0x0A, 0x03, 0x02, 0x05, 0xA0, 0xA0, 0x04, 0xA2, 0x02, 0x80, 0x00,
];
/// `SpcLink { file: "" }`, the value for a flat file.
const SPC_LINK: [u8; 4] = [0xA2, 0x02, 0x80, 0x00];

/// Why signing or verifying an image failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticodeError {
    /// The image is not usable.
    #[error(transparent)]
    Pe(#[from] PeError),
    /// The signature is not usable.
    #[error(transparent)]
    Pkcs7(#[from] Pkcs7Error),
    /// The structure inside the signature is not what Authenticode prescribes.
    #[error("the signature's content is malformed: {0}")]
    Der(#[from] der::Error),
    /// There is no embedded signature.
    #[error("the image is not signed; make the package again")]
    Unsigned,
    /// The digest in the signature is not the image's.
    #[error("the image was changed after it was signed (its hash is {actual}, the signature says {signed})")]
    Changed {
        /// Hash of the image as it is.
        actual: String,
        /// Hash that the signature vouches for.
        signed: String,
    },
    /// The digest is not SHA-256.
    #[error("the signature's digest algorithm is {0}, not SHA-256")]
    Algorithm(ObjectIdentifier),
}

/// What kind of file a digest belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A PE image, digested without its signature.
    Image,
    /// Any other file, digested byte for byte.
    Flat,
}

/// `SpcIndirectDataContent`: a file's kind and digest.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct IndirectData {
    /// The kind of file.
    pub data: AttributeTypeAndValue,
    /// Its digest.
    pub message_digest: DigestInfo,
}

/// `SpcAttributeTypeAndOptionalValue`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct AttributeTypeAndValue {
    /// What the value is.
    pub kind: ObjectIdentifier,
    /// The value.
    #[asn1(optional = "true")]
    pub value: Option<Any>,
}

/// `DigestInfo` of PKCS#7.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct DigestInfo {
    /// The hash algorithm.
    pub algorithm: AlgorithmIdentifierOwned,
    /// The hash.
    pub digest: OctetString,
}

impl IndirectData {
    /// Describes a file by its kind and SHA-256 digest.
    ///
    /// # Errors
    /// [`der::Error`] when the structure cannot be encoded.
    pub fn new(kind: FileKind, digest: [u8; 32]) -> der::Result<Self> {
        let (oid, value) = match kind {
            FileKind::Image => (oid::SPC_PE_IMAGE_DATA, Any::from_der(&SPC_PE_IMAGE_DATA)?),
            FileKind::Flat => (oid::SPC_CAB_DATA, Any::from_der(&SPC_LINK)?),
        };
        Ok(Self {
            data: AttributeTypeAndValue {
                kind: oid,
                value: Some(value),
            },
            message_digest: DigestInfo {
                algorithm: sha256_algorithm(),
                digest: OctetString::new(digest)?,
            },
        })
    }
}

/// The algorithm identifier of SHA-256 with the NULL parameter that PKCS#7 writes.
#[must_use]
pub fn sha256_algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: const_oid::db::rfc5912::ID_SHA_256,
        parameters: Some(Any::from(Null)),
    }
}

/// The Authenticode hash of an image with the given algorithm. It ignores an embedded signature. An unsigned
/// image counts as padded with zeros to eight bytes, since signing it pads it; `MakeCat` does the same.
///
/// # Errors
/// [`PeError`] when the image is not one, or is laid out so that its hash is ambiguous.
pub fn image_hash<D: Digest>(image: &[u8]) -> Result<sha2::digest::Output<D>, PeError> {
    let layout = Layout::parse(image)?;
    let mut digest = D::new();
    for part in layout.hashed(image) {
        digest.update(part);
    }
    let padding = layout
        .certificate_table
        .start
        .next_multiple_of(pe::CERTIFICATE_ALIGNMENT)
        - layout.certificate_table.start;
    digest.update(&[0; pe::CERTIFICATE_ALIGNMENT][..padding]);
    Ok(digest.finalize())
}

/// The SHA-256 Authenticode hash of an image.
///
/// # Errors
/// As [`image_hash`].
pub fn image_sha256(image: &[u8]) -> Result<[u8; 32], PeError> {
    Ok(image_hash::<Sha256>(image)?.into())
}

/// Embeds a signature in an image, replacing one that is there; the result's checksum is right.
///
/// # Errors
/// [`AuthenticodeError`] when the image is not usable or the key cannot sign.
pub fn sign_image(image: &[u8], signer: &SigningCertificate) -> Result<Vec<u8>, AuthenticodeError> {
    let bare = pe::without_certificates(image)?;
    let content = Any::encode_from(&IndirectData::new(FileKind::Image, image_sha256(&bare)?)?)?;
    let signature = pkcs7::sign(oid::SPC_INDIRECT_DATA, content, signer)?;
    Ok(pe::with_certificate(&bare, &signature)?)
}

/// What a valid embedded signature says.
#[derive(Clone, Debug)]
pub struct ImageSignature {
    /// The image's SHA-256 Authenticode hash.
    pub digest: [u8; 32],
    /// Who signed it.
    pub certificate: Certificate,
}

/// Verifies an image's embedded signature: the envelope, and that the digest in it is this image's. Whether
/// to trust the certificate is the caller's question.
///
/// # Errors
/// [`AuthenticodeError`] that says what does not hold.
pub fn verify_image(image: &[u8]) -> Result<ImageSignature, AuthenticodeError> {
    let blob = pe::certificate(image)?.ok_or(AuthenticodeError::Unsigned)?;
    let verified = pkcs7::verify(pkcs7::unpadded(blob)?, oid::SPC_INDIRECT_DATA)?;
    let content = IndirectData::from_der(&verified.content.to_der()?)?;
    let algorithm = content.message_digest.algorithm.oid;
    if algorithm != const_oid::db::rfc5912::ID_SHA_256 {
        return Err(AuthenticodeError::Algorithm(algorithm));
    }
    let digest = image_sha256(image)?;
    let signed = content.message_digest.digest.as_bytes();
    if signed != digest {
        return Err(AuthenticodeError::Changed {
            actual: crate::hex::encode(&digest),
            signed: crate::hex::encode(signed),
        });
    }
    Ok(ImageSignature {
        digest,
        certificate: verified.certificate,
    })
}
