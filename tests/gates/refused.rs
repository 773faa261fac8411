//! What each mistake leads to.

use crate::release::build;

/// The build with this mistake links nothing, and says why and where.
fn does_not_link(mistake: &str, words: &[&str]) {
    let build = build(Some(mistake));
    assert!(!build.linked, "{mistake}: an image was linked");
    for words in words {
        assert!(
            build.said.contains(words),
            "{mistake}: `{words}` is not in: {}",
            build.said
        );
    }
}

/// The image with this mistake is refused by these gates and no other.
fn is_refused_by(mistake: &str, gates: &[&str]) {
    let build = build(Some(mistake));
    assert!(build.linked, "{mistake}: {}", build.said);
    assert_eq!(build.refused_by, gates, "{mistake}");
}

#[test]
fn a_miniport_without_a_mistake_passes() {
    let build = build(None);
    assert!(build.linked, "{}", build.said);
    assert_eq!(build.refused_by, [""; 0]);
}

#[test]
fn a_reachable_unwrap_does_not_link() {
    does_not_link(
        "unwrap",
        &[
            "a panic can be reached: a Result may be an error",
            "tests/injected/lib.rs",
            "injected::mistake",
        ],
    );
}

#[test]
fn an_index_that_is_not_checked_does_not_link() {
    does_not_link(
        "index",
        &[
            "a panic can be reached: an index may be out of bounds",
            "tests/injected/lib.rs",
        ],
    );
}

#[test]
fn a_dropped_srb_does_not_link() {
    does_not_link(
        "dropped-srb",
        &[
            "an SRB is dropped: complete it or park it",
            "tests/injected/lib.rs",
        ],
    );
}

#[test]
fn a_call_of_the_kernel_is_refused() {
    is_refused_by("kernel-call", &["imports"]);
}

#[test]
fn a_frame_of_more_than_a_page_is_refused() {
    // Such a frame needs the kernel's stack probe.
    is_refused_by("big-frame", &["imports", "frames"]);
}

#[test]
fn code_that_is_writable_is_refused() {
    is_refused_by("writable-code", &["W^X"]);
}

#[test]
fn a_memory_function_that_calls_itself_is_refused() {
    is_refused_by("recursion", &["no recursion"]);
}
