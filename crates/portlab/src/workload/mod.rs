//! What the disk stack sends: start-up commands, verified traffic.
//!
//! | module | idea |
//! | --- | --- |
//! | [`disk`] | what a workload needs of the machine under it |
//! | [`cdb`] | the command descriptor blocks |
//! | [`status`] | what a completion means to the disk class driver |
//! | [`startup`] | what is sent when a disk appears, and what the answers are worth |
//! | [`transfer`] | file data written, disturbed, read back and compared |
//! | [`read_loop`] | reads as fast as they go |
//! | [`progress`] | how a workload tells what it does |

pub mod cdb;
pub mod cost;
pub mod disk;
pub mod lab_disk;
#[cfg(test)]
pub(crate) mod memory_disk;
pub mod progress;
pub mod properties;
pub mod read_loop;
pub mod startup;
pub mod status;
pub mod transfer;
