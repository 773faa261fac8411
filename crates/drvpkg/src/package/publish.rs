//! Putting a finished directory in its place, at once or not at all.

use std::{fs, io, path::Path};

use super::PackageError;
use crate::manifest;

/// Writes the files into a fresh directory beside `out` and exchanges it for what is there.
pub(super) fn publish(out: &Path, files: &[(String, Vec<u8>)]) -> Result<(), PackageError> {
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
