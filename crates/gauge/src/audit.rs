//! The source tree against the policy.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    occurrence::{self, Kind, Occurrence},
    policy::{self, Rule},
};

/// Why the tree could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not Rust.
    #[error("{path}: {error}", path = path.display())]
    NotRust {
        /// Which.
        path: PathBuf,
        /// Where its tokens end.
        error: String,
    },
    /// There is no package around a file.
    #[error("{path} belongs to no package", path = .0.display())]
    NoPackage(PathBuf),
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audit {
    /// Occurrences by package; packages without any are listed with 0.
    #[serde(rename = "unsafe")]
    pub by_package: BTreeMap<String, usize>,
    /// `unsafe` blocks and implementations without a `// SAFETY:` comment, exempt drivers aside.
    pub undocumented_unsafe: usize,
    /// Occurrences where there may be none.
    pub forbidden_unsafe: usize,
    /// Packages that are unsafe on purpose and are not judged.
    pub exempt: BTreeMap<String, &'static str>,
    /// By package and kind.
    pub kinds: BTreeMap<String, BTreeMap<Kind, usize>>,
    /// Files that hold any, in order.
    pub files: Vec<FileAudit>,
    /// What is wrong, as `file:line: what`.
    pub findings: Vec<String>,
}

/// One file.
#[derive(Debug, Clone, Serialize)]
pub struct FileAudit {
    /// Path from the root.
    pub file: PathBuf,
    /// Package.
    pub package: String,
    /// Why it may hold any; none if it may not.
    pub because: Option<&'static str>,
    /// What it holds.
    pub occurrences: Vec<Occurrence>,
}

impl Audit {
    /// Audits every `.rs` file under `root`.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn of(root: &Path) -> Result<Self, AuditError> {
        let mut files = Vec::new();
        collect(root, &mut files)?;
        files.sort();
        let mut audit = Self::default();
        for path in files {
            audit.add(root, &path)?;
        }
        Ok(audit)
    }

    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, root: &Path, path: &Path) -> Result<(), AuditError> {
        let text = read(path)?;
        let found = occurrence::find(&text).map_err(|error| AuditError::NotRust {
            path: path.to_owned(),
            error: error.to_string(),
        })?;
        let package = package_of(root, path)?;
        let file = path.strip_prefix(root).unwrap_or(path).to_owned();
        let rule = policy::rule_for(&file);
        *self.by_package.entry(package.clone()).or_default() += found.len();
        if let Rule::Exempt { because } = rule {
            self.exempt.insert(package.clone(), because);
        }
        if found.is_empty() {
            return Ok(());
        }
        for occurrence in &found {
            let kinds = self.kinds.entry(package.clone()).or_default();
            *kinds.entry(occurrence.kind).or_default() += 1;
            self.judge(&file, rule, *occurrence);
        }
        self.files.push(FileAudit {
            file,
            package,
            because: match rule {
                Rule::Forbidden => None,
                Rule::Permitted { because } | Rule::Exempt { because } => Some(because),
            },
            occurrences: found,
        });
        Ok(())
    }

    fn judge(&mut self, file: &Path, rule: Rule, occurrence: Occurrence) {
        let place = format!("{}:{}", file.display(), occurrence.line);
        match rule {
            Rule::Exempt { .. } => return,
            Rule::Forbidden => {
                self.forbidden_unsafe += 1;
                self.findings.push(format!("{place}: nothing unsafe may be here"));
            }
            Rule::Permitted { .. } => {}
        }
        if occurrence.kind.wants_reason() && !occurrence.documented {
            self.undocumented_unsafe += 1;
            self.findings
                .push(format!("{place}: no `// SAFETY:` comment directly before"));
        }
    }
}

fn read(path: &Path) -> Result<String, AuditError> {
    fs::read_to_string(path).map_err(|error| AuditError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Every `.rs` file, but for what is built and what is hidden.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), AuditError> {
    let failed = |error| AuditError::Read {
        path: directory.to_owned(),
        error,
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&entry.path(), files)?;
            }
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The name in the nearest manifest above `file` that has a package.
fn package_of(root: &Path, file: &Path) -> Result<String, AuditError> {
    let directories = file
        .ancestors()
        .skip(1)
        .take_while(|above| above.starts_with(root));
    for directory in directories {
        let manifest = directory.join("Cargo.toml");
        if manifest.is_file()
            && let Some(name) = package_name(&read(&manifest)?)
        {
            return Ok(name);
        }
    }
    Err(AuditError::NoPackage(file.to_owned()))
}

/// `name` of the section `[package]`.
fn package_name(manifest: &str) -> Option<String> {
    let section = manifest
        .lines()
        .skip_while(|line| line.trim() != "[package]")
        .skip(1);
    section
        .take_while(|line| !line.trim_start().starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "name").then(|| value.trim().trim_matches('"').to_owned())
        })
}
