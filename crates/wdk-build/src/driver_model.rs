//! The driver model, from the manifests of the workspace being built.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::{ConfigError, cargo_variable, path_variable};

/// The driver model with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DriverConfig {
    /// Windows Driver Model.
    Wdm,
    /// Kernel Mode Driver Framework; buildable on Windows only.
    Kmdf(KmdfConfig),
    /// User Mode Driver Framework; buildable on Windows only.
    Umdf(UmdfConfig),
}

/// Versions of the Kernel Mode Driver Framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KmdfConfig {
    /// Major version.
    pub kmdf_version_major: u8,
    /// Minor version built for.
    pub target_kmdf_version_minor: u8,
    /// Minor version at least needed.
    pub minimum_kmdf_version_minor: Option<u8>,
}

/// Versions of the User Mode Driver Framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UmdfConfig {
    /// Major version.
    pub umdf_version_major: u8,
    /// Minor version built for.
    pub target_umdf_version_minor: u8,
    /// Minor version at least needed.
    pub minimum_umdf_version_minor: Option<u8>,
}

/// Reads the driver model of the workspace that is being built.
pub(crate) fn of_workspace() -> Result<DriverConfig, ConfigError> {
    let manifest = match path_variable("FERROPORT_WDK_MANIFEST") {
        Some(manifest) => manifest,
        None => manifest_above(Path::new(&cargo_variable("OUT_DIR")?)).unwrap_or_else(own_workspace),
    };
    // Without dependencies nothing is resolved: neither the lock file, nor the network, nor the override that
    // brought this crate in matter, and the nested Cargo waits for no lock.
    let metadata = MetadataCommand::new()
        .manifest_path(&manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .map_err(|source| ConfigError::Metadata {
            manifest: manifest.clone(),
            source,
        })?;
    println!("cargo::rerun-if-changed={}", manifest.display());
    for package in metadata
        .packages
        .iter()
        .filter(|package| driver_type(&package.metadata).is_some())
    {
        println!("cargo::rerun-if-changed={}", package.manifest_path);
    }
    from_driver_types(driver_types(&metadata))
}

/// The nearest manifest with a lock file above a build directory, as Microsoft's crate looks for it.
fn manifest_above(out_dir: &Path) -> Option<PathBuf> {
    out_dir
        .ancestors()
        .filter(|folder| folder.join("Cargo.lock").is_file())
        .map(|folder| folder.join("Cargo.toml"))
        .find(|manifest| manifest.is_file())
}

/// The workspace that this crate lies in; used when the target directory is elsewhere.
fn own_workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml")
}

fn driver_type(metadata: &serde_json::Value) -> Option<&str> {
    metadata.pointer("/wdk/driver-model/driver-type")?.as_str()
}

fn driver_types(metadata: &Metadata) -> Vec<String> {
    let mut types: Vec<String> = metadata
        .packages
        .iter()
        .map(|package| &package.metadata)
        .chain([&metadata.workspace_metadata])
        .filter_map(driver_type)
        .map(str::to_owned)
        .collect();
    types.sort();
    types.dedup();
    types
}

fn from_driver_types(types: Vec<String>) -> Result<DriverConfig, ConfigError> {
    match types.as_slice() {
        [] => Err(ConfigError::NoWdkConfiguration),
        [only] if only == "WDM" => Ok(DriverConfig::Wdm),
        [only] => Err(ConfigError::UnsupportedDriverModel(only.clone())),
        _ => Err(ConfigError::ContradictoryDriverModels(types)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(types: &[&str]) -> Vec<String> {
        types.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_wdm_driver_or_many_make_a_wdm_build() {
        assert_eq!(from_driver_types(names(&["WDM"])).unwrap(), DriverConfig::Wdm);
    }

    #[test]
    fn a_workspace_without_drivers_is_told_apart_from_a_broken_one() {
        assert!(matches!(
            from_driver_types(Vec::new()),
            Err(ConfigError::NoWdkConfiguration)
        ));
    }

    #[test]
    fn framework_drivers_are_refused_by_name() {
        let error = from_driver_types(names(&["KMDF"])).unwrap_err();
        assert!(error.to_string().contains("\"KMDF\""), "{error}");
    }

    #[test]
    fn contradictory_models_are_all_named() {
        let error = from_driver_types(names(&["KMDF", "WDM"])).unwrap_err();
        assert!(error.to_string().contains("KMDF, WDM"), "{error}");
    }

    #[test]
    fn driver_type_is_read_where_microsofts_crate_reads_it() {
        let metadata = serde_json::json!({ "wdk": { "driver-model": { "driver-type": "WDM" } } });
        assert_eq!(driver_type(&metadata), Some("WDM"));
        assert_eq!(driver_type(&serde_json::json!({ "wdk": {} })), None);
        assert_eq!(driver_type(&serde_json::Value::Null), None);
    }

    #[test]
    fn the_nearest_locked_manifest_above_the_build_directory_counts() {
        let root = std::env::temp_dir().join(format!("wdk-build-manifest-{}", std::process::id()));
        let out_dir = root.join("target/debug/build/x/out");
        fs::create_dir_all(&out_dir).unwrap();
        for file in ["Cargo.toml", "Cargo.lock", "target/Cargo.toml"] {
            fs::write(root.join(file), "").unwrap();
        }
        let found = manifest_above(&out_dir);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(root.join("Cargo.toml")));
    }

    #[test]
    fn this_crates_workspace_has_a_lock_file() {
        assert!(own_workspace().with_file_name("Cargo.lock").is_file());
    }
}
