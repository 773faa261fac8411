//! Loads the `.sys`: mapping, relocation, imports, symbols.
//!
//! [`Image::load`] checks the file, maps it with the protections its sections ask for (never writable and
//! executable at once), relocates it away from its preferred base, as Windows does with drivers, and binds its
//! imports. [`Symbols`] names addresses in it from the PDB; [`Image::backtrace`] walks its frames by the unwind
//! information that the compiler left in it.
//!
//! Source: Microsoft, "PE Format"; "x64 exception handling" for the unwind information.

mod error;
mod headers;
mod image;
mod import;
mod layout;
mod mapping;
mod registry;
mod relocation;
mod sites;
mod symbols;
mod unwind;
mod variables;

pub use error::LoadError;
pub use image::Image;
pub use import::{Binding, ImportName, set_missing_import_hook};
pub use registry::locate;
#[cfg(test)]
pub(crate) use sites::sites_of;
pub use symbols::{SourceFrame, Symbols, SymbolsError};
pub use unwind::{Backtrace, BacktraceFrame, Origin};

#[cfg(test)]
pub(crate) mod tests;
