//! Stand-in for Microsoft's `wdk-build` on hosts that are not Windows.
//!
//! Microsoft's `wdk`, `wdk-sys`, `wdk-alloc` and `wdk-panic` are used unmodified on every host. Their build
//! scripts, and the driver's, call `wdk-build`, which needs Windows, its registry and an installed kit.
//! Elsewhere a Cargo `paths` override puts this crate in its place: the same names, as far as those build
//! scripts use them, for WDM drivers on x86-64, with
//!
//! - headers from mingw-w64's DDK under this crate's own `include/` ([`Config::include_paths`]);
//! - import libraries made from `lib/*.def` by rustc's own `rust-lld` ([`Config::configure_binary_build`]);
//! - the linker settings that Microsoft's crate chooses for a WDM driver.
//!
//! Two environment variables change where it looks:
//!
//! - `FERROPORT_MINGW_INCLUDE`: mingw-w64's include folder, the one that holds `ddk/`; otherwise
//!   `/usr/share/mingw-w64/include`.
//! - `FERROPORT_WDK_MANIFEST`: manifest of the workspace whose `metadata.wdk` names the driver model; otherwise the nearest
//!   `Cargo.toml` with a `Cargo.lock` above the build directory, then that of the workspace in which this crate lies.

mod api_subset;
mod bindings;
mod driver_model;
mod error;
mod headers;
mod import_libraries;
#[cfg(test)]
mod kit_abi;
mod link;

pub use api_subset::ApiSubset;
pub use bindings::BuilderExt;
pub use driver_model::{DriverConfig, KmdfConfig, UmdfConfig};
pub use error::{ConfigError, IoError};

use std::{env, path::PathBuf};

/// What a build that depends on the WDK is configured for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The driver model, from `metadata.wdk.driver-model` of the workspace being built.
    pub driver_config: DriverConfig,
    search_path: headers::SearchPath,
}

impl Config {
    /// Reads the configuration of the build that the calling build script belongs to.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoWdkConfiguration`] if no package of the workspace has `metadata.wdk`; other variants
    /// if the target is not x86-64 Windows, the metadata cannot be read or contradict themselves, or the
    /// driver model is not WDM.
    pub fn from_env_auto() -> Result<Self, ConfigError> {
        link::check_target()?;
        Ok(Self {
            driver_config: driver_model::of_workspace()?,
            search_path: headers::SearchPath::from_env(),
        })
    }

    /// Macros that Microsoft's build defines for a kernel-mode driver on x86-64.
    pub fn preprocessor_definitions(&self) -> impl Iterator<Item = (String, Option<String>)> + use<> {
        ["_WIN64", "_AMD64_", "AMD64", "_KERNEL_MODE"]
            .into_iter()
            .map(|name| (name.to_owned(), None))
    }

    /// Symbol of WDF's function table: none, for a driver that does not use WDF.
    #[must_use]
    pub fn compute_wdffunctions_symbol_name(&self) -> Option<String> {
        match self.driver_config {
            DriverConfig::Wdm => None,
            DriverConfig::Kmdf(KmdfConfig {
                kmdf_version_major: major,
                target_kmdf_version_minor: minor,
                ..
            })
            | DriverConfig::Umdf(UmdfConfig {
                umdf_version_major: major,
                target_umdf_version_minor: minor,
                ..
            }) => Some(format!("WdfFunctions_{major:02}0{minor:02}")),
        }
    }
}

/// Emits what a library crate needs to know about the driver it becomes part of.
///
/// # Errors
///
/// As [`Config::from_env_auto`]; a build without any `metadata.wdk` is no error here.
pub fn configure_wdk_library_build() -> Result<(), ConfigError> {
    configure_wdk_library_build_and_then(|_| Ok(()))
}

/// [`configure_wdk_library_build`], then `then` with the configuration if there is one.
///
/// # Errors
///
/// As [`configure_wdk_library_build`], and whatever `then` returns.
pub fn configure_wdk_library_build_and_then<F, E>(mut then: F) -> Result<(), E>
where
    F: FnMut(Config) -> Result<(), E>,
    E: From<ConfigError>,
{
    match Config::from_env_auto() {
        Ok(config) => {
            config.emit_cfg_settings();
            then(config)
        }
        Err(ConfigError::NoWdkConfiguration) => {
            Config::emit_check_cfg_settings();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Emits link settings and import libraries for the driver whose build script calls this.
///
/// # Errors
///
/// As [`Config::from_env_auto`] and [`Config::configure_binary_build`].
pub fn configure_wdk_binary_build() -> Result<(), ConfigError> {
    Config::from_env_auto()?.configure_binary_build()
}

/// A path from the environment; the build script runs again when it changes. Empty means unset.
fn path_variable(name: &str) -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A variable that Cargo sets for build scripts.
fn cargo_variable(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).map_err(|_| ConfigError::NotInBuildScript { variable: name })
}
