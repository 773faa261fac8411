//! Code of an image runs: calls into the model, back-traces, missing imports.
#![expect(unsafe_code, reason = "calls into a hand-made image")]

use std::{cell::RefCell, path::Path, process::Command};

use super::{
    super::{Backtrace, Binding, Image, Origin, set_missing_import_hook},
    builder::{Builder, SLOTS, TEXT_ADDRESS},
};
use crate::trap::{self, Registers};

thread_local! {
    static SEEN: RefCell<Vec<(u64, Registers)>> = const { RefCell::new(Vec::new()) };
}

extern "win64" fn initialize(value: u64) -> u64 {
    let site = trap::call_site().unwrap_or_default();
    SEEN.with_borrow_mut(|seen| seen.push((value, site)));
    value + 1
}

/// `sub rsp, 40; call [slot]; add rsp, 40; ret`, calling the import in the given slot.
fn calling(slot: u32) -> Vec<u8> {
    let mut text = vec![0x48, 0x83, 0xec, 0x28, 0xff, 0x15];
    text.extend((slot - (TEXT_ADDRESS + 10)).to_le_bytes());
    text.extend([0x48, 0x83, 0xc4, 0x28, 0xc3]);
    text
}

/// The unwind information for [`calling`]: version 1, 4 bytes of prologue, one code: 40 bytes allocated.
const UNWIND: [u8; 6] = [1, 4, 1, 0, 4, 0x42];

fn image(slot: u32) -> Image {
    let mut builder = Builder::driver(&calling(slot));
    builder.parts[1].bytes[0x380..0x386].copy_from_slice(&UNWIND);
    let resolve = &mut |name: &super::super::ImportName| {
        (name.symbol == "StorPortInitialize").then_some(Binding::Function(initialize as *const ()))
    };
    Image::from_bytes(&builder.build(), Path::new("made.sys"), None, resolve).unwrap()
}

fn call(image: &Image, value: u64) -> u64 {
    trap::prepare_thread().unwrap();
    // SAFETY: the image's entry is a function of this type.
    let entry = unsafe { std::mem::transmute::<*const (), extern "win64" fn(u64) -> u64>(image.entry()) };
    entry(value)
}

#[test]
fn the_call_site_of_a_call_into_the_model_is_known() {
    let image = image(SLOTS[0]);
    assert_eq!(call(&image, 41), 42);
    let (value, site) = SEEN.take().pop().unwrap();
    assert_eq!(value, 41);
    assert_eq!(site.rip, image.entry() as u64 + 10);
    let Backtrace { image: name, frames } = image.backtrace(&site, Origin::Call, None);
    assert_eq!(name, "made.sys");
    assert_eq!(
        frames.iter().map(|frame| frame.offset).collect::<Vec<_>>(),
        [TEXT_ADDRESS + 10]
    );
}

#[test]
fn a_backtrace_walks_the_images_frames() {
    let image = image(SLOTS[0]);
    let base = image.range().start as u64;
    let within = base + u64::from(TEXT_ADDRESS) + 10;
    // Three activations of the function on a stack made by hand, then the model's frame.
    let mut stack = [0_u64; 24];
    stack[5] = within;
    stack[11] = within;
    stack[17] = 0x1234;
    let mut registers = Registers {
        rip: within,
        ..Registers::default()
    };
    registers.general[4] = stack.as_ptr().expose_provenance() as u64;
    let trace = image.backtrace(&registers, Origin::Call, None);
    assert_eq!(trace.frames.len(), 3);
    assert_eq!(trace.to_string().lines().next(), Some("  #0 made.sys+0x100a"));
}

#[test]
fn a_missing_import_is_named_when_it_is_called() {
    const CHILD: &str = "PORTLAB_TEST_MISSING_IMPORT";
    if std::env::var_os(CHILD).is_some() {
        set_missing_import_hook(|name| {
            println!(
                "import {name} is not in the model, called from {:?}",
                trap::call_site().map(|site| site.rip & 0xffff)
            );
            std::process::exit(17)
        });
        let image = image(SLOTS[1]);
        call(&image, 0);
        unreachable!("the hook does not return");
    }
    let name = "a_missing_import_is_named_when_it_is_called";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(17));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("import Unheard of storport.sys is not in the model, called from Some(4106)"),
        "{text}"
    );
}
