//! What a miniport needs in place of a run time, in two flavours.
//!
//! A miniport names this crate once:
//!
//! ```ignore
//! extern crate miniport_rt;
//! ```
//!
//! | | release | development (feature `dev`) |
//! | --- | --- | --- |
//! | panic | the image does not link while one is reachable | bug check with file and line (`wdk-panic`) |
//! | `memcpy` and its kin | in the image | imported from the kernel |
//! | allocator | none | `wdk-alloc` |
//!
//! The release flavour thus imports from `storport.sys` only, which HLK's Storage Imports Test asks for.
#![no_std]
#![cfg(windows)]

#[cfg(not(feature = "dev"))]
mod memory;
#[cfg(not(feature = "dev"))]
mod panic;

#[cfg(feature = "dev")]
extern crate wdk_panic;

#[cfg(feature = "dev")]
#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;
