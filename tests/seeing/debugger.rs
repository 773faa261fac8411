//! gdb on a live run: it stops at a line of the driver's source and knows the way there.

use std::fs;

use ferronvme_tests::command::Portlab;

use super::driver;

/// Where `text` stands in a file of the repository: its line.
fn line_of(file: &str, text: &str) -> usize {
    let source = fs::read_to_string(ferronvme_tests::repository().join(file)).expect("the source");
    let index = source.lines().position(|line| line.contains(text));
    1 + index.unwrap_or_else(|| panic!("{file} has no `{text}`"))
}

fn debug(options: &[&str]) -> String {
    let driver = driver();
    let mut arguments = vec!["debug", "--batch"];
    arguments.extend(options);
    arguments.extend([
        driver.as_str(),
        "--device",
        "lab:nvme,size=16M",
        "--traffic",
        "1M",
        "--seed",
        "1",
    ]);
    let output = Portlab::new(&arguments).run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    format!("{text}{}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_breakpoint_at_a_line_is_hit_and_the_stack_is_known() {
    let file = "src/start_io.rs";
    let line = line_of(file, "fn start");
    // The first line with code at or after it.
    let stop = format!("break {file}:{line}");
    let seen = debug(&[
        "--stop",
        "none",
        "--command",
        &stop,
        "--command",
        "continue",
        "--command",
        "backtrace",
    ]);
    assert!(seen.contains(&format!("{file}:")), "{seen}");
    let stack: Vec<&str> = seen.lines().filter(|line| line.starts_with('#')).collect();
    let has = |text: &str| stack.iter().any(|frame| frame.contains(text));
    // From the driver's function over storport's entry point to the lab that called it, and to the thread's beginning.
    assert!(has("ferronvme::start_io::"), "{seen}");
    assert!(has("storport::entry::"), "{seen}");
    assert!(has("crates/portlab/src/model/"), "{seen}");
    assert!(has("start_thread"), "{seen}");
}

#[test]
fn it_stops_at_driver_entry_by_itself() {
    let seen = debug(&["--command", "backtrace 3"]);
    assert!(seen.contains("Temporary breakpoint"), "{seen}");
    assert!(
        seen.contains("ferronvme::driver_entry") && seen.contains("crates/storport/src/entry.rs:"),
        "{seen}"
    );
    assert!(seen.lines().any(|line| line.starts_with("#0")), "{seen}");
}
