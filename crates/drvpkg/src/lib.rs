//! Driver packages: INF stamping, catalogs, Authenticode signatures, verification.
#![forbid(unsafe_code)]
