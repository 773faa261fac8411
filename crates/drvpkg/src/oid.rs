//! Object identifiers of Authenticode and catalog files.
//!
//! Sources: "Windows Authenticode Portable Executable Signature Format" (Microsoft, 2008); `wintrust.h`,
//! `mscat.h` and `wincrypt.h` of the Windows SDK; \[MS-CAESO\] for the certificate trust list.

use const_oid::ObjectIdentifier;

/// `szOID_CTL`: the content of a catalog's `SignedData` is a certificate trust list.
pub const CTL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.1");
/// `szOID_CATALOG_LIST`: the subject usage that makes a trust list a catalog.
pub const CATALOG_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.1");
/// `szOID_CATALOG_LIST_MEMBER`: subject algorithm of version-1 (SHA-1) catalogs.
pub const CATALOG_LIST_MEMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.2");
/// `szOID_CATALOG_LIST_MEMBER2`: subject algorithm of version-2 (SHA-256) catalogs.
pub const CATALOG_LIST_MEMBER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.3");
/// `CAT_NAMEVALUE_OBJID`: a named attribute of a member or of the catalog.
pub const CAT_NAMEVALUE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.1");
/// `CAT_MEMBERINFO2_OBJID`: the kind of a version-2 member.
pub const CAT_MEMBERINFO2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.3");
/// `SPC_INDIRECT_DATA_OBJID`: a file's digest and what kind of file it is.
pub const SPC_INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
/// `SPC_PE_IMAGE_DATA_OBJID`: the digest is the Authenticode hash of a PE image.
pub const SPC_PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// `SPC_CAB_DATA_OBJID`: the digest is a flat one, over the file's bytes.
pub const SPC_CAB_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.25");
/// `SPC_STATEMENT_TYPE_OBJID`: signed attribute that says who signs.
pub const SPC_STATEMENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.11");
/// `SPC_INDIVIDUAL_SP_KEY_PURPOSE_OBJID`: an individual signs.
pub const SPC_INDIVIDUAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.21");
/// `SPC_SP_OPUS_INFO_OBJID`: signed attribute with the publisher's description, empty here.
pub const SPC_SP_OPUS_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.12");
