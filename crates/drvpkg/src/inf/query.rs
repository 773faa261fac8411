//! What an INF means.

use super::document::{Entry, Field, Inf, ItemKind};

/// What an INF lacks or gets wrong for packaging. Each says where to put it right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfError {
    /// A section is missing.
    #[error("the INF has no [{0}] section; add one")]
    NoSection(String),
    /// An entry is missing.
    #[error("the INF's [{section}] section has no {entry} entry; add one")]
    NoEntry {
        /// The section.
        section: String,
        /// The entry.
        entry: String,
    },
    /// A `%token%` that `[Strings]` does not define.
    #[error("line {line}: %{token}% is not defined in [Strings]")]
    UnknownString {
        /// Line of the use.
        line: usize,
        /// The token.
        token: String,
    },
    /// No model names a hardware id.
    #[error("the INF matches no hardware id: its models sections are empty or missing")]
    NoHardwareIds,
    /// A decoration that names no architecture known here.
    #[error(
        "line {line}: '{decoration}' is no TargetOSVersion decoration known here (NTamd64..., NTarm64...)"
    )]
    Decoration {
        /// Line of the `[Manufacturer]` entry.
        line: usize,
        /// The decoration.
        decoration: String,
    },
}

/// An entry and the line it begins on.
#[derive(Clone, Copy, Debug)]
pub struct Located<'inf> {
    /// Line number, from 1.
    pub line: usize,
    /// Index of its item in the document.
    pub item: usize,
    /// The entry.
    pub entry: &'inf Entry,
}

/// A line of a models section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Line number, from 1.
    pub line: usize,
    /// The decoration of its section, `NTamd64.10.0...17763` for one; empty when undecorated.
    pub decoration: String,
    /// The device's description.
    pub description: String,
    /// The install section it names.
    pub install_section: String,
    /// Hardware id, then compatible ids.
    pub ids: Vec<String>,
}

/// A processor architecture that a decoration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// x64.
    Amd64,
    /// Arm64.
    Arm64,
}

impl Architecture {
    /// As a decoration, and stampinf's `-a`, write it.
    #[must_use]
    pub fn decoration(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As a catalog's `OS` attribute writes it for Windows 10.
    #[must_use]
    pub fn catalog_os(self) -> &'static str {
        match self {
            Self::Amd64 => "_v100_X64",
            Self::Arm64 => "_v100_ARM64",
        }
    }
}

impl Inf {
    /// The entries of a section. Sections of one name are one section, wherever they stand.
    pub fn section<'inf>(&'inf self, name: &str) -> impl Iterator<Item = Located<'inf>> {
        let mut inside = false;
        self.items()
            .iter()
            .enumerate()
            .filter_map(move |(index, item)| match item.kind() {
                ItemKind::Section(section) => {
                    inside = section.is(name);
                    None
                }
                ItemKind::BrokenSection => {
                    inside = false;
                    None
                }
                ItemKind::Entry(entry) if inside => Some(Located {
                    line: item.line,
                    item: index,
                    entry,
                }),
                _ => None,
            })
    }

    /// Whether there is a section of that name.
    #[must_use]
    pub fn has_section(&self, name: &str) -> bool {
        self.items()
            .iter()
            .any(|item| matches!(item.kind(), ItemKind::Section(section) if section.is(name)))
    }

    /// The last entry with a key in a section, since later ones override.
    #[must_use]
    pub fn lookup<'inf>(&'inf self, section: &str, key: &str) -> Option<Located<'inf>> {
        self.section(section)
            .filter(|found| found.entry.key.as_ref().is_some_and(|name| name.is(key)))
            .last()
    }

    /// A field's text with its `%tokens%` replaced from `[Strings]`; `%%` is one percent sign.
    ///
    /// # Errors
    /// [`InfError::UnknownString`] for a token that is not defined. Numbers are directory ids and stay.
    pub fn resolve(&self, line: usize, field: &Field) -> Result<String, InfError> {
        let mut resolved = String::new();
        let mut rest = field.text.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            resolved.push_str(before);
            let Some((token, tail)) = after.split_once('%') else {
                resolved.push('%');
                rest = after;
                continue;
            };
            if token.is_empty() {
                resolved.push('%');
            } else if token.bytes().all(|byte| byte.is_ascii_digit()) {
                resolved.push('%');
                resolved.push_str(token);
                resolved.push('%');
            } else {
                let value = self
                    .lookup("Strings", token)
                    .and_then(|found| found.entry.values.first());
                match value {
                    Some(value) => resolved.push_str(&value.text),
                    None => {
                        return Err(InfError::UnknownString {
                            line,
                            token: token.to_owned(),
                        });
                    }
                }
            }
            rest = tail;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    /// The first value of an entry, resolved.
    ///
    /// # Errors
    /// [`InfError`] when the entry is missing or not resolvable.
    pub fn value(&self, section: &str, key: &str) -> Result<String, InfError> {
        let missing = || InfError::NoEntry {
            section: section.to_owned(),
            entry: key.to_owned(),
        };
        let found = self.lookup(section, key).ok_or_else(missing)?;
        let field = found
            .entry
            .values
            .first()
            .filter(|field| !field.text.is_empty())
            .ok_or_else(missing)?;
        self.resolve(found.line, field)
    }

    /// The files that the package installs, from `[SourceDisksFiles]` and its decorated forms.
    ///
    /// # Errors
    /// [`InfError`] when there is none.
    pub fn source_files(&self) -> Result<Vec<String>, InfError> {
        let mut files: Vec<String> = Vec::new();
        for section in [
            "SourceDisksFiles",
            "SourceDisksFiles.amd64",
            "SourceDisksFiles.arm64",
        ] {
            for found in self.section(section) {
                let name = found.entry.key.as_ref().or(found.entry.values.first());
                let Some(name) = name else { continue };
                let name = self.resolve(found.line, name)?;
                if !files.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                    files.push(name);
                }
            }
        }
        if files.is_empty() {
            return Err(InfError::NoSection("SourceDisksFiles".to_owned()));
        }
        Ok(files)
    }

    /// The devices that the INF matches, through `[Manufacturer]` and its models sections.
    ///
    /// # Errors
    /// [`InfError`] when there are none or a text cannot be resolved.
    pub fn models(&self) -> Result<Vec<Model>, InfError> {
        if !self.has_section("Manufacturer") {
            return Err(InfError::NoSection("Manufacturer".to_owned()));
        }
        let mut models = Vec::new();
        for manufacturer in self.section("Manufacturer") {
            let Some((name, decorations)) = manufacturer.entry.values.split_first() else {
                continue;
            };
            let name = self.resolve(manufacturer.line, name)?;
            let decorations = decorations
                .iter()
                .map(|field| field.text.clone())
                .filter(|text| !text.is_empty());
            for decoration in std::iter::once(String::new()).chain(decorations) {
                let section = if decoration.is_empty() {
                    name.clone()
                } else {
                    format!("{name}.{decoration}")
                };
                for found in self.section(&section) {
                    models.push(self.model(&decoration, found)?);
                }
            }
        }
        if models.iter().all(|model| model.ids.is_empty()) {
            return Err(InfError::NoHardwareIds);
        }
        Ok(models)
    }

    fn model(&self, decoration: &str, found: Located<'_>) -> Result<Model, InfError> {
        let text =
            |field: Option<&Field>| field.map_or(Ok(String::new()), |field| self.resolve(found.line, field));
        let mut values = found.entry.values.iter();
        let install_section = text(values.next())?;
        let ids = values
            .filter(|field| !field.text.is_empty())
            .map(|field| self.resolve(found.line, field))
            .collect::<Result<_, _>>()?;
        Ok(Model {
            line: found.line,
            decoration: decoration.to_owned(),
            description: text(found.entry.key.as_ref())?,
            install_section,
            ids,
        })
    }

    /// The architectures of the models' decorations.
    ///
    /// # Errors
    /// [`InfError::Decoration`] for one that names none known here.
    pub fn architectures(&self) -> Result<Vec<Architecture>, InfError> {
        let mut found = Vec::new();
        for model in self.models()? {
            let platform = model
                .decoration
                .split('.')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let architecture = match platform.as_str() {
                "ntamd64" => Architecture::Amd64,
                "ntarm64" => Architecture::Arm64,
                _ => {
                    return Err(InfError::Decoration {
                        line: model.line,
                        decoration: model.decoration,
                    });
                }
            };
            if !found.contains(&architecture) {
                found.push(architecture);
            }
        }
        Ok(found)
    }
}
