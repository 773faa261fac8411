//! Security catalogs (.cat): which files a publisher vouches for.
//!
//! A catalog is a PKCS#7 `SignedData` over a certificate trust list whose entries are files. These are
//! version-2 catalogs, as `MakeCat` (`CatalogVersion=2`) and `Inf2Cat` write them for Windows 10: every file
//! appears under its SHA-256 hash, with the digest again as `SpcIndirectDataContent`, and once more under its
//! SHA-1 hash without, for readers that look it up so. PE images are hashed as Authenticode does, every
//! other file byte for byte.

mod asn1;

use der::{Any, DateTime, Decode, Encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    authenticode::{self, FileKind},
    certificate::SigningCertificate,
    oid,
    pe::PeError,
    pkcs7::{self, Pkcs7Error},
};

/// Longest file name or value that this module writes, in UTF-16 units; longer ones are mistakes.
const TEXT_LIMIT: usize = 4096;

/// Why a catalog could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not DER, or not the structure.
    #[error("malformed catalog: {0}")]
    Der(#[from] der::Error),
    /// Well-formed DER that is not a catalog.
    #[error("not a catalog: {0}")]
    Shape(&'static str),
    /// The envelope does not hold.
    #[error("the catalog's signature does not hold: {0}")]
    Pkcs7(#[from] Pkcs7Error),
    /// A file that should be a PE image is not usable.
    #[error("cannot catalog {file}: {source}")]
    Pe {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        source: PeError,
    },
    /// A name or value too long, or not in Unicode's basic plane.
    #[error("'{0}' cannot be written in a catalog: it is too long or holds characters beyond U+FFFF")]
    Text(String),
}

/// The hash under which a member is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberHash {
    /// A SHA-1 look-up entry: no digest is attached.
    Sha1([u8; 20]),
    /// A SHA-256 entry, with the digest as `SpcIndirectDataContent`.
    Sha256([u8; 32]),
}

impl MemberHash {
    /// The hash's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(hash) => hash,
            Self::Sha256(hash) => hash,
        }
    }

    /// The algorithm's name.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha1(_) => "sha1",
            Self::Sha256(_) => "sha256",
        }
    }
}

/// A named text of a member or of the catalog (`CAT_NAMEVALUE`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// Its name: `File`, `OSAttr`, `OS`, `HWID1`, ...
    pub name: String,
    /// Its value. One that a foreign catalog stores as bytes reads as `0x` and hexadecimal digits.
    pub value: String,
}

impl Attribute {
    /// An attribute.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One entry of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The hash under which it is found.
    pub hash: MemberHash,
    /// How the file was hashed; `None` for a format that this crate does not hash, such as a cabinet.
    pub kind: Option<FileKind>,
    /// Its named texts.
    pub attributes: Vec<Attribute>,
}

impl Member {
    /// The value of a named text, if there is one.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|found| found.value.as_str())
    }
}

/// A file to be cataloged.
#[derive(Clone, Copy, Debug)]
pub struct File<'bytes> {
    /// Its name, without a directory.
    pub name: &'bytes str,
    /// How it is to be hashed.
    pub kind: FileKind,
    /// Its bytes.
    pub bytes: &'bytes [u8],
}

/// A catalog's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The list identifier.
    pub identifier: [u8; 16],
    /// When it was made.
    pub made: DateTime,
    /// Its entries, sorted by hash.
    pub members: Vec<Member>,
    /// The catalog's own named texts.
    pub attributes: Vec<Attribute>,
}

impl Catalog {
    /// A catalog of the given files. `os` is the member attribute `OSAttr` (`2:10.0` for Windows 10 and
    /// later), `attributes` are the catalog's own. The identifier follows from the content.
    ///
    /// # Errors
    /// [`CatalogError::Pe`] when a file that should be an image is not.
    pub fn new(
        files: &[File<'_>],
        os: &str,
        attributes: Vec<Attribute>,
        made: DateTime,
    ) -> Result<Self, CatalogError> {
        let mut members = Vec::with_capacity(files.len() * 2);
        for file in files {
            for hash in hashes(file)? {
                members.push(Member {
                    hash,
                    kind: Some(file.kind),
                    attributes: vec![Attribute::new("File", file.name), Attribute::new("OSAttr", os)],
                });
            }
        }
        members.sort_by(|one, other| one.hash.as_bytes().cmp(other.hash.as_bytes()));
        let mut digest = Sha256::new();
        for member in &members {
            digest.update(member.hash.as_bytes());
        }
        let mut identifier = [0; 16];
        identifier
            .iter_mut()
            .zip(digest.finalize())
            .for_each(|(to, from)| *to = from);
        Ok(Self {
            identifier,
            made,
            members,
            attributes,
        })
    }

    /// The catalog as a DER trust list, what is signed.
    ///
    /// # Errors
    /// [`CatalogError`] when a text cannot be written or the structure cannot be encoded.
    pub fn to_der(&self) -> Result<Vec<u8>, CatalogError> {
        Ok(asn1::TrustList::try_from(self)?.to_der()?)
    }

    /// Reads a DER trust list.
    ///
    /// # Errors
    /// [`CatalogError`] when the bytes are not a version-2 catalog's content.
    pub fn from_der(der: &[u8]) -> Result<Self, CatalogError> {
        Self::try_from(asn1::TrustList::from_der(der)?)
    }

    /// The finished .cat file.
    ///
    /// # Errors
    /// [`CatalogError`] when it cannot be encoded or the key cannot sign.
    pub fn sign(&self, signer: &SigningCertificate) -> Result<Vec<u8>, CatalogError> {
        let content = Any::encode_from(&asn1::TrustList::try_from(self)?)?;
        Ok(pkcs7::sign(oid::CTL, content, signer)?)
    }

    /// Reads a .cat file without looking at its signature.
    ///
    /// # Errors
    /// [`CatalogError`] when it is not a version-2 catalog.
    pub fn read(file: &[u8]) -> Result<Self, CatalogError> {
        let envelope = pkcs7::signed_data(file)?.encap_content_info;
        if envelope.econtent_type != oid::CTL {
            return Err(CatalogError::Shape("the signed content is not a trust list"));
        }
        let content = envelope
            .econtent
            .ok_or(CatalogError::Shape("it has no content"))?;
        Self::from_der(&content.to_der()?)
    }

    /// Reads a .cat file and verifies its signature; returns the signer's certificate too.
    ///
    /// # Errors
    /// [`CatalogError`] that says what does not hold.
    pub fn verify(file: &[u8]) -> Result<(Self, x509_cert::Certificate), CatalogError> {
        let verified = pkcs7::verify(file, oid::CTL)?;
        Ok((Self::from_der(&verified.content.to_der()?)?, verified.certificate))
    }

    /// The member for a file: the SHA-256 entry with this file's hash and kind.
    ///
    /// # Errors
    /// [`CatalogError::Pe`] when the file should be an image and is not.
    pub fn find(&self, file: &File<'_>) -> Result<Option<&Member>, CatalogError> {
        let [_, sha256] = hashes(file)?;
        Ok(self
            .members
            .iter()
            .find(|member| member.hash == sha256 && member.kind == Some(file.kind)))
    }
}

/// A file's two hashes: SHA-1, then SHA-256.
fn hashes(file: &File<'_>) -> Result<[MemberHash; 2], CatalogError> {
    let in_file = |source| CatalogError::Pe {
        file: file.name.to_owned(),
        source,
    };
    Ok(match file.kind {
        FileKind::Flat => [
            MemberHash::Sha1(Sha1::digest(file.bytes).into()),
            MemberHash::Sha256(Sha256::digest(file.bytes).into()),
        ],
        FileKind::Image => [
            MemberHash::Sha1(
                authenticode::image_hash::<Sha1>(file.bytes)
                    .map_err(in_file)?
                    .into(),
            ),
            MemberHash::Sha256(
                authenticode::image_hash::<Sha256>(file.bytes)
                    .map_err(in_file)?
                    .into(),
            ),
        ],
    })
}
