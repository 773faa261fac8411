//! `VERSIONINFO` and message-table resources for drivers, without a resource compiler.
//!
//! Explorer, `pnputil`, `WinDbg` (`lmvm`) and the HLK read a driver's version from this resource. Resource
//! compilers differ between hosts (`rc.exe` comes with a kit, `llvm-rc` with LLVM); linkers do not: LLVM's
//! and Microsoft's take a `.res` file as it is. So this crate writes that file, and a driver's build script
//! needs one call of [`link_into_driver`] on every host, and one of [`link_messages`] if the driver logs messages of its own.

mod build_script;
mod message_table;
mod res_file;
mod version_info;

pub use build_script::{Driver, LinkError, link_into_driver, link_messages};
pub use message_table::{Message, MessageError, message_table};
pub use res_file::{messages_to_res_file, to_res_file};
pub use version_info::{Error, Version, VersionInfo};
