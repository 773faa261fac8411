//! The audit bites: each rule broken in a small source tree of its own.

use std::{fs, path::Path};

use gauge::{
    audit::Audit,
    occurrence::{Kind, find},
};

/// A tree of one package at `directory` with one file.
fn tree(directory: &str, source: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join(directory);
    fs::create_dir_all(package.join("src")).unwrap();
    fs::write(
        package.join("Cargo.toml"),
        "[package]\nname = \"sample\"\n[dependencies]\nname = \"other\"\n",
    )
    .unwrap();
    fs::write(package.join("src/lib.rs"), source).unwrap();
    root
}

fn audit(directory: &str, source: &str) -> Audit {
    let root = tree(directory, source);
    Audit::of(root.path()).unwrap()
}

fn kinds(source: &str) -> Vec<Kind> {
    find(source).unwrap().iter().map(|one| one.kind).collect()
}

fn documented(source: &str) -> Vec<bool> {
    find(source).unwrap().iter().map(|one| one.documented).collect()
}

#[test]
fn every_kind_is_told() {
    assert_eq!(kinds("fn f() { unsafe { g() } }"), [Kind::Block]);
    assert_eq!(kinds("unsafe fn f() {}"), [Kind::Function]);
    assert_eq!(kinds("pub const unsafe fn f() {}"), [Kind::Function]);
    assert_eq!(kinds("unsafe extern \"C\" fn f() {}"), [Kind::Function]);
    assert_eq!(kinds("trait T { unsafe fn f(); }"), [Kind::Function]);
    assert_eq!(kinds("unsafe impl Send for X {}"), [Kind::Implementation]);
    assert_eq!(kinds("unsafe impl<T> Send for X<T> {}"), [Kind::Implementation]);
    assert_eq!(kinds("pub unsafe trait T {}"), [Kind::Trait]);
    assert_eq!(
        kinds("unsafe extern \"C\" { unsafe fn f(); unsafe static S: u8; safe fn g(); }"),
        [Kind::ExternBlock, Kind::ForeignItem, Kind::ForeignItem]
    );
    assert_eq!(kinds("#[unsafe(no_mangle)] fn f() {}"), [Kind::Attribute]);
    assert_eq!(
        kinds("#[cfg_attr(windows, unsafe(naked))] fn f() {}"),
        [Kind::Attribute]
    );
    assert_eq!(
        kinds("type F = unsafe extern \"C\" fn(u8);"),
        [Kind::FunctionType]
    );
    assert_eq!(kinds("macro_rules! m { (unsafe) => {} }"), [Kind::Other]);
}

#[test]
fn words_that_are_no_code_are_not_counted() {
    let source = r##"
        //! unsafe { nothing() }
        #![expect(unsafe_code, reason = "unsafe is a word here")]
        /// An unsafe fn.
        // unsafe impl Send for X {}
        /* unsafe { } /* unsafe { } */ */
        const A: &str = "unsafe { }";
        const B: &str = r#"unsafe { "quoted" }"#;
        const C: &[u8] = b"unsafe { }";
        const D: &core::ffi::CStr = c"unsafe";
        fn unsafe_by_name(r#unsafe: u8) -> u8 { r#unsafe }
    "##;
    assert_eq!(kinds(source), []);
}

#[test]
fn macros_and_code_that_is_configured_out_are_counted() {
    let source = "
        macro_rules! field {
            ($pointer:expr) => { unsafe { (*$pointer).field } };
        }
        #[cfg(any())]
        fn f() { unsafe { g() } }
        fn h() { some::macro_of!(x => unsafe { g() }, [unsafe { g() }]); }
    ";
    assert_eq!(kinds(source), [Kind::Block; 4]);
}

#[test]
fn a_reason_stands_directly_before_the_block_or_its_statement() {
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine.\nunsafe { g() }\n}"),
        [true]
    );
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine,\n// really.\nlet x = unsafe { g() };\n}"),
        [true]
    );
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine.\nlet x = a\n.b(|c| unsafe { g(c) });\n}"),
        [true]
    );
    assert_eq!(
        documented("fn f() {\nlet x = a\n// SAFETY: fine.\n|| unsafe { g() };\n}"),
        [true]
    );
    assert_eq!(
        documented("// SAFETY: fine.\n#[cfg(x)]\nunsafe impl Send for X {}"),
        [true]
    );
    assert_eq!(
        documented("fn f() { /* SAFETY: fine. */ unsafe { g() } }"),
        [true]
    );
}

#[test]
fn a_reason_elsewhere_is_none() {
    assert_eq!(documented("fn f() {\nunsafe { g() }\n}"), [false]);
    assert_eq!(documented("fn f() {\n// Fine.\nunsafe { g() }\n}"), [false]);
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine.\n\nunsafe { g() }\n}"),
        [false]
    );
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine.\nunsafe { g() };\nunsafe { h() }\n}"),
        [true, false]
    );
    assert_eq!(
        documented("fn f() {\n// SAFETY: fine.\nif a { b() }\nunsafe { h() }\n}"),
        [false]
    );
    assert_eq!(
        documented("// SAFETY: of the function.\nfn f() {\nunsafe { g() }\n}"),
        [false]
    );
    assert_eq!(
        documented("/// SAFETY: documentation.\nunsafe impl Send for X {}"),
        [false]
    );
    assert_eq!(
        documented("fn f() {\nlet x = \"// SAFETY: text\";\nunsafe { g() }\n}"),
        [false]
    );
}

#[test]
fn one_unsafe_in_a_driver_is_an_error_with_its_place() {
    let audit = audit("", "fn f() {\n    // SAFETY: fine.\n    unsafe { g() }\n}\n");
    assert_eq!(audit.findings, ["src/lib.rs:3: nothing unsafe may be here"]);
    assert_eq!((audit.forbidden_unsafe, audit.undocumented_unsafe), (1, 0));
    assert_eq!(audit.by_package["sample"], 1);
}

#[test]
fn one_without_a_reason_is_an_error_where_it_may_be() {
    let audit = audit("crates/storport", "fn f() {\n    unsafe { g() }\n}\n");
    assert_eq!(
        audit.findings,
        ["crates/storport/src/lib.rs:2: no `// SAFETY:` comment directly before"]
    );
    assert_eq!((audit.forbidden_unsafe, audit.undocumented_unsafe), (0, 1));
}

#[test]
fn a_test_driver_is_counted_and_not_judged() {
    let audit = audit("tests/twin", "fn f() {\n    unsafe { g() }\n}\n");
    assert!(audit.is_clean());
    assert_eq!(audit.by_package["sample"], 1);
    assert!(audit.exempt.contains_key("sample"));
}

#[test]
fn a_package_without_any_is_listed() {
    let audit = audit("crates/nvme", "fn f() {}\n");
    assert!(audit.is_clean());
    assert_eq!(audit.by_package["sample"], 0);
}

#[test]
fn what_is_no_rust_is_refused() {
    let root = tree("crates/nvme", "fn f( {}\n");
    assert!(Audit::of(root.path()).is_err());
}

/// The promise itself.
#[test]
fn the_project_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let audit = Audit::of(root).unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.findings);
    for package in ["ferronvme", "nvme", "nvme-core", "scsi", "scsi-nvme"] {
        assert_eq!(audit.by_package[package], 0, "{package}");
    }
    assert!(audit.by_package["storport"] > 0);
}
