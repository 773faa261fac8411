//! Windows by themselves.

use std::sync::Arc;

use super::{
    super::{Window, read_register, statistics, write_register},
    machine::{Access, Ram},
};
use crate::device::Width;

#[test]
fn the_models_own_accesses_reach_the_device() {
    let ram = Arc::new(Ram::new(&[0; 64]));
    let window = Window::map(64, ram.clone()).unwrap();
    assert_eq!(
        write_register(window.address() + 8, Width::Dword, 0x1_2345_6789),
        Some(())
    );
    assert_eq!(read_register(window.address() + 8, Width::Word), Some(0x6789));
    assert_eq!(
        ram.accesses(),
        [
            Access::Write(8, Width::Dword, 0x2345_6789),
            Access::Read(8, Width::Word)
        ]
    );
    let before = statistics();
    assert!(before.reads >= 1 && before.writes >= 1);
}

#[test]
fn an_access_beyond_the_window_is_refused() {
    let ram = Arc::new(Ram::new(&[0; 64]));
    let window = Window::map(64, ram.clone()).unwrap();
    assert_eq!(read_register(window.address() + 62, Width::Dword), None);
    assert_eq!(read_register(window.address() + 64, Width::Byte), None);
    assert_eq!(read_register(window.address() - 1, Width::Byte), None);
    assert!(ram.accesses().is_empty());
}

#[test]
fn a_dropped_window_is_gone() {
    let window = Window::map(4096, Arc::new(Ram::new(&[0; 4096]))).unwrap();
    let address = window.address();
    drop(window);
    assert_eq!(read_register(address, Width::Dword), None);
}
