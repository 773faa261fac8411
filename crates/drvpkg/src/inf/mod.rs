//! INF files: a lossless document, queries over it, and stamping.
//!
//! - [`text`]: the encodings an INF may have;
//! - [`document`]: sections, entries and fields, each with its place in the text, so that printing gives back
//!   what was read and an edit changes nothing else;
//! - [`query`]: what an INF means: sections by name, `%strings%` resolved, models, hardware ids, files;
//! - [`stamp`]: what stampinf does;
//! - [`check`](mod@check): what `InfVerif` documents.
//!
//! Source: "General Syntax Rules for INF Files" and the pages of the sections and directives.

pub mod check;
pub mod document;
pub mod query;
mod scan;
pub mod stamp;
pub mod text;

pub use document::{Entry, Field, Inf, Item, ItemKind};
pub use query::InfError;
pub use stamp::Stamp;
