//! `drvpkg inf`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use drvpkg::{
    civil::{Date, DriverVersion, now},
    inf::{
        self,
        check::{self, Finding, RULES, Severity, proof},
        query::Architecture,
    },
};
use serde::Serialize;

use super::{Answer, FileError, Outcome, print_json, read};

#[derive(Debug, Subcommand)]
pub(crate) enum Inf {
    /// Write DriverVer, CatalogFile and $ARCH$ into an .inx, as stampinf does.
    Stamp(Stamp),
    /// Check that INFs are declarative and isolated, by what `InfVerif` documents.
    Check(Check),
    /// List the rules of `check`, and prove that each bites: a right INF is broken in a way for each.
    Rules(Rules),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArchitectureName {
    /// x64
    Amd64,
    /// Arm64
    Arm64,
}

#[derive(Debug, Args)]
pub(crate) struct Stamp {
    /// The .inx or .inf to read
    #[arg(value_name = "INX")]
    inx: PathBuf,
    /// The .inf to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// DriverVer's version, w.x.y.z
    #[arg(long, value_name = "VERSION")]
    version: DriverVersion,
    /// DriverVer's date, mm/dd/yyyy or yyyy-mm-dd [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// `CatalogFile` [default: the name of --out with .cat]
    #[arg(long, value_name = "NAME")]
    catalog: Option<String>,
    /// What $ARCH$ stands for
    #[arg(long, value_enum, default_value_t = ArchitectureName::Amd64)]
    architecture: ArchitectureName,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The INFs; an .inx is stamped first, in memory
    #[arg(value_name = "INF", required = true)]
    infs: Vec<PathBuf>,
    /// Rules whose breach is meant, separated by commas
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule)]
    allow: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rules {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn rule(id: &str) -> Result<String, &'static str> {
    let known = RULES.iter().any(|rule| rule.id == id);
    known
        .then(|| id.to_owned())
        .ok_or("no such rule; `drvpkg inf rules` lists them")
}

/// An INF could not be read or stamped.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct StampError {
    path: String,
    source: Box<dyn std::error::Error>,
}

impl Inf {
    pub(super) fn run(&self) -> Answer {
        match self {
            Self::Stamp(verb) => verb.run(),
            Self::Check(verb) => verb.run(),
            Self::Rules(verb) => verb.run(),
        }
    }
}

impl Stamp {
    fn run(&self) -> Answer {
        let failed = |source: Box<dyn std::error::Error>| StampError {
            path: self.inx.display().to_string(),
            source,
        };
        let mut document = inf::Inf::read(&read(&self.inx)?).map_err(|error| failed(error.into()))?;
        let catalog = self.catalog.clone().unwrap_or_else(|| {
            let name = self.out.with_extension("cat");
            name.file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        });
        let stamp = inf::Stamp {
            architecture: match self.architecture {
                ArchitectureName::Amd64 => Architecture::Amd64,
                ArchitectureName::Arm64 => Architecture::Arm64,
            },
            date: match self.date {
                Some(date) => date,
                None => now()?.into(),
            },
            version: self.version,
            catalog,
        };
        stamp.apply(&mut document).map_err(|error| failed(error.into()))?;
        fs::write(&self.out, document.to_bytes())
            .map_err(|error| FileError::Write(self.out.clone(), error))?;
        println!(
            "{}: DriverVer {},{}",
            self.out.display(),
            stamp.date,
            stamp.version
        );
        Ok(Outcome::Done)
    }
}

/// What was found in one INF.
#[derive(Serialize)]
struct Checked<'path> {
    inf: &'path Path,
    errors: usize,
    warnings: usize,
    findings: Vec<Finding>,
}

impl Check {
    fn run(&self) -> Answer {
        let mut checked = Vec::new();
        for path in &self.infs {
            let findings = self.findings(path)?;
            let count = |severity| {
                findings
                    .iter()
                    .filter(|finding| finding.rule.severity == severity)
                    .count()
            };
            checked.push(Checked {
                inf: path,
                errors: count(Severity::Error),
                warnings: count(Severity::Warning),
                findings,
            });
        }
        if self.json {
            print_json(&checked)?;
        } else {
            for one in &checked {
                for finding in &one.findings {
                    println!("{}: {finding} [{}]", one.inf.display(), finding.rule.reference);
                }
                let (errors, warnings, rules) = (one.errors, one.warnings, RULES.len());
                println!(
                    "{}: {rules} rules, {errors} errors, {warnings} warnings",
                    one.inf.display()
                );
            }
        }
        let clean = checked.iter().all(|one| one.findings.is_empty());
        Ok(if clean { Outcome::Done } else { Outcome::Refused })
    }

    fn findings(&self, path: &Path) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
        let failed = |source: Box<dyn std::error::Error>| StampError {
            path: path.display().to_string(),
            source,
        };
        let mut document = inf::Inf::read(&read(path)?).map_err(|error| failed(error.into()))?;
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("inx"))
        {
            let catalog = path.with_extension("cat");
            let stamp = inf::Stamp {
                architecture: Architecture::Amd64,
                date: now()?.into(),
                version: DriverVersion([1, 0, 0, 0]),
                catalog: catalog
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            };
            stamp.apply(&mut document).map_err(|error| failed(error.into()))?;
        }
        let mut findings = check::check(&document);
        findings.retain(|finding| !self.allow.iter().any(|id| id == finding.rule.id));
        Ok(findings)
    }
}

/// A rule and whether it bites.
#[derive(Serialize)]
struct Proved {
    id: &'static str,
    infverif: Option<u16>,
    severity: Severity,
    demands: &'static str,
    reference: &'static str,
    caught: bool,
}

impl Rules {
    fn run(&self) -> Answer {
        let caught = proof::caught();
        let proved: Vec<Proved> = RULES
            .iter()
            .map(|rule| Proved {
                id: rule.id,
                infverif: rule.infverif,
                severity: rule.severity,
                demands: rule.sentence,
                reference: rule.reference,
                caught: caught.iter().any(|known| known.id == rule.id),
            })
            .collect();
        if self.json {
            print_json(&proved)?;
        } else {
            for rule in &proved {
                let number = rule
                    .infverif
                    .map_or_else(String::new, |number| number.to_string());
                let bites = if rule.caught { "bites" } else { "DOES NOT BITE" };
                println!("{:22} {number:>4}  {bites}  {}", rule.id, rule.demands);
            }
            println!("{} rules, {} bite", proved.len(), caught.len());
        }
        Ok(if caught.len() == RULES.len() {
            Outcome::Done
        } else {
            Outcome::Refused
        })
    }
}
