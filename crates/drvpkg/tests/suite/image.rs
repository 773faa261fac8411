//! PE images: hash, checksum, signature, gates.

use drvpkg::{
    authenticode::{AuthenticodeError, image_sha256, sign_image, verify_image},
    civil::DriverVersion,
    code::{self, Code},
    hex,
    pe::{self, Layout, PeError, inspect::Inspection},
};
use proptest::prelude::*;

use crate::{signer, synthetic::Image};

fn set(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Offset of the optional header in a synthetic image.
const OPTIONAL: usize = 0x58;

#[test]
fn a_signed_image_verifies_and_keeps_its_hash() {
    let image = Image::default().build();
    let signed = sign_image(&image, signer()).unwrap();
    let signature = verify_image(&signed).unwrap();
    assert_eq!(signature.digest, image_sha256(&image).unwrap());
    assert_eq!(&signature.certificate, signer().certificate());
    assert_eq!(
        pe::recorded_checksum(&signed).unwrap(),
        pe::checksum(&signed).unwrap()
    );
    assert_eq!(
        signed.len() % 8,
        0,
        "the certificate table ends on an eight-byte boundary"
    );
    assert!(matches!(verify_image(&image), Err(AuthenticodeError::Unsigned)));
}

#[test]
fn signing_again_replaces_the_signature_and_changes_nothing_else() {
    let once = sign_image(&Image::default().build(), signer()).unwrap();
    assert_eq!(sign_image(&once, signer()).unwrap(), once);
}

#[test]
fn an_image_of_odd_length_is_padded_before_it_is_hashed() {
    let mut image = Image::default().build();
    image.extend([1, 2, 3]);
    let signed = sign_image(&image, signer()).unwrap();
    let unpadded = image_sha256(&image).unwrap();
    image.extend([0; 5]);
    assert_eq!(unpadded, image_sha256(&image).unwrap());
    assert_eq!(
        verify_image(&signed).unwrap().digest,
        image_sha256(&image).unwrap()
    );
}

#[test]
fn the_hash_is_the_one_of_the_published_algorithm() {
    // Headers without the two fields, then each section in order: "Calculating the PE Image Hash".
    use sha2::{Digest, Sha256};
    let image = Image::default().build();
    let mut digest = Sha256::new();
    digest.update(&image[..OPTIONAL + 64]);
    digest.update(&image[OPTIONAL + 68..OPTIONAL + 144]);
    digest.update(&image[OPTIONAL + 152..0x200]);
    for section in image[0x200..].chunks(0x200) {
        digest.update(section);
    }
    assert_eq!(
        hex::encode(&image_sha256(&image).unwrap()),
        hex::encode(&digest.finalize())
    );
}

#[test]
fn the_checksum_is_the_folded_sum_plus_the_length() {
    let mut image = Image::default().build();
    let words = image
        .chunks(2)
        .map(|pair| u64::from(pair[0]) + (u64::from(pair[1]) << 8));
    let mut sum: u64 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let expected = u32::try_from(sum).unwrap() + u32::try_from(image.len()).unwrap();
    assert_eq!(pe::checksum(&image).unwrap(), expected);
    set(&mut image, OPTIONAL + 64, &0xDEAD_BEEF_u32.to_le_bytes());
    assert_eq!(
        pe::checksum(&image).unwrap(),
        expected,
        "the field itself does not count"
    );
}

#[test]
fn images_whose_hash_would_be_ambiguous_are_refused() {
    let image = Image::default().build();
    let section = OPTIONAL + 240;
    let mut gap = image.clone();
    set(&mut gap, section + 20, &0x210_u32.to_le_bytes());
    assert_eq!(Layout::parse(&gap), Err(PeError::NotContiguous(0x200)));
    let mut behind = sign_image(&image, signer()).unwrap();
    behind.extend([0; 8]);
    assert!(matches!(
        Layout::parse(&behind),
        Err(PeError::CertificateTable(..))
    ));
    let mut inside = image.clone();
    set(&mut inside, OPTIONAL + 144, &0x300_u32.to_le_bytes());
    set(&mut inside, OPTIONAL + 148, &0x500_u32.to_le_bytes());
    assert!(matches!(
        Layout::parse(&inside),
        Err(PeError::CertificateTable(..))
    ));
    assert_eq!(
        Layout::parse(&image[..0x7FF]),
        Err(PeError::Truncated("section data"))
    );
}

#[test]
fn a_driver_passes_the_gates_once_its_checksum_is_set() {
    let image = sign_image(&Image::default().build(), signer()).unwrap();
    let inspection = Inspection::of(&image).unwrap();
    assert!(
        inspection.gates().iter().all(|gate| gate.ok),
        "{:?}",
        inspection.gates()
    );
    assert_eq!(inspection.version, Some(DriverVersion([0, 1, 0, 0])));
    assert_eq!(
        inspection.imports["storport.sys"],
        ["StorPortInitialize", "StorPortNotification"]
    );
    assert!(inspection.import_gate(&["STORPORT.SYS".to_owned()]).ok);
    assert!(!inspection.import_gate(&["ntoskrnl.exe".to_owned()]).ok);
}

#[test]
fn every_gate_bites() {
    let good = Image::default();
    let wrong = [
        (
            "x64",
            Image {
                machine: 0xAA64,
                ..good.clone()
            },
        ),
        (
            "native",
            Image {
                subsystem: 3,
                ..good.clone()
            },
        ),
        (
            "DYNAMIC_BASE",
            Image {
                dll_characteristics: 0x0120,
                ..good.clone()
            },
        ),
        (
            "NX_COMPAT",
            Image {
                dll_characteristics: 0x0060,
                ..good.clone()
            },
        ),
        (
            "HIGH_ENTROPY_VA",
            Image {
                dll_characteristics: 0x0140,
                ..good.clone()
            },
        ),
        (
            "W^X",
            Image {
                text_characteristics: 0xE000_0020,
                ..good.clone()
            },
        ),
        (
            "VERSIONINFO",
            Image {
                version: None,
                ..good.clone()
            },
        ),
    ];
    for (gate, image) in wrong {
        let image = sign_image(&image.build(), signer()).unwrap();
        let refused: Vec<_> = Inspection::of(&image)
            .unwrap()
            .gates()
            .into_iter()
            .filter(|gate| !gate.ok)
            .collect();
        assert_eq!(refused.iter().map(|gate| gate.name).collect::<Vec<_>>(), [gate]);
    }
    let unset = Inspection::of(&good.build()).unwrap();
    let refused: Vec<_> = unset.gates().into_iter().filter(|gate| !gate.ok).collect();
    assert_eq!(
        refused.iter().map(|gate| gate.name).collect::<Vec<_>>(),
        ["checksum"]
    );
}

#[test]
fn an_image_without_imports_passes_any_import_gate() {
    let image = Image {
        imports: Vec::new(),
        ..Image::default()
    }
    .build();
    assert!(Inspection::of(&image).unwrap().import_gate(&[]).ok);
}

/// Offset of the code section's data in a synthetic image.
const TEXT: usize = 0x200;

/// The gates on code that refuse an image without a PDB.
fn code_refused_by(image: &[u8]) -> Vec<&'static str> {
    let code = Code::of(image, None).unwrap();
    let gates = code::gates(&code, 4096);
    gates
        .into_iter()
        .filter(|gate| !gate.ok)
        .map(|gate| gate.name)
        .collect()
}

#[test]
fn the_gates_on_code_bite_without_symbols() {
    let good = Image::default().build();
    assert_eq!(code_refused_by(&good), [""; 0]);
    let wrong: [(&[u8], &str); 5] = [
        // sub rsp, 2000h
        (&[0x48, 0x81, 0xEC, 0x00, 0x20, 0x00, 0x00], "frames"),
        // sub rsp, rax
        (&[0x48, 0x29, 0xC4], "frames"),
        (b"panicked at", "no panic"),
        (b"src/lib.rs\0", "no panic"),
        (b"attempt to add", "no panic"),
    ];
    for (bytes, gate) in wrong {
        let mut image = good.clone();
        set(&mut image, TEXT, bytes);
        assert_eq!(code_refused_by(&image), [gate], "{bytes:x?}");
    }
    // sub rsp, 1000h: as large as is allowed.
    let mut image = good;
    set(&mut image, TEXT, &[0x48, 0x81, 0xEC, 0x00, 0x10, 0x00, 0x00]);
    assert_eq!(code_refused_by(&image), [""; 0]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = image_sha256(&bytes);
        let _ = pe::checksum(&bytes);
        let _ = verify_image(&bytes);
        let _ = Inspection::of(&bytes);
        let _ = Code::of(&bytes, None).map(|code| code::gates(&code, 4096));
    }

    #[test]
    fn damaged_images_never_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24)) {
        let mut image = sign_image(&Image::default().build(), signer()).unwrap();
        for (at, byte) in damage {
            let at = at.index(image.len());
            image[at] = byte;
        }
        let _ = image_sha256(&image);
        let _ = pe::with_certificate(&image, b"x");
        let _ = verify_image(&image);
        let _ = Inspection::of(&image);
        let _ = Code::of(&image, None).map(|code| code::gates(&code, 4096));
    }

    #[test]
    fn changing_any_hashed_byte_changes_the_hash(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let image = Image::default().build();
        let layout = Layout::parse(&image).unwrap();
        let at = at.index(image.len());
        let mut changed = image.clone();
        changed[at] ^= 1 << bit;
        let free = layout.checksum.contains(&at);
        match image_sha256(&changed) {
            Ok(hash) if layout.certificate_entry.contains(&at) => {
                // A table of no bytes is no table, wherever it would begin.
                prop_assert_eq!(hash, image_sha256(&image).unwrap());
            }
            Ok(hash) => prop_assert_eq!(hash == image_sha256(&image).unwrap(), free),
            Err(_) => prop_assert!(!free, "the checksum does not matter to the layout"),
        }
    }

    #[test]
    fn changing_any_byte_of_a_signed_image_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let signed = sign_image(&Image::default().build(), signer()).unwrap();
        let layout = Layout::parse(&signed).unwrap();
        let at = at.index(layout.certificate_table.start);
        let mut changed = signed.clone();
        changed[at] ^= 1 << bit;
        prop_assert_eq!(verify_image(&changed).is_ok(), layout.checksum.contains(&at));
    }
}
