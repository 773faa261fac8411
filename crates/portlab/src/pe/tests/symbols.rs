//! What is said when there is no PDB, or not the right one.

use std::{fs, path::Path};

use super::{
    super::{Image, Symbols, SymbolsError},
    builder::{Builder, RDATA_ADDRESS},
};

/// A driver on disk whose debug record names `pdb`.
fn driver(folder: &Path, pdb: &str) -> Image {
    let mut builder = Builder::driver(&[0xc3]);
    let record = [
        b"RSDS".as_slice(),
        &[7; 16],
        &1_u32.to_le_bytes(),
        pdb.as_bytes(),
        b"\0",
    ]
    .concat();
    let at = 0x2b0;
    let bytes = &mut builder.parts[1].bytes;
    for (field, value) in [
        (12, 2),
        (16, record.len()),
        (20, RDATA_ADDRESS as usize + at + 28),
    ] {
        bytes[at + field..at + field + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
    }
    bytes[at + 28..at + 28 + record.len()].copy_from_slice(&record);
    builder.directories[6] = (RDATA_ADDRESS + u32::try_from(at).unwrap(), 28);
    let path = folder.join("made.sys");
    fs::write(&path, builder.build()).unwrap();
    Image::load(&path, &mut |_| None).unwrap()
}

#[test]
fn all_places_of_a_missing_pdb_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let image = driver(folder.path(), "x:\\b\\o.pdb");
    let Err(SymbolsError::Missing(places)) = Symbols::open(&image) else {
        panic!("there is no PDB")
    };
    assert_eq!(
        places,
        [folder.path().join("o.pdb"), folder.path().join("made.pdb")]
    );
}

#[test]
fn a_damaged_pdb_is_an_error_in_words() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("o.pdb"),
        b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0 and no more",
    )
    .unwrap();
    let image = driver(folder.path(), "o.pdb");
    let error = Symbols::open(&image).err().unwrap().to_string();
    assert!(
        error.starts_with("cannot understand") && error.ends_with("back-traces show offsets only"),
        "{error}"
    );
}
