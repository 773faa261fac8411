//! Strings and memory as the kernel's run time has them: `RtlXxx` and the C functions that drivers import.
//!
//! The safe-string functions (`RtlStringCb*`) are inline over `_vsnprintf`. Sources: Microsoft Learn, wdm.h; the C run time's pages.

use std::{cmp::Ordering, sync::Arc};

use super::{format, machine::Machine};
use crate::abi::{
    GuestAddress,
    exports::{Arguments, Export},
    guest,
};

/// Longest string that is looked at: a driver's are short, and one without an end must not take the lab along.
pub(super) const LIMIT: usize = 0x1_0000;

fn byte(address: GuestAddress) -> u8 {
    guest::read(address)
}

pub(super) fn length(address: GuestAddress) -> u64 {
    (0..LIMIT as u64)
        .find(|&offset| byte(address.wrapping_add(offset)) == 0)
        .unwrap_or(LIMIT as u64)
}

pub(super) fn wide_length(address: GuestAddress) -> u64 {
    (0..LIMIT as u64)
        .find(|&index| guest::read::<u16>(address.wrapping_add(2 * index)) == 0)
        .unwrap_or(LIMIT as u64)
}

/// An `int` as it comes back in EAX.
pub(super) fn int(value: i32) -> u64 {
    u64::from(u32::from_ne_bytes(value.to_ne_bytes()))
}

fn compare(left: GuestAddress, right: GuestAddress, limit: u64, fold: bool) -> u64 {
    for offset in 0..limit.min(LIMIT as u64) {
        let (mut a, mut b) = (byte(left.wrapping_add(offset)), byte(right.wrapping_add(offset)));
        if fold {
            (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        }
        match a.cmp(&b) {
            Ordering::Less => return int(-1),
            Ordering::Greater => return int(1),
            Ordering::Equal if a == 0 => return 0,
            Ordering::Equal => {}
        }
    }
    0
}

fn find(text: GuestAddress, wanted: GuestAddress) -> GuestAddress {
    let (text_length, wanted_length) = (length(text), length(wanted));
    (0..=text_length.saturating_sub(wanted_length))
        .map(|offset| text.wrapping_add(offset))
        .find(|&place| {
            wanted_length <= text_length
                && (0..wanted_length).all(|index| byte(place + index) == byte(wanted + index))
        })
        .unwrap_or(0)
}

/// `_snprintf`: no terminator where the text does not fit, and -1 where it does not.
pub(super) fn print(buffer: GuestAddress, room: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let fits = usize::try_from(room).unwrap_or(usize::MAX);
    guest::write_bytes(buffer, bytes.get(..bytes.len().min(fits)).unwrap_or_default());
    if bytes.len() < fits {
        guest::write(buffer + bytes.len() as u64, &0_u8);
    }
    if bytes.len() > fits {
        int(-1)
    } else {
        bytes.len() as u64
    }
}

fn bytes(address: GuestAddress, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    guest::read_bytes(address, &mut bytes);
    bytes
}

impl Machine {
    pub(super) fn kernel_text(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let (first, second, third) = (arguments.pointer(0), arguments.pointer(1), arguments.get(2));
        Some(match export {
            Export::strlen => length(first),
            Export::wcslen => wide_length(first),
            Export::strcmp => compare(first, second, u64::MAX, false),
            Export::strncmp => compare(first, second, third, false),
            Export::_stricmp => compare(first, second, u64::MAX, true),
            Export::_strnicmp => compare(first, second, third, true),
            Export::strstr => find(first, second),
            Export::strchr => (0..=length(first))
                .map(|offset| first + offset)
                .find(|&place| byte(place) == arguments.u8(1))
                .unwrap_or(0),
            Export::strcpy => {
                let text = bytes(second, length(second) + 1);
                guest::write_bytes(first, &text);
                first
            }
            Export::strncpy => {
                let mut text = bytes(second, length(second).min(third));
                text.resize(usize::try_from(third).unwrap_or(0).min(LIMIT), 0);
                guest::write_bytes(first, &text);
                first
            }
            Export::_snprintf => {
                let text = format::format(arguments.pointer(2), arguments, 3);
                print(first, second, &text)
            }
            Export::_vsnprintf => {
                let text = format::format(arguments.pointer(2), Arguments::at(arguments.pointer(3)), 0);
                print(first, second, &text)
            }
            Export::sprintf => {
                let text = format::format(second, arguments, 2);
                print(first, u64::MAX, &text)
            }
            Export::vDbgPrintEx => {
                let list = Arguments::at(arguments.pointer(3));
                for line in format::format(arguments.pointer(2), list, 0).lines() {
                    self.journal.debug_line(line.to_owned());
                }
                0
            }
            Export::RtlCompareMemory => {
                let (left, right) = (bytes(first, third), bytes(second, third));
                left.iter().zip(&right).take_while(|(a, b)| a == b).count() as u64
            }
            Export::RtlInitUnicodeString => {
                let size = u16::try_from(2 * wide_length(second)).unwrap_or(0xFFFC);
                init_string(first, second, size, 2)
            }
            Export::RtlInitAnsiString | Export::RtlInitString => {
                let size = u16::try_from(length(second)).unwrap_or(0xFFFE);
                init_string(first, second, size, 1)
            }
            Export::RtlCopyUnicodeString => {
                let (room, source) = (
                    guest::read::<u16>(first + 2),
                    if second == 0 {
                        0
                    } else {
                        guest::read::<u16>(second)
                    },
                );
                let copied = source.min(room) & !1;
                if copied != 0 {
                    let text = bytes(guest::read(second + 8), copied.into());
                    guest::write_bytes(guest::read(first + 8), &text);
                }
                guest::write(first, &copied);
                0
            }
            Export::RtlEqualUnicodeString => {
                let text = |address| {
                    let size: u16 = guest::read(address);
                    let units = bytes(guest::read(address + 8), size.into());
                    String::from_utf16_lossy(
                        &units
                            .chunks_exact(2)
                            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
                            .collect::<Vec<_>>(),
                    )
                };
                let (left, right): (String, String) = (text(first), text(second));
                u64::from(if arguments.boolean(2) {
                    left.to_uppercase() == right.to_uppercase()
                } else {
                    left == right
                })
            }
            _ => return None,
        })
    }
}

/// Length, its room with a terminator, the buffer: `ANSI_STRING` and `UNICODE_STRING` are laid out alike.
fn init_string(target: GuestAddress, source: GuestAddress, size: u16, terminator: u16) -> u64 {
    if source == 0 {
        guest::write(target, &[0_u16, 0]);
    } else {
        guest::write(target, &[size, size.saturating_add(terminator)]);
    }
    guest::write(target + 8, &source);
    0
}
