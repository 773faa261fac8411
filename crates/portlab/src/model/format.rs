//! The kernel's printf, for debug output.

use std::fmt::Write as _;

use crate::abi::{GuestAddress, exports::Arguments, guest};

/// Longest string argument that is printed.
const LIMIT: usize = 1024;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "one per flag of printf")]
struct Specification {
    left: bool,
    zero: bool,
    alternate: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    /// Bits of an integer argument.
    bits: u32,
    wide: bool,
    /// The pattern is wide: so is `%s`, and `%S` is not.
    wide_pattern: bool,
}

/// Formats `format` with the arguments from `next` on.
pub(super) fn format(format: GuestAddress, arguments: Arguments, next: usize) -> String {
    formatted(&guest::read_c_string(format, 4 * LIMIT), arguments, next, false)
}

/// As [`format`], for a pattern of UTF-16.
pub(super) fn format_wide(format: GuestAddress, arguments: Arguments, next: usize) -> String {
    formatted(&guest::read_wide_string(format, 4 * LIMIT), arguments, next, true)
}

fn formatted(pattern: &str, arguments: Arguments, mut next: usize, wide_pattern: bool) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut argument = || {
            let value = arguments.get(next);
            next += 1;
            value
        };
        let mut specification = Specification {
            bits: 32,
            wide_pattern,
            ..Specification::default()
        };
        while let Some(&flag) = rest.peek() {
            match flag {
                '-' => specification.left = true,
                '0' => specification.zero = true,
                '#' => specification.alternate = true,
                '+' => specification.plus = true,
                ' ' => {}
                _ => break,
            }
            rest.next();
        }
        specification.width = number(&mut rest, &mut argument).unwrap_or(0);
        if rest.peek() == Some(&'.') {
            rest.next();
            specification.precision = Some(number(&mut rest, &mut argument).unwrap_or(0));
        }
        size(&mut rest, &mut specification);
        match rest.next() {
            Some('%') => out.push('%'),
            Some(kind) => pad(&mut out, &specification, &convert(kind, &specification, argument)),
            None => break,
        }
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn number(rest: &mut Chars<'_>, argument: &mut impl FnMut() -> u64) -> Option<usize> {
    if rest.peek() == Some(&'*') {
        rest.next();
        return Some((argument() & 0xFFFF) as usize);
    }
    let mut value = None;
    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
        value = Some((value.unwrap_or(0_usize) * 10 + digit as usize).min(LIMIT));
        rest.next();
    }
    value
}

fn size(rest: &mut Chars<'_>, specification: &mut Specification) {
    while let Some(&modifier) = rest.peek() {
        match modifier {
            'l' if specification.wide => specification.bits = 64,
            'l' | 'w' => specification.wide = true,
            'h' => specification.bits = 16,
            'z' => specification.bits = 64,
            'I' => {
                let mut ahead = rest.clone();
                ahead.next();
                let digits: String = ahead.by_ref().take(2).collect();
                if digits == "64" || digits == "32" {
                    specification.bits = if digits == "64" { 64 } else { 32 };
                    rest.next();
                    rest.next();
                } else {
                    specification.bits = 64;
                }
            }
            _ => return,
        }
        rest.next();
    }
}

fn convert(kind: char, specification: &Specification, mut argument: impl FnMut() -> u64) -> String {
    let mask = if specification.bits == 64 {
        u64::MAX
    } else {
        (1 << specification.bits) - 1
    };
    let limit = specification.precision.unwrap_or(LIMIT);
    match kind {
        'd' | 'i' => {
            let shift = 64 - specification.bits;
            let value = (argument() << shift).cast_signed() >> shift;
            if specification.plus && value >= 0 {
                format!("+{value}")
            } else {
                value.to_string()
            }
        }
        'u' => (argument() & mask).to_string(),
        'x' if specification.alternate => format!("{:#x}", argument() & mask),
        'x' => format!("{:x}", argument() & mask),
        'X' => format!("{:X}", argument() & mask),
        'o' => format!("{:o}", argument() & mask),
        'p' => format!("{:016X}", argument()),
        'c' | 'C' => u32::try_from(argument() & 0xFFFF)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('?')
            .to_string(),
        's' if specification.wide_pattern && specification.bits != 16 => {
            guest::read_wide_string(argument(), limit)
        }
        'S' if specification.wide_pattern && !specification.wide => guest::read_c_string(argument(), limit),
        's' if specification.wide => guest::read_wide_string(argument(), limit),
        'S' => guest::read_wide_string(argument(), limit),
        's' => guest::read_c_string(argument(), limit),
        // ANSI_STRING or UNICODE_STRING: length, maximum length, pointer.
        'Z' => {
            let object = argument();
            if object == 0 {
                return String::from("(null)");
            }
            let length = usize::from(guest::read::<u16>(object)).min(LIMIT);
            let buffer: GuestAddress = guest::read(object + 8);
            if specification.wide {
                guest::read_wide_string(buffer, length / 2)
            } else {
                guest::read_c_string(buffer, length)
            }
        }
        other => format!("%{other}"),
    }
}

fn pad(out: &mut String, specification: &Specification, text: &str) {
    let width = specification.width;
    let _ = if specification.left {
        write!(out, "{text:<width$}")
    } else if specification.zero {
        match text.strip_prefix('-') {
            Some(digits) => write!(out, "-{digits:0>width$}", width = width.saturating_sub(1)),
            None => write!(out, "{text:0>width$}"),
        }
    } else {
        write!(out, "{text:>width$}")
    };
}
