//! The signed envelope: PKCS#7 `SignedData` as Authenticode and catalogs use it.
//!
//! PKCS#7 1.5 (RFC 2315), not CMS: the content is embedded as it is instead of in an OCTET STRING, its
//! digest is over the value without tag and length, and the version is 1. The types are CMS's, which
//! encode the same.

use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{
        CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
    },
};
use const_oid::db::{rfc5911, rfc5912};
use der::{
    Any, Decode, Encode, Header, SliceReader,
    asn1::{Null, ObjectIdentifier, OctetString, OctetStringRef, SetOfVec},
};
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::{
    Certificate,
    attr::{Attribute, Attributes},
};

use crate::{authenticode::sha256_algorithm, certificate::SigningCertificate, oid};

/// Why an envelope could not be made or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs7Error {
    /// Not DER, or not the structure.
    #[error("malformed PKCS#7 signature: {0}")]
    Der(#[from] der::Error),
    /// The envelope is well-formed but lacks or repeats something.
    #[error("unusable PKCS#7 signature: {0}")]
    Shape(&'static str),
    /// The content is of another type.
    #[error("the signature's content type is {found}, expected {expected}")]
    ContentType {
        /// What there is.
        found: ObjectIdentifier,
        /// What there should be.
        expected: ObjectIdentifier,
    },
    /// The content was changed after signing.
    #[error("the signed content was changed: its digest is not the signed one")]
    Digest,
    /// The signature does not verify with the certificate's key.
    #[error("the signature does not verify with the certificate in it")]
    Signature,
    /// The key could not sign.
    #[error("the signing key cannot sign: {0}")]
    Key(#[from] rsa::Error),
    /// The certificate's key is not usable.
    #[error("the certificate's public key is not an RSA key: {0}")]
    PublicKey(#[from] spki::Error),
}

/// Signs a content and returns the DER of the `ContentInfo`. The result depends on nothing but content and
/// key: it carries no signing time, as signtool's without a time stamp does not.
///
/// # Errors
/// [`Pkcs7Error`] when something cannot be encoded or the key cannot sign.
pub fn sign(
    content_type: ObjectIdentifier,
    content: Any,
    signer: &SigningCertificate,
) -> Result<Vec<u8>, Pkcs7Error> {
    let statement = vec![oid::SPC_INDIVIDUAL];
    let digest = OctetString::new(Sha256::digest(content.value()).to_vec())?;
    let attributes: Attributes = SetOfVec::try_from(vec![
        attribute(rfc5911::ID_CONTENT_TYPE, &content_type)?,
        attribute(rfc5911::ID_MESSAGE_DIGEST, &digest)?,
        attribute(oid::SPC_STATEMENT_TYPE, &statement)?,
        attribute(oid::SPC_SP_OPUS_INFO, &Vec::<ObjectIdentifier>::new())?,
    ])?;
    let signature = signer.sign(&attributes.to_der()?)?;

    let certificate = signer.certificate();
    let signer_info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.tbs_certificate.issuer.clone(),
            serial_number: certificate.tbs_certificate.serial_number.clone(),
        }),
        digest_alg: sha256_algorithm(),
        signed_attrs: Some(attributes),
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: rfc5912::RSA_ENCRYPTION,
            parameters: Some(Any::from(Null)),
        },
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed_data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![sha256_algorithm()])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: content_type,
            econtent: Some(content),
        },
        certificates: Some(CertificateSet(SetOfVec::try_from(vec![
            CertificateChoices::Certificate(certificate.clone()),
        ])?)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer_info])?),
    };
    let envelope = ContentInfo {
        content_type: rfc5911::ID_SIGNED_DATA,
        content: Any::encode_from(&signed_data)?,
    };
    Ok(envelope.to_der()?)
}

/// What a valid envelope holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The signed content.
    pub content: Any,
    /// The signer's certificate.
    pub certificate: Certificate,
}

/// Verifies an envelope with one signer: the content's type and digest, and the signature with the key of
/// the certificate inside. Whether to trust that certificate is the caller's question.
///
/// # Errors
/// [`Pkcs7Error`] that says what does not hold.
pub fn verify(der: &[u8], content_type: ObjectIdentifier) -> Result<Verified, Pkcs7Error> {
    let signed_data = signed_data(der)?;
    let found = signed_data.encap_content_info.econtent_type;
    if found != content_type {
        return Err(Pkcs7Error::ContentType {
            found,
            expected: content_type,
        });
    }
    let content = signed_data
        .encap_content_info
        .econtent
        .ok_or(Pkcs7Error::Shape("it has no content"))?;
    let [signer] = signed_data.signer_infos.0.as_slice() else {
        return Err(Pkcs7Error::Shape("it does not have exactly one signer"));
    };
    let SignerIdentifier::IssuerAndSerialNumber(identity) = &signer.sid else {
        return Err(Pkcs7Error::Shape(
            "its signer is not named by issuer and serial number",
        ));
    };
    let certificate = signed_data
        .certificates
        .iter()
        .flat_map(|set| set.0.iter())
        .find_map(|choice| match choice {
            CertificateChoices::Certificate(certificate)
                if certificate.tbs_certificate.issuer == identity.issuer
                    && certificate.tbs_certificate.serial_number == identity.serial_number =>
            {
                Some(certificate.clone())
            }
            _ => None,
        })
        .ok_or(Pkcs7Error::Shape("the signer's certificate is not in it"))?;

    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or(Pkcs7Error::Shape("it has no signed attributes"))?;
    let signed_type: ObjectIdentifier = single(attributes, rfc5911::ID_CONTENT_TYPE)?.decode_as()?;
    if signed_type != content_type {
        return Err(Pkcs7Error::ContentType {
            found: signed_type,
            expected: content_type,
        });
    }
    let signed_digest = single(attributes, rfc5911::ID_MESSAGE_DIGEST)?;
    let signed_digest: OctetStringRef<'_> = signed_digest.decode_as()?;
    if signer.digest_alg.oid != rfc5912::ID_SHA_256 {
        return Err(Pkcs7Error::Shape("its digest algorithm is not SHA-256"));
    }
    if signed_digest.as_bytes() != Sha256::digest(content.value()).as_slice() {
        return Err(Pkcs7Error::Digest);
    }
    let digest = Sha256::digest(attributes.to_der()?);
    public_key(&certificate)?
        .verify(
            Pkcs1v15Sign::new::<Sha256>(),
            &digest,
            signer.signature.as_bytes(),
        )
        .map_err(|_| Pkcs7Error::Signature)?;
    Ok(Verified { content, certificate })
}

/// Whether a certificate's signature was made with its own key.
///
/// # Errors
/// [`Pkcs7Error::Signature`] when it was not, others when it is not a usable RSA certificate.
pub fn verify_self_signed(certificate: &Certificate) -> Result<(), Pkcs7Error> {
    let digest = Sha256::digest(certificate.tbs_certificate.to_der()?);
    let signature = certificate.signature.as_bytes().ok_or(Pkcs7Error::Signature)?;
    public_key(certificate)?
        .verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature)
        .map_err(|_| Pkcs7Error::Signature)
}

/// The `SignedData` of an envelope, unverified.
///
/// # Errors
/// [`Pkcs7Error`] when this is not a PKCS#7 `SignedData`.
pub fn signed_data(der: &[u8]) -> Result<SignedData, Pkcs7Error> {
    let envelope = ContentInfo::from_der(der)?;
    if envelope.content_type != rfc5911::ID_SIGNED_DATA {
        return Err(Pkcs7Error::Shape("it is not SignedData"));
    }
    Ok(envelope.content.decode_as()?)
}

/// The envelope without the zeros that pad it in a certificate table.
///
/// # Errors
/// [`Pkcs7Error`] when it does not begin with a DER header, or anything but zeros follows it.
pub fn unpadded(blob: &[u8]) -> Result<&[u8], Pkcs7Error> {
    let header = Header::decode(&mut SliceReader::new(blob)?)?;
    let length = usize::try_from((header.encoded_len()? + header.length)?)?;
    match blob.split_at_checked(length) {
        Some((envelope, padding)) if padding.iter().all(|byte| *byte == 0) => Ok(envelope),
        Some(_) => Err(Pkcs7Error::Shape("something follows it")),
        None => Err(Pkcs7Error::Shape("it is cut short")),
    }
}

fn public_key(certificate: &Certificate) -> Result<RsaPublicKey, Pkcs7Error> {
    let info = certificate.tbs_certificate.subject_public_key_info.to_der()?;
    let info = spki::SubjectPublicKeyInfoRef::from_der(&info)?;
    Ok(RsaPublicKey::try_from(info)?)
}

fn attribute<T: Encode + der::EncodeValue + der::Tagged>(
    oid: ObjectIdentifier,
    value: &T,
) -> der::Result<Attribute> {
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from(vec![Any::encode_from(value)?])?,
    })
}

fn single(attributes: &Attributes, oid: ObjectIdentifier) -> Result<&Any, Pkcs7Error> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (found.next(), found.next()) {
        (Some(attribute), None) => match attribute.values.as_slice() {
            [value] => Ok(value),
            _ => Err(Pkcs7Error::Shape("a signed attribute does not have one value")),
        },
        _ => Err(Pkcs7Error::Shape("a signed attribute is missing or repeated")),
    }
}
