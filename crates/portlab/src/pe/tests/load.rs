//! What is loaded, and what is refused with which words.

use std::path::Path;

use super::{
    super::{Binding, Image, ImportName, LoadError, locate},
    builder::{Builder, DATA_ADDRESS, PREFERRED, RELOC_ADDRESS, SLOTS},
};
use crate::{memory::GuestMemory, trap};

fn load(file: &[u8]) -> Result<Image, LoadError> {
    Image::from_bytes(file, Path::new("made.sys"), None, &mut |_| None)
}

fn refusal(builder: &Builder) -> String {
    load(&builder.build())
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn driver() -> Builder {
    Builder::driver(&[0xc3])
}

#[test]
fn a_driver_is_relocated_and_described() {
    let image = load(&driver().build()).unwrap();
    let base = image.range().start as u64;
    assert_ne!(base, PREFERRED);
    assert_eq!(
        GuestMemory::read_pod(base + u64::from(DATA_ADDRESS)),
        Ok(base + u64::from(DATA_ADDRESS))
    );
    assert_eq!(image.entry() as u64, base + 0x1000);
    assert_eq!(locate(base + 0x1001), Some(("made.sys".to_owned(), 0x1001)));
    assert_eq!(image.sha256().len(), 64);
    drop(image);
    assert_eq!(locate(base + 0x1001), None);
}

#[test]
fn the_security_cookie_is_no_longer_the_linkers() {
    let image = load(&driver().build()).unwrap();
    let cookie: u64 =
        GuestMemory::read_pod(image.range().start as u64 + u64::from(DATA_ADDRESS) + 8).unwrap();
    assert_ne!(cookie, 0x2b99_2ddf_a232);
    assert_ne!(cookie, 0);
    assert_eq!(cookie >> 48, 0);
}

#[test]
fn imports_are_bound_by_name() {
    let variable = 7_u32;
    let mut asked = Vec::new();
    let image = Image::from_bytes(&driver().build(), Path::new("made.sys"), None, &mut |name| {
        asked.push(name.to_string());
        match name.symbol.as_str() {
            "StorPortInitialize" => Some(Binding::Function(std::ptr::null())),
            "Variable" => Some(Binding::Data((&raw const variable).cast())),
            _ => None,
        }
    })
    .unwrap();
    let names = [
        "StorPortInitialize of storport.sys",
        "Unheard of storport.sys",
        "Variable of ntoskrnl.exe",
    ];
    assert_eq!(asked, names);
    let unheard = ImportName {
        module: "storport.sys".to_owned(),
        symbol: "Unheard".to_owned(),
    };
    assert_eq!(image.missing_imports(), [unheard]);
    let base = image.range().start as u64;
    let slot = |index: usize| GuestMemory::read_pod::<u64>(base + u64::from(SLOTS[index])).unwrap();
    assert_eq!(slot(2), (&raw const variable) as u64);
    // Thunks lie behind the image.
    assert!(slot(0) >= image.range().end as u64);
    assert_eq!(slot(1) - slot(0), 128);
}

#[test]
fn sections_get_the_protection_they_ask_for() {
    let image = load(&driver().build()).unwrap();
    let base = image.range().start as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let protection = |address: u64| {
        maps.lines()
            .find_map(|line| {
                let (range, rest) = line.split_once(' ')?;
                let (start, end) = range.split_once('-')?;
                let parse = |text| u64::from_str_radix(text, 16).ok();
                (parse(start)?..parse(end)?)
                    .contains(&address)
                    .then(|| rest[..3].to_owned())
            })
            .unwrap()
    };
    assert_eq!(protection(base), "r--");
    assert_eq!(protection(base + 0x1000), "r-x");
    assert_eq!(protection(base + 0x2000), "r--");
    assert_eq!(protection(base + 0x3000), "rw-");
    assert_eq!(protection(base + 0x5000), "r-x");
    assert!(!GuestMemory::is_valid(base + 0x1000, 1, true));
    assert!(GuestMemory::is_valid(base + 0x3000, 64, true));
}

#[test]
fn writable_code_is_never_mapped_writable() {
    let mut builder = driver();
    builder.parts[0].characteristics |= 0x8000_0000;
    let image = load(&builder.build()).unwrap();
    assert_eq!(image.writable_code_sections(), [".text"]);
    assert!(!GuestMemory::is_valid(
        image.range().start as u64 + 0x1000,
        1,
        true
    ));
}

#[test]
fn data_can_be_restored() {
    let mut image = load(&driver().build()).unwrap();
    let address = image.range().start as u64 + u64::from(DATA_ADDRESS);
    let before: u64 = GuestMemory::read_pod(address).unwrap();
    GuestMemory::write_pod(address, &0_u64).unwrap();
    image.restore();
    assert_eq!(GuestMemory::read_pod(address), Ok(before));
}

#[test]
fn an_image_goes_where_it_is_told() {
    let file = driver().build();
    let address = 0x2f00_0000_0000;
    let at = |address| Image::from_bytes(&file, Path::new("made.sys"), Some(address), &mut |_| None);
    let image = at(address).unwrap();
    assert_eq!(image.range().start, address);
    assert!(at(address).unwrap_err().to_string().contains("at 0x2f0000000000"));
    assert!(matches!(at(address + 1), Err(LoadError::Map { .. })));
}

#[test]
fn what_is_no_driver_is_refused_with_the_remedy() {
    let whole = driver().build();
    let text = |file: &[u8]| load(file).unwrap_err().to_string();
    assert!(text(b"").starts_with("this is not a PE file (it does not begin with MZ)"));
    assert!(text(b"#!/bin/sh").contains("give the .sys itself"));
    assert!(text(&whole[..0x3d]).contains("it ends within the DOS header"));
    assert!(text(&whole[..0x42]).contains("it has no PE signature"));
    assert!(text(&whole[..0x100]).contains("malformed"));
    assert!(
        text(&whole[..0x700]).contains("section .rdata"),
        "{}",
        text(&whole[..0x700])
    );

    let spoilt = |spoil: fn(&mut Builder)| {
        let mut builder = driver();
        spoil(&mut builder);
        refusal(&builder)
    };
    assert!(spoilt(|b| b.machine = 0x14c).starts_with("this is a 32-bit image"));
    assert!(spoilt(|b| b.magic = 0x10b).starts_with("this is a 32-bit image"));
    assert!(spoilt(|b| b.machine = 0xaa64).contains("ARM64 (machine 0xaa64)"));
    assert!(spoilt(|b| b.subsystem = 3).contains("Windows console (3), not native (1)"));
    assert!(spoilt(|b| b.subsystem = 3).contains("/SUBSYSTEM:NATIVE"));
    assert!(spoilt(|b| b.entry = 0).contains("no usable entry point (it is zero)"));
    assert!(spoilt(|b| b.entry = DATA_ADDRESS).contains("no section with code"));
    assert!(spoilt(|b| b.alignment = 0x200).contains("section alignment is 512"));
    assert!(spoilt(|b| b.size = 0x2000_0000).contains("the image has 536870912 bytes"));
    assert!(spoilt(|b| b.size = 0x3000).contains("reaches beyond the image"));
    assert!(spoilt(|b| b.characteristics |= 1).contains("/DYNAMICBASE"));
    assert!(spoilt(|b| b.parts[2].address = 0x2000).contains("overlaps"));
    assert!(spoilt(|b| b.parts[2].address = 0x3010).contains("does not begin on a page"));
    assert!(spoilt(|b| b.directories[1].0 = 0x90_0000).contains("import table"));
    assert!(spoilt(|b| b.directories[5].0 = 0x90_0000).contains("cannot be relocated"));
    assert!(spoilt(|b| b.parts[3].bytes[9] = 0x30).contains("unknown kind 3"));
    // An ordinal in the first slot of the name table.
    let ordinal =
        spoilt(|b| b.parts[1].bytes[0x80..0x88].copy_from_slice(&(1 << 63 | 0x11_u64).to_le_bytes()));
    assert!(
        ordinal.starts_with("the image imports ordinal 17 of storport.sys"),
        "{ordinal}"
    );
    assert!(refusal(&driver()).is_empty());
    let missing = Image::load(Path::new("/nonexistent.sys"), &mut |_| None)
        .unwrap_err()
        .to_string();
    assert!(missing.starts_with("cannot read /nonexistent.sys"), "{missing}");
}

#[test]
fn every_refusal_is_one_line() {
    let mut builder = driver();
    builder.subsystem = 77;
    assert_eq!(refusal(&builder).lines().count(), 1);
    builder.directories[5] = (RELOC_ADDRESS, 3);
    assert_eq!(refusal(&builder).lines().count(), 1);
    // The call site of a thread that never ran driver code.
    assert_eq!(trap::call_site(), None);
}
