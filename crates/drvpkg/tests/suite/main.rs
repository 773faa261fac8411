//! Tests of drvpkg through its public interface and its command line, on images and INFs made here.

mod catalog;
mod command_line;
mod image;
mod inf;
mod inf_check;
mod package;
mod synthetic;

use std::sync::OnceLock;

use drvpkg::certificate::SigningCertificate;

/// One certificate for all tests: generating a key is slow.
fn signer() -> &'static SigningCertificate {
    static SIGNER: OnceLock<SigningCertificate> = OnceLock::new();
    SIGNER.get_or_init(|| SigningCertificate::generate().unwrap())
}
