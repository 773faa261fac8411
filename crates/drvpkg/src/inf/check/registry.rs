//! Registry entries.

use std::collections::BTreeMap;

use super::{
    Findings, number,
    plan::{Plan, RegistrySection},
    rules::{
        CO_INSTALLER, MESSAGE_LIMIT, REGISTRY_APPEND, REGISTRY_CONFLICT, REGISTRY_FLAGS, REGISTRY_NUMBER,
        REGISTRY_ROOT, SERVICE_STATE, SERVICES_KEY,
    },
};
use crate::inf::Inf;

const BINARY: u64 = 0x1;
const DELETE_VALUE: u64 = 0x4;
const APPEND: u64 = 0x8;
const KEY_ONLY: u64 = 0x10 | 0x2000;
const DWORD: u64 = 0x0001_0001;
/// Bits of the low word that mean something.
const LOW: u64 = 0x703f;

/// An entry of an add-registry section.
struct Entry {
    line: usize,
    root: String,
    key: String,
    value: String,
    /// Not a number if it cannot be read.
    flags: Option<u64>,
    data: Vec<String>,
}

pub(super) fn check(inf: &Inf, plan: &Plan, findings: &mut Findings) {
    // One value of one key, by the section whose key it is.
    let mut set: BTreeMap<[String; 3], (u64, Vec<String>)> = BTreeMap::new();
    for section in &plan.registry {
        for entry in entries(inf, &section.section) {
            check_entry(section, &entry, findings);
            if entry.flags.is_some_and(|flags| flags & KEY_ONLY != 0) {
                continue;
            }
            let place = [&section.owner, &entry.key, &entry.value].map(|part| part.to_ascii_lowercase());
            let now = (entry.flags.unwrap_or(0), entry.data);
            match set.get(&place) {
                Some(before) if *before != now => {
                    findings.tell(
                        &REGISTRY_CONFLICT,
                        entry.line,
                        format!("'{}' is set twice", entry.value),
                    );
                }
                _ => {
                    set.insert(place, now);
                }
            }
        }
    }
}

fn entries(inf: &Inf, section: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for found in inf.section(section) {
        let mut texts = found.entry.values.iter().map(|field| {
            inf.resolve(found.line, field)
                .unwrap_or_else(|_| field.text.clone())
        });
        let mut next = || texts.next().unwrap_or_default();
        let (root, key, value, flags) = (next(), next(), next(), next());
        entries.push(Entry {
            line: found.line,
            root,
            key,
            value,
            flags: if flags.is_empty() { Some(0) } else { number(&flags) },
            data: texts.collect(),
        });
    }
    entries
}

fn check_entry(section: &RegistrySection, entry: &Entry, findings: &mut Findings) {
    let line = entry.line;
    let key = entry.key.to_ascii_lowercase();
    if !entry.root.eq_ignore_ascii_case("HKR") {
        if key.contains("currentcontrolset\\services") {
            findings.tell(&SERVICES_KEY, line, format!("{}\\{}", entry.root, entry.key));
        } else {
            findings.tell(&REGISTRY_ROOT, line, format!("'{}' is not", entry.root));
        }
    }
    if entry.value.eq_ignore_ascii_case("CoInstallers32") {
        findings.tell(&CO_INSTALLER, line, "one is");
    }
    let under_parameters = key == "parameters" || key.starts_with("parameters\\");
    if section.of_service && entry.root.eq_ignore_ascii_case("HKR") && !under_parameters {
        findings.tell(&SERVICE_STATE, line, format!("'{}' does not", entry.key));
    }
    let Some(flags) = entry.flags else {
        findings.tell(&REGISTRY_FLAGS, line, "they are no number");
        return;
    };
    if flags & (APPEND | DELETE_VALUE) != 0 {
        findings.tell(&REGISTRY_APPEND, line, format!("'{}' is", entry.value));
    } else if flags & 0xffff & !LOW != 0 || !known_type(flags) {
        findings.tell(&REGISTRY_FLAGS, line, format!("{flags:#010x} is none"));
    }
    let is_number = |text: &String| number(text).is_some_and(|value| u32::try_from(value).is_ok());
    let is_dword = flags & (DWORD | 0xffff_0000) == DWORD;
    if is_dword && !(entry.data.len() == 1 && entry.data.iter().all(is_number)) {
        findings.tell(
            &REGISTRY_NUMBER,
            line,
            format!("'{}' is set to '{}'", entry.value, entry.data.join(",")),
        );
        return;
    }
    if key.ends_with("messagesignaledinterruptproperties") && is_dword {
        let data = entry.data.first().and_then(|text| number(text)).unwrap_or(0);
        let allowed = match entry.value.to_ascii_lowercase().as_str() {
            "msisupported" => 0..=1,
            "messagenumberlimit" => 1..=2048,
            _ => return,
        };
        if !allowed.contains(&data) {
            findings.tell(&MESSAGE_LIMIT, line, format!("{} is {data}", entry.value));
        }
    }
}

/// The type in the high word: of strings without the binary flag, of numbers with it. Others take binary data.
fn known_type(flags: u64) -> bool {
    let kind = flags >> 16;
    if flags & BINARY == 0 {
        kind <= 2
    } else {
        kind <= 0xffff
    }
}
