//! More of the kernel's run time: UTF-16 strings, characters, the functions that check their room (`_s`), conversions of `Rtl`
//! strings.
//!
//! Sources: Microsoft Learn, wdm.h and ntddk.h; the C run time's pages.

use std::{cmp::Ordering, sync::Arc};

use super::{
    format,
    kernel::{INVALID_PARAMETER, SUCCESS, read_unicode},
    kernel_text::{LIMIT, int, length, print, wide_length},
    machine::Machine,
    memory::Origin,
};
use crate::abi::{
    GuestAddress,
    exports::{Arguments, Export},
    guest,
};

/// `STATUS_BUFFER_OVERFLOW`, `STATUS_BUFFER_TOO_SMALL`, `STATUS_NO_MEMORY`.
const OVERFLOW: u64 = 0x8000_0005;
const TOO_SMALL: u64 = 0xC000_0023;
const NO_MEMORY: u64 = 0xC000_0017;
/// `EINVAL` and `ERANGE`.
const INVALID: u64 = 22;
const RANGE: u64 = 34;

fn unit(address: GuestAddress) -> u16 {
    guest::read(address)
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn write_units(address: GuestAddress, units: &[u16]) {
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    guest::write_bytes(address, &bytes);
}

fn read_units(address: GuestAddress, count: u64) -> Vec<u16> {
    (0..count.min(LIMIT as u64))
        .map(|index| unit(address + 2 * index))
        .collect()
}

fn fold(unit: u16) -> u16 {
    u8::try_from(unit).map_or(unit, |byte| byte.to_ascii_lowercase().into())
}

fn order(ordering: Ordering) -> u64 {
    int(ordering as i32)
}

fn compare_wide(left: GuestAddress, right: GuestAddress, limit: u64, ignore_case: bool) -> u64 {
    for index in 0..limit.min(LIMIT as u64) {
        let (mut a, mut b) = (unit(left + 2 * index), unit(right + 2 * index));
        if ignore_case {
            (a, b) = (fold(a), fold(b));
        }
        match a.cmp(&b) {
            Ordering::Equal if a == 0 => return 0,
            Ordering::Equal => {}
            other => return order(other),
        }
    }
    0
}

/// `_snwprintf`: no terminator where the text does not fit, and -1 where it does not.
fn print_wide(buffer: GuestAddress, room: u64, text: &str) -> u64 {
    let units = units(text);
    let fits = usize::try_from(room).unwrap_or(usize::MAX);
    write_units(buffer, units.get(..units.len().min(fits)).unwrap_or_default());
    if units.len() < fits {
        guest::write(buffer + 2 * units.len() as u64, &0_u16);
    }
    if units.len() > fits {
        int(-1)
    } else {
        units.len() as u64
    }
}

/// The functions that check their room: -1 and an empty text where it does not fit, or a cut one where that was asked for.
fn print_checked(buffer: GuestAddress, room: u64, most: u64, text: &str) -> u64 {
    if room == 0 || buffer == 0 {
        return int(-1);
    }
    let bytes = text.as_bytes();
    let wanted = bytes.len() as u64;
    // _TRUNCATE is -1.
    let cut = wanted > most || (most == u64::MAX && wanted >= room);
    if wanted.min(most) >= room && most != u64::MAX {
        guest::write(buffer, &0_u8);
        return int(-1);
    }
    let kept = usize::try_from(wanted.min(most).min(room - 1)).unwrap_or(0);
    guest::write_bytes(buffer, bytes.get(..kept).unwrap_or_default());
    guest::write(buffer + kept as u64, &0_u8);
    if cut { int(-1) } else { wanted }
}

/// `strcpy_s`, `strcat_s`, `strncpy_s` and their wide forms: characters of `size` bytes from `at` on.
fn copy_checked(
    target: GuestAddress,
    room: u64,
    at: u64,
    source: GuestAddress,
    count: u64,
    size: u64,
) -> u64 {
    if target == 0 || room == 0 || source == 0 {
        return INVALID;
    }
    if at + count >= room {
        guest::write_bytes(target, &[0; 2][..if size == 2 { 2 } else { 1 }]);
        return RANGE;
    }
    let mut bytes = vec![0; usize::try_from((count + 1) * size).unwrap_or(0)];
    let text = usize::try_from(count * size).unwrap_or(0);
    if let Some(part) = bytes.get_mut(..text) {
        guest::read_bytes(source, part);
    }
    guest::write_bytes(target + at * size, &bytes);
    0
}

fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let value: i64 = digits.get(..end).unwrap_or_default().parse().unwrap_or(0);
    sign * value.min(i64::from(i32::MAX))
}

impl Machine {
    pub(super) fn kernel_wide(export: Export, arguments: Arguments) -> Option<u64> {
        let (first, second, third) = (arguments.pointer(0), arguments.pointer(1), arguments.get(2));
        let character = u8::try_from(arguments.u32(0)).unwrap_or(0);
        let is = |yes: bool| u64::from(yes);
        Some(match export {
            Export::toupper => u64::from(character.to_ascii_uppercase()),
            Export::tolower => u64::from(character.to_ascii_lowercase()),
            Export::isdigit => is(character.is_ascii_digit()),
            Export::isxdigit => is(character.is_ascii_hexdigit()),
            Export::isspace => is(character.is_ascii_whitespace() || character == 0x0B),
            Export::isprint => is((0x20..0x7F).contains(&character)),
            Export::isupper => is(character.is_ascii_uppercase()),
            Export::islower => is(character.is_ascii_lowercase()),
            Export::isalpha => is(character.is_ascii_alphabetic()),
            Export::isalnum => is(character.is_ascii_alphanumeric()),
            Export::atoi | Export::atol => number(&guest::read_c_string(first, 64)).cast_unsigned(),
            Export::strnlen => length(first).min(second),
            Export::strcat => {
                let bytes = guest::read_c_string(second, LIMIT);
                guest::write_bytes(first + length(first), &[bytes.as_bytes(), &[0]].concat());
                first
            }
            Export::strncat => {
                let count = length(second).min(third);
                let mut bytes = vec![0; usize::try_from(count + 1).unwrap_or(0)];
                if let Some((_, text)) = bytes.split_last_mut() {
                    guest::read_bytes(second, text);
                }
                guest::write_bytes(first + length(first), &bytes);
                first
            }
            Export::strrchr => (0..=length(first))
                .rev()
                .map(|offset| first + offset)
                .find(|&place| guest::read::<u8>(place) == arguments.u8(1))
                .unwrap_or(0),
            Export::strcpy_s => copy_checked(first, second, 0, third, length(third), 1),
            Export::strncpy_s => {
                let most = arguments.get(3);
                let count = length(third).min(most);
                // _TRUNCATE is -1.
                let count = if most == u64::MAX {
                    count.min(second.saturating_sub(1))
                } else {
                    count
                };
                copy_checked(first, second, 0, third, count, 1)
            }
            Export::strcat_s => {
                copy_checked(first, second, length(first).min(second), third, length(third), 1)
            }
            Export::wcscpy_s => copy_checked(first, second, 0, third, wide_length(third), 2),
            Export::wcscat_s => copy_checked(
                first,
                second,
                wide_length(first).min(second),
                third,
                wide_length(third),
                2,
            ),
            Export::vsprintf => {
                let text = format::format(second, Arguments::at(third), 0);
                print(first, u64::MAX, &text)
            }
            Export::sprintf_s => {
                let text = format::format(third, arguments, 3);
                print_checked(first, second, u64::MAX - 1, &text)
            }
            Export::vsprintf_s => {
                let text = format::format(third, Arguments::at(arguments.pointer(3)), 0);
                print_checked(first, second, u64::MAX - 1, &text)
            }
            Export::_snprintf_s => {
                let text = format::format(arguments.pointer(3), arguments, 4);
                print_checked(first, second, third, &text)
            }
            Export::_vsnprintf_s => {
                let list = Arguments::at(arguments.pointer(4));
                let text = format::format(arguments.pointer(3), list, 0);
                print_checked(first, second, third, &text)
            }
            _ => return Self::kernel_wide_strings(export, arguments),
        })
    }

    fn kernel_wide_strings(export: Export, arguments: Arguments) -> Option<u64> {
        let (first, second, third) = (arguments.pointer(0), arguments.pointer(1), arguments.get(2));
        let wanted = u16::try_from(arguments.get(1) & 0xFFFF).unwrap_or(0);
        let find = |mut places: Box<dyn Iterator<Item = u64>>| {
            places
                .find(|index| unit(first + 2 * index) == wanted)
                .map_or(0, |index| first + 2 * index)
        };
        Some(match export {
            Export::wcsnlen => wide_length(first).min(second),
            Export::wcscmp => compare_wide(first, second, u64::MAX, false),
            Export::wcsncmp => compare_wide(first, second, third, false),
            Export::_wcsicmp => compare_wide(first, second, u64::MAX, true),
            Export::_wcsnicmp => compare_wide(first, second, third, true),
            Export::wcschr => find(Box::new(0..=wide_length(first))),
            Export::wcsrchr => find(Box::new((0..=wide_length(first)).rev())),
            Export::wcsstr => {
                let (text, part) = (
                    read_units(first, wide_length(first)),
                    read_units(second, wide_length(second)),
                );
                if part.is_empty() {
                    return Some(first);
                }
                let place = text.windows(part.len()).position(|window| window == part);
                place.map_or(0, |place| first + 2 * place as u64)
            }
            Export::wcscpy => {
                write_units(first, &read_units(second, wide_length(second) + 1));
                first
            }
            Export::wcsncpy => {
                let mut text = read_units(second, wide_length(second).min(third));
                text.resize(usize::try_from(third).unwrap_or(0).min(LIMIT), 0);
                write_units(first, &text);
                first
            }
            Export::wcscat | Export::wcsncat => {
                let most = if export == Export::wcsncat {
                    third
                } else {
                    u64::MAX
                };
                let mut text = read_units(second, wide_length(second).min(most));
                text.push(0);
                write_units(first + 2 * wide_length(first), &text);
                first
            }
            Export::_snwprintf => {
                let text = format::format_wide(arguments.pointer(2), arguments, 3);
                print_wide(first, second, &text)
            }
            Export::_vsnwprintf => {
                let list = Arguments::at(arguments.pointer(3));
                let text = format::format_wide(arguments.pointer(2), list, 0);
                print_wide(first, second, &text)
            }
            Export::swprintf_s => {
                let text = format::format_wide(arguments.pointer(2), arguments, 3);
                if units(&text).len() as u64 >= second {
                    guest::write(first, &0_u16);
                    return Some(int(-1));
                }
                print_wide(first, second, &text)
            }
            _ => return None,
        })
    }

    pub(super) fn kernel_strings(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let (first, second) = (arguments.pointer(0), arguments.pointer(1));
        let text = |address: GuestAddress| {
            let count: u16 = guest::read(address);
            guest::read_c_string(guest::read(address + 8), count.into())
        };
        Some(match export {
            Export::RtlCompareUnicodeString | Export::RtlCompareString => {
                let read = |address| {
                    if export == Export::RtlCompareString {
                        text(address)
                    } else {
                        read_unicode(address)
                    }
                };
                let (mut left, mut right): (String, String) = (read(first), read(second));
                if arguments.boolean(2) {
                    (left, right) = (left.to_uppercase(), right.to_uppercase());
                }
                order(left.cmp(&right))
            }
            Export::RtlEqualString => {
                let (left, right) = (text(first), text(second));
                u64::from(if arguments.boolean(2) {
                    left.eq_ignore_ascii_case(&right)
                } else {
                    left == right
                })
            }
            Export::RtlAppendUnicodeToString => append(
                first,
                &read_units(second, if second == 0 { 0 } else { wide_length(second) }),
            ),
            Export::RtlAppendUnicodeStringToString => append(first, &units(&read_unicode(second))),
            Export::RtlIntegerToUnicodeString => {
                let value = arguments.u32(0);
                let target = arguments.pointer(2);
                let text = match arguments.u32(1) {
                    0 | 10 => value.to_string(),
                    2 => format!("{value:b}"),
                    8 => format!("{value:o}"),
                    16 => format!("{value:X}"),
                    _ => return Some(INVALID_PARAMETER),
                };
                guest::write(target, &0_u16);
                let done = append(target, &units(&text));
                if done == SUCCESS { SUCCESS } else { OVERFLOW }
            }
            Export::RtlUnicodeStringToInteger => {
                let text = read_unicode(first).trim().to_owned();
                let (base, digits) = match (arguments.u32(1), text.get(..2)) {
                    (0, Some("0x")) => (16, text.get(2..).unwrap_or_default()),
                    (0, Some("0b")) => (2, text.get(2..).unwrap_or_default()),
                    (0, Some("0o")) => (8, text.get(2..).unwrap_or_default()),
                    (0, _) => (10, text.as_str()),
                    (base @ (2 | 8 | 10 | 16), _) => (base, text.as_str()),
                    _ => return Some(INVALID_PARAMETER),
                };
                let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
                let value = u32::from_str_radix(digits.get(..end).unwrap_or_default(), base).unwrap_or(0);
                guest::write(arguments.pointer(2), &value);
                SUCCESS
            }
            Export::RtlAnsiStringToUnicodeString => {
                let source = units(&text(second));
                self.converted(first, arguments.boolean(2), 2, &source, |units| {
                    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
                })
            }
            Export::RtlUnicodeStringToAnsiString => {
                let source = units(&read_unicode(second));
                self.converted(first, arguments.boolean(2), 1, &source, |units| {
                    units
                        .iter()
                        .map(|&unit| u8::try_from(unit).unwrap_or(b'?'))
                        .collect()
                })
            }
            Export::RtlFreeUnicodeString | Export::RtlFreeAnsiString => {
                let buffer: GuestAddress = guest::read(first + 8);
                if buffer != 0 {
                    self.driver_free(Origin::Pool, buffer, None);
                    guest::write(first, &[0_u64; 2]);
                }
                0
            }
            _ => return None,
        })
    }

    /// A string converted into another's buffer, or into pool.
    fn converted(
        &self,
        target: GuestAddress,
        allocate: bool,
        size: usize,
        source: &[u16],
        encode: impl Fn(&[u16]) -> Vec<u8>,
    ) -> u64 {
        let (length, room) = (source.len() * size, (source.len() + 1) * size);
        let lengths = [length, room].map(|bytes| u16::try_from(bytes).unwrap_or(u16::MAX));
        if allocate {
            let buffer = self.driver_pool(room, 0, true);
            if buffer == 0 {
                return NO_MEMORY;
            }
            guest::write(target, &lengths);
            guest::write(target + 8, &buffer);
        } else {
            if usize::from(guest::read::<u16>(target + 2)) < length {
                return OVERFLOW;
            }
            guest::write(target, &lengths[0]);
        }
        let buffer: GuestAddress = guest::read(target + 8);
        guest::write_bytes(buffer, &encode(source));
        SUCCESS
    }
}

/// Appends to a `UNICODE_STRING`, if it has room.
fn append(target: GuestAddress, more: &[u16]) -> u64 {
    let [length, room]: [u16; 2] = guest::read(target);
    let buffer: GuestAddress = guest::read(target + 8);
    let after = usize::from(length) + 2 * more.len();
    if after > usize::from(room) {
        return TOO_SMALL;
    }
    write_units(buffer + u64::from(length), more);
    if after + 2 <= usize::from(room) {
        guest::write(buffer + after as u64, &0_u16);
    }
    guest::write(target, &u16::try_from(after).unwrap_or(u16::MAX));
    SUCCESS
}
