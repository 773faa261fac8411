//! A driver package on disk: what a person would copy to Windows, found, whole, and not older than its sources.

pub mod parameters;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use drvpkg::{
    manifest::{Flavour, Manifest, ManifestError, Role},
    pe::inspect::{InspectError, Inspection},
};

/// Where the driver's sources are, from the root of the repository.
const SOURCES: [&str; 11] = [
    "Cargo.toml",
    "build.rs",
    "src",
    "inf",
    "crates/miniport-build",
    "crates/miniport-rt",
    "crates/nvme",
    "crates/nvme-core",
    "crates/scsi",
    "crates/scsi-nvme",
    "crates/storport",
];

/// Where those of an example are, beside its own folder.
const EXAMPLE_SOURCES: [&str; 4] = [
    "Cargo.toml",
    "crates/miniport-build",
    "crates/miniport-rt",
    "crates/storport",
];

/// Why a package cannot be used. Each message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is none, or its manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of it is missing.
    #[error("{package} lacks its {role:?} file: make it again with `./x package`", package = package.display())]
    Lacks {
        /// The package.
        package: PathBuf,
        /// What is missing.
        role: Role,
    },
    /// A source is newer than the package.
    #[error("{package} is older than {source_file}: make it again with `./x package`",
            package = package.display(), source_file = source_file.display())]
    Stale {
        /// The package.
        package: PathBuf,
        /// The newest source.
        source_file: PathBuf,
    },
    /// The driver is no image.
    #[error("{path}: {source}", path = path.display())]
    Image {
        /// The driver.
        path: PathBuf,
        /// What is wrong with it.
        source: InspectError,
    },
    /// A file or its times cannot be read.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its directory.
    pub directory: PathBuf,
    /// The signed driver.
    pub driver: PathBuf,
    /// The stamped INF.
    pub inf: PathBuf,
    /// Name of the driver.
    pub name: String,
}

impl Package {
    /// Finds the driver and the INF of a package.
    ///
    /// # Errors
    /// If there is no package or it is not whole.
    pub fn open(directory: &Path) -> Result<Self, PackageError> {
        let manifest = Manifest::read(directory)?;
        let find = |role| {
            manifest
                .file(role)
                .map(|file| directory.join(&file.name))
                .filter(|path| path.is_file())
                .ok_or_else(|| PackageError::Lacks {
                    package: directory.to_owned(),
                    role,
                })
        };
        Ok(Self {
            directory: directory.to_owned(),
            driver: find(Role::Driver)?,
            inf: find(Role::Inf)?,
            name: manifest.name.clone(),
        })
    }

    /// Which flavour the driver is, from its imports: what the manifest says is not asked.
    ///
    /// # Errors
    /// If the driver cannot be read, or is no image.
    pub fn flavour(&self) -> Result<Flavour, PackageError> {
        let image = fs::read(&self.driver).map_err(|error| PackageError::Io {
            path: self.driver.clone(),
            error,
        })?;
        let inspection = Inspection::of(&image).map_err(|source| PackageError::Image {
            path: self.driver.clone(),
            source,
        })?;
        Ok(inspection.flavour())
    }

    /// Compares the package's age with the driver's sources below `root`. A directory without such sources has
    /// nothing to compare.
    ///
    /// # Errors
    /// If a source is newer than the package.
    pub fn require_fresh(&self, root: &Path) -> Result<(), PackageError> {
        let made = modified(&self.directory.join(drvpkg::manifest::FILE))?;
        let mut newest: Option<(SystemTime, PathBuf)> = None;
        let example = root.join("examples").join(&self.name);
        let sources = if example.is_dir() {
            [&[example][..], &EXAMPLE_SOURCES.map(|source| root.join(source))].concat()
        } else {
            SOURCES.map(|source| root.join(source)).into()
        };
        for source in sources.into_iter().filter(|source| source.exists()) {
            newest_below(&source, &mut newest)?;
        }
        match newest {
            Some((changed, source_file)) if changed > made => Err(PackageError::Stale {
                package: self.directory.clone(),
                source_file,
            }),
            _ => Ok(()),
        }
    }

    /// The root of the repository that the package was made in: `ROOT/target/package` belongs to `ROOT`.
    #[must_use]
    pub fn repository(&self) -> Option<PathBuf> {
        let directory = self.directory.canonicalize().ok()?;
        let root = directory
            .ancestors()
            .find(|ancestor| ancestor.join("inf/ferronvme.inx").is_file())?;
        Some(root.to_owned())
    }
}

fn modified(path: &Path) -> Result<SystemTime, PackageError> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| PackageError::Io {
            path: path.to_owned(),
            error,
        })
}

fn newest_below(path: &Path, newest: &mut Option<(SystemTime, PathBuf)>) -> Result<(), PackageError> {
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|error| PackageError::Io {
            path: path.to_owned(),
            error,
        })?;
        for entry in entries.flatten() {
            newest_below(&entry.path(), newest)?;
        }
        return Ok(());
    }
    let changed = modified(path)?;
    if newest.as_ref().is_none_or(|(time, _)| changed > *time) {
        *newest = Some((changed, path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MANIFEST: &str = r#"{ "format": 1, "name": "toy", "flavour": "dev", "version": "1.2.3.4", "date": "01/02/2026",
        "inputs": { "sys_sha256": "", "inx_sha256": "" }, "hardware_ids": [], "certificate_thumbprint": "",
        "files": [ { "role": "driver", "name": "toy.sys", "bytes": 1, "sha256": "" },
                   { "role": "inf", "name": "toy.inf", "bytes": 1, "sha256": "" } ] }"#;

    fn manifest_text() -> String {
        // The version's form is drvpkg's business: take it from there.
        let version = serde_json::to_string(&drvpkg::civil::DriverVersion([1, 2, 3, 4])).expect("version");
        MANIFEST.replace("\"1.2.3.4\"", &version)
    }

    #[test]
    fn a_package_is_absent_incomplete_fresh_or_stale() {
        let root = tempfile::tempdir().expect("directory");
        let directory = root.path().join("target/package");
        fs::create_dir_all(&directory).expect("directory");
        let error = Package::open(&directory).expect_err("no manifest").to_string();
        assert!(error.contains("./x package"), "{error}");

        fs::write(directory.join("package.json"), manifest_text()).expect("manifest");
        fs::write(directory.join("toy.inf"), b";").expect("inf");
        let error = Package::open(&directory).expect_err("no driver").to_string();
        assert!(
            error.contains("Driver") && error.contains("./x package"),
            "{error}"
        );

        fs::write(directory.join("toy.sys"), b"MZ").expect("driver");
        let package = Package::open(&directory).expect("a package");
        package.require_fresh(root.path()).expect("no sources");

        fs::create_dir_all(root.path().join("src/deep")).expect("directory");
        let source = root.path().join("src/deep/lib.rs");
        fs::write(&source, b"").expect("source");
        let file = fs::File::options().write(true).open(&source).expect("source");
        file.set_modified(SystemTime::now() - Duration::from_mins(1))
            .expect("time");
        package.require_fresh(root.path()).expect("older source");
        file.set_modified(SystemTime::now() + Duration::from_mins(1))
            .expect("time");
        let error = package
            .require_fresh(root.path())
            .expect_err("newer source")
            .to_string();
        assert!(
            error.contains("src/deep/lib.rs") && error.contains("./x package"),
            "{error}"
        );
    }
}
