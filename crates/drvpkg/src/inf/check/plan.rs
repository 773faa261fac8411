//! What an installation does: which sections are reached, by which directive, from where.

use crate::inf::{
    Field, Inf, ItemKind,
    query::{Located, Model},
};

/// How a section is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Its name has a meaning of its own.
    System,
    Models,
    /// An install section, or one of its extensions.
    Install,
    CopyFiles,
    AddReg,
    Service,
    EventLog,
    Interface,
    /// By a directive that is not declarative.
    Legacy,
}

/// A section that something refers to.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) line: usize,
    pub(super) section: String,
    pub(super) by: Use,
}

/// An install section as it applies to some model.
#[derive(Clone, Debug)]
pub(super) struct Install {
    /// As it stands in the file, decoration included; `None` if there is none for the model.
    pub(super) section: Option<String>,
    pub(super) model: Model,
}

/// A service that an install section adds.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) line: usize,
    /// The install section.
    pub(super) install: String,
    pub(super) name: String,
    pub(super) flags: String,
    /// Its service-install section; empty for the null driver.
    pub(super) section: String,
    /// Its event-log section; empty if there is none.
    pub(super) event_log: String,
}

/// Entries of a registry section, and whose key HKR stands for.
#[derive(Clone, Debug)]
pub(super) struct RegistrySection {
    pub(super) section: String,
    /// The section that names it: its key is the root.
    pub(super) owner: String,
    /// It belongs to a service, not to a device or an event log.
    pub(super) of_service: bool,
}

/// A file that is copied.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) line: usize,
    pub(super) file: String,
    /// What it is called in the package, if something else.
    pub(super) source: Option<String>,
    /// The section that copies it; `None` for `@file`.
    pub(super) section: Option<String>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) installs: Vec<Install>,
    pub(super) services: Vec<Service>,
    pub(super) registry: Vec<RegistrySection>,
    pub(super) copies: Vec<Copy>,
    pub(super) references: Vec<Reference>,
}

/// Sections whose names mean something by themselves, beside those that are reached.
const SYSTEM: [&str; 8] = [
    "Version",
    "Strings",
    "SourceDisksNames",
    "SourceDisksFiles",
    "DestinationDirs",
    "Manufacturer",
    "ControlFlags",
    "SignatureAttributes",
];
/// Extensions of an install section. Source: "INF `DDInstall` Section" and its siblings.
pub(super) const EXTENSIONS: [&str; 9] = [
    "Services",
    "HW",
    "Interfaces",
    "Events",
    "WMI",
    "Filters",
    "Components",
    "Software",
    "Wdf",
];
/// Extensions that are not declarative.
pub(super) const LEGACY_EXTENSIONS: [&str; 3] = ["CoInstallers", "LogConfigOverride", "FactDef"];

impl Plan {
    pub(super) fn of(inf: &Inf) -> Self {
        let mut plan = Self::default();
        for item in inf.items() {
            if let ItemKind::Section(name) = item.kind()
                && is_system(&name.text)
            {
                plan.refer(item.line, &name.text, Use::System);
            }
        }
        plan.follow_manufacturers(inf);
        let mut done: Vec<String> = Vec::new();
        for install in plan.installs.clone() {
            let Some(section) = install.section else { continue };
            if done.iter().any(|known| known.eq_ignore_ascii_case(&section)) {
                continue;
            }
            plan.follow_install(inf, &section);
            done.push(section);
        }
        plan
    }

    /// The ways a section is reached.
    pub(super) fn uses(&self, section: &str) -> impl Iterator<Item = &Reference> {
        self.references
            .iter()
            .filter(move |reference| reference.section.eq_ignore_ascii_case(section))
    }

    fn refer(&mut self, line: usize, section: &str, by: Use) {
        let section = section.to_owned();
        self.references.push(Reference { line, section, by });
    }

    fn follow_manufacturers(&mut self, inf: &Inf) {
        for found in inf.section("Manufacturer") {
            let mut values = found.entry.values.iter();
            let Some(name) = values
                .next()
                .and_then(|field| inf.resolve(found.line, field).ok())
            else {
                continue;
            };
            let decorations: Vec<&str> = values
                .map(|field| field.text.as_str())
                .filter(|text| !text.is_empty())
                .collect();
            // Undecorated models are a choice beside decorated ones, and need not be there.
            if decorations.is_empty() || inf.has_section(&name) {
                self.refer(found.line, &name, Use::Models);
            }
            for decoration in decorations {
                self.refer(found.line, &format!("{name}.{decoration}"), Use::Models);
            }
        }
        for model in models(inf) {
            let platform = model.decoration.split('.').next().unwrap_or_default();
            let named = &model.install_section;
            let candidates = [
                format!("{named}.{platform}"),
                format!("{named}.NT"),
                named.clone(),
            ];
            let section = candidates.into_iter().find(|name| inf.has_section(name));
            if section.is_none() {
                self.refer(model.line, named, Use::Install);
            }
            self.installs.push(Install { section, model });
        }
    }

    fn follow_install(&mut self, inf: &Inf, section: &str) {
        let line = inf.section(section).next().map_or(1, |found| found.line);
        self.refer(line, section, Use::Install);
        self.follow_directives(inf, section, false);
        for extension in EXTENSIONS.into_iter().chain(LEGACY_EXTENSIONS) {
            let name = format!("{section}.{extension}");
            if inf.has_section(&name) {
                self.refer(line, &name, Use::Install);
                self.follow_directives(inf, &name, false);
            }
        }
    }

    /// The directives of one section.
    fn follow_directives(&mut self, inf: &Inf, section: &str, of_service: bool) {
        let entries: Vec<Located<'_>> = inf.section(section).collect();
        for found in entries {
            let Some(key) = found.entry.key.as_ref() else {
                continue;
            };
            let values: Vec<String> = found
                .entry
                .values
                .iter()
                .map(|field| {
                    inf.resolve(found.line, field)
                        .unwrap_or_else(|_| field.text.clone())
                })
                .collect();
            let named = || values.iter().filter(|name| !name.is_empty());
            match key.text.to_ascii_lowercase().as_str() {
                "copyfiles" => {
                    for name in named() {
                        self.follow_copy(inf, found.line, name);
                    }
                }
                "addreg" => {
                    for name in named() {
                        self.refer(found.line, name, Use::AddReg);
                        self.registry.push(RegistrySection {
                            section: name.clone(),
                            owner: section.to_owned(),
                            of_service,
                        });
                    }
                }
                "addservice" => self.follow_service(inf, section, found.line, &values),
                "addinterface" => {
                    if let Some(name) = values.get(2).filter(|name| !name.is_empty()) {
                        self.refer(found.line, name, Use::Interface);
                        self.follow_directives(inf, name, false);
                    }
                }
                directive if LEGACY_DIRECTIVES.contains(&directive) => {
                    for name in named() {
                        if inf.has_section(name) {
                            self.refer(found.line, name, Use::Legacy);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn follow_copy(&mut self, inf: &Inf, line: usize, name: &str) {
        if let Some(file) = name.strip_prefix('@') {
            self.copies.push(Copy {
                line,
                file: file.to_owned(),
                source: None,
                section: None,
            });
            return;
        }
        self.refer(line, name, Use::CopyFiles);
        for found in inf.section(name) {
            let field = |index: usize| {
                let field = found.entry.values.get(index)?;
                inf.resolve(found.line, field)
                    .ok()
                    .filter(|text| !text.is_empty())
            };
            let Some(file) = field(0) else { continue };
            self.copies.push(Copy {
                line: found.line,
                file,
                source: field(1),
                section: Some(name.to_owned()),
            });
        }
    }

    fn follow_service(&mut self, inf: &Inf, install: &str, line: usize, values: &[String]) {
        let value = |index: usize| values.get(index).cloned().unwrap_or_default();
        let (section, event_log) = (value(2), value(3));
        if !section.is_empty() {
            self.refer(line, &section, Use::Service);
            self.follow_directives(inf, &section, true);
        }
        if !event_log.is_empty() {
            self.refer(line, &event_log, Use::EventLog);
            self.follow_directives(inf, &event_log, false);
        }
        self.services.push(Service {
            line,
            install: install.to_owned(),
            name: value(0),
            flags: value(1),
            section,
            event_log,
        });
    }
}

/// The lines of the models sections, whatever else is wrong with them.
pub(super) fn models(inf: &Inf) -> Vec<Model> {
    let text = |line: usize, field: &Field| inf.resolve(line, field).unwrap_or_else(|_| field.text.clone());
    let mut models = Vec::new();
    for manufacturer in inf.section("Manufacturer") {
        let Some((name, decorations)) = manufacturer.entry.values.split_first() else {
            continue;
        };
        let name = text(manufacturer.line, name);
        let decorated = decorations
            .iter()
            .map(|field| field.text.as_str())
            .filter(|text| !text.is_empty());
        for decoration in std::iter::once("").chain(decorated) {
            let section = if decoration.is_empty() {
                name.clone()
            } else {
                format!("{name}.{decoration}")
            };
            for found in inf.section(&section) {
                let mut values = found.entry.values.iter().map(|field| text(found.line, field));
                models.push(Model {
                    line: found.line,
                    decoration: decoration.to_owned(),
                    description: found
                        .entry
                        .key
                        .as_ref()
                        .map(|key| text(found.line, key))
                        .unwrap_or_default(),
                    install_section: values.next().unwrap_or_default(),
                    ids: values.filter(|id| !id.is_empty()).collect(),
                });
            }
        }
    }
    models
}

/// Directives that are not declarative. Source: "Using a Universal INF File".
pub(super) const LEGACY_DIRECTIVES: [&str; 13] = [
    "bitreg",
    "delfiles",
    "delproperty",
    "delreg",
    "delservice",
    "ini2reg",
    "logconfig",
    "profileitems",
    "registerdlls",
    "renfiles",
    "unregisterdlls",
    "updateinifields",
    "updateinis",
];

fn is_system(section: &str) -> bool {
    let base = section.split_once('.').map_or(section, |(base, _)| base);
    SYSTEM.iter().any(|name| name.eq_ignore_ascii_case(base))
}
