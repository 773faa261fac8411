//! Identify data structures (Base 2.0, section 5.17.2), as checked views over one snapshot of the 4,096 bytes.
//!
//! The controller may write its answer again at any time, so a view is made over a copy. A view accepts any bytes:
//! accessors whose raw value could mislead return a validated form, and nothing here panics.

mod controller;
mod descriptors;
mod namespace;
mod namespace_list;

pub use controller::{ControllerType, IdentifyController, VolatileWriteCache};
pub use descriptors::{NamespaceIdentifiers, namespace_identifiers};
pub use namespace::{IdentifyNamespace, LbaFormat, LbaFormatError};
pub use namespace_list::NamespaceList;

/// Bytes of every Identify answer.
pub const IDENTIFY_SIZE: usize = 4096;
