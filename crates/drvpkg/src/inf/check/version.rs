//! `[Version]`.

use super::{
    Findings, number,
    rules::{
        CATALOG, CLASS, DRIVER_VERSION, PNP_LOCKDOWN, PROVIDER, PROVIDER_MICROSOFT, REFLECT_OFFLINE,
        SIGNATURE, VERSION_MISSING,
    },
};
use crate::{
    civil::{Date, DriverVersion},
    inf::{Inf, ItemKind},
};

const SECTION: &str = "Version";

/// Classes that storage drivers are of. Source: "System-Defined Device Setup Classes Available to Vendors".
pub(super) const CLASSES: [(&str, &str); 3] = [
    ("SCSIAdapter", "{4D36E97B-E325-11CE-BFC1-08002BE10318}"),
    ("HDC", "{4D36E96A-E325-11CE-BFC1-08002BE10318}"),
    ("System", "{4D36E97D-E325-11CE-BFC1-08002BE10318}"),
];

pub(super) fn check(inf: &Inf, findings: &mut Findings) {
    let section = inf
        .items()
        .iter()
        .find(|item| matches!(item.kind(), ItemKind::Section(name) if name.is(SECTION)));
    let Some(section) = section else {
        let last = inf.items().last().map_or(1, |item| item.line);
        findings.tell(&VERSION_MISSING, last, "there is none");
        return;
    };
    // What is missing is told where it would stand.
    let line = |key: &str| inf.lookup(SECTION, key).map_or(section.line, |found| found.line);
    let value = |key: &str| inf.value(SECTION, key).ok();

    match value("Signature") {
        Some(signature)
            if ["$Windows NT$", "$Chicago$"]
                .iter()
                .any(|known| signature.eq_ignore_ascii_case(known)) => {}
        Some(signature) => findings.tell(&SIGNATURE, line("Signature"), format!("'{signature}'")),
        None => findings.tell(&SIGNATURE, section.line, "there is none"),
    }
    check_class(value("Class"), value("ClassGuid"), line("ClassGuid"), findings);
    match value("Provider") {
        Some(provider) if provider.trim().eq_ignore_ascii_case("Microsoft") => {
            findings.tell(&PROVIDER_MICROSOFT, line("Provider"), format!("'{provider}'"));
        }
        Some(_) => {}
        None => findings.tell(&PROVIDER, section.line, "there is none"),
    }
    let catalog = inf.section(SECTION).find_map(|found| {
        let key = found.entry.key.as_ref()?;
        let base = key.text.split('.').next().unwrap_or_default();
        base.eq_ignore_ascii_case("CatalogFile")
            .then(|| inf.resolve(found.line, found.entry.values.first()?).ok())?
    });
    match catalog {
        Some(name) if name.to_ascii_lowercase().ends_with(".cat") => {}
        Some(name) => findings.tell(&CATALOG, line("CatalogFile"), format!("'{name}' is no .cat file")),
        None => findings.tell(&CATALOG, section.line, "there is none"),
    }
    check_driver_version(inf, section.line, findings);
    let locked = value("PnpLockdown").and_then(|text| number(&text)) == Some(1);
    if !locked {
        findings.tell(&PNP_LOCKDOWN, line("PnpLockdown"), "it is not");
    }
    if inf.lookup(SECTION, "DontReflectOffline").is_some() {
        findings.tell(&REFLECT_OFFLINE, line("DontReflectOffline"), "it is set");
    }
}

fn check_class(class: Option<String>, guid: Option<String>, line: usize, findings: &mut Findings) {
    let (Some(class), Some(guid)) = (class, guid) else {
        findings.tell(&CLASS, line, "one of them is missing");
        return;
    };
    if !is_guid(&guid) {
        findings.tell(&CLASS, line, format!("'{guid}' is no GUID in braces"));
    }
    for (name, known) in CLASSES {
        if class.eq_ignore_ascii_case(name) != guid.eq_ignore_ascii_case(known) {
            findings.tell(&CLASS, line, format!("{name} is {known}"));
        }
    }
}

/// `{8-4-4-4-12}` hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let Some(text) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return false;
    };
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn check_driver_version(inf: &Inf, section: usize, findings: &mut Findings) {
    let Some(found) = inf.lookup(SECTION, "DriverVer") else {
        findings.tell(&DRIVER_VERSION, section, "there is none");
        return;
    };
    let text = |index: usize| {
        let field = found.entry.values.get(index)?;
        inf.resolve(found.line, field).ok()
    };
    let date = text(0).unwrap_or_default();
    // The directive has one form; a date of ours may have another.
    if !date.contains('/') || date.parse::<Date>().is_err() {
        findings.tell(
            &DRIVER_VERSION,
            found.line,
            format!("'{date}' is no date mm/dd/yyyy"),
        );
    }
    let version = text(1).unwrap_or_default();
    if version.split('.').count() != 4 || version.parse::<DriverVersion>().is_err() {
        findings.tell(
            &DRIVER_VERSION,
            found.line,
            format!("'{version}' is no version w.x.y.z"),
        );
    }
}
