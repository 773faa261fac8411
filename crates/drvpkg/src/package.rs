//! The finished package: a directory that a person copies to Windows.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use der::Encode;
use sha1::Sha1;
use sha2::Digest;

use crate::{
    authenticode::{self, AuthenticodeError, FileKind},
    catalog::{self, Attribute, Catalog, CatalogError},
    certificate::{CertificateError, SigningCertificate},
    civil::{CivilError, Date, DriverVersion, now},
    hex,
    inf::{Inf, InfError, Stamp, query::Architecture, text::TextError},
    manifest::{self, FORMAT, Flavour, Inputs, Manifest, PackagedFile, Role},
    pe::inspect::{InspectError, Inspection},
    readme,
};

/// `OSAttr` of every member: Windows NT platform, version 10.0 and later.
const OS_ATTRIBUTE: &str = "2:10.0";

/// Why a package was not made. Nothing is left behind then, and an older package stays.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// An input cannot be read.
    #[error("cannot read {path}: {source}; build the driver first (`./x build`) or correct the path")]
    Input {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {path}: {source}")]
    Output {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output directory holds something else.
    #[error("{0} exists and is no package (it has no package.json); give another --out or remove it")]
    NotAPackage(PathBuf),
    /// A path without a usable file name.
    #[error("{0} has no usable file name; give the path of a file")]
    Name(PathBuf),
    /// The INF is not text.
    #[error("{path}: {source}")]
    Text {
        /// The INF.
        path: PathBuf,
        /// What is wrong.
        source: TextError,
    },
    /// The INF lacks something.
    #[error("{path}: {source}")]
    Inf {
        /// The INF.
        path: PathBuf,
        /// What is wrong.
        source: InfError,
    },
    /// The INF lists files that are not given.
    #[error("{path}: [SourceDisksFiles] must list exactly the driver, it lists {files}")]
    SourceFiles {
        /// The INF.
        path: PathBuf,
        /// What it lists.
        files: String,
    },
    /// The driver is not one.
    #[error("{path}: {source}")]
    Inspect {
        /// The driver.
        path: PathBuf,
        /// What is wrong.
        source: InspectError,
    },
    /// The driver is built for something else than what the INF matches.
    #[error("{path} is not an x64 kernel-mode image ({detail}); give the driver that the cross build wrote")]
    NotADriver {
        /// The driver.
        path: PathBuf,
        /// What it is.
        detail: String,
    },
    /// There is no version to write.
    #[error("{0} has no VERSIONINFO to take the version from; give --version w.x.y.z")]
    NoVersion(PathBuf),
    /// A date is unusable.
    #[error(transparent)]
    Civil(#[from] CivilError),
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The driver cannot be signed.
    #[error("{path}: {source}")]
    Sign {
        /// The driver.
        path: PathBuf,
        /// What is wrong.
        source: AuthenticodeError,
    },
    /// The catalog cannot be made.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The certificate cannot be encoded.
    #[error("cannot encode the certificate: {0}")]
    Der(#[from] der::Error),
    /// The manifest cannot be encoded.
    #[error("cannot write the manifest: {0}")]
    Json(#[from] serde_json::Error),
}

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
    /// Which driver this is.
    pub flavour: Flavour,
}

/// Makes a package and returns its manifest. The directory is written beside its place and put there when it
/// is complete.
///
/// # Errors
/// [`PackageError`] that names the file and what to do.
pub fn make(request: &Request<'_>) -> Result<Manifest, PackageError> {
    let sys = read(request.sys)?;
    let inx = read(request.inx)?;
    let pdb = request.pdb.map(read).transpose()?;
    let name = request
        .inx
        .file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|stem| manifest::is_plain(stem))
        .ok_or_else(|| PackageError::Name(request.inx.to_owned()))?;

    let inspection = Inspection::of(&sys).map_err(|source| PackageError::Inspect {
        path: request.sys.to_owned(),
        source,
    })?;
    for gate in inspection.gates() {
        if matches!(gate.name, "x64" | "native") && !gate.ok {
            return Err(PackageError::NotADriver {
                path: request.sys.to_owned(),
                detail: gate.detail,
            });
        }
    }
    let version = request
        .version
        .or(inspection.version)
        .ok_or_else(|| PackageError::NoVersion(request.sys.to_owned()))?;
    let made = now()?;
    let date = request.date.unwrap_or_else(|| made.into());

    let stamp = Stamp {
        architecture: Architecture::Amd64,
        date,
        version,
        catalog: format!("{name}.cat"),
    };
    let in_inf = |source| PackageError::Inf {
        path: request.inx.to_owned(),
        source,
    };
    let mut inf = Inf::read(&inx).map_err(|source| PackageError::Text {
        path: request.inx.to_owned(),
        source,
    })?;
    stamp.apply(&mut inf).map_err(in_inf)?;
    let sys_name = driver_name(&inf, request.inx)?;
    let hardware_ids = hardware_ids(&inf).map_err(in_inf)?;
    let systems = inf.architectures().map_err(in_inf)?;

    let signer = SigningCertificate::load_or_create(request.certificates)?;
    let certificate = signer.certificate().to_der()?;
    let signed = authenticode::sign_image(&sys, &signer).map_err(|source| PackageError::Sign {
        path: request.sys.to_owned(),
        source,
    })?;
    let inf = inf.to_bytes();
    let inf_name = format!("{name}.inf");
    let catalog = Catalog::new(
        &[
            catalog::File {
                name: &sys_name,
                kind: FileKind::Image,
                bytes: &signed,
            },
            catalog::File {
                name: &inf_name,
                kind: FileKind::Flat,
                bytes: &inf,
            },
        ],
        OS_ATTRIBUTE,
        catalog_attributes(&systems, &hardware_ids),
        made,
    )?
    .sign(&signer)?;

    let mut contents = vec![(Role::Driver, sys_name.clone(), signed)];
    if let Some(pdb) = pdb {
        let pdb_name = Path::new(&sys_name)
            .with_extension("pdb")
            .to_string_lossy()
            .into_owned();
        contents.push((Role::Symbols, pdb_name, pdb));
    }
    let certificate_name = format!("{name}.cer");
    let thumbprint = hex::encode(&Sha1::digest(&certificate));
    contents.push((Role::Inf, inf_name.clone(), inf));
    contents.push((Role::Catalog, stamp.catalog, catalog));
    contents.push((Role::Certificate, certificate_name.clone(), certificate));
    let mut manifest = Manifest {
        format: FORMAT,
        name: name.to_owned(),
        flavour: request.flavour,
        version,
        date: date.to_string(),
        inputs: Inputs {
            sys_sha256: hex::sha256(&sys),
            inx_sha256: hex::sha256(&inx),
        },
        hardware_ids,
        certificate_thumbprint: thumbprint,
        files: Vec::new(),
    };
    let names = readme::Names {
        sys: &sys_name,
        inf: &inf_name,
        certificate: &certificate_name,
    };
    contents.push((
        Role::Readme,
        "README.txt".to_owned(),
        readme::text(&manifest, &names).into_bytes(),
    ));
    for (role, name, bytes) in &contents {
        manifest.files.push(PackagedFile {
            role: *role,
            name: name.clone(),
            bytes: bytes.len() as u64,
            sha256: hex::sha256(bytes),
        });
    }
    let mut files: Vec<(String, Vec<u8>)> = contents
        .into_iter()
        .map(|(_, name, bytes)| (name, bytes))
        .collect();
    files.push((manifest::FILE.to_owned(), manifest.to_json()?.into_bytes()));
    publish(request.out, &files)?;
    Ok(manifest)
}

/// The catalog's own attributes: the systems and the hardware ids, numbered, as Inf2Cat writes them.
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

fn read(path: &Path) -> Result<Vec<u8>, PackageError> {
    fs::read(path).map_err(|source| PackageError::Input {
        path: path.to_owned(),
        source,
    })
}

/// Writes the files into a fresh directory beside `out` and exchanges it for what is there.
fn publish(out: &Path, files: &[(String, Vec<u8>)]) -> Result<(), PackageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PackageError::Output { path, source }
    };
    let name = out
        .file_name()
        .ok_or_else(|| PackageError::Name(out.to_owned()))?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let replaces = match fs::symlink_metadata(out) {
        Ok(found) if found.is_dir() && is_package_or_empty(out).map_err(failed(out))? => true,
        Ok(_) => return Err(PackageError::NotAPackage(out.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(out)(error)),
    };
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let prefix = format!(".{}-", name.to_string_lossy());
    let staging = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(parent)
        .map_err(failed(parent))?;
    let fresh = staging.path().join("new");
    fs::create_dir(&fresh).map_err(failed(&fresh))?;
    for (name, bytes) in files {
        let path = fresh.join(name);
        fs::write(&path, bytes).map_err(failed(&path))?;
    }
    // The staging directory goes when this function returns, and the old package with it.
    let old = staging.path().join("old");
    if replaces {
        fs::rename(out, &old).map_err(failed(out))?;
    }
    fs::rename(&fresh, out).map_err(|error| {
        if replaces {
            // Put the old package back; if that fails too, the first error is the one to tell.
            let _ = fs::rename(&old, out);
        }
        failed(out)(error)
    })
}

fn is_package_or_empty(directory: &Path) -> io::Result<bool> {
    Ok(directory.join(manifest::FILE).is_file() || fs::read_dir(directory)?.next().is_none())
}
