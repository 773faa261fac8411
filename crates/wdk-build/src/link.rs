//! Link settings of a driver.

use std::path::Path;

use crate::{Config, ConfigError, cargo_variable, import_libraries};

/// What Microsoft's crate tells the linker for a WDM driver.
const LINK_ARGUMENTS: [&str; 14] = [
    "/DRIVER",
    "/NODEFAULTLIB",
    "/SUBSYSTEM:NATIVE",
    "/KERNEL",
    "/ENTRY:DriverEntry",
    // Objects not compiled for kernel mode; an exported entry point. rustc cannot do otherwise.
    "/IGNORE:4257",
    "/IGNORE:4216",
    "/NXCOMPAT",
    "/DYNAMICBASE",
    "/MAP",
    "/MAPINFO:EXPORTS",
    "/OPT:REF,ICF",
    "/INTEGRITYCHECK",
    "/MANIFEST:NO",
];

/// Only what the open headers and the import libraries are written for can be built.
pub(crate) fn check_target() -> Result<(), ConfigError> {
    let architecture = cargo_variable("CARGO_CFG_TARGET_ARCH")?;
    let os = cargo_variable("CARGO_CFG_TARGET_OS")?;
    let environment = cargo_variable("CARGO_CFG_TARGET_ENV")?;
    if (architecture.as_str(), os.as_str(), environment.as_str()) == ("x86_64", "windows", "msvc") {
        Ok(())
    } else {
        Err(ConfigError::UnsupportedTarget {
            architecture,
            os,
            environment,
        })
    }
}

impl Config {
    /// Emits the linker's settings and search path for the driver whose build script calls this, and makes
    /// the import libraries.
    ///
    /// # Errors
    ///
    /// [`ConfigError::StaticCrtNotEnabled`] without `-C target-feature=+crt-static`; [`ConfigError::Tool`] if
    /// the linker that comes with rustc cannot make an import library; [`ConfigError::NotInBuildScript`]
    /// outside a build script.
    pub fn configure_binary_build(&self) -> Result<(), ConfigError> {
        if !cargo_variable("CARGO_CFG_TARGET_FEATURE")?
            .split(',')
            .any(|feature| feature == "crt-static")
        {
            return Err(ConfigError::StaticCrtNotEnabled);
        }
        let libraries =
            import_libraries::make(Path::new(&cargo_variable("OUT_DIR")?).join("import-libraries"))?;
        println!("cargo::rustc-link-search=native={}", libraries.display());
        for argument in LINK_ARGUMENTS {
            println!("cargo::rustc-cdylib-link-arg={argument}");
        }
        self.emit_cfg_settings();
        Ok(())
    }

    /// Tells rustc which `cfg` settings [`Config`] may emit.
    pub fn emit_check_cfg_settings() {
        println!(
            "cargo::rustc-check-cfg=cfg(driver_model__driver_type, values(\"WDM\", \"KMDF\", \"UMDF\"))"
        );
    }

    pub(crate) fn emit_cfg_settings(&self) {
        Self::emit_check_cfg_settings();
        let driver_type = match self.driver_config {
            crate::DriverConfig::Wdm => "WDM",
            crate::DriverConfig::Kmdf(_) => "KMDF",
            crate::DriverConfig::Umdf(_) => "UMDF",
        };
        println!("cargo::rustc-cfg=driver_model__driver_type=\"{driver_type}\"");
    }
}
