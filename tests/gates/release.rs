//! Building a miniport's release flavour, and looking at what came out.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use drvpkg::{
    code::{self, Code, Symbols},
    pe::inspect::{Inspection, PORT_DRIVER},
};

/// What a function may take of the stack.
pub(crate) const MAX_FRAME: u32 = 4096;

/// How a build ended.
pub(crate) struct Build {
    /// An image was linked.
    pub(crate) linked: bool,
    /// What was said.
    pub(crate) said: String,
    /// The names of the gates that refuse the image; none if there is none.
    pub(crate) refused_by: Vec<&'static str>,
}

/// Builds `tests/injected` with one mistake, or none.
pub(crate) fn build(mistake: Option<&str>) -> Build {
    // One at a time: all builds write the same image.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("sh");
    command
        .args(["scripts/release.sh", "--locked", "--package", "injected"])
        .current_dir(ferronvme_tests::repository())
        .stdin(Stdio::null());
    if let Some(mistake) = mistake {
        command.args(["--features", &format!("injected/{mistake}")]);
    }
    let output = command.output().expect("sh runs");
    let linked = output.status.success();
    Build {
        linked,
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        refused_by: if linked { refused_by() } else { Vec::new() },
    }
}

/// Judges the image as `drvpkg inspect --release` does.
fn refused_by() -> Vec<&'static str> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let built = ferronvme_tests::repository()
        .join(target)
        .join("cross/x86_64-pc-windows-msvc/release");
    let image = fs::read(built.join("injected.dll")).expect("the image");
    let symbols = Symbols::open(&built.join("injected.pdb")).expect("its symbols");
    let inspection = Inspection::of(&image).expect("an image");
    let code = Code::of(&image, Some(&symbols)).expect("its code");
    let mut gates = inspection.gates();
    gates.push(inspection.import_gate(&[PORT_DRIVER.to_owned()]));
    gates.extend(code::gates(&code, MAX_FRAME));
    gates
        .iter()
        .filter(|gate| !gate.ok)
        .map(|gate| gate.name)
        .collect()
}
