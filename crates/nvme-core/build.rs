//! Makes the `loom` configuration known to the compiler's check of configuration names.
fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rerun-if-changed=build.rs");
}
