//! Seeing a run: the timeline, the page in a browser, the driver in gdb.

mod debugger;
mod page;
mod timeline;

use std::path::{Path, PathBuf};

use ferronvme_tests::command::Portlab;

/// The packaged driver.
fn driver() -> String {
    ferronvme_tests::package().driver.display().to_string()
}

/// Where artefacts are kept.
fn reports() -> PathBuf {
    let directory = ferronvme_tests::repository().join("target/reports");
    std::fs::create_dir_all(&directory).expect("a directory for reports");
    directory
}

/// The same events in each run: one seed of the deterministic engine.
fn run(more: &[&str]) -> String {
    let driver = driver();
    let mut arguments = vec![
        "run",
        &driver,
        "--device",
        "lab:nvme,size=16M",
        "--engine",
        "deterministic",
    ];
    arguments.extend(["--traffic", "4M", "--reset", "--seed", "7"]);
    arguments.extend(more);
    let output = Portlab::new(&arguments).run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
