//! The ASN.1 of a catalog: \[MS-CAESO\]'s `CertificateTrustList` with a catalog's attributes.

use der::{
    Any, DateTime, Decode, Encode, Sequence,
    asn1::{BmpString, GeneralizedTime, Null, ObjectIdentifier, OctetString, SetOfVec, UtcTime},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::{attr, ext::Extension, time::Time};

use super::{Attribute, Catalog, CatalogError, Member, MemberHash, TEXT_LIMIT};
use crate::{
    authenticode::{FileKind, IndirectData},
    oid,
};

/// `CRYPTCAT_ATTR_AUTHENTICATED | DATAASCII | NAMEASCII`: a signed attribute, name and value as text.
const TEXT_ATTRIBUTE: u32 = 0x1001_0001;
/// `CRYPTCAT_ATTR_DATAASCII`: the value is text, not base 64.
const DATA_IS_TEXT: u32 = 0x0001_0000;
/// `CAT_MEMBERINFO2` of a PE image: \[0\], empty.
const INFO_IMAGE: [u8; 2] = [0x80, 0x00];
/// `CAT_MEMBERINFO2` of any other file: \[2\], empty.
const INFO_FLAT: [u8; 2] = [0x82, 0x00];

/// `CertificateTrustList`; the version is v1 and therefore absent.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub(super) struct TrustList {
    subject_usage: Vec<ObjectIdentifier>,
    list_identifier: OctetString,
    this_update: Time,
    subject_algorithm: AlgorithmIdentifierOwned,
    trusted_subjects: Vec<TrustedSubject>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `TrustedSubject`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct TrustedSubject {
    identifier: OctetString,
    attributes: attr::Attributes,
}

/// `CatNameValue`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct NameValue {
    name: BmpString,
    flags: u32,
    value: OctetString,
}

impl TryFrom<&Catalog> for TrustList {
    type Error = CatalogError;

    fn try_from(catalog: &Catalog) -> Result<Self, Self::Error> {
        let extensions = catalog
            .attributes
            .iter()
            .map(|attribute| {
                let value = OctetString::new(NameValue::try_from(attribute)?.to_der()?)?;
                Ok(Extension {
                    extn_id: oid::CAT_NAMEVALUE,
                    critical: false,
                    extn_value: value,
                })
            })
            .collect::<Result<Vec<_>, CatalogError>>()?;
        Ok(Self {
            subject_usage: vec![oid::CATALOG_LIST],
            list_identifier: OctetString::new(catalog.identifier)?,
            this_update: time(catalog.made)?,
            subject_algorithm: AlgorithmIdentifierOwned {
                oid: oid::CATALOG_LIST_MEMBER_V2,
                parameters: Some(Any::from(Null)),
            },
            trusted_subjects: catalog
                .members
                .iter()
                .map(TrustedSubject::try_from)
                .collect::<Result<_, _>>()?,
            extensions: (!extensions.is_empty()).then_some(extensions),
        })
    }
}

impl TryFrom<TrustList> for Catalog {
    type Error = CatalogError;

    fn try_from(list: TrustList) -> Result<Self, Self::Error> {
        if list.subject_usage != [oid::CATALOG_LIST] {
            return Err(CatalogError::Shape("the trust list is not for catalogs"));
        }
        if list.subject_algorithm.oid != oid::CATALOG_LIST_MEMBER_V2 {
            return Err(CatalogError::Shape("it is not a version-2 (SHA-256) catalog"));
        }
        let identifier = list
            .list_identifier
            .as_bytes()
            .try_into()
            .map_err(|_| CatalogError::Shape("its identifier is not 16 bytes long"))?;
        let members = list
            .trusted_subjects
            .iter()
            .map(Member::try_from)
            .collect::<Result<Vec<_>, CatalogError>>()?;
        let attributes = list
            .extensions
            .unwrap_or_default()
            .iter()
            .filter(|extension| extension.extn_id == oid::CAT_NAMEVALUE)
            .map(|extension| Attribute::try_from(NameValue::from_der(extension.extn_value.as_bytes())?))
            .collect::<Result<Vec<_>, CatalogError>>()?;
        Ok(Self {
            identifier,
            made: list.this_update.to_date_time(),
            members,
            attributes,
        })
    }
}

impl TryFrom<&Member> for TrustedSubject {
    type Error = CatalogError;

    fn try_from(member: &Member) -> Result<Self, Self::Error> {
        let kind = member.kind.ok_or(CatalogError::Shape(
            "a member of another format than these cannot be written",
        ))?;
        let info = match kind {
            FileKind::Image => INFO_IMAGE,
            FileKind::Flat => INFO_FLAT,
        };
        let mut attributes = vec![attribute(oid::CAT_MEMBERINFO2, Any::from_der(&info)?)?];
        for text in &member.attributes {
            attributes.push(attribute(
                oid::CAT_NAMEVALUE,
                Any::encode_from(&NameValue::try_from(text)?)?,
            )?);
        }
        if let MemberHash::Sha256(digest) = member.hash {
            let content = IndirectData::new(kind, digest)?;
            attributes.push(attribute(oid::SPC_INDIRECT_DATA, Any::encode_from(&content)?)?);
        }
        Ok(Self {
            identifier: OctetString::new(member.hash.as_bytes())?,
            attributes: SetOfVec::try_from(attributes)?,
        })
    }
}

impl TryFrom<&TrustedSubject> for Member {
    type Error = CatalogError;

    fn try_from(subject: &TrustedSubject) -> Result<Self, Self::Error> {
        let mut kind = None;
        let mut digest = None;
        let mut attributes = Vec::new();
        for attribute in subject.attributes.iter() {
            for value in attribute.values.iter() {
                if attribute.oid == oid::CAT_MEMBERINFO2 {
                    let image = value.to_der()? == INFO_IMAGE;
                    kind = kind.or(Some(if image { FileKind::Image } else { FileKind::Flat }));
                } else if attribute.oid == oid::CAT_NAMEVALUE {
                    attributes.push(Attribute::try_from(value.decode_as::<NameValue>()?)?);
                } else if attribute.oid == oid::SPC_INDIRECT_DATA {
                    digest = Some(value.decode_as::<IndirectData>()?);
                }
            }
        }
        attributes.sort();
        let identifier = subject.identifier.as_bytes();
        let hash = match (identifier.len(), digest) {
            (20, None) => identifier.try_into().map(MemberHash::Sha1),
            (32, Some(content)) if content.message_digest.digest.as_bytes() == identifier => {
                kind = match content.data.kind {
                    oid::SPC_PE_IMAGE_DATA => Some(FileKind::Image),
                    oid::SPC_CAB_DATA => Some(FileKind::Flat),
                    _ => None,
                };
                identifier.try_into().map(MemberHash::Sha256)
            }
            (32, Some(_)) => return Err(CatalogError::Shape("a member's tag is not its digest")),
            _ => {
                return Err(CatalogError::Shape(
                    "a member is neither a SHA-1 nor a SHA-256 entry",
                ));
            }
        };
        let hash = hash.map_err(|_| CatalogError::Shape("a member's tag has an odd length"))?;
        Ok(Self {
            hash,
            kind,
            attributes,
        })
    }
}

impl TryFrom<&Attribute> for NameValue {
    type Error = CatalogError;

    fn try_from(attribute: &Attribute) -> Result<Self, Self::Error> {
        let name =
            BmpString::from_utf8(&attribute.name).map_err(|_| CatalogError::Text(attribute.name.clone()))?;
        let mut value: Vec<u8> = attribute
            .value
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        if value.len() > TEXT_LIMIT * 2 || attribute.value.contains('\0') {
            return Err(CatalogError::Text(attribute.value.clone()));
        }
        value.extend([0, 0]);
        Ok(Self {
            name,
            flags: TEXT_ATTRIBUTE,
            value: OctetString::new(value)?,
        })
    }
}

impl TryFrom<NameValue> for Attribute {
    type Error = CatalogError;

    fn try_from(text: NameValue) -> Result<Self, Self::Error> {
        let name = text.name.chars().collect();
        if text.flags & DATA_IS_TEXT == 0 {
            return Ok(Self {
                name,
                value: format!("0x{}", crate::hex::encode(text.value.as_bytes())),
            });
        }
        let units: Vec<u16> = text
            .value
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        let value = String::from_utf16(&units)
            .map_err(|_| CatalogError::Shape("an attribute's value is not UTF-16"))?;
        Ok(Self { name, value })
    }
}

/// RFC 5280, 4.1.2.5: `UTCTime` until 2049, `GeneralizedTime` from then on.
fn time(moment: DateTime) -> der::Result<Time> {
    if moment.year() < 2050 {
        Ok(Time::UtcTime(UtcTime::from_date_time(moment)?))
    } else {
        Ok(Time::GeneralTime(GeneralizedTime::from_date_time(moment)))
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<attr::Attribute> {
    Ok(attr::Attribute {
        oid,
        values: SetOfVec::try_from(vec![value])?,
    })
}
