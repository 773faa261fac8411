//! What an INF writes to the registry for an adapter, and what Storport reads there.
//!
//! Sources: Microsoft Learn, "INF `AddReg` directive", "INF `DDInstall.Services` section", "INF `DDInstall.HW`
//! section", "Enabling Message-Signaled Interrupts in the Registry", "Registry Entries for Storport Miniport
//! Drivers".

use std::path::{Path, PathBuf};

use drvpkg::inf::{Inf, InfError, query::Located, text::TextError};

use crate::model::{AdapterParameters, RegistryValue};

/// Type and flag bits of an `AddReg` entry that name the type.
const TYPE_MASK: u32 = 0xffff_0001;
const REG_SZ: u32 = 0x0000_0000;
const REG_BINARY: u32 = 0x0000_0001;
const REG_DWORD: u32 = 0x0001_0001;
const REG_EXPAND_SZ: u32 = 0x0002_0000;
/// The entry makes a key only.
const KEY_ONLY: u32 = 0x0000_0010;

/// Where the interrupt settings are, below the device's hardware key.
const MESSAGES: &str = r"Interrupt Management\MessageSignaledInterruptProperties\";

/// Why the INF says nothing usable. Each message names the place.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// It cannot be read.
    #[error("INF {path}: {error}", path = path.display())]
    Unreadable {
        /// The INF.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It is no text.
    #[error("INF {path}: {error}", path = path.display())]
    Text {
        /// The INF.
        path: PathBuf,
        /// What is wrong.
        error: TextError,
    },
    /// It lacks something.
    #[error("INF {path}: {error}", path = path.display())]
    Inf {
        /// The INF.
        path: PathBuf,
        /// What it lacks.
        error: InfError,
    },
    /// A number is none.
    #[error("INF {path}, line {line}: `{text}` is not a number", path = path.display())]
    Number {
        /// The INF.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The text.
        text: String,
    },
}

/// Reads what the INF writes for the first device that it matches.
///
/// # Errors
/// If it cannot be read, matches nothing, or holds a value that is not of its type.
pub fn read(path: &Path) -> Result<AdapterParameters, ParametersError> {
    let bytes = std::fs::read(path).map_err(|error| ParametersError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let inf = Inf::read(&bytes).map_err(|error| ParametersError::Text {
        path: path.to_owned(),
        error,
    })?;
    Reader { inf: &inf, path }.parameters()
}

struct Reader<'a> {
    inf: &'a Inf,
    path: &'a Path,
}

/// One value: key below the root, name, value.
type Entry = (String, String, RegistryValue);

impl Reader<'_> {
    fn parameters(&self) -> Result<AdapterParameters, ParametersError> {
        let install = self.install_section()?;
        let mut parameters = AdapterParameters::default();
        if let Some(service) = self.install_parts(&install, "Services") {
            for found in self
                .inf
                .section(&service)
                .filter(|found| is_key(found, "AddService"))
            {
                let Some(section) = self.text(found, 2)? else {
                    continue;
                };
                for (key, name, value) in self.registry(&section)? {
                    // HKR is the service's key here; Storport reads below its Parameters.
                    if let Some(sub) = strip_key(&key, "Parameters") {
                        apply_service(&mut parameters, &join(sub, &name), value);
                    }
                }
            }
        }
        if let Some(hardware) = self.install_parts(&install, "HW") {
            for (key, name, value) in self.registry(&hardware)? {
                // HKR is the device's hardware key here.
                apply_hardware(&mut parameters, &join(&key, &name), value);
            }
        }
        Ok(parameters)
    }

    /// The install section of the first model, as it is named without decoration.
    fn install_section(&self) -> Result<String, ParametersError> {
        let models = self.inf.models().map_err(|error| self.failed(error))?;
        let first = models.into_iter().find(|model| !model.ids.is_empty());
        first
            .map(|model| model.install_section)
            .ok_or_else(|| self.failed(InfError::NoHardwareIds))
    }

    /// The section of an install section with a suffix, for the platform or for all.
    fn install_parts(&self, install: &str, suffix: &str) -> Option<String> {
        ["NTamd64", "NT", ""]
            .into_iter()
            .map(|platform| {
                let dot = if platform.is_empty() { "" } else { "." };
                format!("{install}{dot}{platform}.{suffix}")
            })
            .find(|section| self.inf.has_section(section))
    }

    /// Everything that the `AddReg` directives of a section write below HKR.
    fn registry(&self, section: &str) -> Result<Vec<Entry>, ParametersError> {
        let mut entries = Vec::new();
        for directive in self.inf.section(section).filter(|found| is_key(found, "AddReg")) {
            for index in 0..directive.entry.values.len() {
                let Some(list) = self.text(directive, index)? else {
                    continue;
                };
                for found in self.inf.section(&list) {
                    entries.extend(self.entry(found)?);
                }
            }
        }
        Ok(entries)
    }

    /// `HKR, [key], [name], [flags], [value...]`.
    fn entry(&self, found: Located<'_>) -> Result<Option<Entry>, ParametersError> {
        if !self
            .text(found, 0)?
            .is_some_and(|root| root.eq_ignore_ascii_case("HKR"))
        {
            return Ok(None);
        }
        let key = self.text(found, 1)?.unwrap_or_default();
        let name = self.text(found, 2)?.unwrap_or_default();
        let flags = match self.text(found, 3)? {
            Some(text) => self.number(found, &text)?,
            None => REG_SZ,
        };
        if flags & KEY_ONLY != 0 {
            return Ok(None);
        }
        let value = self.text(found, 4)?.unwrap_or_default();
        let value = match flags & TYPE_MASK {
            REG_DWORD => RegistryValue::Dword(self.number(found, &value)?),
            REG_SZ | REG_EXPAND_SZ => RegistryValue::Text(value),
            REG_BINARY => {
                let mut bytes = Vec::new();
                for index in 4..found.entry.values.len() {
                    let text = self.text(found, index)?.unwrap_or_default();
                    let byte = u8::from_str_radix(text.trim(), 16);
                    bytes.push(byte.map_err(|_| self.not_a_number(found, &text))?);
                }
                RegistryValue::Binary(bytes)
            }
            // Lists of texts; Storport reads none.
            _ => return Ok(None),
        };
        Ok(Some((key, name, value)))
    }

    fn text(&self, found: Located<'_>, index: usize) -> Result<Option<String>, ParametersError> {
        let Some(field) = found
            .entry
            .values
            .get(index)
            .filter(|field| !field.text.is_empty())
        else {
            return Ok(None);
        };
        self.inf
            .resolve(found.line, field)
            .map(Some)
            .map_err(|error| self.failed(error))
    }

    fn number(&self, found: Located<'_>, text: &str) -> Result<u32, ParametersError> {
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map_err(|_| self.not_a_number(found, text))
    }

    fn not_a_number(&self, found: Located<'_>, text: &str) -> ParametersError {
        ParametersError::Number {
            path: self.path.to_owned(),
            line: found.line,
            text: text.to_owned(),
        }
    }

    fn failed(&self, error: InfError) -> ParametersError {
        ParametersError::Inf {
            path: self.path.to_owned(),
            error,
        }
    }
}

fn is_key(found: &Located<'_>, name: &str) -> bool {
    found.entry.key.as_ref().is_some_and(|key| key.is(name))
}

/// What is left of `key` below `root`; key names are case-insensitive.
fn strip_key<'k>(key: &'k str, root: &str) -> Option<&'k str> {
    let (head, tail) = key.split_at_checked(root.len())?;
    if !head.eq_ignore_ascii_case(root) {
        return None;
    }
    if tail.is_empty() {
        Some("")
    } else {
        tail.strip_prefix('\\')
    }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() {
        name.to_owned()
    } else {
        format!(r"{key}\{name}")
    }
}

fn apply_service(parameters: &mut AdapterParameters, name: &str, value: RegistryValue) {
    if let ("bustype", &RegistryValue::Dword(number)) = (name.to_ascii_lowercase().as_str(), &value) {
        parameters.bus_type = number;
    }
    parameters.values.insert(name.to_owned(), value);
}

fn apply_hardware(parameters: &mut AdapterParameters, name: &str, value: RegistryValue) {
    if let (Some((head, tail)), &RegistryValue::Dword(number)) =
        (name.split_at_checked(MESSAGES.len()), &value)
        && head.eq_ignore_ascii_case(MESSAGES)
    {
        if tail.eq_ignore_ascii_case("MSISupported") {
            parameters.msi_supported = number != 0;
        } else if tail.eq_ignore_ascii_case("MessageNumberLimit") {
            parameters.message_number_limit = Some(number);
        }
    }
    parameters.values.insert(name.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: &str = r#"
[Version]
Signature = "$WINDOWS NT$"
[Manufacturer]
%Maker% = Models, NTamd64
[Models.NTamd64]
"Toy" = Toy_Install, PCI\VEN_1234&DEV_5678
[Toy_Install.NT.Services]
AddService = toy, 2, Toy_Service
[Toy_Service]
AddReg = Toy_Parameters, Toy_More
[Toy_Parameters]
HKR, "parameters", "BusType", %REG_DWORD%, 0x11
HKR, Parameters\Device, "Depth", 0x00010001, 32
[Toy_More]
HKR, Parameters, Blob, 1, 0a, ff
HKR, Other, Ignored, , text
HKLM, Software, Ignored, , text
[Toy_Install.NT.HW]
AddReg = Toy_Interrupts
[Toy_Interrupts]
HKR, "Interrupt Management",, 0x00000010
HKR, "Interrupt Management\MessageSignaledInterruptProperties", "MSISupported", 0x00010001, 1
HKR, "Interrupt Management\MessageSignaledInterruptProperties", MessageNumberLimit, 0x00010001, 0x10
[Strings]
Maker = "Maker"
REG_DWORD = 0x00010001
"#;

    fn parameters(text: &str) -> Result<AdapterParameters, ParametersError> {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), text).expect("text");
        read(file.path())
    }

    #[test]
    fn what_storport_reads_is_found() {
        let parameters = parameters(INF).expect("parameters");
        assert_eq!((parameters.bus_type, parameters.msi_supported), (0x11, true));
        assert_eq!(parameters.message_number_limit, Some(16));
        assert_eq!(
            parameters.values.get(r"Device\Depth"),
            Some(&RegistryValue::Dword(32))
        );
        assert_eq!(
            parameters.values.get("Blob"),
            Some(&RegistryValue::Binary(vec![0x0a, 0xff]))
        );
        assert!(!parameters.values.contains_key("Ignored"));
    }

    #[test]
    fn mistakes_name_the_line() {
        let error = parameters(&INF.replace("0x00010001, 32", "0x00010001, many")).expect_err("no number");
        assert!(
            error.to_string().contains("line 14: `many` is not a number"),
            "{error}"
        );
        let error = parameters("[Version]\n").expect_err("no models");
        assert!(error.to_string().contains("[Manufacturer]"), "{error}");
        let error = read(Path::new("/nowhere/toy.inf")).expect_err("no file");
        assert!(error.to_string().contains("/nowhere/toy.inf"), "{error}");
    }
}
