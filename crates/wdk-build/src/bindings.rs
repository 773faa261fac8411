//! bindgen's settings, the same as Microsoft's crate chooses.

use std::{borrow::Borrow, fmt};

use bindgen::{Builder, EnumVariation, Formatter, RustEdition, RustTarget};

use crate::{ApiSubset, Config, ConfigError};

/// Clang's settings for headers written for Microsoft's compiler.
const CLANG_ARGUMENTS: [&str; 15] = [
    // Leaves out what only C drivers can use of the open headers.
    "-DFERROPORT_BINDGEN",
    // Otherwise `size_t` in the signatures of memcpy and its kin becomes u64 instead of usize.
    "-fno-builtin",
    "-fms-compatibility",
    "-fms-extensions",
    "-fdelayed-template-parsing",
    "--warn-=no-nonportable-include-path",
    "--warn-=no-pragma-pack",
    "--warn-=no-ignored-attributes",
    "--warn-=no-ignored-pragma-intrinsic",
    "--warn-=no-visibility",
    "--warn-=no-switch",
    "--warn-=no-comment",
    "--warn-=no-deprecated-declarations",
    "--warn-=no-invalid-token-paste",
    "--warn-=no-microsoft",
];

/// Items that Microsoft's crate leaves out: deprecated, or not representable by bindgen.
const BLOCKED_ITEMS: [&str; 10] = [
    "ExAllocatePoolWithTag",
    "ExAllocatePoolWithQuotaTag",
    "ExAllocatePoolWithTagPriority",
    "ExAllocatePool",
    ".*MCG_CAP(?:__bindgen.*)?",
    ".*WHEA_XPF_MCA_SECTION",
    ".*WHEA_ARM_BUS_ERROR(?:__bindgen.*)?",
    ".*WHEA_ARM_PROCESSOR_ERROR",
    ".*WHEA_ARM_CACHE_ERROR",
    ".*ADDRESS0_OWNERSHIP_ACQUIRE",
];

/// Libraries that Microsoft's crate links into every WDM driver.
pub(crate) const BASE_LIBRARIES: [&str; 4] = ["BufferOverflowFastFailK", "ntoskrnl", "hal", "wmilib"];

/// A way to a [`bindgen::Builder`] set up for the driver kit's headers.
pub trait BuilderExt {
    /// bindgen's settings for the driver kit's headers.
    ///
    /// # Errors
    ///
    /// As [`Config::include_paths`], and [`ConfigError::RustVersionNotSupportedByBindgen`].
    fn wdk_default(config: impl Borrow<Config> + fmt::Debug) -> Result<Builder, ConfigError>;
}

impl BuilderExt for Builder {
    fn wdk_default(config: impl Borrow<Config> + fmt::Debug) -> Result<Self, ConfigError> {
        let config = config.borrow();
        let include = config
            .include_paths()?
            .map(|folder| format!("--include-directory={}", folder.display()));
        let define = config
            .preprocessor_definitions()
            .map(|(name, value)| match value {
                Some(value) => format!("--define-macro={name}={value}"),
                None => format!("--define-macro={name}"),
            });
        let mut builder = Self::default()
            .use_core()
            .derive_default(true)
            .generate_cstr(true)
            .detect_include_paths(false)
            .clang_args(CLANG_ARGUMENTS)
            .clang_args(include)
            .clang_args(define)
            .opaque_type("_KGDTENTRY64")
            .opaque_type("_KIDTENTRY64")
            .must_use_type("NTSTATUS")
            .must_use_type("HRESULT")
            .default_enum_style(EnumVariation::ModuleConsts)
            // Without it an edited header does not rebuild the bindings.
            .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
            .formatter(Formatter::Prettyplease)
            .rust_target(rust_target()?)
            .rust_edition(RustEdition::Edition2024);
        for item in BLOCKED_ITEMS {
            builder = builder.blocklist_item(item);
        }
        Ok(builder)
    }
}

/// The Rust version that the published crate promises, so that the bindings are the same on every host.
fn rust_target() -> Result<RustTarget, ConfigError> {
    let version = env!("CARGO_PKG_RUST_VERSION");
    let unsupported = |reason: String| ConfigError::RustVersionNotSupportedByBindgen { version, reason };
    let parsed = semver::Version::parse(version).map_err(|error| unsupported(error.to_string()))?;
    RustTarget::stable(parsed.minor, parsed.patch).map_err(|error| unsupported(error.to_string()))
}

impl Config {
    /// Rust source that makes wdk-sys link the libraries of a part of the interface; none for parts without.
    ///
    /// As Microsoft's crate, it links nothing for [`ApiSubset::Storage`]: the driver's build script names
    /// `storport` itself.
    #[must_use]
    pub fn bindgen_library_link_raw_lines(&self, api_subset: ApiSubset) -> Option<String> {
        (api_subset == ApiSubset::Base).then(|| BASE_LIBRARIES.map(link_directive).concat())
    }
}

fn link_directive(library: &str) -> String {
    format!(
        "#[cfg(not(any(test, feature = \"suppress-wdk-linking\")))]\n\
         #[link(name = \"{library}\", kind = \"static\", modifiers = \"-bundle\")]\n\
         unsafe extern \"C\" {{}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindgen_knows_the_promised_rust_version() {
        rust_target().unwrap();
    }

    #[test]
    fn every_base_library_is_linked() {
        let lines = BASE_LIBRARIES.map(link_directive).concat();
        for library in BASE_LIBRARIES {
            assert!(lines.contains(&format!("name = \"{library}\"")), "{library}");
        }
    }
}
