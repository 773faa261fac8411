//! Gates on a finished driver image: what it imports and how it was linked.
//!
//! Sources: "PE Format" for the fields; HLK's Storage Imports Test for the allowed imports; the requirement
//! that kernel images have no writable executable section (HVCI, "Driver compatibility with memory
//! integrity").

use std::collections::BTreeMap;

use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageNtHeaders, ImageOptionalHeader, Import, PeFile, PeFile64},
};
use serde::Serialize;

use super::{PeError, checksum, recorded_checksum, version};
use crate::{civil::DriverVersion, manifest::Flavour};

/// The one module that the release flavour imports from.
pub const PORT_DRIVER: &str = "storport.sys";

/// Why an image cannot be inspected at all.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// No PE image.
    #[error(transparent)]
    Pe(#[from] PeError),
    /// Not PE32+.
    #[error("not a 64-bit (PE32+) image: {0}; build for x86_64-pc-windows-msvc")]
    NotPe64(object::Error),
    /// A table in it is broken.
    #[error("the image's {table} is malformed: {source}; link it again")]
    Malformed {
        /// The table.
        table: &'static str,
        /// What is wrong.
        source: object::Error,
    },
}

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// COFF machine number.
    pub machine: u16,
    /// Subsystem number; 1 is native.
    pub subsystem: u16,
    /// `DllCharacteristics`.
    pub dll_characteristics: u16,
    /// Checksum in the header.
    pub checksum: u32,
    /// Checksum that belongs there.
    pub checksum_expected: u32,
    /// Version in VERSIONINFO.
    pub version: Option<DriverVersion>,
    /// Names of sections that are writable and executable.
    pub writable_executable: Vec<String>,
    /// Imported functions by module.
    pub imports: BTreeMap<String, Vec<String>>,
}

/// One gate and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

impl Inspection {
    /// Inspects an image.
    ///
    /// # Errors
    /// [`InspectError`] when it is not a well-formed PE32+ image.
    pub fn of(image: &[u8]) -> Result<Self, InspectError> {
        let checksum_expected = checksum(image)?;
        let file = PeFile64::parse(image).map_err(InspectError::NotPe64)?;
        let header = file.nt_headers().optional_header();
        let writable_executable = file
            .section_table()
            .iter()
            .filter(|section| {
                let both = pe::IMAGE_SCN_MEM_WRITE | pe::IMAGE_SCN_MEM_EXECUTE;
                section.characteristics.get(LE) & both == both
            })
            .map(|section| String::from_utf8_lossy(section.raw_name()).into_owned())
            .collect();
        Ok(Self {
            machine: file.nt_headers().file_header().machine.get(LE),
            subsystem: header.subsystem(),
            dll_characteristics: header.dll_characteristics(),
            checksum: recorded_checksum(image)?,
            checksum_expected,
            version: version::file_version(&file),
            writable_executable,
            imports: imports(&file).map_err(|source| InspectError::Malformed {
                table: "import table",
                source,
            })?,
        })
    }

    /// The gates that every driver passes: native x64 image, memory protections, checksum, version resource.
    #[must_use]
    pub fn gates(&self) -> Vec<Gate> {
        let characteristic = |name, bit| Gate {
            name,
            ok: self.dll_characteristics & bit != 0,
            detail: format!("DllCharacteristics {:#06x}", self.dll_characteristics),
        };
        vec![
            Gate {
                name: "x64",
                ok: self.machine == pe::IMAGE_FILE_MACHINE_AMD64,
                detail: format!("machine {:#06x}", self.machine),
            },
            Gate {
                name: "native",
                ok: self.subsystem == pe::IMAGE_SUBSYSTEM_NATIVE,
                detail: format!("subsystem {}", self.subsystem),
            },
            characteristic("DYNAMIC_BASE", pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE),
            characteristic("NX_COMPAT", pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT),
            characteristic("HIGH_ENTROPY_VA", pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA),
            Gate {
                name: "W^X",
                ok: self.writable_executable.is_empty(),
                detail: match self.writable_executable.as_slice() {
                    [] => "no section is writable and executable".to_owned(),
                    names => format!("writable and executable: {}", names.join(", ")),
                },
            },
            Gate {
                name: "checksum",
                ok: self.checksum == self.checksum_expected,
                detail: format!(
                    "{:#010x}, expected {:#010x}",
                    self.checksum, self.checksum_expected
                ),
            },
            Gate {
                name: "VERSIONINFO",
                ok: self.version.is_some(),
                detail: self
                    .version
                    .map_or_else(|| "absent".to_owned(), |version| version.to_string()),
            },
        ]
    }

    /// Which flavour of a miniport this is. The release flavour is defined by its imports: from `storport.sys` only.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        if self
            .imports
            .keys()
            .all(|module| module.eq_ignore_ascii_case(PORT_DRIVER))
        {
            Flavour::Release
        } else {
            Flavour::Dev
        }
    }

    /// The gate on imports: nothing from a module that is not in the list. Names compare without case.
    #[must_use]
    pub fn import_gate(&self, allowed: &[String]) -> Gate {
        let refused: Vec<String> = self
            .imports
            .iter()
            .filter(|(module, _)| !allowed.iter().any(|name| name.eq_ignore_ascii_case(module)))
            .map(|(module, functions)| format!("{module} ({})", functions.join(", ")))
            .collect();
        Gate {
            name: "imports",
            ok: refused.is_empty(),
            detail: if refused.is_empty() {
                let modules: Vec<&str> = self.imports.keys().map(String::as_str).collect();
                format!(
                    "from {}",
                    if modules.is_empty() {
                        "nothing".to_owned()
                    } else {
                        modules.join(", ")
                    }
                )
            } else {
                format!("not allowed: {}", refused.join("; "))
            },
        }
    }
}

fn imports(file: &PeFile64<'_>) -> object::Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    collect(file, &mut found)?;
    for functions in found.values_mut() {
        functions.sort();
    }
    Ok(found)
}

fn collect<Pe: ImageNtHeaders>(
    file: &PeFile<'_, Pe>,
    found: &mut BTreeMap<String, Vec<String>>,
) -> object::Result<()> {
    let Some(table) = file.import_table()? else {
        return Ok(());
    };
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let module = String::from_utf8_lossy(table.name(descriptor.name.get(LE))?).into_owned();
        let lookup = match descriptor.original_first_thunk.get(LE) {
            0 => descriptor.first_thunk.get(LE),
            original => original,
        };
        let mut thunks = table.thunks(lookup)?;
        let functions = found.entry(module).or_default();
        while let Some(thunk) = thunks.next::<Pe>()? {
            functions.push(match table.import::<Pe>(thunk)? {
                Import::Ordinal(ordinal) => format!("#{ordinal}"),
                Import::Name(_, name) => String::from_utf8_lossy(name).into_owned(),
            });
            // A well-formed table ends; a broken one must not make this run away.
            if functions.len() > usize::from(u16::MAX) {
                break;
            }
        }
    }
    Ok(())
}
