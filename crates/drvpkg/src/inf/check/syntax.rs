//! The text alone.

use super::{
    Findings,
    rules::{BROKEN_SECTION, OPEN_QUOTE, STRAY_ENTRY, STRING_UNDEFINED, TOO_LONG},
};
use crate::inf::{Field, Inf, InfError, ItemKind};

/// Characters of a field, without the terminating null.
const FIELD: usize = 4095;
/// Characters of a section's name.
const NAME: usize = 255;

pub(super) fn check(inf: &Inf, findings: &mut Findings) {
    let mut section: Option<&str> = None;
    for item in inf.items() {
        match item.kind() {
            ItemKind::Blank => {}
            ItemKind::BrokenSection => {
                section = Some("");
                findings.tell(&BROKEN_SECTION, item.line, "the closing bracket is missing");
            }
            ItemKind::Section(name) => {
                section = Some(&name.text);
                if name.text.chars().count() > NAME {
                    findings.tell(&TOO_LONG, item.line, "the section's name is too long");
                }
            }
            ItemKind::Entry(entry) => {
                if section.is_none() {
                    findings.tell(
                        &STRAY_ENTRY,
                        item.line,
                        "an entry stands before the first section",
                    );
                }
                // The strings themselves are not looked into: their percent signs are text.
                let strings = section.is_some_and(is_strings);
                for field in entry.key.iter().chain(&entry.values) {
                    check_field(inf, item.line, field, strings, findings);
                }
            }
        }
    }
}

fn is_strings(section: &str) -> bool {
    let name = section.split_once('.').map_or(section, |(name, _)| name);
    name.eq_ignore_ascii_case("Strings")
}

fn check_field(inf: &Inf, line: usize, field: &Field, strings: bool, findings: &mut Findings) {
    if field.unterminated {
        findings.tell(&OPEN_QUOTE, line, "a quote is not closed");
    }
    let mut length = field.text.chars().count();
    if !strings {
        match inf.resolve(line, field) {
            Ok(text) => length = length.max(text.chars().count()),
            Err(InfError::UnknownString { token, .. }) => {
                findings.tell(&STRING_UNDEFINED, line, format!("%{token}% is not defined"));
            }
            Err(_) => {}
        }
    }
    if length > FIELD {
        findings.tell(&TOO_LONG, line, format!("a field has {length} characters"));
    }
}
