//! Catalogs: what is in them, and that nothing in them can be changed.

use der::DateTime;
use drvpkg::{
    authenticode::FileKind,
    catalog::{Attribute, Catalog, CatalogError, File, Member, MemberHash},
};
use proptest::prelude::*;

use crate::{signer, synthetic::Image};

fn moment() -> DateTime {
    DateTime::new(2026, 11, 23, 10, 0, 0).unwrap()
}

fn sample() -> Catalog {
    let image = Image::default().build();
    let files = [
        File {
            name: "sample.sys",
            kind: FileKind::Image,
            bytes: &image,
        },
        File {
            name: "sample.inf",
            kind: FileKind::Flat,
            bytes: b"[Version]\r\n",
        },
    ];
    let attributes = vec![
        Attribute::new("OS", "_v100_X64"),
        Attribute::new("HWID1", "pci\\cc_010802"),
    ];
    Catalog::new(&files, "2:10.0", attributes, moment()).unwrap()
}

#[test]
fn a_signed_catalog_verifies_and_reads_back() {
    let catalog = sample();
    let file = catalog.sign(signer()).unwrap();
    let (read, certificate) = Catalog::verify(&file).unwrap();
    assert_eq!(read, catalog);
    assert_eq!(&certificate, signer().certificate());
    assert_eq!(Catalog::read(&file).unwrap(), catalog);
}

#[test]
fn every_file_has_a_sha256_entry_with_its_digest_and_a_sha1_entry() {
    let catalog = sample();
    assert_eq!(catalog.members.len(), 4);
    for name in ["sample.sys", "sample.inf"] {
        for algorithm in ["sha1", "sha256"] {
            let found = |member: &&Member| {
                member.attribute("File") == Some(name) && member.hash.algorithm() == algorithm
            };
            let member = catalog.members.iter().find(found).unwrap();
            assert_eq!(member.attribute("OSAttr"), Some("2:10.0"));
        }
    }
    assert!(
        catalog
            .members
            .is_sorted_by_key(|member| member.hash.as_bytes().to_vec())
    );
}

#[test]
fn a_changed_file_is_not_found() {
    let catalog = sample();
    let file = |bytes| File {
        name: "sample.inf",
        kind: FileKind::Flat,
        bytes,
    };
    assert!(catalog.find(&file(b"[Version]\r\n")).unwrap().is_some());
    assert!(catalog.find(&file(b"[Version]\n")).unwrap().is_none());
}

#[test]
fn a_signature_in_the_image_does_not_matter_to_the_catalog() {
    let signed = drvpkg::authenticode::sign_image(&Image::default().build(), signer()).unwrap();
    let file = File {
        name: "sample.sys",
        kind: FileKind::Image,
        bytes: &signed,
    };
    assert!(sample().find(&file).unwrap().is_some());
}

#[test]
fn the_encoding_is_the_one_that_makecat_writes() {
    // The SHA-256 entry of a flat file without attributes, byte for byte.
    let hash = [0x21; 32];
    let member = Member {
        hash: MemberHash::Sha256(hash),
        kind: Some(FileKind::Flat),
        attributes: Vec::new(),
    };
    let catalog = Catalog {
        identifier: [0; 16],
        made: moment(),
        members: vec![member],
        attributes: Vec::new(),
    };
    let der = drvpkg::hex::encode(&catalog.to_der().unwrap());
    // CAT_MEMBERINFO2 { [2] }, then SPC_INDIRECT_DATA { SPC_CAB_DATA, [2] { [0] } , { sha256, NULL, digest } }.
    let info = "3010060a2b0601040182370c020331028200";
    let indirect = [
        "3055060a2b060104018237020104",
        "31473045",
        "3010060a2b060104018237020119a2028000",
        "3031300d06096086480165030402010500",
        "0420",
        &"21".repeat(32),
    ]
    .concat();
    assert!(der.contains(info), "{der}");
    assert!(der.contains(&indirect), "{der}");
}

#[test]
fn text_that_the_format_cannot_hold_is_refused() {
    for (name, value) in [("\u{1F980}", "x"), ("File", "a\0b")] {
        let mut catalog = sample();
        catalog.attributes = vec![Attribute::new(name, value)];
        assert!(
            matches!(catalog.sign(signer()), Err(CatalogError::Text(_))),
            "{name} {value}"
        );
    }
}

#[test]
fn other_signed_data_is_no_catalog() {
    let signed = drvpkg::authenticode::sign_image(&Image::default().build(), signer()).unwrap();
    let blob = drvpkg::pe::certificate(&signed).unwrap().unwrap();
    let blob = drvpkg::pkcs7::unpadded(blob).unwrap();
    assert!(Catalog::verify(blob).is_err());
    assert!(Catalog::read(blob).is_err());
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::char::range('\u{1}', '\u{D7FF}'), 0..24).prop_map(String::from_iter)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    (text(), text()).prop_map(|(name, value)| Attribute { name, value })
}

fn member() -> impl Strategy<Value = Member> {
    let hash = prop_oneof![
        any::<[u8; 20]>().prop_map(MemberHash::Sha1),
        any::<[u8; 32]>().prop_map(MemberHash::Sha256),
    ];
    let kind = prop_oneof![Just(FileKind::Image), Just(FileKind::Flat)];
    // Attributes of an entry are a set: sorted, and none twice.
    let attributes = prop::collection::btree_set(attribute(), 0..4);
    (hash, kind, attributes).prop_map(|(hash, kind, attributes)| Member {
        hash,
        kind: Some(kind),
        attributes: attributes.into_iter().collect(),
    })
}

proptest! {
    #[test]
    fn every_catalog_reads_back(
        identifier in any::<[u8; 16]>(),
        members in prop::collection::vec(member(), 0..6),
        attributes in prop::collection::vec(attribute(), 0..4),
        seconds in 0_u64..4_000_000_000,
    ) {
        let made = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).unwrap();
        let catalog = Catalog { identifier, made, members, attributes };
        let der = catalog.to_der().unwrap();
        let read = Catalog::from_der(&der).unwrap();
        prop_assert_eq!(&read, &catalog);
        prop_assert_eq!(read.to_der().unwrap(), der);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Catalog::from_der(&bytes);
        let _ = Catalog::verify(&bytes);
        let _ = drvpkg::pkcs7::unpadded(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics_and_is_never_accepted_as_other_content(
        at in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let catalog = sample();
        let mut file = catalog.sign(signer()).unwrap();
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        // Some bytes are not signed (algorithm parameters, for one); what is accepted is what was signed.
        if let Ok((read, _)) = Catalog::verify(&file) {
            prop_assert_eq!(read, catalog);
        }
    }
}
