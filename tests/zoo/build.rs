//! Link settings of the drivers. wdk-build's are for a library of the package; here every program is a driver.

use std::{env, error::Error, process::Command};

/// Set for the run of this program that says what wdk-build says.
const ASIDE: &str = "ZOO_BUILD_ASIDE";
/// wdk-build's settings, and Cargo's word for the same of programs.
const FOR_LIBRARIES: [&str; 2] = ["cargo::rustc-cdylib-link-arg=", "cargo:rustc-cdylib-link-arg="];
const FOR_PROGRAMS: &str = "cargo::rustc-link-arg-bins=";

fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os(ASIDE).is_some() {
        return Ok(wdk_build::configure_wdk_binary_build()?);
    }
    let output = Command::new(env::current_exe()?).env(ASIDE, "1").output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let argument = FOR_LIBRARIES.iter().find_map(|prefix| line.strip_prefix(prefix));
        match argument {
            // One map file for all of them helps nobody.
            Some(argument) if argument.starts_with("/MAP") => {}
            Some(argument) => println!("{FOR_PROGRAMS}{argument}"),
            None => println!("{line}"),
        }
    }
    println!("cargo::rustc-link-lib=dylib=storport");
    for argument in ["/RELEASE", "/Brepro"] {
        println!("{FOR_PROGRAMS}{argument}");
    }
    Ok(())
}
