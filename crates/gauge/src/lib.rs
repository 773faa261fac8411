//! Measures the project against its own promises.
//!
//! | module | idea |
//! | --- | --- |
//! | [`occurrence`] | every `unsafe` of a source file, by kind, with its line and whether it says why it is sound |
//! | [`policy`] | where `unsafe` may be |
//! | [`audit`] | both, over the whole source tree |
//! | [`cost`] | instructions of the safe driver against those of its unsafe twin |

pub mod audit;
pub mod cost;
pub mod occurrence;
pub mod policy;
