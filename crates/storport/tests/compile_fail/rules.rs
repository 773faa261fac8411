//! Builds every file of this folder for Windows: `minimal_miniport.rs` and `in_their_places.rs` must compile, the others must
//! fail as the `.stderr` beside each says. `./x compile-fail` runs this; with `TRYBUILD=overwrite` it writes what the compiler says now.
//!
//! trybuild builds for the host unless it is compiled with `--cfg trybuild_no_target`; then the target comes from a Cargo
//! configuration above its project, which the task writes.
#![cfg(not(windows))]

#[test]
fn each_rule_is_enforced_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    // Compiled in the same way as what must fail, so that nothing fails for want of a route. A case that must pass also makes
    // trybuild build and not check, and only a build evaluates the assertions on types.
    cases.pass("minimal_miniport.rs");
    cases.pass("in_their_places.rs");
    cases.compile_fail("rules/*.rs");
}
