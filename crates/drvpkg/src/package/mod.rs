//! The finished package: a directory that a person copies to Windows.

mod error;
mod publish;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use der::{DateTime, Encode};
use sha1::Sha1;
use sha2::Digest;

pub use self::error::PackageError;
use crate::{
    authenticode::{self, FileKind},
    catalog::{self, Attribute, Catalog, CatalogError},
    certificate::SigningCertificate,
    civil::{Date, DriverVersion, now},
    hex,
    inf::{
        Inf, InfError, Stamp,
        check::{Severity, check},
        query::Architecture,
    },
    manifest::{self, FORMAT, Inputs, Manifest, PackagedFile, Role},
    pe::inspect::{Gate, Inspection},
    readme,
};

/// `OSAttr` of every member: Windows NT platform, version 10.0 and later.
const OS_ATTRIBUTE: &str = "2:10.0";

/// What a package is made from.
#[derive(Clone, Debug)]
pub struct Request<'path> {
    /// The driver, unsigned or signed; a signature is replaced.
    pub sys: &'path Path,
    /// Its symbols.
    pub pdb: Option<&'path Path>,
    /// The INF before stamping.
    pub inx: &'path Path,
    /// The directory to write.
    pub out: &'path Path,
    /// Where the test-signing certificate is kept.
    pub certificates: &'path Path,
    /// `DriverVer`'s version; the driver's VERSIONINFO otherwise.
    pub version: Option<DriverVersion>,
    /// `DriverVer`'s date; today (UTC) otherwise.
    pub date: Option<Date>,
    /// Directories whose scripts for PowerShell (`*.ps1`) and WinDbg (`*.js`) go into the package.
    pub scripts: &'path [PathBuf],
}

/// Makes a package and returns its manifest. The directory is written beside its place and put there when it
/// is complete.
///
/// # Errors
/// [`PackageError`] that names the file and what to do.
pub fn make(request: &Request<'_>) -> Result<Manifest, PackageError> {
    let driver = read(request.sys)?;
    let inx = read(request.inx)?;
    let symbols = request.pdb.map(read).transpose()?;
    let made = now()?;
    let inspection = inspect(request.sys, &driver)?;
    let version = request
        .version
        .or(inspection.version)
        .ok_or_else(|| PackageError::NoVersion(request.sys.to_owned()))?;
    let date = request.date.unwrap_or_else(|| made.into());
    let name = package_name(request.inx)?;
    let stamped = Stamped::new(request.inx, &inx, name, version, date)?;

    let signer = SigningCertificate::load_or_create(request.certificates)?;
    let certificate = signer.certificate().to_der()?;
    let mut manifest = Manifest {
        format: FORMAT,
        name: name.to_owned(),
        flavour: inspection.flavour(),
        version,
        date: date.to_string(),
        inputs: Inputs {
            sys_sha256: hex::sha256(&driver),
            inx_sha256: hex::sha256(&inx),
        },
        hardware_ids: stamped.hardware_ids.clone(),
        certificate_thumbprint: hex::encode(&Sha1::digest(&certificate)),
        files: Vec::new(),
    };
    let driver = authenticode::sign_image(&driver, &signer).map_err(|source| PackageError::Sign {
        path: request.sys.to_owned(),
        source,
    })?;
    let catalog = stamped.catalog(&driver, made)?.sign(&signer)?;

    let certificate_name = format!("{name}.cer");
    let mut scripts_found = Vec::new();
    for directory in request.scripts {
        scripts_found.extend(scripts(directory)?);
    }
    let debugger = scripts_found
        .iter()
        .map(|(_, name, _)| name.clone())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "js")
        })
        .collect::<Vec<_>>();
    let names = readme::Names {
        sys: &stamped.driver_name,
        inf: &stamped.name,
        certificate: &certificate_name,
        debugger: &debugger,
    };
    let readme = readme::text(&manifest, &names).into_bytes();
    let symbols_name = Path::new(&stamped.driver_name)
        .with_extension("pdb")
        .to_string_lossy()
        .into_owned();
    let mut contents = vec![(Role::Driver, stamped.driver_name, driver)];
    contents.extend(symbols.map(|bytes| (Role::Symbols, symbols_name, bytes)));
    contents.extend([
        (Role::Inf, stamped.name, stamped.bytes),
        (Role::Catalog, stamped.catalog_name, catalog),
        (Role::Certificate, certificate_name, certificate),
        (Role::Readme, "README.txt".to_owned(), readme),
    ]);
    contents.extend(scripts_found);
    let mut files = Vec::with_capacity(contents.len() + 1);
    for (role, name, bytes) in contents {
        let sha256 = hex::sha256(&bytes);
        manifest.files.push(PackagedFile {
            role,
            name: name.clone(),
            bytes: bytes.len() as u64,
            sha256,
        });
        files.push((name, bytes));
    }
    files.push((manifest::FILE.to_owned(), manifest.to_json()?.into_bytes()));
    publish::publish(request.out, &files)?;
    Ok(manifest)
}

/// The stamped INF and what the package needs to know from it.
struct Stamped {
    name: String,
    catalog_name: String,
    driver_name: String,
    bytes: Vec<u8>,
    hardware_ids: Vec<String>,
    architectures: Vec<Architecture>,
}

impl Stamped {
    fn new(
        path: &Path,
        inx: &[u8],
        name: &str,
        version: DriverVersion,
        date: Date,
    ) -> Result<Self, PackageError> {
        let in_inf = |source| PackageError::Inf {
            path: path.to_owned(),
            source,
        };
        let catalog_name = format!("{name}.cat");
        let stamp = Stamp {
            architecture: Architecture::Amd64,
            date,
            version,
            catalog: catalog_name.clone(),
        };
        let mut inf = Inf::read(inx).map_err(|source| PackageError::Text {
            path: path.to_owned(),
            source,
        })?;
        stamp.apply(&mut inf).map_err(in_inf)?;
        let driver_name = driver_name(&inf, path)?;
        refuse_errors(&inf, path)?;
        Ok(Self {
            name: format!("{name}.inf"),
            catalog_name,
            driver_name,
            hardware_ids: hardware_ids(&inf).map_err(in_inf)?,
            architectures: inf.architectures().map_err(in_inf)?,
            bytes: inf.to_bytes(),
        })
    }

    fn catalog(&self, driver: &[u8], made: DateTime) -> Result<Catalog, CatalogError> {
        let files = [
            catalog::File {
                name: &self.driver_name,
                kind: FileKind::Image,
                bytes: driver,
            },
            catalog::File {
                name: &self.name,
                kind: FileKind::Flat,
                bytes: &self.bytes,
            },
        ];
        let attributes = catalog_attributes(&self.architectures, &self.hardware_ids);
        Catalog::new(&files, OS_ATTRIBUTE, attributes, made)
    }
}

/// Refuses an INF that breaks a rule; what is only unwise stays its author's choice.
fn refuse_errors(inf: &Inf, path: &Path) -> Result<(), PackageError> {
    let findings: Vec<String> = check(inf)
        .into_iter()
        .filter(|finding| finding.rule.severity == Severity::Error)
        .map(|finding| finding.to_string())
        .collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(PackageError::Rules {
        path: path.to_owned(),
        findings: findings.join("\n  "),
    })
}

/// Looks into the image; what is no driver for x64 is refused.
fn inspect(path: &Path, driver: &[u8]) -> Result<Inspection, PackageError> {
    let inspection = Inspection::of(driver).map_err(|source| PackageError::Inspect {
        path: path.to_owned(),
        source,
    })?;
    let not_one = |gate: &Gate| matches!(gate.name, "x64" | "native") && !gate.ok;
    if let Some(gate) = inspection.gates().into_iter().find(not_one) {
        return Err(PackageError::NotADriver {
            path: path.to_owned(),
            detail: gate.detail,
        });
    }
    Ok(inspection)
}

fn package_name(inx: &Path) -> Result<&str, PackageError> {
    let stem = inx
        .file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|stem| manifest::is_plain(stem));
    stem.ok_or_else(|| PackageError::Name(inx.to_owned()))
}

/// The catalog's own attributes: the systems and the hardware ids, numbered, as `Inf2Cat` writes them.
fn catalog_attributes(systems: &[Architecture], hardware_ids: &[String]) -> Vec<Attribute> {
    let systems: Vec<&str> = systems
        .iter()
        .map(|architecture| architecture.catalog_os())
        .collect();
    let mut attributes = vec![Attribute::new("OS", systems.join(","))];
    for (index, id) in hardware_ids.iter().enumerate() {
        attributes.push(Attribute::new(format!("HWID{}", index + 1), id.to_lowercase()));
    }
    attributes
}

fn driver_name(inf: &Inf, path: &Path) -> Result<String, PackageError> {
    let files = inf.source_files().map_err(|source| PackageError::Inf {
        path: path.to_owned(),
        source,
    })?;
    match files.as_slice() {
        [name] if manifest::is_plain(name) => Ok(name.clone()),
        _ => Err(PackageError::SourceFiles {
            path: path.to_owned(),
            files: files.join(", "),
        }),
    }
}

fn hardware_ids(inf: &Inf) -> Result<Vec<String>, InfError> {
    let mut ids: Vec<String> = Vec::new();
    for id in inf.models()?.into_iter().flat_map(|model| model.ids) {
        if !ids.iter().any(|known| known.eq_ignore_ascii_case(&id)) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The PowerShell scripts and the debugger's scripts of a directory, by name, lines ended as Windows does.
fn scripts(directory: &Path) -> Result<Vec<(Role, String, Vec<u8>)>, PackageError> {
    let unreadable = |source| PackageError::Input {
        path: directory.to_owned(),
        source,
    };
    let mut scripts = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "ps1" && extension != "js")
        {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| manifest::is_plain(name));
        let name = name.ok_or_else(|| PackageError::Name(path.clone()))?.to_owned();
        let text = String::from_utf8(read(&path)?).map_err(|error| PackageError::Input {
            path: path.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        scripts.push((Role::Script, name, text.into_bytes()));
    }
    scripts.sort_by(|one, other| one.1.cmp(&other.1));
    Ok(scripts)
}

fn read(path: &Path) -> Result<Vec<u8>, PackageError> {
    fs::read(path).map_err(|source| PackageError::Input {
        path: path.to_owned(),
        source,
    })
}
