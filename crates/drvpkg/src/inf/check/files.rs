//! Files: where they come from and where they go.

use super::{
    Findings, number,
    plan::{Copy, Plan, models},
    rules::{DESTINATION, FILE_MOVED, FILE_TWICE, NOT_IN_STORE, SOURCE_DISK, SOURCE_FILE, SYNTAX_TOO_NEW},
};
use crate::inf::{Inf, query::Located};

/// The driver store's directory.
const STORE: u64 = 13;
/// Windows 10, version 1709: the first that runs a driver from there.
const STORE_BUILD: u64 = 16_299;

/// A line of `[SourceDisksFiles]`.
struct Source {
    line: usize,
    file: String,
    disk: String,
    folder: String,
}

pub(super) fn check(inf: &Inf, plan: &Plan, findings: &mut Findings) {
    let sources = sources(inf);
    check_sources(inf, &sources, findings);
    let mut uses_store = false;
    for copy in &plan.copies {
        let source = copy.source.as_ref().unwrap_or(&copy.file);
        let listed = sources
            .iter()
            .find(|listed| listed.file.eq_ignore_ascii_case(source));
        if listed.is_none() {
            findings.tell(&SOURCE_FILE, copy.line, format!("{source} is not listed"));
        }
        let Some((directory, folder)) = destination(inf, copy, findings) else {
            continue;
        };
        if directory == STORE {
            uses_store = true;
            let from = listed.map_or("", |listed| listed.folder.as_str());
            if !same_folder(from, &folder) {
                findings.tell(
                    &FILE_MOVED,
                    copy.line,
                    format!("{source} goes from '{from}' to '{folder}'"),
                );
            }
            if !source.eq_ignore_ascii_case(&copy.file) {
                findings.tell(&FILE_MOVED, copy.line, format!("{source} becomes {}", copy.file));
            }
        } else {
            findings.tell(
                &NOT_IN_STORE,
                copy.line,
                format!("{} goes to directory {directory}", copy.file),
            );
        }
    }
    if uses_store {
        check_builds(inf, findings);
    }
}

/// `[SourceDisksFiles]`, also by architecture.
fn sources(inf: &Inf) -> Vec<Source> {
    let mut sources = Vec::new();
    for section in [
        "SourceDisksFiles",
        "SourceDisksFiles.amd64",
        "SourceDisksFiles.arm64",
    ] {
        for found in inf.section(section) {
            let text = |index: usize| {
                let field = found.entry.values.get(index);
                field
                    .and_then(|field| inf.resolve(found.line, field).ok())
                    .unwrap_or_default()
            };
            let Some(key) = &found.entry.key else { continue };
            let Ok(file) = inf.resolve(found.line, key) else {
                continue;
            };
            sources.push(Source {
                line: found.line,
                file,
                disk: text(0),
                folder: text(1),
            });
        }
    }
    sources
}

fn check_sources(inf: &Inf, sources: &[Source], findings: &mut Findings) {
    for (index, source) in sources.iter().enumerate() {
        let is_disk = |found: Located<'_>| {
            let key = found
                .entry
                .key
                .as_ref()
                .and_then(|key| inf.resolve(found.line, key).ok());
            key.is_some_and(|key| number(&key) == number(&source.disk) && number(&key).is_some())
        };
        let disks = [
            "SourceDisksNames",
            "SourceDisksNames.amd64",
            "SourceDisksNames.arm64",
        ];
        if !disks.iter().any(|section| inf.section(section).any(is_disk)) {
            findings.tell(
                &SOURCE_DISK,
                source.line,
                format!("disk '{}' of {} is not listed", source.disk, source.file),
            );
        }
        let before = sources.iter().take(index);
        if before
            .into_iter()
            .any(|other| other.file.eq_ignore_ascii_case(&source.file) && other.folder != source.folder)
        {
            findings.tell(
                &FILE_TWICE,
                source.line,
                format!("{} is listed twice", source.file),
            );
        }
    }
}

fn same_folder(one: &str, other: &str) -> bool {
    let trim = |text: &str| text.trim_matches('\\').to_ascii_lowercase();
    trim(one) == trim(other)
}

/// Directory and folder below it of a copied file.
fn destination(inf: &Inf, copy: &Copy, findings: &mut Findings) -> Option<(u64, String)> {
    let named = copy
        .section
        .as_ref()
        .and_then(|section| inf.lookup("DestinationDirs", section));
    let Some(found) = named.or_else(|| inf.lookup("DestinationDirs", "DefaultDestDir")) else {
        findings.tell(
            &DESTINATION,
            copy.line,
            format!("it says nothing about {}", copy.file),
        );
        return None;
    };
    let text = |index: usize| {
        let field = found.entry.values.get(index);
        field
            .and_then(|field| inf.resolve(found.line, field).ok())
            .unwrap_or_default()
    };
    let Some(directory) = number(&text(0)) else {
        findings.tell(
            &DESTINATION,
            found.line,
            format!("'{}' is no directory id", text(0)),
        );
        return None;
    };
    Some((directory, text(1)))
}

/// Every models section asks for a Windows that knows the driver store's directory.
fn check_builds(inf: &Inf, findings: &mut Findings) {
    for model in models(inf) {
        let mut parts = model.decoration.split('.').skip(1);
        let major = parts.next().and_then(number);
        let minor = parts.next().and_then(number);
        let build = parts.nth(2).and_then(number);
        if (major, minor, build) < (Some(10), Some(0), Some(STORE_BUILD)) {
            findings.tell(
                &SYNTAX_TOO_NEW,
                model.line,
                format!("'{}' does not", model.decoration),
            );
        }
    }
}
