//! End-to-end tests of the packaged `ferronvme.sys`: what every test file here shares.
//!
//! | test | what it proves |
//! | --- | --- |
//! | `driver` | the packaged driver on QEMU's controller, through the lab's library |
//! | `lab_nvme` | the packaged driver on the lab's own controller, also while it misbehaves |
//! | `pvscsi` | the example's packaged driver on QEMU's SCSI adapter |
//! | `lifecycle` | the ends of work items, timers and DPCs, with a miniport of their own |
//! | `commands` | the `portlab` command line: demo, reports, and every mistake a user may make |
//! | `seeing` | timeline, page and debugger of a run of the packaged driver |
//! | `gates` | each gate on the release flavour refuses what it is there for |

pub mod command;
pub mod rig;

use std::path::{Path, PathBuf};

use portlab::package::Package;

/// Root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from(".."), Path::to_owned)
}

/// The package under test: `target/package`.
#[must_use]
pub fn package_directory() -> PathBuf {
    repository().join("target/package")
}

/// The package under test, whole and not older than its sources.
///
/// # Panics
/// If there is none: the message names the command that makes it.
#[must_use]
pub fn package() -> Package {
    open(&package_directory())
}

/// The package of an example: `target/package-NAME`.
///
/// # Panics
/// As [`package`].
#[must_use]
pub fn example_package(name: &str) -> Package {
    open(&repository().join(format!("target/package-{name}")))
}

fn open(directory: &Path) -> Package {
    let opened = Package::open(directory).and_then(|package| {
        package.require_fresh(&repository())?;
        Ok(package)
    });
    match opened {
        Ok(package) => package,
        Err(error) => panic!("{error}"),
    }
}
