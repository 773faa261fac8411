//! Import libraries, made from module definition files by the linker that comes with rustc.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ConfigError, IoError, bindings::BASE_LIBRARIES, cargo_variable};

/// Makes an import library in `folder` from each definition file of this crate, and empty ones for libraries
/// of which a Rust driver uses nothing. Returns the folder.
pub(crate) fn make(folder: PathBuf) -> Result<PathBuf, ConfigError> {
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("lib");
    println!("cargo::rerun-if-changed={}", definitions.display());
    let linker = rust_lld()?;
    fs::create_dir_all(&folder).map_err(|source| IoError::with_path(&folder, source))?;

    let entries = fs::read_dir(&definitions).map_err(|source| IoError::with_path(&definitions, source))?;
    for entry in entries {
        let definition = entry
            .map_err(|source| IoError::with_path(&definitions, source))?
            .path();
        if definition.extension().is_some_and(|extension| extension == "def") {
            let library = folder.join(definition.with_extension("lib").file_name().unwrap_or_default());
            let input = format!("/def:{}", definition.display());
            run(
                &linker,
                &["/machine:x64", &input, &format!("/out:{}", library.display())],
            )?;
        }
    }
    for name in BASE_LIBRARIES {
        let library = folder.join(name).with_extension("lib");
        if !library.is_file() {
            run(
                &linker,
                &["/llvmlibempty", &format!("/out:{}", library.display())],
            )?;
        }
    }
    Ok(folder)
}

fn run(linker: &Path, arguments: &[&str]) -> Result<(), ConfigError> {
    let failed = |reason: String| ConfigError::Tool {
        tool: linker.to_owned(),
        reason,
    };
    let output = Command::new(linker)
        .args(["-flavor", "link", "/lib", "/nologo"])
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// `rust-lld` in the sysroot of the compiler that Cargo uses.
fn rust_lld() -> Result<PathBuf, ConfigError> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let failed = |reason: String| ConfigError::Tool {
        tool: PathBuf::from(&rustc),
        reason,
    };
    let output = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let sysroot = String::from_utf8_lossy(&output.stdout);
    let host = cargo_variable("HOST")?;
    Ok(Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-lld"))
}
