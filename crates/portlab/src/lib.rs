//! A lab that runs Windows Storport miniports on Linux.
//!
//! | module | idea |
//! | --- | --- |
//! | [`pe`] | loads the `.sys`: mapping, relocation, imports, symbols |
//! | [`trap`] | register access by plain memory access: faults decoded, emulated, patched |
//! | [`memory`] | guarded memory for the driver, DMA memory shared with the device |
//! | [`abi`] | the Storport and kernel structures, with explicit widths |
//! | [`engine`] | virtual processors, IRQL, DPCs, timers, worker threads |
//! | [`model`] | storport.sys and ntoskrnl.exe as documented; violations |
//! | [`debugger`] | what gdb needs to look into a driver |
//! | [`device`] | controllers: QEMU over qtest |
//! | [`nbd`] | a Network Block Device server: disks for block-level clients |
//! | [`observe`] | what a run looks like to somebody who watches |
//! | [`package`] | a driver package on disk, and what its INF writes to the registry |
//! | [`serve`] | a started lab as a disk that other programs use over a socket |
//! | [`shards`] | processes that share out seeds |
//! | [`torture`] | short lives of a driver on a misbehaving controller, each decided by its seed |
//! | [`workload`] | what the disk stack sends: start-up commands, verified traffic |
#![cfg(target_os = "linux")]

pub mod abi;
pub mod debugger;
pub mod device;
pub mod engine;
pub mod memory;
pub mod model;
pub mod nbd;
pub mod observe;
pub mod package;
pub mod pe;
pub mod serve;
pub mod shards;
pub mod torture;
pub mod trap;
pub mod workload;
