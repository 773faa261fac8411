//! Driver packages without a Windows machine: INF stamping, catalogs, Authenticode signatures, verification.
//!
//! What `stampinf`, `Inf2Cat`, `signtool` and `makecert` do for a driver package on Windows, done here from the
//! published formats, so that a package made on Linux is what a person copies to Windows and installs:
//!
//! - [`inf`]: a lossless INF parser, queries over it, and stamping;
//! - [`pe`]: the parts of a PE image that signing and gating look at;
//! - [`pdb`]: the types of a PDB, and whether its natvis fits them;
//! - [`code`](mod@code): an image's functions, their stack frames, who calls whom;
//! - [`authenticode`]: the image hash and the embedded signature;
//! - [`catalog`]: the catalog (.cat), a certificate trust list with one entry per file;
//! - [`pkcs7`]: the signed envelope that both signatures share;
//! - [`certificate`]: the generated test-signing certificate;
//! - [`package`](mod@package): the finished directory, written at once or not at all;
//! - [`verify`](mod@verify): our own verification and two independent judges.
#![forbid(unsafe_code)]

pub mod authenticode;
pub mod catalog;
pub mod certificate;
pub mod civil;
pub mod code;
pub mod hex;
pub mod inf;
pub mod manifest;
pub mod oid;
pub mod package;
pub mod pdb;
pub mod pe;
pub mod pkcs7;
mod readme;
pub mod verify;
