//! Which sections there are, who names them, and whom the INF is for.

use super::{
    Findings,
    plan::{EXTENSIONS, LEGACY_DIRECTIVES, LEGACY_EXTENSIONS, Plan, Use, models},
    rules::{
        ARCHITECTURE, CLASS_INSTALL, CLASS_MATCH, DEFAULT_INSTALL, LEGACY_DIRECTIVE, LEGACY_SECTION,
        NEEDS_EXTENSION, NEEDS_INCLUDE, NO_DEVICE, PRODUCT_DECORATION, SECTION_MISSING, SECTION_SHARED,
        SECTION_UNUSED,
    },
    version::CLASSES,
};
use crate::inf::{Inf, ItemKind};

pub(super) fn check(inf: &Inf, plan: &Plan, findings: &mut Findings) {
    for reference in &plan.references {
        if !inf.has_section(&reference.section) {
            let what = format!("there is no section [{}]", reference.section);
            findings.tell(&SECTION_MISSING, reference.line, what);
        }
    }
    check_sections(inf, plan, findings);
    check_directives(inf, findings);
    check_models(inf, findings);
}

/// The name without its decoration, and whether it is the given one.
fn is_or_extends(section: &str, name: &str) -> bool {
    let base = section.split_once('.').map_or(section, |(base, _)| base);
    base.eq_ignore_ascii_case(name)
}

fn check_sections(inf: &Inf, plan: &Plan, findings: &mut Findings) {
    let mut seen: Vec<String> = Vec::new();
    for item in inf.items() {
        let ItemKind::Section(name) = item.kind() else {
            continue;
        };
        let name = &name.text;
        if seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        seen.push(name.clone());
        if is_or_extends(name, "DefaultInstall") {
            if inf.has_section("Manufacturer") {
                findings.tell(
                    &DEFAULT_INSTALL,
                    item.line,
                    format!("[{name}] stands beside [Manufacturer]"),
                );
            }
            continue;
        }
        if is_or_extends(name, "ClassInstall32") {
            let class = inf.value("Version", "Class").unwrap_or_default();
            if CLASSES.iter().any(|(known, _)| class.eq_ignore_ascii_case(known)) {
                findings.tell(
                    &CLASS_INSTALL,
                    item.line,
                    format!("{class} is one that Windows defines"),
                );
            }
            continue;
        }
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        if let Some(legacy) = LEGACY_EXTENSIONS
            .into_iter()
            .find(|legacy| extension.is_some_and(|extension| extension.eq_ignore_ascii_case(legacy)))
        {
            findings.tell(&LEGACY_SECTION, item.line, format!("a .{legacy} section"));
            continue;
        }
        let uses: Vec<Use> = plan.uses(name).map(|reference| reference.by).collect();
        if uses.is_empty() && !is_security(inf, name) {
            findings.tell(&SECTION_UNUSED, item.line, format!("nothing names [{name}]"));
        }
        if let Some(first) = uses.first()
            && uses.iter().any(|other| other != first)
        {
            findings.tell(
                &SECTION_SHARED,
                item.line,
                format!("[{name}] is named by several kinds of directive"),
            );
        }
    }
}

/// `add-registry-section.security` goes with its section.
fn is_security(inf: &Inf, name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(base, extension)| extension.eq_ignore_ascii_case("security") && inf.has_section(base))
}

fn check_directives(inf: &Inf, findings: &mut Findings) {
    let mut section = String::new();
    for item in inf.items() {
        match item.kind() {
            ItemKind::Section(name) => section.clone_from(&name.text),
            ItemKind::Entry(entry) => {
                let Some(key) = &entry.key else { continue };
                if LEGACY_DIRECTIVES.iter().any(|legacy| key.is(legacy))
                    && !is_or_extends(&section, "Strings")
                {
                    findings.tell(&LEGACY_DIRECTIVE, item.line, format!("{} is one", key.text));
                }
                if key.is("Needs") {
                    let names = entry
                        .values
                        .iter()
                        .filter_map(|field| inf.resolve(item.line, field).ok());
                    check_needs(inf, &section, item.line, names, findings);
                }
            }
            _ => {}
        }
    }
}

fn check_needs(
    inf: &Inf,
    section: &str,
    line: usize,
    names: impl Iterator<Item = String>,
    findings: &mut Findings,
) {
    let extension_of = |name: &str| {
        let (_, extension) = name.rsplit_once('.')?;
        EXTENSIONS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(extension))
    };
    let includes = inf.lookup(section, "Include").is_some();
    for name in names.filter(|name| !name.is_empty()) {
        if extension_of(&name) != extension_of(section) {
            findings.tell(&NEEDS_EXTENSION, line, format!("[{section}] needs [{name}]"));
        }
        if !includes && !inf.has_section(&name) {
            findings.tell(&NEEDS_INCLUDE, line, format!("[{name}] is not of this INF"));
        }
    }
}

fn check_models(inf: &Inf, findings: &mut Findings) {
    let Some(manufacturer) = inf
        .items()
        .iter()
        .find(|item| matches!(item.kind(), ItemKind::Section(name) if name.is("Manufacturer")))
    else {
        if !inf.items().iter().any(
            |item| matches!(item.kind(), ItemKind::Section(name) if is_or_extends(&name.text, "DefaultInstall")),
        ) {
            let last = inf.items().last().map_or(1, |item| item.line);
            findings.tell(&NO_DEVICE, last, "there is no [Manufacturer]");
        }
        return;
    };
    for found in inf.section("Manufacturer") {
        for decoration in found
            .entry
            .values
            .iter()
            .skip(1)
            .filter(|field| !field.text.is_empty())
        {
            // nt[Architecture].[Major][.[Minor][.[ProductType][.[SuiteMask][.[Build]]]]]
            let parts: Vec<&str> = decoration.text.split('.').collect();
            if parts.iter().skip(3).take(2).any(|part| !part.is_empty()) {
                findings.tell(
                    &PRODUCT_DECORATION,
                    found.line,
                    format!("'{}' does", decoration.text),
                );
            }
            let architecture = parts.first().copied().unwrap_or_default().to_ascii_lowercase();
            if !["ntamd64", "ntarm64", "ntx86", "ntarm"].contains(&architecture.as_str()) {
                findings.tell(
                    &ARCHITECTURE,
                    found.line,
                    format!("'{}' does not", decoration.text),
                );
            }
        }
        let bare = found
            .entry
            .values
            .first()
            .and_then(|field| inf.resolve(found.line, field).ok());
        if let Some(bare) = bare
            && inf.has_section(&bare)
        {
            findings.tell(&ARCHITECTURE, found.line, format!("[{bare}] does not"));
        }
    }
    let models = models(inf);
    if models.iter().all(|model| model.ids.is_empty()) {
        findings.tell(&NO_DEVICE, manufacturer.line, "no model has a hardware id");
    }
    for model in models {
        for id in model
            .ids
            .iter()
            .filter(|id| id.to_ascii_uppercase().starts_with("PCI\\CC_"))
        {
            findings.tell(&CLASS_MATCH, model.line, format!("{id} is such a match"));
        }
    }
}
