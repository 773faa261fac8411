//! The gates on the release flavour, and proof that each bites: the smallest miniport (`tests/injected`) is built as the
//! release flavour is, with one mistake at a time.
//!
//! A mistake by hand: `sh scripts/release.sh -p injected --features injected/unwrap`.

mod refused;
mod release;
