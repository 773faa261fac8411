//! Stamping: from .inx to .inf, as stampinf does.
//!
//! Source: "Stampinf command options" (`-a`, `-c`, `-d`, `-v`) and "Using INX Files to Create INF Files".

use super::{
    document::{Inf, Item, ItemKind},
    query::{Architecture, InfError},
};
use crate::civil::{Date, DriverVersion};

const ARCHITECTURE_VARIABLE: &str = "$ARCH$";

/// What is written into an INF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What `$ARCH$` stands for.
    pub architecture: Architecture,
    /// `DriverVer`'s date.
    pub date: Date,
    /// `DriverVer`'s version.
    pub version: DriverVersion,
    /// `CatalogFile`.
    pub catalog: String,
}

impl Stamp {
    /// Writes `DriverVer` and `CatalogFile` into `[Version]`, replaces `$ARCH$`, and ends every line in CR LF.
    /// Stamping a stamped INF the same way changes nothing.
    ///
    /// # Errors
    /// [`InfError::NoSection`] when there is no `[Version]`.
    pub fn apply(&self, inf: &mut Inf) -> Result<(), InfError> {
        if !inf.has_section("Version") {
            return Err(InfError::NoSection("Version".to_owned()));
        }
        inf.rewrite(|item| match item.kind() {
            // Comments may explain the variable and keep its name.
            ItemKind::Blank => item.text().to_owned(),
            _ => item
                .text()
                .replace(ARCHITECTURE_VARIABLE, self.architecture.decoration()),
        });
        set(inf, "CatalogFile", &self.catalog);
        set(inf, "DriverVer", &format!("{},{}", self.date, self.version));
        inf.rewrite(|item| with_crlf(item.text()));
        Ok(())
    }
}

/// Sets an entry of `[Version]`: replaces its values, or adds it.
fn set(inf: &mut Inf, key: &str, value: &str) {
    if let Some(found) = inf.lookup("Version", key) {
        let span = found.entry.values.first().zip(found.entry.values.last());
        let span = span.map(|(first, last)| first.span.start..last.span.end);
        let item = found.item;
        if let Some(span) = span {
            inf.replace(item, span, value);
        }
        return;
    }
    // Right after the header: behind an entry it might be joined by a stray `\`.
    let is_version = |item: &Item| matches!(item.kind(), ItemKind::Section(name) if name.is("Version"));
    if let Some(header) = inf.items().iter().position(is_version) {
        inf.insert(header + 1, &format!("{key} = {value}"));
    }
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
